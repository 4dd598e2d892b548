/**
 * The order of rows: by key bytes, then value bytes, then time. Bytes are unsigned, and a prefix sorts before longer
 * strings.
 *
 * @internal
 */
import * as Platform from "../Platform.ts"
import type { Columns } from "./Columns.ts"

/** Negative, zero or positive, as `a[aStart .. aEnd]` is below, equal to or above `b[bStart .. bEnd]`. */
const compareRange = (
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number
): number => {
  const aLength = aEnd - aStart
  const bLength = bEnd - bStart
  const shared = aLength < bLength ? aLength : bLength
  for (let i = 0; i < shared; i++) {
    const difference = a[aStart + i]! - b[bStart + i]!
    if (difference !== 0) return difference
  }
  return aLength - bLength
}

export const compareBytes = (a: Uint8Array, b: Uint8Array): number => compareRange(a, 0, a.length, b, 0, b.length)

/** Compares the keys of two rows. */
export const compareKeys = (a: Columns, i: number, b: Columns, j: number): number =>
  compareRange(
    a.keyData,
    a.keyOffsets[i]!,
    a.keyOffsets[i + 1]!,
    b.keyData,
    b.keyOffsets[j]!,
    b.keyOffsets[j + 1]!
  )

/** Compares the values of two rows. */
export const compareValues = (a: Columns, i: number, b: Columns, j: number): number =>
  compareRange(
    a.valueData,
    a.valueOffsets[i]!,
    a.valueOffsets[i + 1]!,
    b.valueData,
    b.valueOffsets[j]!,
    b.valueOffsets[j + 1]!
  )

/** Whether two rows have the same value. */
export const isSameValue = (a: Columns, i: number, b: Columns, j: number): boolean =>
  Platform.isSame(
    a.valueData,
    a.valueOffsets[i]!,
    a.valueOffsets[i + 1]!,
    b.valueData,
    b.valueOffsets[j]!,
    b.valueOffsets[j + 1]!
  )

/** Whether two rows have the same key. */
export const isSameKey = (a: Columns, i: number, b: Columns, j: number): boolean =>
  Platform.isSame(a.keyData, a.keyOffsets[i]!, a.keyOffsets[i + 1]!, b.keyData, b.keyOffsets[j]!, b.keyOffsets[j + 1]!)

/** Whether two rows have the same key and value. */
export const isSameRow = (a: Columns, i: number, b: Columns, j: number): boolean =>
  isSameValue(a, i, b, j) && isSameKey(a, i, b, j)

/** Compares two rows by key and value. */
export const compareRows = (a: Columns, i: number, b: Columns, j: number): number => {
  const byKey = compareKeys(a, i, b, j)
  return byKey !== 0 ? byKey : compareValues(a, i, b, j)
}

/** The first row of sorted columns whose key is at or above `key`. */
export const lowerBound = (columns: Columns, key: Uint8Array): number => {
  let low = 0
  let high = columns.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareKeyTo(columns, middle, key) >= 0) high = middle
    else low = middle + 1
  }
  return low
}

/** Compares the key of a row with a key. */
export const compareKeyTo = (columns: Columns, row: number, key: Uint8Array): number =>
  compareRange(columns.keyData, columns.keyOffsets[row]!, columns.keyOffsets[row + 1]!, key, 0, key.length)
