/**
 * Read views: what a read refers to, fixed at one position in the order of commands.
 *
 * Columns and batches are immutable, so that a view is a few references. It stays readable as long as its blobs are
 * leased.
 *
 * @internal
 */
import type { Frontier } from "../Frontier.ts"
import type * as Batch from "./Batch.ts"
import type { Collection, MemoryChunk } from "./Collection.ts"

/** The first `count` chunks of a list that only grows, so that opening a view copies nothing. */
export interface MemoryChunks {
  readonly list: ReadonlyArray<MemoryChunk>
  readonly count: number
}

export interface ReadView {
  readonly collection: number
  readonly name: string
  /** Every command up to this one is reflected. */
  readonly seqNo: number
  readonly upper: Frontier
  readonly since: Frontier
  /** Unsealed rows below it count in the trace only. */
  readonly traceUpper: Frontier
  readonly chunks: MemoryChunks
  readonly spills: ReadonlyArray<Batch.Batch>
  readonly trace: ReadonlyArray<Batch.Batch>
}

/** The collection as it is, with its first `chunks` chunks, after the given command. */
export const make = (
  collection: Collection,
  place: { readonly seqNo: number; readonly upper: Frontier; readonly since: Frontier; readonly chunks: number }
): ReadView => ({
  collection: collection.registration.id,
  name: collection.registration.name,
  seqNo: place.seqNo,
  upper: place.upper,
  since: place.since,
  traceUpper: collection.traceUpper,
  // With an empty since nothing can be read, whether or not the rows have been compacted away.
  ...(place.since === Infinity ? nothing : {
    chunks: { list: collection.chunks, count: place.chunks },
    spills: collection.spills,
    trace: collection.trace
  })
})

/** The collection as it is now. */
export const whole = (collection: Collection, seqNo: number): ReadView =>
  make(collection, { seqNo, upper: collection.upper, since: collection.since, chunks: collection.chunks.length })

const nothing = { chunks: { list: [], count: 0 }, spills: [], trace: [] }

/** The chunks that satisfy `isWanted`. */
export const chunksWhere = (
  { chunks: { count, list } }: ReadView,
  isWanted: (chunk: MemoryChunk) => boolean
): Array<MemoryChunk> => {
  const wanted: Array<MemoryChunk> = []
  for (let i = 0; i < count; i++) if (isWanted(list[i]!)) wanted.push(list[i]!)
  return wanted
}

/** The keys of the blobs that it refers to. */
export const blobKeys = (self: ReadView): Array<string> =>
  [...self.spills, ...self.trace].flatMap((batch) => batch.parts.map((part) => part.key))
