/**
 * Transactions on the timeline: what a transaction has read and writes, and whether a later write conflicts with it.
 *
 * @internal
 */
import type { Columns } from "../batch/Columns.ts"
import * as Compare from "../batch/Compare.ts"
import type * as Sheet from "../batch/Sheet.ts"
import type { Timestamp } from "../Frontier.ts"
import type { Collection } from "./Collection.ts"

/** A collection as a handle names it. The name is for messages: a destroyed collection is not in the state. */
export interface Target {
  readonly id: number
  readonly name: string
}

/** Keys at or after `from` and before `to`; either may be open. */
export interface KeyRange {
  readonly from: Uint8Array | undefined
  readonly to: Uint8Array | undefined
}

/** What was read of one table. */
export interface Reads extends Target {
  readonly keys: ReadonlyArray<Uint8Array>
  readonly ranges: ReadonlyArray<KeyRange>
}

export interface Transaction {
  /** Everything was read as of this time. */
  readonly readAt: Timestamp
  readonly reads: ReadonlyArray<Reads>
  /** Rows whose time is assigned at the commit: one time for all of them. */
  readonly writes: ReadonlyArray<Target & { readonly columns: Sheet.Rows }>
}

/** Whether a key lies in the range. */
export const includes = ({ from, to }: KeyRange, key: Uint8Array): boolean =>
  (from === undefined || Compare.compareBytes(key, from) >= 0) &&
  (to === undefined || Compare.compareBytes(key, to) < 0)

/** The same for the key of a row, which is not copied. */
const contains = ({ from, to }: KeyRange, columns: Columns, row: number): boolean =>
  (from === undefined || Compare.compareKeyTo(columns, row, from) >= 0) &&
  (to === undefined || Compare.compareKeyTo(columns, row, to) < 0)

/** Whether a row lies in the range. */
export const touches = (range: KeyRange, columns: Columns): boolean => {
  for (let row = 0; row < columns.length; row++) if (contains(range, columns, row)) return true
  return false
}

/**
 * Whether the range may have been written after the time. For rows in memory the answer is exact. For rows that
 * maintenance has moved to batches since then it is decided by the least and greatest keys of a part. So a transaction
 * that outlasts a flush may conflict with a write of a key outside the range.
 */
export const isWrittenAfter = (collection: Collection, range: KeyRange, time: Timestamp): boolean => {
  const { chunks, spills, trace, traceUpper } = collection
  for (let i = chunks.length - 1; i >= 0 && chunks[i]!.maxTime > time; i--) {
    const { columns } = chunks[i]!
    for (let row = 0; row < columns.length; row++) {
      if (columns.times[row]! > time && contains(range, columns, row)) return true
    }
  }
  if (traceUpper <= time + 1 && spills.length === 0) return false
  return [...spills, ...trace].some((batch) =>
    batch.parts.some(({ maxKey, maxTime, minKey }) =>
      maxTime > time &&
      (range.from === undefined || Compare.compareBytes(maxKey, range.from) >= 0) &&
      (range.to === undefined || Compare.compareBytes(minKey, range.to) < 0)
    )
  )
}
