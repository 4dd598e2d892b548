/**
 * Rollups: the whole state of a store as of one log position, in one blob, so that the log before it can be truncated.
 *
 * A rollup contains registrations, frontiers, batch references, and, inline, the oldest rows in memory. Newer rows in
 * memory stay in the log. The log is kept from `logFrom` on, and recovery reads entries between `logFrom` and the
 * rollup's position only for their rows. So a rollup works under constant load as well as in an idle store. A rollup is
 * checked as a whole when it is read: a state that the engine cannot have made is `Corrupt`.
 *
 * @internal
 */
import * as Block from "../batch/Block.ts"
import * as Columns from "../batch/Columns.ts"
import { ByteReader } from "../ByteReader.ts"
import { ByteWriter } from "../ByteWriter.ts"
import { Corrupt, UnsupportedFormat } from "../PersistError.ts"
import * as Platform from "../Platform.ts"
import * as Batch from "./Batch.ts"
import * as Collection from "./Collection.ts"
import * as Commit from "./Commit.ts"
import * as State from "./State.ts"

/** "TDMKROLL" as little-endian bytes. */
const magic = [0x4b4d4454, 0x4c4c4f52] as const

/**
 * The highest version. A store without a timeline is written as version 2. If no schema of it has changed either, it is
 * written as version 1.
 */
export const version = 3

const versionOf = (state: State.State): number => {
  const collections = [...state.collections.values()]
  if (state.timeline.upper > 0 || collections.some(({ registration }) => registration.isOnTimeline)) return 3
  return collections.some(({ earlier }) => earlier.length > 0) ? 2 : 1
}

/** Bytes before the payload: magic, version, CRC. */
const headerBytes = 16

/** The state as it is, without the rows in memory of log positions from `logFrom` on. */
export const encode = (state: State.State, logFrom: number): Uint8Array => {
  const writer = new ByteWriter(4096)
  writer.u32(magic[0])
  writer.u32(magic[1])
  const written = versionOf(state)
  writer.u32(written)
  writer.u32(0)
  writer.u64(state.position)
  writer.u64(logFrom)
  writer.u64(state.seqNo)
  if (written >= 3) writer.u64(state.timeline.upper)
  writer.u32(state.nextCollection)
  writer.u32(state.destroyed.size)
  for (const [name, id] of state.destroyed) {
    writer.text(name)
    writer.u32(id)
  }
  writer.u32(state.collections.size)
  for (const collection of state.collections.values()) {
    encodeCollection(collection, logFrom, writer, written)
    if (written > 1) encodeEarlier(collection.earlier, writer)
  }
  const bytes = writer.view8()
  writer.patchU32(12, Platform.crc32(bytes.subarray(headerBytes), Platform.crc32(bytes.subarray(0, 12))))
  return writer.finish()
}

const encodeCollection = (
  collection: Collection.Collection,
  logFrom: number,
  writer: ByteWriter,
  written: number
): void => {
  const chunks = collection.chunks.filter((chunk) => chunk.position < logFrom)
  Commit.encodeRegistration(collection.registration, writer, written)
  writer.frontier(collection.upper)
  writer.frontier(collection.since)
  writer.frontier(collection.traceUpper)
  Batch.encodeAll(collection.spills, writer)
  Batch.encodeAll(collection.trace, writer)
  writer.u64(collection.chunksFrom)
  writer.u64(chunks.at(-1)?.seqNo ?? 0)
  writer.align(8)
  Block.encode(chunks.length === 0 ? Columns.empty : Columns.concat(chunks.map((chunk) => chunk.columns)), writer)
}

const encodeEarlier = (earlier: ReadonlyArray<Collection.Documents>, writer: ByteWriter): void => {
  writer.u32(earlier.length)
  for (const { key, value } of earlier) {
    writer.text(key)
    writer.text(value)
  }
}

/** Throws `Corrupt` or `UnsupportedFormat`. */
export const decode = (bytes: Uint8Array, location: string): State.State => {
  const reader = new ByteReader(bytes, location)
  if (reader.u32() !== magic[0] || reader.u32() !== magic[1]) reader.fail("this is no rollup")
  const found = reader.u32()
  if (found < 1 || found > version) throw new UnsupportedFormat({ location, found, supported: version })
  const crc = reader.u32()
  if (Platform.crc32(bytes.subarray(headerBytes), Platform.crc32(bytes.subarray(0, 12))) !== crc) {
    reader.fail("the checksum of the rollup does not match")
  }
  const state = State.make()
  state.position = reader.u64()
  state.logFrom = reader.u64()
  state.seqNo = reader.u64()
  if (found >= 3) state.timeline.upper = reader.u64()
  state.nextCollection = reader.u32()
  for (let count = reader.count(8); count > 0; count--) {
    const name = reader.text()
    if (state.destroyed.has(name)) reader.fail("a destroyed name stands twice")
    state.destroyed.set(name, reader.u32())
  }
  for (let count = reader.count(56); count > 0; count--) {
    const collection = addCollection(state, reader, found)
    if (found > 1) collection.earlier = decodeEarlier(reader)
  }
  reader.end()
  const violation = stateViolation(state)
  if (violation !== undefined) throw new Corrupt({ location, offset: 0, detail: violation })
  return state
}

const decodeEarlier = (reader: ByteReader): ReadonlyArray<Collection.Documents> => {
  const earlier: Array<Collection.Documents> = []
  for (let count = reader.count(8); count > 0; count--) earlier.push({ key: reader.text(), value: reader.text() })
  return earlier
}

const addCollection = (state: State.State, reader: ByteReader, found: number): Collection.Collection => {
  const collection = State.collectionOf(state, Commit.decodeRegistration(reader, found))
  const { id, isOnTimeline, name } = collection.registration
  const upper = reader.frontier()
  if (isOnTimeline && upper !== state.timeline.upper) reader.fail("a table has another upper than the timeline")
  collection.seal.upper = upper
  collection.since = reader.frontier()
  collection.traceUpper = reader.frontier()
  collection.spills = Batch.decodeAll(reader)
  collection.trace = Batch.decodeAll(reader)
  collection.chunksFrom = reader.u64()
  const seqNo = reader.u64()
  reader.align(8)
  const columns = Block.decode(reader)
  if (columns.length > 0) State.remember(state, collection, Collection.chunk(state.logFrom - 1, seqNo, columns))
  if (state.collections.has(id)) reader.fail("a collection id stands twice")
  if (state.names.has(name)) reader.fail("a collection name stands twice")
  state.collections.set(id, collection)
  state.names.set(name, id)
  return collection
}

/** Why the engine cannot have made this state, or `undefined` if it can. */
export const stateViolation = (state: State.State): string | undefined => {
  if (state.logFrom > state.position) return "the rollup lets the wrong part of the log go"
  const keys = new Set<string>()
  for (const [id, collection] of state.collections) {
    const name = collection.registration.name
    const violation = Collection.violation(collection)
    if (violation !== undefined) return `collection "${name}": ${violation}`
    if (id >= state.nextCollection) return `collection "${name}" has an id that was never given`
    if (state.destroyed.has(name)) return `collection "${name}" is both live and destroyed`
    if (collection.chunks.some((chunk) => chunk.seqNo > state.seqNo)) {
      return `collection "${name}" has rows beyond the last sequence number`
    }
    for (const key of Collection.blobKeys(collection)) {
      if (keys.has(key)) return `collection "${name}" refers to a blob of another collection`
      keys.add(key)
    }
  }
  for (const [name, id] of state.destroyed) {
    if (id >= state.nextCollection) return `destroyed collection "${name}" has an id that was never given`
  }
  return undefined
}
