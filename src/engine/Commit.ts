/**
 * Commits: what one log entry says. The state of a store is the fold of its commits.
 *
 * A commit contains only what has changed, so that its size does not depend on the size of the store. All changes of a
 * commit become durable, and visible, together.
 *
 * @internal
 */
import * as Block from "../batch/Block.ts"
import type { Columns } from "../batch/Columns.ts"
import { ByteReader } from "../ByteReader.ts"
import type { ByteWriter } from "../ByteWriter.ts"
import type { Frontier, Timestamp } from "../Frontier.ts"
import { UnsupportedFormat } from "../PersistError.ts"
import * as Batch from "./Batch.ts"
import * as PackedWrite from "./PackedWrite.ts"

/** The codec of keys or values, as registered. */
export interface CodecRef {
  readonly name: string
  /** A schema document, or empty. */
  readonly document: string
}

/** A collection as registered. */
export interface Registration {
  readonly id: number
  readonly name: string
  readonly key: CodecRef
  readonly value: CodecRef
  /** Whether its times are those of the store's timeline, which seals them for all such collections at once. */
  readonly isOnTimeline: boolean
}

/**
 * Maintenance replaces stored rows by equivalent ones: memory blocks, spills and trace batches on the left, new spills
 * and at most one new trace batch on the right. Contents at every readable time stay the same.
 */
export interface Swap {
  readonly _tag: "Swap"
  readonly collection: number
  /** The memory chunks of log positions from `chunksFrom` on and before `chunksBefore` are replaced, all of them. */
  readonly chunksFrom: number
  readonly chunksBefore: number
  /** Ids of the spills replaced. */
  readonly spills: ReadonlyArray<string>
  /** Ids of the trace batches replaced: a contiguous run. */
  readonly trace: ReadonlyArray<string>
  readonly newSpills: ReadonlyArray<Batch.Batch>
  readonly newTrace: Batch.Batch | undefined
  /** Unsealed rows at times below it are in the trace. */
  readonly traceUpper: Frontier
}

/** Replaces the documents of a collection's codecs. */
export interface Evolve {
  readonly _tag: "Evolve"
  readonly collection: number
  readonly key: string
  readonly value: string
}

/** The registration with the documents of the change. */
export const evolved = (self: Registration, { key, value }: Evolve): Registration => ({
  ...self,
  key: { name: self.key.name, document: key },
  value: { name: self.value.name, document: value }
})

/** Moves the upper of every collection on the timeline. */
export interface Timeline {
  readonly _tag: "Timeline"
  readonly upper: Timestamp
}

/** A rollup has been stored. */
export interface Rollup {
  readonly _tag: "Rollup"
  readonly key: string
  /** It covers the entries before this position, */
  readonly position: number
  /** but for rows in memory from this position on. */
  readonly logFrom: number
}

export type Change =
  | { readonly _tag: "Register"; readonly registration: Registration }
  | { readonly _tag: "Destroy"; readonly collection: number }
  | { readonly _tag: "Write"; readonly collection: number; readonly columns: Columns }
  | { readonly _tag: "Seal"; readonly collection: number; readonly upper: Frontier }
  | { readonly _tag: "AllowCompaction"; readonly collection: number; readonly since: Frontier }
  | Swap
  | Rollup
  | Evolve
  | Timeline

export interface Commit {
  /** Drawn at random by each runtime. Together with `attempt` it identifies the append that an entry comes from. */
  readonly writer: number
  /** Counts the appends that a runtime has tried. */
  readonly attempt: number
  /** The highest sequence number assigned when the commit was made. */
  readonly seqNo: number
  readonly changes: ReadonlyArray<Change>
}

/**
 * The highest version of the encoding below. A commit is written in the lowest version that suffices: version 1, or
 * version 2 with an `Evolve`. In version 3 registrations have flags, and there is a timeline. In version 4 the rows of a
 * write may be packed.
 */
export const version = 4

const versionOf = (change: Change): number => {
  switch (change._tag) {
    case "Timeline":
      return 3
    case "Register":
      return change.registration.isOnTimeline ? 3 : 1
    case "Evolve":
      return 2
    default:
      return 1
  }
}

/** Bytes before the first change. */
const headerBytes = 32

const tags = [
  "Register",
  "Destroy",
  "Write",
  "Seal",
  "AllowCompaction",
  "Swap",
  "Rollup",
  "Evolve",
  "Timeline",
  "PackedWrite"
] as const

export const encode = (self: Commit, writer: ByteWriter): void => {
  const packed = self.changes.map((change) => change._tag === "Write" ? PackedWrite.pack(change.columns) : undefined)
  const written = self.changes.reduce(
    (highest, change, i) => Math.max(highest, packed[i] === undefined ? versionOf(change) : 4),
    1
  )
  writer.u32(written)
  writer.u32(self.changes.length)
  writer.u64(self.writer)
  writer.u64(self.attempt)
  writer.u64(self.seqNo)
  self.changes.forEach((change, i) => {
    writer.align(8)
    const rows = packed[i]
    if (change._tag === "Write" && rows !== undefined) {
      writer.u32(tags.indexOf("PackedWrite"))
      writer.u32(change.collection)
      return PackedWrite.encode(rows, writer)
    }
    writer.u32(tags.indexOf(change._tag))
    encodeChange(change, writer, written)
  })
}

const encodeChange = (change: Change, writer: ByteWriter, written: number): void => {
  switch (change._tag) {
    case "Register":
      return encodeRegistration(change.registration, writer, written)
    case "Destroy":
      return writer.u32(change.collection)
    case "Write":
      writer.u32(change.collection)
      return Block.encode(change.columns, writer)
    case "Seal":
      writer.u32(change.collection)
      return writer.frontier(change.upper)
    case "AllowCompaction":
      writer.u32(change.collection)
      return writer.frontier(change.since)
    case "Swap":
      return encodeSwap(change, writer)
    case "Rollup":
      writer.text(change.key)
      writer.u64(change.position)
      return writer.u64(change.logFrom)
    case "Evolve":
      writer.u32(change.collection)
      writer.text(change.key)
      return writer.text(change.value)
    case "Timeline":
      return writer.u64(change.upper)
  }
}

const encodeSwap = (swap: Swap, writer: ByteWriter): void => {
  writer.u32(swap.collection)
  writer.u64(swap.chunksFrom)
  writer.u64(swap.chunksBefore)
  writer.frontier(swap.traceUpper)
  encodeTexts(swap.spills, writer)
  encodeTexts(swap.trace, writer)
  Batch.encodeAll(swap.newSpills, writer)
  Batch.encodeAll(swap.newTrace === undefined ? [] : [swap.newTrace], writer)
}

const encodeTexts = (texts: ReadonlyArray<string>, writer: ByteWriter): void => {
  writer.u32(texts.length)
  for (const text of texts) writer.text(text)
}

/** The flag of a registration on the timeline. */
const onTimeline = 1

/** As it stands in a commit, or a rollup, of this version. */
export const encodeRegistration = (self: Registration, writer: ByteWriter, written: number): void => {
  writer.u32(self.id)
  writer.text(self.name)
  writer.text(self.key.name)
  writer.text(self.key.document)
  writer.text(self.value.name)
  writer.text(self.value.document)
  if (written >= 3) writer.u32(self.isOnTimeline ? onTimeline : 0)
}

/** Whether the entry is a commit of one rollup, by its first bytes. A rollup never shares its commit. */
export const isRollup = (bytes: Uint8Array): boolean => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return bytes.length > headerBytes && view.getUint32(4, true) === 1 &&
    tags[view.getUint32(headerBytes, true)] === "Rollup"
}

/** Throws `Corrupt` or `UnsupportedFormat`. Columns of writes may be views of `bytes`. */
export const decode = (bytes: Uint8Array, location: string): Commit => {
  const reader = new ByteReader(bytes, location)
  const found = reader.u32()
  if (found < 1 || found > version) throw new UnsupportedFormat({ location, found, supported: version })
  const count = reader.count(8)
  const writer = reader.u64()
  const attempt = reader.u64()
  const seqNo = reader.u64()
  const changes: Array<Change> = []
  for (let i = 0; i < count; i++) {
    reader.align(8)
    changes.push(decodeChange(reader, found))
  }
  reader.end()
  return { writer, attempt, seqNo, changes }
}

const decodeChange = (reader: ByteReader, found: number): Change => {
  const tag = tags[reader.u32()]
  switch (tag) {
    case "Register":
      return { _tag: tag, registration: decodeRegistration(reader, found) }
    case "Destroy":
      return { _tag: tag, collection: reader.u32() }
    case "Write":
      return { _tag: tag, collection: reader.u32(), columns: Block.decode(reader) }
    case "PackedWrite":
      return { _tag: "Write", collection: reader.u32(), columns: PackedWrite.decode(reader) }
    case "Seal":
      return { _tag: tag, collection: reader.u32(), upper: reader.frontier() }
    case "AllowCompaction":
      return { _tag: tag, collection: reader.u32(), since: reader.frontier() }
    case "Swap":
      return decodeSwap(reader)
    case "Rollup":
      return { _tag: tag, key: reader.text(), position: reader.u64(), logFrom: reader.u64() }
    case "Evolve":
      return { _tag: tag, collection: reader.u32(), key: reader.text(), value: reader.text() }
    case "Timeline":
      return { _tag: tag, upper: reader.u64() }
    default:
      return reader.fail("a change has an unknown kind")
  }
}

const decodeSwap = (reader: ByteReader): Swap => {
  const collection = reader.u32()
  const chunksFrom = reader.u64()
  const chunksBefore = reader.u64()
  const traceUpper = reader.frontier()
  const spills = decodeTexts(reader)
  const trace = decodeTexts(reader)
  const newSpills = Batch.decodeAll(reader)
  const newTrace = Batch.decodeAll(reader)
  if (newTrace.length > 1) reader.fail("a swap brings more than one trace batch")
  return {
    _tag: "Swap",
    collection,
    chunksFrom,
    chunksBefore,
    spills,
    trace,
    newSpills,
    newTrace: newTrace[0],
    traceUpper
  }
}

const decodeTexts = (reader: ByteReader): Array<string> => {
  const count = reader.count(4)
  const texts: Array<string> = []
  for (let i = 0; i < count; i++) texts.push(reader.text())
  return texts
}

export const decodeRegistration = (reader: ByteReader, found: number): Registration => ({
  id: reader.u32(),
  name: reader.text(),
  key: { name: reader.text(), document: reader.text() },
  value: { name: reader.text(), document: reader.text() },
  isOnTimeline: found >= 3 && flagsOf(reader) === onTimeline
})

const flagsOf = (reader: ByteReader): number => {
  const flags = reader.u32()
  return flags > onTimeline ? reader.fail("a registration has unknown flags") : flags
}
