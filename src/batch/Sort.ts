/**
 * Sorting rows by key, value and time without comparing most of them.
 *
 * Rows are sorted by windows of four bytes, most significant first: the window that follows the prefix that all rows of
 * a run share is read into one integer a row, the rows are sorted by it with a radix sort in typed arrays, and each run
 * of equal windows is refined at the next window. Short runs are sorted by insertion. Keys come first; rows of equal
 * keys go on with their values, then with their times.
 *
 * A window ends where a key does. Its bytes are packed with zeros behind, and rows whose keys end inside it are told
 * apart by how many bytes they had, so that a key sorts before what it is a prefix of.
 *
 * @internal
 */
import type { Columns } from "./Columns.ts"
import { compareRows } from "./Compare.ts"

/** Runs up to this length are sorted by insertion. */
const shortRun = 24

/** The stable permutation of the rows by key bytes, value bytes, and time. */
export const order = (columns: Columns): Uint32Array => {
  const rows = new Uint32Array(columns.length)
  for (let i = 0; i < rows.length; i++) rows[i] = i
  if (isSorted(columns)) return rows
  const scratch: Scratch = {
    rows: new Uint32Array(columns.length),
    windows: new Uint32Array(columns.length),
    windowsTo: new Uint32Array(columns.length)
  }
  sortRuns(columns, rows, scratch)
  return rows
}

interface Scratch {
  readonly rows: Uint32Array
  readonly windows: Uint32Array
  readonly windowsTo: Uint32Array
}

const isSorted = (columns: Columns): boolean => {
  for (let i = 1; i < columns.length; i++) if (compareAll(columns, i - 1, i) > 0) return false
  return true
}

const compareAll = (columns: Columns, i: number, j: number): number => {
  const byRow = compareRows(columns, i, columns, j)
  return byRow !== 0 ? byRow : columns.times[i]! - columns.times[j]!
}

/** A stretch of rows that agree in everything before byte `depth` of their keys, or of their values. */
interface Run {
  readonly start: number
  readonly end: number
  readonly depth: number
  readonly inValues: boolean
}

const sortRuns = (columns: Columns, rows: Uint32Array, scratch: Scratch): void => {
  const pending: Array<Run> = [{ start: 0, end: rows.length, depth: 0, inValues: false }]
  while (pending.length > 0) {
    const run = pending.pop()!
    if (run.end - run.start <= shortRun) insertionSort(columns, rows, run.start, run.end)
    else refine(columns, rows, scratch, run, pending)
  }
}

const insertionSort = (columns: Columns, rows: Uint32Array, start: number, end: number): void => {
  for (let i = start + 1; i < end; i++) {
    const row = rows[i]!
    let at = i
    while (at > start && compareAll(columns, rows[at - 1]!, row) > 0) {
      rows[at] = rows[at - 1]!
      at--
    }
    rows[at] = row
  }
}

/** Sorts a run by its next window, and notes the runs that are left to refine. */
const refine = (columns: Columns, rows: Uint32Array, scratch: Scratch, run: Run, pending: Array<Run>): void => {
  const { end, inValues, start } = run
  const data = inValues ? columns.valueData : columns.keyData
  const offsets = inValues ? columns.valueOffsets : columns.keyOffsets
  const depth = run.depth + sharedBytes(data, offsets, rows, run)
  const { windows } = scratch
  let hasEnds = false
  for (let i = start; i < end; i++) {
    const from = offsets[rows[i]!]! + depth
    const left = offsets[rows[i]! + 1]! - from
    if (left < 4) hasEnds = true
    windows[i] = left >= 4
      ? ((data[from]! << 24) | (data[from + 1]! << 16) | (data[from + 2]! << 8) | data[from + 3]!) >>> 0
      : packed(data, from, left)
  }
  radixSort(rows, scratch, start, end)
  for (let i = start; i < end;) {
    let until = i + 1
    while (until < end && windows[until] === windows[i]) until++
    if (until - i > 1) follow(columns, rows, scratch, { start: i, end: until, depth, inValues }, hasEnds, pending)
    i = until
  }
}

/** What is left of a string of fewer than four bytes, as the high bytes of a window. */
const packed = (data: Uint8Array, from: number, left: number): number => {
  let window = 0
  for (let i = 0; i < left; i++) window |= data[from + i]! << (24 - 8 * i)
  return window >>> 0
}

/** Goes on with a run of equal windows: rows that end in it come first, by length, and are done with this string. */
const follow = (
  columns: Columns,
  rows: Uint32Array,
  scratch: Scratch,
  { depth, end, inValues, start }: Run,
  hasEnds: boolean,
  pending: Array<Run>
): void => {
  if (!hasEnds) {
    pending.push({ start, end, depth: depth + 4, inValues })
    return
  }
  const offsets = inValues ? columns.valueOffsets : columns.keyOffsets
  const leftOf = (row: number): number => Math.min(4, offsets[row + 1]! - offsets[row]! - depth)
  let at = start
  for (let left = 0; left <= 4; left++) {
    const first = at
    for (let i = start; i < end; i++) if (leftOf(rows[i]!) === left) scratch.rows[at++] = rows[i]!
    if (at - first < 2) continue
    if (left === 4) pending.push({ start: first, end: at, depth: depth + 4, inValues })
    else if (!inValues) pending.push({ start: first, end: at, depth: 0, inValues: true })
    else sortByTime(columns, scratch.rows, first, at)
  }
  rows.set(scratch.rows.subarray(start, end), start)
}

/** Rows of equal keys and values, by time. */
const sortByTime = (columns: Columns, rows: Uint32Array, start: number, end: number): void => {
  const { times } = columns
  rows.subarray(start, end).sort((a, b) => times[a]! - times[b]! || a - b)
}

/** How many bytes from the run's depth on all its strings share. */
const sharedBytes = (data: Uint8Array, offsets: Uint32Array, rows: Uint32Array, { depth, end, start }: Run): number => {
  const first = offsets[rows[start]!]! + depth
  let shared = offsets[rows[start]! + 1]! - first
  for (let i = start + 1; i < end && shared > 0; i++) {
    const from = offsets[rows[i]!]! + depth
    shared = Math.min(shared, offsets[rows[i]! + 1]! - from)
    let same = 0
    while (same < shared && data[first + same] === data[from + same]) same++
    shared = same
  }
  return shared
}

/** Sorts rows and windows of a run by the windows, 16 bits at a time, or 8 where the run is not long. Stable. */
const radixSort = (rows: Uint32Array, scratch: Scratch, start: number, end: number): void => {
  const bits = end - start > 65_536 ? 16 : 8
  const mask = (1 << bits) - 1
  const counts = new Uint32Array(mask + 1)
  const { rows: rowsTo, windows, windowsTo } = scratch
  for (let shift = 0; shift < 32; shift += bits) {
    counts.fill(0)
    for (let i = start; i < end; i++) counts[(windows[i]! >>> shift) & mask]!++
    if (counts[(windows[start]! >>> shift) & mask] === end - start) continue
    let at = start
    for (let i = 0; i <= mask; i++) {
      const count = counts[i]!
      counts[i] = at
      at += count
    }
    for (let i = start; i < end; i++) {
      const to = counts[(windows[i]! >>> shift) & mask]!++
      rowsTo[to] = rows[i]!
      windowsTo[to] = windows[i]!
    }
    rows.set(rowsTo.subarray(start, end), start)
    windows.set(windowsTo.subarray(start, end), start)
  }
}
