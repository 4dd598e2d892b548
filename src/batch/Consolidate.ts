/**
 * Consolidation: sorts rows, sums the diffs of equal rows, and drops rows whose sum is 0.
 *
 * @internal
 */
import * as Columns from "./Columns.ts"
import { compareRows } from "./Compare.ts"
import { DiffSum } from "./DiffSum.ts"
import * as Sort from "./Sort.ts"

export interface Options {
  /** Times before it count as this time. With `Infinity` every row is dropped. */
  readonly since: number
  /** Rows at times in [lower, upper) count; default: all. */
  readonly lower?: number | undefined
  readonly upper?: number | undefined
}

/**
 * Rows by key, value and time, each combination once, none with diff 0. Throws `ValueOutOfRange` where a sum of diffs is
 * no safe integer. Where nothing is to be done, the result is in the memory of the rows.
 */
export const consolidate = (columns: Columns.Columns, options: Options): Columns.Columns => {
  if (options.since === Infinity) return Columns.empty
  const { isKept, repeats, rows } = Sort.order(columns)
  if (isKept && !repeats.includes(1) && allCount(columns, options)) return advanced(columns, options.since)
  const out = new Columns.Builder(columns.length, Columns.keyBytes(columns), Columns.valueBytes(columns))
  const sum = new DiffSum()
  for (let start = 0, end = 0; start < rows.length; start = end) {
    end = start + 1
    while (end < rows.length && repeats[end] === 1) end++
    addGroup(out, columns, rows, start, end, options, sum)
  }
  return out.take()
}

/** Whether every row counts. */
const allCount = ({ diffs, length, times }: Columns.Columns, { lower = 0, upper = Infinity }: Options): boolean => {
  for (let row = 0; row < length; row++) {
    if (diffs[row] === 0 || times[row]! < lower || times[row]! >= upper) return false
  }
  return true
}

const advanced = (columns: Columns.Columns, since: number): Columns.Columns =>
  columns.times.every((time) => time >= since)
    ? columns
    : { ...columns, times: columns.times.map((time) => time < since ? since : time) }

/** Adds `rows[start .. end]`, which are of one key and value, and in order of time. */
const addGroup = (
  out: Columns.Builder,
  columns: Columns.Columns,
  rows: Uint32Array,
  start: number,
  end: number,
  options: Options,
  sum: DiffSum
): void => {
  const { lower = 0, since, upper = Infinity } = options
  let heldTime = 0
  sum.set(0)
  for (let i = start; i < end; i++) {
    const row = rows[i]!
    const time = columns.times[row]!
    if (time < lower || time >= upper) continue
    const advanced = Math.max(time, since)
    if (advanced === heldTime) sum.add(columns.diffs[row]!)
    else {
      pushSum(out, columns, rows[start]!, heldTime, sum)
      heldTime = advanced
      sum.set(columns.diffs[row]!)
    }
  }
  pushSum(out, columns, rows[start]!, heldTime, sum)
}

const pushSum = (out: Columns.Builder, columns: Columns.Columns, row: number, time: number, sum: DiffSum): void => {
  const diff = sum.value()
  if (diff !== 0) out.push(columns, row, time, diff)
}

/** Whether rows strictly increase by key, value and time, and no diff is 0. */
export const isConsolidated = (columns: Columns.Columns): boolean => {
  for (let i = 0; i < columns.length; i++) {
    if (columns.diffs[i] === 0) return false
    if (i === 0) continue
    const byRow = compareRows(columns, i - 1, columns, i)
    if (byRow > 0 || (byRow === 0 && columns.times[i - 1]! >= columns.times[i]!)) return false
  }
  return true
}
