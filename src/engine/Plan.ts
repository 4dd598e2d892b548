/**
 * The plan: which maintenance is due, decided from the state alone.
 *
 * All work on rows is a rewrite: it takes some of a collection's rows, merges them, and stores them as sorted batches,
 * sealed rows in the trace and the rest in a spill. A flush is a rewrite of the rows in memory. A merge is a rewrite of
 * adjoining trace batches. A compaction is a rewrite of everything.
 *
 * Merging a fixed number of adjoining batches of one level is the size-tiered compaction of log-structured merge trees
 * (O'Neil, Cheng, Gawlick and O'Neil, 1996).
 *
 * @internal
 */
import type { Frontier } from "../Frontier.ts"
import * as Batch from "./Batch.ts"
import * as Collection from "./Collection.ts"
import type { State } from "./State.ts"

/** The inputs of a rewrite, and where its rows are stored. */
export interface Rewrite {
  readonly reason: "flush" | "drain" | "merge" | "compaction" | "erasure"
  readonly collection: number
  /** Rows in memory: all that there were when it was planned, or none. */
  readonly chunks: ReadonlyArray<Collection.MemoryChunk>
  readonly chunksFrom: number
  readonly chunksBefore: number
  readonly spills: ReadonlyArray<Batch.Batch>
  /** A contiguous run of the trace. */
  readonly trace: ReadonlyArray<Batch.Batch>
  /** Unsealed rows below it are in the trace already. */
  readonly traceUpper: Frontier
  /** Unsealed rows taken go to the trace below it, and to a new spill from it on. */
  readonly sealedTo: Frontier
  /** Times of rows that go to the trace are advanced to it. */
  readonly since: Frontier
  /** Times of the other rows are advanced to it, which changes no time that is not sealed. */
  readonly spillSince: Frontier
  /** Of the new trace batch. */
  readonly lower: Frontier
  readonly upper: Frontier
  /** The greatest level that the new trace batch may have: that of the batch before it. */
  readonly maxLevel: number
  /** Rows with this key are left out. */
  readonly without?: Uint8Array | undefined
}

export interface Limits {
  /** Bytes of unsealed rows in memory beyond which the largest collections are flushed. */
  readonly memoryBytes: number
  /** Bytes of log since the last rollup beyond which a new one is made. */
  readonly logBytes: number
  /** Bytes of rows that may stay in memory, and so in the rollup, when the log is truncated. */
  readonly inlineBytes: number
  /** Bytes of rows below `since` in memory from which on they are flushed to be compacted. */
  readonly reclaimBytes: number
}

/** How many adjoining trace batches of one level, or spills, are merged. */
export const fanIn = 4

/** The share of a collection's stored rows that must be reclaimable before everything is rewritten. */
const reclaimShare = { busy: 0.25, quiet: 0.1 }

/** The share of a spill's rows that must be sealed for them to be moved. */
const sealedShare = 0.25

/** Bytes of rows in memory that can collapse, over bytes stored, from which on they are flushed. */
const collapsedShare = { busy: 0.5, quiet: 0.05 }

/** Whether anything was written lately. An idle store is rewritten for less reclaimable space. */
export type Pace = "busy" | "quiet"

/** Bytes of all stored batches. */
export const storedBytes = (state: State): number => {
  let bytes = 0
  for (const { spills, trace } of state.collections.values()) bytes += bytesOf(spills) + bytesOf(trace)
  return bytes
}

/**
 * The bytes of log that a store of this size may have, never more than the limit. So disk usage follows the live data
 * and not the total of what was written.
 */
export const logTarget = (state: State, { logBytes, reclaimBytes }: Limits): number =>
  Math.min(logBytes, Math.max(reclaimBytes, storedBytes(state) / 2))

/** Bytes of log after which maintenance looks at once for what has become due, and does not wait for its next tick. */
export const lookAfter = (state: State, limits: Limits): number =>
  Math.min(limits.logBytes, Math.max(2 * limits.reclaimBytes, logTarget(state, limits)))

/** The rewrites that are due. At most one a collection. */
export const rewrites = (
  state: State,
  limits: Limits,
  logBytes: number,
  pace: Pace = "busy"
): ReadonlyArray<Rewrite> => {
  const mustShrink = logBytes >= limits.logBytes
  const flushed = collectionsToFlush(state, mustShrink ? limits.inlineBytes : limits.memoryBytes)
  const due: Array<Rewrite> = []
  for (const [id, collection] of state.collections) {
    const rewrite = flushed.has(id)
      ? isCompactionDue(collection, pace)
        ? everything(collection, state.position)
        : gather(collection, "flush", state.position)
      : idle(collection, limits, pace, state.position)
    if (rewrite !== undefined) due.push(rewrite)
  }
  return due
}

/**
 * The position up to which the log can be truncated after a rollup. The rows in memory before it are inline in the
 * rollup: the oldest ones, as many as the limit admits, and all that were before the `logFrom` of an earlier rollup.
 */
export const horizon = (state: State, { inlineBytes }: Limits): number => {
  const { collections, logFrom, memoryBytes, position } = state
  if (memoryBytes <= inlineBytes) return position
  // Where many collections have many chunks, sorting them would take longer than all else that is planned.
  const bytesAt = new Float64Array(position - logFrom)
  let inline = 0
  for (const { chunks } of collections.values()) {
    for (const chunk of chunks) {
      if (chunk.position < logFrom) inline += chunk.bytes
      else bytesAt[chunk.position - logFrom]! += chunk.bytes
    }
  }
  for (let i = 0; i < bytesAt.length; i++) {
    inline += bytesAt[i]!
    if (inline > inlineBytes) return logFrom + i
  }
  return position
}

/** Whether truncating `freed` bytes of the log is worth a rollup, which has the rows in memory inline as far as its limit. */
export const isRollupDue = (state: State, limits: Limits, freed: number): boolean =>
  freed >= limits.logBytes ||
  (freed >= limits.reclaimBytes && freed >= 2 * Math.min(state.memoryBytes, limits.inlineBytes))

/** The largest collections, when all together exceed the limit: as many as bring the rest to half of it. */
const collectionsToFlush = (state: State, limit: number): Set<number> => {
  const chosen = new Set<number>()
  let total = state.memoryBytes
  if (total <= limit) return chosen
  const bySize = [...state.collections].toSorted(([, a], [, b]) => b.memoryBytes - a.memoryBytes)
  for (const [id, collection] of bySize) {
    if (total <= limit / 2) break
    total -= collection.memoryBytes
    chosen.add(id)
  }
  return chosen
}

const idle = (
  collection: Collection.Collection,
  limits: Limits,
  pace: Pace,
  position: number
): Rewrite | undefined => {
  if (isCompactionDue(collection, pace)) return compaction(collection, pace, position)
  if (isCollapseDue(collection, limits, pace)) return collapse(collection, pace, position)
  if (isDrainDue(collection)) return gather(collection, "drain", position)
  return tier(collection)
}

/** Rewrites all rows of a collection into one trace batch, and one spill of what is not sealed. */
export const everything = (collection: Collection.Collection, position: number): Rewrite => ({
  ...gatherOf(collection, position, collection.spills, collection.upper),
  reason: "compaction",
  trace: collection.trace,
  lower: collection.trace[0]?.lower ?? 0,
  maxLevel: Infinity
})

/**
 * Rewrites all stored rows. While the store is written to, rows in memory that are still to be taken back stay there:
 * stored now, they would make the next compaction due.
 */
const compaction = (collection: Collection.Collection, pace: Pace, position: number): Rewrite =>
  pace === "busy" && collection.spills.length === 0
    ? { ...merge(collection, 0, collection.trace.length), reason: "compaction" }
    : everything(collection, position)

/** As `everything`, but without the rows of a key. */
export const erasure = (collection: Collection.Collection, position: number, without: Uint8Array): Rewrite => ({
  ...everything(collection, position),
  reason: "erasure",
  without
})

/** Moves all rows in memory to batches. */
export const flushes = (state: State): ReadonlyArray<Rewrite> =>
  [...state.collections.values()]
    .filter((collection) => collection.chunks.length > 0)
    .map((collection) => gather(collection, "flush", state.position))

/** Whether a collection is already one batch, so that rewriting it reclaims nothing. */
export const isCompact = (collection: Collection.Collection): boolean =>
  collection.chunks.length === 0 && collection.spills.length + collection.trace.length <= 1 &&
  collection.spills.every((spill) => isSettled(spill, settled(collection, collection.upper))) &&
  collection.trace.every((batch) => isSettled(batch, collection.since))

/**
 * How far times may be advanced where rows from `sealedTo` on are not sealed. Those keep their times, however far
 * `since` is ahead: a row that is not sealed can be taken back, and one that stood at another time would be sealed with
 * it. With an empty since the rows themselves are dropped.
 */
const settled = ({ since }: Collection.Collection, sealedTo: Frontier): Frontier =>
  since === Infinity ? since : Math.min(since, sealedTo)

/** Moves rows out of memory, along with the spills whose rows go to the trace now. */
const gather = (
  collection: Collection.Collection,
  reason: "flush" | "drain",
  position: number
): Rewrite => {
  const sealed = collection.spills.filter((spill) => Batch.minTime(spill) < collection.upper)
  const isWorth = sealed.length === 0 || sealedRows(collection, sealed) >= sealedShare * rowsOf(sealed)
  const isCrowded = collection.spills.length >= fanIn
  const gathered = isWorth
    ? gatherOf(collection, position, isCrowded ? collection.spills : sealed, collection.upper)
    : gatherOf(collection, position, isCrowded ? collection.spills : [], collection.traceUpper)
  return { ...gathered, reason }
}

const gatherOf = (
  collection: Collection.Collection,
  position: number,
  spills: ReadonlyArray<Batch.Batch>,
  sealedTo: Frontier
): Omit<Rewrite, "reason"> => ({
  collection: collection.registration.id,
  chunks: [...collection.chunks],
  chunksFrom: collection.chunksFrom,
  chunksBefore: position,
  spills,
  trace: [],
  traceUpper: collection.traceUpper,
  sealedTo,
  since: collection.since,
  spillSince: settled(collection, sealedTo),
  lower: Collection.traceEnd(collection.trace),
  upper: sealedTo,
  maxLevel: 0
})

/**
 * Moves the rows in memory that can be consolidated to batches. While the store is written to, rows that can still be
 * distinguished stay in memory until `since` passes them, too, so that they are stored only if they are still there then.
 */
const collapse = (collection: Collection.Collection, pace: Pace, position: number): Rewrite => {
  const { chunks, spills } = collection
  const whole = gather(collection, "flush", position)
  const sealed = settled(collection, collection.upper)
  const first = chunks.find((chunk) => chunk.maxTime >= sealed)
  if (pace === "quiet" || first === undefined) return whole
  const taken = chunks.filter((chunk) => chunk.position < first.position)
  const isInOrder = taken.length > 0 && sealed > collection.traceUpper &&
    chunks.every((chunk) => chunk.position < first.position || chunk.minTime >= sealed) &&
    spills.every((spill) => Batch.minTime(spill) >= sealed)
  if (!isInOrder) return whole
  return { ...gatherOf(collection, first.position, [], sealed), chunks: taken, reason: "flush" }
}

const isDrainDue = (collection: Collection.Collection): boolean => {
  const { spills } = collection
  if (spills.length === 0) return false
  return spills.length >= fanIn || sealedRows(collection, spills) >= 0.5 * rowsOf(spills)
}

/** Merges a run of trace batches of one level. */
const tier = (collection: Collection.Collection): Rewrite | undefined => {
  const { trace } = collection
  for (let start = 0; start < trace.length;) {
    let end = start
    while (end < trace.length && trace[end]!.level === trace[start]!.level) end++
    if (end - start >= fanIn) return merge(collection, start, end)
    start = end
  }
  return undefined
}

/** Merges the trace batches from index `start` to `end`. */
export const merge = (collection: Collection.Collection, start: number, end: number): Rewrite => {
  const run = collection.trace.slice(start, end)
  return {
    reason: "merge",
    collection: collection.registration.id,
    chunks: [],
    chunksFrom: 0,
    chunksBefore: 0,
    spills: [],
    trace: run,
    traceUpper: collection.traceUpper,
    sealedTo: collection.traceUpper,
    since: collection.since,
    spillSince: settled(collection, collection.traceUpper),
    lower: run[0]!.lower,
    upper: run.at(-1)!.upper,
    maxLevel: collection.trace[start - 1]?.level ?? Infinity
  }
}

/**
 * Whether enough stored rows can be reclaimed to rewrite the collection. So each row is rewritten a bounded number of
 * times, and superseded rows take a bounded share of space.
 */
const isCompactionDue = (collection: Collection.Collection, pace: Pace): boolean => {
  const { since, spills, trace } = collection
  const sealed = settled(collection, collection.upper)
  const reclaimable = reclaimableRows(spills, sealed) + reclaimableRows(trace, since) + cancellingRows(trace)
  return reclaimable > 0 && reclaimable >= reclaimShare[pace] * (rowsOf(spills) + rowsOf(trace))
}

/** Whether the rows in memory that can be consolidated are worth a flush, after which the log need not keep them. */
const isCollapseDue = (collection: Collection.Collection, limits: Limits, pace: Pace): boolean => {
  const { chunks, memoryBytes, spills, trace } = collection
  if (memoryBytes === 0 || memoryBytes < limits.reclaimBytes) return false
  const sealed = settled(collection, collection.upper)
  const bytes = chunks.reduce((sum, chunk) => sum + (chunk.maxTime < sealed ? chunk.bytes : 0), 0)
  return bytes > 0 && bytes >= Math.max(limits.reclaimBytes, collapsedShare[pace] * (bytesOf(spills) + bytesOf(trace)))
}

/** Rows that a rewrite of everything may drop. */
const reclaimableRows = (batches: ReadonlyArray<Batch.Batch>, since: Frontier): number =>
  batches.reduce((sum, batch) => sum + collapsibleRows(batch, since), 0)

/**
 * Retractions of rows of older batches, counted together with the rows that they retract. Those of the oldest batch do
 * not count: its merge would have consolidated them.
 */
const cancellingRows = (trace: ReadonlyArray<Batch.Batch>): number =>
  trace.slice(1).reduce((sum, batch) => sum + 2 * (Batch.content(batch)?.retractions ?? 0), 0)

/** Rows that may be consolidated when times below `since` are advanced to it. */
const collapsibleRows = (batch: Batch.Batch, since: Frontier): number => {
  if (isSettled(batch, since)) return 0
  const rows = Batch.rows(batch) - (Batch.content(batch)?.advanced ?? 0)
  const first = Math.max(Batch.minTime(batch), batch.since)
  const last = Batch.maxTime(batch)
  if (since > last) return rows
  return since <= first ? 0 : Math.floor(rows * (since - first) / (last - first + 1))
}

/** Whether advancing the times of the batch to `since` reclaims nothing. */
const isSettled = (batch: Batch.Batch, since: Frontier): boolean => batch.since >= since || isAdvanced(batch)

/** Whether all rows of the batch have been advanced to one time, so that no two of them can be consolidated. */
const isAdvanced = (batch: Batch.Batch): boolean => batch.since > 0 && Batch.maxTime(batch) <= batch.since

/** Rows of spills below the seal, estimated from the times of the spills. */
const sealedRows = (collection: Collection.Collection, spills: ReadonlyArray<Batch.Batch>): number =>
  spills.reduce((sum, spill) => {
    const first = Batch.minTime(spill)
    const last = Batch.maxTime(spill)
    if (collection.upper > last) return sum + Batch.rows(spill)
    if (collection.upper <= first) return sum
    return sum + Math.floor(Batch.rows(spill) * (collection.upper - first) / (last - first + 1))
  }, 0)

const bytesOf = (batches: ReadonlyArray<Batch.Batch>): number =>
  batches.reduce((sum, batch) => sum + Batch.bytes(batch), 0)

const rowsOf = (batches: ReadonlyArray<Batch.Batch>): number =>
  batches.reduce((sum, batch) => sum + Batch.rows(batch), 0)
