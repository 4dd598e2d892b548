/**
 * The state of one collection: its frontiers and where its rows are.
 *
 * Rows live in three places, and every logical update in exactly one of them:
 *
 * - **chunks**: unsealed rows in memory, the very columns that were appended to the log, in arrival order;
 * - **spills**: unsealed rows that were moved out of memory, as sorted batches;
 * - **trace**: sealed rows, as sorted batches in the order of their times.
 *
 * Unsealed rows at times below `traceUpper` have been copied to the trace and no longer count where they were.
 *
 * Invariants, checked by `swapViolation` and `violation`:
 *
 * 1. `since`, `upper` and `traceUpper` never move back, and `traceUpper <= upper`.
 * 2. Trace batches are in time order, do not overlap, and end at or below `traceUpper`.
 * 3. No batch's own since is beyond the collection's.
 * 4. Levels never increase from the oldest trace batch to the newest.
 * 5. A blob key is referenced once.
 *
 * @internal
 */
import * as Columns from "../batch/Columns.ts"
import type { Frontier } from "../Frontier.ts"
import * as Batch from "./Batch.ts"
import { type Evolve, evolved, type Registration, type Swap } from "./Commit.ts"

/** Rows of one commit, as they were appended. */
export interface MemoryChunk {
  /** The log position of their commit. */
  readonly position: number
  /** The highest sequence number of their commit. */
  readonly seqNo: number
  readonly columns: Columns.Columns
  readonly bytes: number
  readonly minTime: number
  readonly maxTime: number
  /** Rows with negative diffs. */
  readonly retractions: number
}

/** The documents of keys and values that a collection had at one time. */
export interface Documents {
  readonly key: string
  readonly value: string
}

/** An upper, which the collections on the timeline share. */
export interface Seal {
  upper: Frontier
}

export interface Collection {
  /** As it was registered, with the documents of today. */
  registration: Registration
  /** The documents before those of today, the oldest first. */
  earlier: ReadonlyArray<Documents>
  /** Where the upper is kept: with the collection, or with the timeline. */
  readonly seal: Seal
  readonly upper: Frontier
  since: Frontier
  traceUpper: Frontier
  chunks: Array<MemoryChunk>
  /** Rows of log positions below it are no longer in `chunks`. */
  chunksFrom: number
  spills: ReadonlyArray<Batch.Batch>
  trace: ReadonlyArray<Batch.Batch>
  /** Bytes and rows of `chunks`. */
  memoryBytes: number
  memoryRows: number
}

export const make = (registration: Registration, seal: Seal = { upper: 0 }): Collection => ({
  registration,
  earlier: [],
  seal,
  get upper() {
    return seal.upper
  },
  since: 0,
  traceUpper: 0,
  chunks: [],
  chunksFrom: 0,
  spills: [],
  trace: [],
  memoryBytes: 0,
  memoryRows: 0
})

export const chunk = (position: number, seqNo: number, columns: Columns.Columns): MemoryChunk => {
  let minTime = Infinity
  let maxTime = 0
  let retractions = 0
  for (let i = 0; i < columns.length; i++) {
    const time = columns.times[i]!
    if (time < minTime) minTime = time
    if (time > maxTime) maxTime = time
    if (columns.diffs[i]! < 0) retractions++
  }
  return { position, seqNo, columns, bytes: Columns.goodputBytes(columns), minTime, maxTime, retractions }
}

/** The documents that a collection had, the oldest first and those of today at the end. */
export const documents = ({ earlier, registration: { key, value } }: Collection): ReadonlyArray<Documents> => [
  ...earlier,
  { key: key.document, value: value.document }
]

/** Replaces its documents. */
export const evolve = (self: Collection, change: Evolve): void => {
  self.earlier = documents(self)
  self.registration = evolved(self.registration, change)
}

/** Adds rows to the unsealed ones. */
export const append = (self: Collection, added: MemoryChunk): void => {
  self.chunks.push(added)
  self.memoryBytes += added.bytes
  self.memoryRows += added.columns.length
}

/** Every stored batch. */
export const batches = (self: Collection): ReadonlyArray<Batch.Batch> => [...self.spills, ...self.trace]

export const blobKeys = (self: Collection): Array<string> =>
  batches(self).flatMap((batch) => batch.parts.map((part) => part.key))

/** The first time of a stored row, if there is any. */
export const firstTime = (self: Collection): number | undefined => {
  const times = [...batches(self).map(Batch.minTime), ...self.chunks.map(({ minTime }) => minTime)]
  return times.length === 0 ? undefined : times.reduce((least, time) => Math.min(least, time))
}

/** Where the newest trace batch ends. */
export const traceEnd = (trace: ReadonlyArray<Batch.Batch>): Frontier => trace.length === 0 ? 0 : trace.at(-1)!.upper

/** Performs a valid swap. Returns the keys of the blobs that are no longer referenced. */
export const swap = (self: Collection, change: Swap): Array<string> => {
  const spills = new Set(change.spills)
  const trace = new Set(change.trace)
  const removed = [
    ...self.spills.filter((batch) => spills.has(Batch.id(batch))),
    ...self.trace.filter((batch) => trace.has(Batch.id(batch)))
  ]
  self.spills = [...self.spills.filter((batch) => !spills.has(Batch.id(batch))), ...change.newSpills]
  self.trace = replacedTrace(self, change)
  self.traceUpper = change.traceUpper
  self.chunksFrom = Math.max(self.chunksFrom, change.chunksBefore)
  self.chunks = self.chunks.filter((each) => each.position >= change.chunksBefore)
  self.memoryBytes = self.chunks.reduce((sum, each) => sum + each.bytes, 0)
  self.memoryRows = self.chunks.reduce((sum, each) => sum + each.columns.length, 0)
  return removed.flatMap((batch) => batch.parts.map((part) => part.key))
}

const replacedTrace = (self: Collection, change: Swap): ReadonlyArray<Batch.Batch> => {
  const removed = new Set(change.trace)
  const first = self.trace.findIndex((batch) => removed.has(Batch.id(batch)))
  const kept = self.trace.filter((batch) => !removed.has(Batch.id(batch)))
  if (change.newTrace === undefined) return kept
  return first < 0 ? [...kept, change.newTrace] : kept.toSpliced(first, 0, change.newTrace)
}

/** Why a swap does not fit the present state, or `undefined` if it does. */
export const swapViolation = (self: Collection, change: Swap): string | undefined => {
  if (change.traceUpper < self.traceUpper) return "the trace upper would move back"
  if (change.traceUpper > self.upper) return "the trace upper would pass the seal"
  if (change.chunksBefore > 0 && change.chunksFrom !== self.chunksFrom) {
    return "rows in memory have been replaced already"
  }
  const spills = new Set(self.spills.map(Batch.id))
  if (change.spills.some((id) => !spills.has(id))) return "a spill to replace is not there"
  const indexes = change.trace.map((id) => self.trace.findIndex((batch) => Batch.id(batch) === id))
  if (indexes.includes(-1)) return "a trace batch to replace is not there"
  if (indexes.some((index, i) => i > 0 && index !== indexes[i - 1]! + 1)) {
    return "the trace batches to replace do not adjoin"
  }
  const sinces = indexes.map((index) => self.trace[index]!.since)
  if (change.newTrace !== undefined && sinces.some((since) => since > change.newTrace!.since)) {
    return "the new trace batch has a since behind one that it replaces"
  }
  const spillsAfter = [...self.spills.filter((batch) => !change.spills.includes(Batch.id(batch))), ...change.newSpills]
  return batchesViolation(self.since, change.traceUpper, spillsAfter, replacedTrace(self, change))
}

/** Why the engine cannot have made this state, or `undefined` if it can. */
export const violation = (self: Collection): string | undefined => {
  if (self.traceUpper > self.upper) return "the trace upper passes the seal"
  return batchesViolation(self.since, self.traceUpper, self.spills, self.trace)
}

const batchesViolation = (
  since: Frontier,
  traceUpper: Frontier,
  spills: ReadonlyArray<Batch.Batch>,
  trace: ReadonlyArray<Batch.Batch>
): string | undefined => {
  let end = 0
  let level = Infinity
  for (const batch of trace) {
    if (batch.lower >= batch.upper) return "a trace batch covers no time"
    if (batch.lower < end) return "trace batches overlap in time"
    if (batch.level > level) return "levels increase from an older trace batch to a newer one"
    end = batch.upper
    level = batch.level
  }
  if (end > traceUpper) return "a trace batch ends beyond the trace upper"
  const all = [...spills, ...trace]
  if (all.some((batch) => batch.since > since)) return "a batch has been advanced beyond the collection's since"
  const keys = all.flatMap((batch) => batch.parts.map((part) => part.key))
  if (new Set(keys).size !== keys.length) return "a blob is referenced twice"
  return undefined
}
