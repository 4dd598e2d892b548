/**
 * Reading one key: a binary search in each sorted run, and the one block of each batch part that may hold the key.
 *
 * @internal
 */
import { Effect } from "effect"
import * as BatchFile from "../batch/BatchFile.ts"
import * as Columns from "../batch/Columns.ts"
import * as Compare from "../batch/Compare.ts"
import { addDiffs } from "../batch/Consolidate.ts"
import type { Batch } from "../engine/Batch.ts"
import type { Capture } from "../engine/Capture.ts"
import type { HoldExpired, StorageError } from "../PersistError.ts"
import type { BatchStore } from "../runtime/BatchStore.ts"
import { compute } from "../runtime/Pure.ts"
import type * as Runs from "./Runs.ts"

type Batches = BatchStore<StorageError | HoldExpired>

/** A row where it lies, with a time and a diff that may be others by now: copying each would cost more than finding it. */
interface Found {
  readonly columns: Columns.Columns
  readonly row: number
  readonly time: number
  readonly diff: number
}

/** The rows of a key at times before `toTime`, consolidated at `since`. */
export const rows = Effect.fnUntraced(
  function*(
    batches: Batches,
    runs: Runs.Runs,
    capture: Capture,
    key: Uint8Array,
    { since, toTime }: { readonly toTime: number; readonly since: number }
  ) {
    const found: Array<Found> = []
    for (const columns of yield* compute(() => runs.of(capture.blocks))) {
      collect(found, columns, key, capture.traceUpper, toTime)
    }
    for (const batch of capture.spills) yield* fromBatch(batches, batch, found, key, capture.traceUpper, toTime)
    for (const batch of capture.trace) yield* fromBatch(batches, batch, found, key, 0, toTime)
    return yield* compute(() => columnsOf(consolidated(found, since)))
  }
)

const fromBatch = Effect.fnUntraced(
  function*(
    batches: Batches,
    batch: Batch,
    found: Array<Found>,
    key: Uint8Array,
    fromTime: number,
    toTime: number
  ) {
    for (const part of batch.parts) {
      const isOutside = part.minTime >= toTime || part.maxTime < fromTime ||
        Compare.compareBytes(key, part.minKey) < 0 || Compare.compareBytes(key, part.maxKey) > 0
      if (isOutside) continue
      const footer = yield* batches.footer(part)
      for (const index of BatchFile.findBlocks(footer, { minKey: key, maxKey: key })) {
        const columns = yield* batches.block(part, footer, index)
        collect(found, columns, key, fromTime, toTime)
      }
    }
  }
)

/** Finds the rows of the key in sorted columns. */
const collect = (
  found: Array<Found>,
  columns: Columns.Columns,
  key: Uint8Array,
  fromTime: number,
  toTime: number
): void => {
  const end = Compare.upperBound(columns, key)
  for (let row = Compare.lowerBound(columns, key); row < end; row++) {
    const time = columns.times[row]!
    if (time >= fromTime && time < toTime) found.push({ columns, row, time, diff: columns.diffs[row]! })
  }
}

const byValueAndTime = (a: Found, b: Found): number =>
  Compare.compareValues(a.columns, a.row, b.columns, b.row) || a.time - b.time

/** Sums the diffs of equal values at equal times, where times before `since` are `since`. With `Infinity` every row goes. */
const consolidated = (found: ReadonlyArray<Found>, since: number): ReadonlyArray<Found> => {
  if (since === Infinity) return []
  const kept: Array<Found> = []
  let last: Found | undefined
  for (const each of found.toSorted(byValueAndTime)) {
    const time = Math.max(each.time, since)
    const isSame = last !== undefined && last.time === time &&
      Compare.compareValues(last.columns, last.row, each.columns, each.row) === 0
    if (isSame) kept.pop()
    last = { ...each, time, diff: isSame ? addDiffs(last!.diff, each.diff) : each.diff }
    kept.push(last)
  }
  return kept.filter(({ diff }) => diff !== 0)
}

const columnsOf = (found: ReadonlyArray<Found>): Columns.Columns => {
  if (found.length === 0) return Columns.empty
  if (found.length === 1) {
    const { columns, diff, row, time } = found[0]!
    return { ...Columns.slice(columns, row, row + 1), times: Float64Array.of(time), diffs: Float64Array.of(diff) }
  }
  const builder = new Columns.Builder(found.length)
  for (const { columns, diff, row, time } of found) builder.push(columns, row, time, diff)
  return builder.view()
}
