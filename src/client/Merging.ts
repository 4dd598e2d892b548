/**
 * Reading a view: its sorted inputs, cut to the rows that are wanted, merged into consolidated blocks.
 *
 * @internal
 */
import { Cause, Effect, type Pull } from "effect"
import * as Columns from "../batch/Columns.ts"
import * as Compare from "../batch/Compare.ts"
import { Merge } from "../batch/Merge.ts"
import * as ReadView from "../engine/ReadView.ts"
import type { HoldExpired, StorageError, ValueOutOfRange } from "../PersistError.ts"
import { compute } from "../Pure.ts"
import type { BatchStore, Scan } from "../runtime/BatchStore.ts"
import * as Runs from "./Runs.ts"

/** What reading batches may fail with. The blobs of a lost hold may be deleted. */
type BatchError = StorageError | HoldExpired

type Batches = BatchStore<BatchError>

/** Which rows of a view are wanted. */
export interface Query {
  /** Rows at times in [fromTime, toTime). */
  readonly fromTime: number
  readonly toTime: number
  /** Times below it count as this one: rows that differ in them only collapse. */
  readonly since: number
  /** Keys at or after it, by their bytes. */
  readonly fromKey?: Uint8Array | undefined
  /** Keys before it, by their bytes. */
  readonly toKey?: Uint8Array | undefined
}

interface Input {
  readonly scan: Scan<Columns.Columns, BatchError>
  readonly lower: number
  readonly upper: number
}

/** Bytes of rows that the first pull brings, about: many reads want no more. Each further one brings twice as many. */
const firstBytes = 32 * 1024

/** Bytes of rows that a pull brings at most, about. */
const chunkBytes = 256 * 1024

/** Sorting a row costs about as much as passing over so many of a sorted run. */
const sortingShare = 16

/** Pulls the wanted rows as sorted, consolidated blocks; each is valid until the next pull. */
export const pull = (
  batches: Batches,
  runs: Runs.Runs,
  view: ReadView.ReadView,
  query: Query
): Pull.Pull<Columns.Columns, BatchError | ValueOutOfRange> => {
  let begun: Pull.Pull<Columns.Columns, BatchError | ValueOutOfRange> | undefined
  const begin = compute(() => {
    const memory = memoryOf(runs, view, query)
    const stored = storedOf(batches, view, query)
    const isConsolidated = memory.isPresent && memory.runs.length === 1 && stored.length === 0
    return begun = isConsolidated
      ? pieces(byKey(memory.runs[0]!, query), query.since)
      : merged([...memory.runs.map((columns) => inputOf(columns, view, query)), ...stored], query)
  })
  return Effect.suspend(() => begun ?? Effect.flatten(begin))
}

const merged = (
  inputs: ReadonlyArray<Input>,
  query: Query
): Pull.Pull<Columns.Columns, BatchError | ValueOutOfRange> => {
  const merge = new Merge(inputs, query.since)
  const out = new Columns.Builder()
  let bytes = firstBytes / 2
  let isDone = false
  return Effect.gen(function*() {
    out.clear()
    bytes = Math.min(chunkBytes, 2 * bytes)
    while (!isDone) {
      const step = yield* compute(() => merge.run(out, bytes))
      if (step._tag === "Need") {
        const columns = yield* inputs[step.input]!.scan.next
        if (columns === undefined) merge.end(step.input)
        else merge.push(step.input, byKey(columns, query))
        continue
      }
      isDone = step._tag === "Done"
      if (out.length > 0) return out.view()
    }
    return yield* Cause.done()
  })
}

/** Rows that need no merge, as of one time. */
const pieces = (columns: Columns.Columns, time: number): Pull.Pull<Columns.Columns> => {
  let bytes = firstBytes / 2
  let start = 0
  return Effect.suspend(() => {
    if (start === columns.length) return Cause.done()
    bytes = Math.min(chunkBytes, 2 * bytes)
    const piece = Columns.slice(columns, start, Columns.endOf(columns, start, bytes))
    start += piece.length
    return Effect.succeed({ ...piece, times: new Float64Array(piece.length).fill(time) })
  })
}

const unsealedFrom = (view: ReadView.ReadView, { fromTime }: Query): number => Math.max(fromTime, view.traceUpper)

const inputOf = (columns: Columns.Columns, view: ReadView.ReadView, query: Query): Input => ({
  scan: once(columns),
  lower: unsealedFrom(view, query),
  upper: query.toTime
})

const storedOf = (batches: Batches, view: ReadView.ReadView, query: Query): Array<Input> => {
  const { fromKey, fromTime, toKey, toTime } = query
  const lower = unsealedFrom(view, query)
  const wanted = {
    minKey: fromKey,
    maxKey: toKey,
    minTime: fromTime,
    maxTime: toTime === Infinity ? undefined : toTime - 1
  }
  return [
    ...view.spills.map((batch) => ({
      scan: batches.scan(batch, { ...wanted, minTime: lower }),
      lower,
      upper: toTime
    })),
    ...view.trace.map((batch) => ({ scan: batches.scan(batch, wanted), lower: fromTime, upper: toTime }))
  ]
}

interface Memory {
  readonly runs: ReadonlyArray<Columns.Columns>
  /** Whether each run has a key and value once, and only rows that count, as of the query's `since`. */
  readonly isPresent: boolean
}

/**
 * Sorted runs of the rows in memory. A short range of times touches few chunks, which are sorted for this read only.
 */
const memoryOf = (runs: Runs.Runs, view: ReadView.ReadView, query: Query): Memory => {
  const { toTime: to } = query
  const from = unsealedFrom(view, query)
  const overlapping = ReadView.chunksWhere(view, (chunk) => chunk.maxTime >= from && chunk.minTime < to)
  if (overlapping.length === 0) return { runs: [], isPresent: false }
  // Reads of a range of times must not make those of the present begin anew.
  const alike = alikeTo(view.chunks, query, from)
  const present = alike === undefined || from > view.traceUpper ? undefined : runs.present(alike, from)
  if (present !== undefined) return { runs: present, isPresent: true }
  if (overlapping.length * sortingShare > view.chunks.count) return { runs: runs.of(view.chunks), isPresent: false }
  return { runs: [Runs.sorted(overlapping.map((chunk) => chunk.columns))], isPresent: false }
}

/** The chunks up to the last one with rows that count, if all their times from `from` on are alike to the query. */
const alikeTo = (
  { count, list }: ReadView.MemoryChunks,
  { since, toTime }: Query,
  from: number
): ReadView.MemoryChunks | undefined => {
  let end = count
  while (end > 0 && (list[end - 1]!.maxTime < from || list[end - 1]!.minTime >= toTime)) end--
  for (let i = 0; i < end; i++) if (list[i]!.maxTime >= toTime || list[i]!.maxTime > since) return undefined
  return { list, count: end }
}

const once = (columns: Columns.Columns): Scan<Columns.Columns> => {
  let isRead = false
  return {
    next: Effect.sync(() => {
      if (isRead) return undefined
      isRead = true
      return columns
    })
  }
}

/** The rows of a sorted block whose keys are wanted. */
export const byKey = (columns: Columns.Columns, query: Pick<Query, "fromKey" | "toKey">): Columns.Columns => {
  if (query.fromKey === undefined && query.toKey === undefined) return columns
  const start = query.fromKey === undefined ? 0 : Compare.lowerBound(columns, query.fromKey)
  const end = query.toKey === undefined ? columns.length : Compare.lowerBound(columns, query.toKey)
  return start >= end ? Columns.empty : Columns.slice(columns, start, end)
}

/** The next block of a scan, as a pull. */
export const next = (scan: Scan<Columns.Columns, BatchError>): Pull.Pull<Columns.Columns, BatchError> =>
  Effect.flatMap(scan.next, (columns) => columns === undefined ? Cause.done() : Effect.succeed(columns))
