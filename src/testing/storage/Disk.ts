/**
 * A simulated disk: in a crash, its files and directories may lose what was not flushed.
 *
 * A file has contents that readers see, and contents on the disk; `flush` copies the first to the second. In a crash, a
 * seeded choice decides for each 512-byte sector written since whether it is lost or kept, so that writes are torn. The
 * same applies to a new length. Changes of directories are journaled, as in most file systems. Flushing a directory
 * makes everything up to its last change durable, and in a crash a prefix of the other changes survives. On a disk
 * whose directories are unordered, flushing one stores its own changes alone, and in a crash any subset of the others
 * survives. Flushing a file does not make its name durable. How file systems differ here is described by Pillai et al.,
 * "All File Systems Are Not Created Equal" (OSDI 2014).
 *
 * This module depends neither on `node:fs` nor on Effect. Paths are absolute, with `/`.
 *
 * @since 0.1.0
 */
import type { Prng } from "../Prng.ts"

/**
 * The size of a sector: a crash keeps or loses each one whole.
 *
 * @category models
 * @since 0.1.0
 */
export const sectorBytes = 512

/**
 * An operation that the disk rejects, with its POSIX error code.
 *
 * @category errors
 * @since 0.1.0
 */
export class DiskError extends Error {
  override readonly name = "DiskError"
  readonly code: "ENOENT" | "ENOTDIR" | "EISDIR" | "EEXIST"

  constructor(code: DiskError["code"], path: string) {
    super(`${code}: ${path}`)
    this.code = code
  }
}

/** A file's bytes; those behind `size` are zero. */
interface Image {
  bytes: Uint8Array
  size: number
}

/**
 * A file, independent of its names.
 *
 * @category models
 * @since 0.1.0
 */
export interface File {
  readonly kind: "file"
  /** Counts up from the first file or directory of the disk. */
  readonly id: number
  /** @internal */
  readonly seen: Image
  /** @internal */
  readonly stored: Image
  /** The sectors that a flush would write. @internal */
  readonly dirty: Set<number>
}

/**
 * A directory.
 *
 * @category models
 * @since 0.1.0
 */
export interface Directory {
  readonly kind: "directory"
  readonly id: number
  /** @internal */
  seen: Map<string, Node>
  /** @internal */
  readonly stored: Map<string, Node>
}

/**
 * The file or directory at a path.
 *
 * @category models
 * @since 0.1.0
 */
export type Node = File | Directory

interface Place {
  readonly directory: Directory
  readonly name: string
}

/** A change of directories that is not on the disk yet. */
interface Change {
  readonly places: ReadonlyArray<Place>
  readonly store: () => void
}

/**
 * Which changes of directories survive a crash: a prefix of them, or any subset.
 *
 * @category models
 * @since 0.1.0
 */
export type Directories = "journaled" | "unordered"

/**
 * The disk.
 *
 * @category models
 * @since 0.1.0
 */
export interface Disk {
  /** @internal */
  readonly root: Directory
  /** @internal */
  changes: Array<Change>
  /** @internal */
  readonly directories: Directories
  /** @internal */
  nodes: number
}

/**
 * An empty disk.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (directories: Directories = "journaled"): Disk => ({
  directories,
  root: { kind: "directory", id: 0, seen: new Map(), stored: new Map() },
  changes: [],
  nodes: 1
})

// --- paths ---

const namesOf = (path: string): ReadonlyArray<string> => path.split("/").filter((name) => name !== "")

/**
 * The file or directory at a path, or undefined.
 *
 * @category operations
 * @since 0.1.0
 */
export const find = (self: Disk, path: string): Node | undefined => {
  let node: Node | undefined = self.root
  for (const name of namesOf(path)) {
    if (node === undefined) return undefined
    if (node.kind === "file") throw new DiskError("ENOTDIR", path)
    node = node.seen.get(name)
  }
  return node
}

const directoryAt = (self: Disk, path: string): Directory => {
  const node = find(self, path)
  if (node === undefined) throw new DiskError("ENOENT", path)
  if (node.kind === "file") throw new DiskError("ENOTDIR", path)
  return node
}

const placeOf = (self: Disk, path: string): Place => {
  const names = namesOf(path)
  return { directory: directoryAt(self, names.slice(0, -1).join("/")), name: names.at(-1)! }
}

const change = (self: Disk, places: ReadonlyArray<Place>, apply: (which: "seen" | "stored") => void): void => {
  apply("seen")
  self.changes.push({ places, store: () => apply("stored") })
}

// --- files ---

/**
 * A new, empty file. Fails with `EEXIST`.
 *
 * @category operations
 * @since 0.1.0
 */
export const create = (self: Disk, path: string): File =>
  add(self, path, { kind: "file", id: self.nodes, seen: noBytes(), stored: noBytes(), dirty: new Set() })

const noBytes = (): Image => ({ bytes: new Uint8Array(0), size: 0 })

const add = <N extends Node>(self: Disk, path: string, node: N): N => {
  const place = placeOf(self, path)
  const { directory, name } = place
  if (directory.seen.has(name)) throw new DiskError("EEXIST", path)
  self.nodes++
  change(self, [place], (which) => directory[which].set(name, node))
  return node
}

/**
 * At most `length` bytes from `offset`, as readers see them now.
 *
 * @category operations
 * @since 0.1.0
 */
export const read = ({ seen }: File, offset: number, length: number): Uint8Array =>
  seen.bytes.slice(offset, Math.max(offset, Math.min(offset + length, seen.size)))

/**
 * Writes bytes at `offset`. Readers see them at once; a flush stores them.
 *
 * @category operations
 * @since 0.1.0
 */
export const write = ({ dirty, seen }: File, bytes: Uint8Array, offset: number): void => {
  if (bytes.length === 0) return
  const end = offset + bytes.length
  reserve(seen, end)
  seen.bytes.set(bytes, offset)
  seen.size = Math.max(seen.size, end)
  touch(dirty, offset, end)
}

/**
 * Truncates a file, or extends it with zeros.
 *
 * @category operations
 * @since 0.1.0
 */
export const truncate = ({ dirty, seen }: File, size: number): void => {
  reserve(seen, size)
  seen.bytes.fill(0, size)
  touch(dirty, Math.min(size, seen.size), Math.max(size, seen.size))
  seen.size = size
}

const touch = (dirty: Set<number>, begin: number, end: number): void => {
  for (let sector = Math.floor(begin / sectorBytes); sector * sectorBytes < end; sector++) dirty.add(sector)
}

/** Memory is allocated in whole sectors. */
const reserve = (image: Image, size: number): void => {
  if (size <= image.bytes.length) return
  const bytes = new Uint8Array(Math.ceil(Math.max(size, image.bytes.length * 2) / sectorBytes) * sectorBytes)
  bytes.set(image.bytes)
  image.bytes = bytes
}

/**
 * Stores what was written to a file.
 *
 * @category operations
 * @since 0.1.0
 */
export const flush = (file: File): void => settle(file, () => true)

/**
 * A flush that fails. It has stored some sectors; the others count as clean from now on, as with most kernels. They can
 * be read until the crash, and no later flush stores them. See Rebello et al., "Can Applications Recover from fsync
 * Failures?" (2020).
 *
 * @category operations
 * @since 0.1.0
 */
export const flushBadly = (file: File, random: Prng): void => settle(file, () => random.chance(0.5))

const settle = ({ dirty, seen, stored }: File, survives: () => boolean): void => {
  reserve(stored, seen.bytes.length)
  if (stored.size !== seen.size && survives()) stored.size = seen.size
  for (const sector of dirty) {
    if (!survives()) continue
    const begin = sector * sectorBytes
    stored.bytes.set(seen.bytes.subarray(begin, begin + sectorBytes), begin)
  }
  dirty.clear()
  // Bytes that a file loses are zero if it grows again.
  stored.bytes.fill(0, stored.size)
}

// --- directories ---

/**
 * Makes a directory, with its parents. Returns the first path that was made, if any.
 *
 * @category operations
 * @since 0.1.0
 */
export const makeDirectory = (self: Disk, path: string): string | undefined => {
  let first: string | undefined
  let at = ""
  for (const name of namesOf(path)) {
    at += `/${name}`
    const node = find(self, at)
    if (node?.kind === "file") throw new DiskError("EEXIST", at)
    if (node !== undefined) continue
    add(self, at, { kind: "directory", id: self.nodes, seen: new Map(), stored: new Map() })
    first ??= at
  }
  return first
}

/**
 * Another name for a file. Fails with `EEXIST`.
 *
 * @category operations
 * @since 0.1.0
 */
export const link = (self: Disk, from: string, to: string): void => {
  const node = find(self, from)
  if (node === undefined) throw new DiskError("ENOENT", from)
  const place = placeOf(self, to)
  const { directory, name } = place
  if (directory.seen.has(name)) throw new DiskError("EEXIST", to)
  change(self, [place], (which) => directory[which].set(name, node))
}

/**
 * Renames a file. A file that had the new name is replaced. In a crash, all of the change survives or nothing.
 *
 * @category operations
 * @since 0.1.0
 */
export const rename = (self: Disk, from: string, to: string): void => {
  const node = find(self, from)
  if (node === undefined) throw new DiskError("ENOENT", from)
  const source = placeOf(self, from)
  const target = placeOf(self, to)
  change(self, [source, target], (which) => {
    source.directory[which].delete(source.name)
    target.directory[which].set(target.name, node)
  })
}

/**
 * Removes the name of a file. Fails with `ENOENT`.
 *
 * @category operations
 * @since 0.1.0
 */
export const remove = (self: Disk, path: string): void => {
  const node = find(self, path)
  if (node === undefined) throw new DiskError("ENOENT", path)
  if (node.kind === "directory") throw new DiskError("EISDIR", path)
  const place = placeOf(self, path)
  const { directory, name } = place
  change(self, [place], (which) => directory[which].delete(name))
}

/**
 * The names in a directory, in the order of their creation.
 *
 * @category operations
 * @since 0.1.0
 */
export const list = (self: Disk, path: string): ReadonlyArray<readonly [name: string, node: Node]> => [
  ...directoryAt(self, path).seen
]

/**
 * Stores the changes of a directory. On a disk with a journal, it also stores all changes before them; on one whose
 * directories are unordered, only those of the same names.
 *
 * @category operations
 * @since 0.1.0
 */
export const flushDirectory = (self: Disk, directory: Directory): void => {
  const isOf = ({ places }: Change): boolean => places.some((place) => place.directory === directory)
  if (self.directories === "journaled") return storeChanges(self, self.changes.findLastIndex(isOf) + 1)
  const flushed = new Set<Change>()
  for (const each of self.changes.toReversed()) {
    if (isOf(each) || [...flushed].some((later) => sharesName(each, later))) flushed.add(each)
  }
  for (const each of self.changes) if (flushed.has(each)) each.store()
  self.changes = self.changes.filter((each) => !flushed.has(each))
}

const sharesName = (a: Change, b: Change): boolean =>
  a.places.some((one) => b.places.some((other) => one.directory === other.directory && one.name === other.name))

const storeChanges = (self: Disk, count: number): void => {
  for (const { store } of self.changes.splice(0, count)) store()
}

// --- crashes ---

/** How much of the unflushed data of one file a crash keeps. */
const survivals = [0, 0.5, 1]

/**
 * A power failure: unflushed data is lost, kept, or kept in part.
 *
 * @category operations
 * @since 0.1.0
 */
export const crash = (self: Disk, random: Prng): void => {
  if (self.directories === "journaled") storeChanges(self, random.int(self.changes.length + 1))
  else for (const { store } of self.changes) if (random.chance(0.5)) store()
  self.changes = []
  const recover = (node: Node): void => {
    if (node.kind === "directory") {
      node.seen = new Map(node.stored)
      node.seen.forEach(recover)
    } else {
      const survival = random.pick(survivals)
      settle(node, () => random.chance(survival))
      node.seen.bytes = node.stored.bytes.slice()
      node.seen.size = node.stored.size
    }
  }
  recover(self.root)
}

/**
 * Flips one bit of a file permanently.
 *
 * @category operations
 * @since 0.1.0
 */
export const rot = ({ seen, stored }: File, offset: number, bit: number): void => {
  for (const image of [seen, stored]) if (offset < image.size) image.bytes[offset]! ^= 1 << bit
}
