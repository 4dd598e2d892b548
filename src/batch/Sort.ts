/**
 * Sorting rows by key, value and time without comparing most of them.
 *
 * Rows are sorted by windows of four bytes, most significant first: the window that follows the prefix that all rows of
 * a run share is read into one integer a row, the rows are sorted by it in typed arrays, and each run of equal windows
 * is refined at the next window. Keys come first; rows of equal keys go on with their values, then with their times.
 * The work is proportional to the bytes that must be read to order the rows.
 *
 * A window ends where its string ends. It is padded with zeros, and rows of equal windows are ordered by how many bytes
 * they had left, so that a prefix sorts before longer strings.
 *
 * Each window is sorted by insertion or by an LSD radix sort (Knuth, TAOCP vol. 3, 5.2.5). Refining runs from the most
 * significant window on is an MSD radix sort (McIlroy, Bostic and McIlroy, "Engineering Radix Sort", 1993).
 *
 * @internal
 */
import type { Columns } from "./Columns.ts"
import { compareRows } from "./Compare.ts"

const windowBytes = 4

/** Runs up to this length are sorted by insertion. */
const shortRun = 40

export interface Order {
  /** The stable permutation of the rows by key bytes, value bytes, and time. */
  readonly rows: Uint32Array
  /** 1 where a row of the permutation has the key and value of the one before it, else 0. */
  readonly repeats: Uint8Array
  /** Whether the rows stood in this order already. */
  readonly isKept: boolean
}

export const order = (columns: Columns): Order => {
  const { length } = columns
  const rows = new Uint32Array(length)
  const repeats = new Uint8Array(length)
  for (let i = 0; i < length; i++) rows[i] = i
  if (isSorted(columns, repeats)) return { rows, repeats, isKept: true }
  repeats.fill(0)
  const state: State = {
    keys: { data: columns.keyData, offsets: columns.keyOffsets },
    values: { data: columns.valueData, offsets: columns.valueOffsets },
    times: columns.times,
    rows,
    repeats,
    windows: new Uint32Array(length),
    rowsTo: new Uint32Array(length),
    windowsTo: new Uint32Array(length),
    counts: new Uint32Array(65_536),
    pending: [{ start: 0, end: length, depth: 0, inValues: false }]
  }
  while (state.pending.length > 0) refine(state, state.pending.pop()!)
  return { rows, repeats, isKept: false }
}

interface Strings {
  readonly data: Uint8Array
  readonly offsets: Uint32Array
}

/** A stretch of rows that agree in everything before byte `depth` of their keys, or of their values. */
interface Run {
  readonly start: number
  readonly end: number
  readonly depth: number
  readonly inValues: boolean
}

interface State {
  readonly keys: Strings
  readonly values: Strings
  readonly times: Float64Array
  /** The permutation so far, and what its rows are sorted by at present. */
  readonly rows: Uint32Array
  readonly windows: Uint32Array
  readonly repeats: Uint8Array
  /** Buffers that both are moved to. */
  readonly rowsTo: Uint32Array
  readonly windowsTo: Uint32Array
  readonly counts: Uint32Array
  /** Runs that are left to refine. */
  readonly pending: Array<Run>
}

/** Whether rows are already in order. Marks rows that repeat the one before, up to the first that is out of order. */
const isSorted = (columns: Columns, repeats: Uint8Array): boolean => {
  for (let i = 1; i < columns.length; i++) {
    const byRow = compareRows(columns, i - 1, columns, i)
    if (byRow > 0 || (byRow === 0 && columns.times[i - 1]! > columns.times[i]!)) return false
    if (byRow === 0) repeats[i] = 1
  }
  return true
}

/** Sorts a run by its next window, and records the runs that are left to refine. */
const refine = (state: State, { depth: from, end, inValues, start }: Run): void => {
  const { pending, rows, windows } = state
  const strings = inValues ? state.values : state.keys
  const depth = from + sharedBytes(strings, rows, start, end, from)
  const hasEnds = readWindows(strings, rows, windows, start, end, depth)
  sortByWindows(state, start, end)
  for (let i = start; i < end;) {
    let until = i + 1
    while (until < end && windows[until] === windows[i]) until++
    if (until - i > 1) {
      if (hasEnds) splitByLength(state, strings, { start: i, end: until, depth, inValues })
      else pending.push({ start: i, end: until, depth: depth + windowBytes, inValues })
    }
    i = until
  }
}

/** How many bytes from `depth` on all strings of a run share. */
const sharedBytes = (
  { data, offsets }: Strings,
  rows: Uint32Array,
  start: number,
  end: number,
  depth: number
): number => {
  const first = offsets[rows[start]!]! + depth
  let shared = offsets[rows[start]! + 1]! - first
  for (let i = start + 1; i < end && shared > 0; i++) {
    const from = offsets[rows[i]!]! + depth
    const left = offsets[rows[i]! + 1]! - from
    if (left < shared) shared = left
    let same = 0
    while (same < shared && data[first + same] === data[from + same]) same++
    shared = same
  }
  return shared
}

/** Reads the windows of a run at `depth`. True if a string ends inside its window. */
const readWindows = (
  { data, offsets }: Strings,
  rows: Uint32Array,
  windows: Uint32Array,
  start: number,
  end: number,
  depth: number
): boolean => {
  let hasEnds = false
  for (let i = start; i < end; i++) {
    const from = offsets[rows[i]!]! + depth
    const left = offsets[rows[i]! + 1]! - from
    if (left >= windowBytes) {
      windows[i] = (data[from]! << 24) | (data[from + 1]! << 16) | (data[from + 2]! << 8) | data[from + 3]!
    } else {
      hasEnds = true
      windows[i] = 0
      for (let at = 0; at < left; at++) windows[i]! |= data[from + at]! << (24 - 8 * at)
    }
  }
  return hasEnds
}

/** Continues with a run of equal windows in which strings end. Those come first, by length, and need no refining. */
const splitByLength = (state: State, { offsets }: Strings, { depth, end, inValues, start }: Run): void => {
  const { pending, rows, rowsTo } = state
  const leftOf = (row: number): number => Math.min(windowBytes, offsets[row + 1]! - offsets[row]! - depth)
  const ends = [0, 0, 0, 0, 0]
  for (let i = start; i < end; i++) ends[leftOf(rows[i]!)]!++
  const isMixed = ends[leftOf(rows[start]!)] !== end - start
  for (let left = 0, at = start; left <= windowBytes; left++) {
    const size = ends[left]!
    ends[left] = at
    at += size
  }
  if (isMixed) {
    for (let i = start; i < end; i++) rowsTo[ends[leftOf(rows[i]!)]!++] = rows[i]!
    rows.set(rowsTo.subarray(start, end), start)
  } else ends.fill(end, leftOf(rows[start]!))
  for (let left = 0, first = start; left <= windowBytes; left++) {
    const until = ends[left]!
    if (until - first > 1) {
      if (left === windowBytes) pending.push({ start: first, end: until, depth: depth + windowBytes, inValues })
      else if (!inValues) pending.push({ start: first, end: until, depth: 0, inValues: true })
      else sortByTime(state, first, until)
    }
    first = until
  }
}

const twoTo32 = 4_294_967_296

/** Sorts rows of equal keys and values: by the low half of their times, then by the high half. */
const sortByTime = (state: State, start: number, end: number): void => {
  const { repeats, rows, times, windows } = state
  repeats.fill(1, start + 1, end)
  let isOrdered = true
  for (let i = start + 1; i < end && isOrdered; i++) isOrdered = times[rows[i - 1]!]! <= times[rows[i]!]!
  if (isOrdered) return
  for (let i = start; i < end; i++) windows[i] = times[rows[i]!]! % twoTo32
  sortByWindows(state, start, end)
  for (let i = start; i < end; i++) windows[i] = times[rows[i]!]! / twoTo32
  sortByWindows(state, start, end)
}

/** Sorts the rows of a run, and their windows, by the windows. Stable. */
const sortByWindows = (state: State, start: number, end: number): void => {
  const size = end - start
  if (size <= shortRun) insertionSort(state, start, end)
  else radixSort(state, start, end, size > 65_536 ? 16 : 8)
}

const insertionSort = ({ rows, windows }: State, start: number, end: number): void => {
  for (let i = start + 1; i < end; i++) {
    const row = rows[i]!
    const window = windows[i]!
    let at = i
    while (at > start && windows[at - 1]! > window) {
      rows[at] = rows[at - 1]!
      windows[at] = windows[at - 1]!
      at--
    }
    rows[at] = row
    windows[at] = window
  }
}

/** LSD radix sort with digits of this many bits. A digit that all windows share is skipped. */
const radixSort = (
  { counts, rows, rowsTo, windows, windowsTo }: State,
  start: number,
  end: number,
  bits: 8 | 16
): void => {
  const mask = (1 << bits) - 1
  for (let shift = 0; shift < 32; shift += bits) {
    counts.fill(0, 0, mask + 1)
    for (let i = start; i < end; i++) counts[(windows[i]! >>> shift) & mask]!++
    if (counts[(windows[start]! >>> shift) & mask] === end - start) continue
    for (let digit = 0, at = start; digit <= mask; digit++) {
      const size = counts[digit]!
      counts[digit] = at
      at += size
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
