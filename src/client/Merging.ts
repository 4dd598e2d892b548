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
  let merging: { readonly inputs: ReadonlyArray<Input>; readonly merge: Merge } | undefined
  const begin = () => {
    const inputs = inputsOf(batches, runs, view, query)
    return { inputs, merge: new Merge(inputs, query.since) }
  }
  const out = new Columns.Builder()
  let bytes = firstBytes / 2
  let isDone = false

  return Effect.gen(function*() {
    out.clear()
    bytes = Math.min(chunkBytes, 2 * bytes)
    merging ??= yield* compute(begin)
    const { inputs, merge } = merging
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

const inputsOf = (batches: Batches, runs: Runs.Runs, view: ReadView.ReadView, query: Query): Array<Input> => {
  const { fromKey, fromTime, toKey, toTime } = query
  const unsealedFrom = Math.max(fromTime, view.traceUpper)
  const wanted = {
    minKey: fromKey,
    maxKey: toKey,
    minTime: fromTime,
    maxTime: toTime === Infinity ? undefined : toTime - 1
  }
  return [
    ...memory(runs, view, unsealedFrom, toTime).map((columns) => ({
      scan: once(columns),
      lower: unsealedFrom,
      upper: toTime
    })),
    ...view.spills.map((batch) => ({
      scan: batches.scan(batch, { ...wanted, minTime: unsealedFrom }),
      lower: unsealedFrom,
      upper: toTime
    })),
    ...view.trace.map((batch) => ({ scan: batches.scan(batch, wanted), lower: fromTime, upper: toTime }))
  ]
}

/**
 * Sorted runs of the rows in memory. A short range of times touches few chunks, which are sorted for this read only.
 */
const memory = (
  runs: Runs.Runs,
  view: ReadView.ReadView,
  from: number,
  to: number
): ReadonlyArray<Columns.Columns> => {
  const overlapping = ReadView.chunksWhere(view, (chunk) => chunk.maxTime >= from && chunk.minTime < to)
  if (overlapping.length === 0) return []
  if (overlapping.length * sortingShare > view.chunks.count) return runs.of(view.chunks)
  return [Runs.sorted(overlapping.map((chunk) => chunk.columns))]
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
