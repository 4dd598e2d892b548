/**
 * Reading one key: a binary search in each sorted run, and the one block of each batch part that may hold the key.
 *
 * @internal
 */
import { Effect } from "effect"
import * as BatchFile from "../batch/BatchFile.ts"
import * as Columns from "../batch/Columns.ts"
import * as Compare from "../batch/Compare.ts"
import type { Batch } from "../engine/Batch.ts"
import type { Capture } from "../engine/Capture.ts"
import type { BatchStore } from "../runtime/BatchStore.ts"
import { compute } from "../runtime/Pure.ts"
import type * as Runs from "./Runs.ts"

/** All rows of a key at times before `toTime`, in no order. */
export const rows = Effect.fnUntraced(
  function*(batches: BatchStore, runs: Runs.Runs, capture: Capture, key: Uint8Array, toTime: number) {
    const found = new Columns.Builder()
    for (const columns of yield* compute(() => runs.of(capture.blocks))) {
      collect(found, columns, key, capture.traceUpper, toTime)
    }
    for (const batch of capture.spills) yield* fromBatch(batches, batch, found, key, capture.traceUpper, toTime)
    for (const batch of capture.trace) yield* fromBatch(batches, batch, found, key, 0, toTime)
    return found.view()
  }
)

const fromBatch = Effect.fnUntraced(
  function*(
    batches: BatchStore,
    batch: Batch,
    found: Columns.Builder,
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

/** Copies the rows of the key out of sorted columns. */
const collect = (
  found: Columns.Builder,
  columns: Columns.Columns,
  key: Uint8Array,
  fromTime: number,
  toTime: number
): void => {
  const end = Compare.upperBound(columns, key)
  for (let row = Compare.lowerBound(columns, key); row < end; row++) {
    const time = columns.times[row]!
    if (time >= fromTime && time < toTime) found.push(columns, row, time, columns.diffs[row]!)
  }
}
