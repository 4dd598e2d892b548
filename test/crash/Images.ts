/**
 * The directories that a crash may leave: a recording up to one of its events, on a disk that forgets what was not
 * flushed.
 */
import fs from "node:fs"
import { join } from "node:path"
import type * as Prng from "../../src/testing/Prng.ts"
import * as Disk from "../../src/testing/storage/Disk.ts"
import type { Event } from "./Recorder.ts"

export interface Machine {
  readonly disk: Disk.Disk
  /**
   * Whether directories are journaled: then a flush of one stores all changes before it, and a crash leaves a beginning
   * of them. Otherwise it stores its own, as POSIX promises no more, and a crash leaves any of the others.
   */
  readonly isJournaled: boolean
  /** The files by the numbers of their opens. */
  readonly files: Map<number, Disk.Node>
}

const root = "/disk"

/** A disk with what is in a directory on it, all of it flushed. */
export const make = (initial: Image, isJournaled: boolean): Machine => {
  const disk = Disk.make()
  Disk.makeDirectory(disk, root)
  for (const [path, bytes] of initial) {
    if (bytes === undefined) Disk.makeDirectory(disk, `${root}/${path}`)
    else {
      const file = Disk.create(disk, `${root}/${path}`)
      Disk.write(file, bytes, 0)
      Disk.flush(file)
    }
  }
  flushDirectories(disk)
  return { disk, isJournaled, files: new Map() }
}

const flushDirectories = (disk: Disk.Disk): void => {
  for (const { places } of disk.changes.slice()) {
    for (const { directory } of places) Disk.flushDirectory(disk, directory)
  }
}

const flushAlone = (disk: Disk.Disk, directory: Disk.Directory): void => {
  const changes = disk.changes.splice(0)
  for (const change of changes) {
    if (change.places.some((place) => place.directory === directory)) change.store()
    else disk.changes.push(change)
  }
}

/** What the disk makes of an event. */
export const apply = ({ disk, files, isJournaled }: Machine, event: Event): void => {
  const at = (path: string): string => path === "" ? root : `${root}/${path}`
  const fileOf = (number: number): Disk.File => files.get(number) as Disk.File
  switch (event._tag) {
    case "create":
      files.set(event.file, Disk.create(disk, at(event.path)))
      break
    case "open":
      files.set(event.file, Disk.find(disk, at(event.path))!)
      break
    case "write":
      Disk.write(fileOf(event.file), event.bytes, event.offset)
      break
    case "truncate":
      Disk.truncate(fileOf(event.file), event.size)
      break
    case "flush": {
      const node = files.get(event.file)!
      if (node.kind === "file") Disk.flush(node)
      else if (isJournaled) Disk.flushDirectory(disk, node)
      else flushAlone(disk, node)
      break
    }
    case "directory":
      Disk.makeDirectory(disk, at(event.path))
      break
    case "rename":
      Disk.rename(disk, at(event.path), at(event.to))
      break
    case "link":
      Disk.link(disk, at(event.path), at(event.to))
      break
    case "remove":
      Disk.remove(disk, at(event.path))
      break
    case "note":
      break
  }
}

/** The files and directories that are left, by their paths; directories have no bytes. */
export type Image = ReadonlyMap<string, Uint8Array | undefined>

/** How much of what was not flushed is there. */
export interface Survival {
  /** Of so many changes of directories, which, in order; where they are journaled, as many of the first. */
  readonly changes: (count: number) => ReadonlyArray<number>
  /** For each file anew: whether its new size survives, if it has one, and then for each of its sectors. */
  readonly sectors: () => () => boolean
}

const first = (count: number): ReadonlyArray<number> => Array.from({ length: count }, (_, i) => i)

export const nothing: Survival = { changes: () => [], sectors: () => () => false }

export const everything: Survival = { changes: first, sectors: () => () => true }

/** Of every file, the first sectors. */
export const torn = (kept: number): Survival => ({
  changes: first,
  sectors: () => {
    let left = kept
    return () => left-- > 0
  }
})

/** All changes of directories but one, or but the last ones where they are journaled, and all sectors. */
export const unnamed = (lost: number): Survival => ({
  ...everything,
  changes: (count) => first(count).filter((i) => i !== lost)
})

/** By chance. */
export const random = (prng: Prng.Prng): Survival => ({
  changes: (count) => first(count).filter(() => prng.chance(0.5)),
  sectors: () => () => prng.chance(0.5)
})

/** The most sectors of a file that are not flushed, its size counted as one, and the directory changes that are not. */
export const unflushed = ({ disk, files }: Machine): { readonly sectors: number; readonly changes: number } => ({
  sectors: Math.max(0, ...[...files.values()].map((node) => node.kind === "file" ? node.dirty.size + 1 : 0)),
  changes: disk.changes.length
})

/** What a power failure leaves. The machine stays as it is. */
export const crash = ({ disk, isJournaled }: Machine, survival: Survival): Image => {
  const stored = new Map(
    disk.changes.flatMap(({ places }) => places).map(({ directory }) => [directory, new Map(directory.stored)])
  )
  const surviving = survival.changes(disk.changes.length)
  surviving.forEach((change, i) => (!isJournaled || change === i) && disk.changes[change]!.store())
  const image = new Map<string, Uint8Array | undefined>()
  const walk = (directory: Disk.Directory, path: string): void => {
    for (const [name, node] of directory.stored) {
      image.set(path + name, node.kind === "file" ? contentOf(node, survival.sectors()) : undefined)
      if (node.kind === "directory") walk(node, `${path}${name}/`)
    }
  }
  walk(Disk.find(disk, root) as Disk.Directory, "")
  for (const [directory, before] of stored) {
    directory.stored.clear()
    for (const [name, node] of before) directory.stored.set(name, node)
  }
  return image
}

const contentOf = ({ dirty, seen, stored }: Disk.File, survives: () => boolean): Uint8Array => {
  const size = stored.size !== seen.size && survives() ? seen.size : stored.size
  const bytes = new Uint8Array(size)
  bytes.set(stored.bytes.subarray(0, Math.min(size, stored.size)))
  for (const sector of dirty) {
    const begin = sector * Disk.sectorBytes
    if (!survives() || begin >= size) continue
    bytes.set(seen.bytes.subarray(begin, Math.min(begin + Disk.sectorBytes, size)), begin)
  }
  return bytes
}

/** Makes a directory of it, in place of what is there. */
export const write = (image: Image, directory: string): void => {
  fs.rmSync(directory, { recursive: true, force: true })
  fs.mkdirSync(directory, { recursive: true })
  for (const [path, bytes] of image) {
    if (bytes === undefined) fs.mkdirSync(join(directory, path), { recursive: true })
    else fs.writeFileSync(join(directory, path), bytes)
  }
}
