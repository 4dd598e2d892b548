/**
 * The k-way merge: sorted inputs in, one sorted and consolidated output, a block at a time.
 *
 * It is a state machine without I/O. Its memory is one block of each input, and the times and diffs of the current key
 * and value. `run` continues until an input has to be fed, the output is full, or everything is merged. Then the caller
 * feeds the input or takes the output.
 *
 * The inputs are kept in a binary heap by their first rows (Knuth, TAOCP vol. 3, 5.4.1, multiway merging).
 *
 * @internal
 */
import * as Columns from "./Columns.ts"
import { compareRows } from "./Compare.ts"
import { DiffSum, fits } from "./DiffSum.ts"

/** The rows of an input that count: those at times in [lower, upper). */
export interface Window {
  readonly lower: number
  readonly upper: number
}

export type Step =
  | { readonly _tag: "Need"; readonly input: number }
  | { readonly _tag: "Full" }
  | { readonly _tag: "Done" }

interface Cursor {
  readonly input: number
  readonly lower: number
  readonly upper: number
  columns: Columns.Columns
  row: number
  /**
   * The first six bytes of the row's key after the prefix that all blocks share, as a number. It decides most
   * comparisons.
   */
  prefix: number
}

const prefixBytes = 6

const full: Step = { _tag: "Full" }
const done: Step = { _tag: "Done" }

export class Merge {
  private readonly since: number
  private readonly cursors: ReadonlyArray<Cursor>
  /** Inputs that have a row, as a binary heap: the least row is first. */
  private readonly heap: Array<Cursor> = []
  /** Inputs that have to be fed or ended before the merge can go on. */
  private readonly hungry: Array<Cursor>
  /** Bytes that all keys of the current blocks have in common. */
  private shared = 0
  /** The first row of a group, whose key and value all its rows have. */
  private groupColumns = Columns.empty
  private groupRow = 0
  /** Times and diffs gathered of the group. */
  private readonly times: Array<number> = []
  private readonly diffs: Array<number> = []
  private readonly sum = new DiffSum()
  /** The next of them to output, once the group is complete. */
  private next: number | undefined

  /** `since` is the time that earlier times count as; with `Infinity` every row is dropped. */
  constructor(inputs: ReadonlyArray<Window>, since: number) {
    this.since = since
    this.cursors = inputs.map(({ lower, upper }, input) => ({
      input,
      lower,
      upper: since === Infinity ? lower : upper,
      columns: Columns.empty,
      row: 0,
      prefix: 0
    }))
    this.hungry = this.cursors.toReversed()
  }

  /**
   * The next rows of an input that `run` needed: sorted, consolidated, and behind all that were pushed before. Their
   * memory must stay as it is until the merge is over.
   */
  push(input: number, columns: Columns.Columns): void {
    const cursor = this.cursors[input]!
    cursor.columns = columns
    cursor.row = -1
    if (!advance(cursor)) return
    this.hungry.splice(this.hungry.indexOf(cursor), 1)
    this.heap.push(cursor)
    this.findPrefixes()
    this.siftUp(this.heap.length - 1)
  }

  /** An input that `run` needed has no more rows. */
  end(input: number): void {
    this.hungry.splice(this.hungry.indexOf(this.cursors[input]!), 1)
  }

  /**
   * Adds rows to `out` until it has about `maxBytes`, an input must be fed, or there are no more rows. Throws
   * `ValueOutOfRange` where a sum of diffs cannot be stored.
   */
  run(out: Columns.Builder, maxBytes: number): Step {
    while (out.dataBytes + 16 * out.length < maxBytes) {
      if (this.next !== undefined) {
        this.putOut(out, this.next)
        continue
      }
      const hungry = this.hungry.at(-1)
      if (hungry !== undefined) return { _tag: "Need", input: hungry.input }
      const least = this.heap[0]
      if (this.times.length > 0 && !this.isInGroup(least)) this.completeGroup()
      else if (least === undefined) return done
      else if (this.times.length > 0 || !this.copyRun(least, out, maxBytes)) this.gather(least)
    }
    return full
  }

  private isInGroup(cursor: Cursor | undefined): boolean {
    return cursor !== undefined && compareRows(this.groupColumns, this.groupRow, cursor.columns, cursor.row) === 0
  }

  /** Takes the first row of the heap into the group. */
  private gather(least: Cursor): void {
    const { columns, row } = least
    if (this.times.length === 0) {
      this.groupColumns = columns
      this.groupRow = row
    }
    const time = Math.max(columns.times[row]!, this.since)
    const diff = columns.diffs[row]!
    const last = this.times.length - 1
    if (this.times[last] === time && fits(this.diffs[last]!, diff)) this.diffs[last]! += diff
    else {
      this.times.push(time)
      this.diffs.push(diff)
    }
    this.moveOn(least)
  }

  private completeGroup(): void {
    if (this.times.length > 1) sortByTime(this.times, this.diffs)
    this.next = 0
  }

  /** Outputs the next time of the group, with the sum of its diffs. */
  private putOut(out: Columns.Builder, first: number): void {
    const { diffs, sum, times } = this
    const time = times[first]!
    sum.set(diffs[first]!)
    let next = first + 1
    for (; next < times.length && times[next] === time; next++) sum.add(diffs[next]!)
    const diff = sum.value()
    if (diff !== 0) out.push(this.groupColumns, this.groupRow, time, diff)
    this.next = next
    if (next < times.length) return
    times.length = 0
    diffs.length = 0
    this.next = undefined
  }

  /**
   * Outputs rows of the least input unchanged, up to the first that may equal another row. Rows of one key and value
   * are adjacent in an input, and the other inputs begin at the second row of the heap.
   */
  private copyRun(least: Cursor, out: Columns.Builder, maxBytes: number): boolean {
    const { columns, row } = least
    const { keyOffsets, length, valueOffsets } = columns
    const most = maxBytes - out.dataBytes - 16 * out.length + keyOffsets[row]! + valueOffsets[row]! + 16 * row
    const second = this.second()
    let end = row
    while (
      end + 1 < length && keyOffsets[end]! + valueOffsets[end]! + 16 * end < most && this.isAlone(least, end, second)
    ) end++
    if (end === row) return false
    out.appendRange(columns, row, end, this.since)
    least.row = end - 1
    this.moveOn(least)
    return true
  }

  /** The least input but for the first of the heap. */
  private second(): Cursor | undefined {
    const left = this.heap[1]
    const right = this.heap[2]
    return left === undefined || right === undefined || isBelow(left, right) ? left : right
  }

  /** Whether a row of the least input, not the last of its block, counts and has a key and value that no other has. */
  private isAlone(least: Cursor, row: number, second: Cursor | undefined): boolean {
    const { columns } = least
    return isInWindow(least, row) && (second === undefined || this.isRowBelow(columns, row, second)) &&
      compareRows(columns, row, columns, row + 1) !== 0
  }

  private isRowBelow(columns: Columns.Columns, row: number, other: Cursor): boolean {
    const prefix = prefixOf(columns, row, this.shared)
    return prefix !== other.prefix ? prefix < other.prefix : compareRows(columns, row, other.columns, other.row) < 0
  }

  /** Moves the first cursor of the heap to its next row, or out of the heap where its block has none left. */
  private moveOn(cursor: Cursor): void {
    if (advance(cursor)) cursor.prefix = prefixOf(cursor.columns, cursor.row, this.shared)
    else {
      this.hungry.push(cursor)
      const last = this.heap.pop()!
      if (last === cursor) return
      this.heap[0] = last
    }
    this.siftDown()
  }

  /**
   * Bytes that all blocks share do not help to compare. Prefixes begin after them, and are computed again with each
   * block.
   */
  private findPrefixes(): void {
    const { columns: reference, row } = this.heap[0]!
    const key = Columns.keyAt(reference, row)
    this.shared = this.heap.reduce(
      (shared, { columns }) =>
        Math.min(shared, sharedBytes(key, columns, 0), sharedBytes(key, columns, columns.length - 1)),
      key.length
    )
    for (const cursor of this.heap) cursor.prefix = prefixOf(cursor.columns, cursor.row, this.shared)
  }

  private siftUp(start: number): void {
    const { heap } = this
    let at = start
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBelow(heap[at]!, heap[parent]!)) return
      swap(heap, at, parent)
      at = parent
    }
  }

  private siftDown(): void {
    const { heap } = this
    let at = 0
    while (true) {
      const left = 2 * at + 1
      if (left >= heap.length) return
      const right = left + 1
      const child = right < heap.length && isBelow(heap[right]!, heap[left]!) ? right : left
      if (!isBelow(heap[child]!, heap[at]!)) return
      swap(heap, at, child)
      at = child
    }
  }
}

const isInWindow = ({ columns, lower, upper }: Cursor, row: number): boolean =>
  columns.times[row]! >= lower && columns.times[row]! < upper

/** Moves a cursor to its next row that counts. False where its block has none left. */
const advance = (cursor: Cursor): boolean => {
  const { length } = cursor.columns
  let row = cursor.row + 1
  while (row < length && !isInWindow(cursor, row)) row++
  cursor.row = row
  return row < length
}

const isBelow = (a: Cursor, b: Cursor): boolean =>
  a.prefix !== b.prefix ? a.prefix < b.prefix : compareRows(a.columns, a.row, b.columns, b.row) < 0

const swap = (heap: Array<Cursor>, i: number, j: number): void => {
  const held = heap[i]!
  heap[i] = heap[j]!
  heap[j] = held
}

/** How many bytes a key and that of a row have in common at their start. */
const sharedBytes = (key: Uint8Array, { keyData, keyOffsets }: Columns.Columns, row: number): number => {
  const start = keyOffsets[row]!
  const most = Math.min(key.length, keyOffsets[row + 1]! - start)
  let shared = 0
  while (shared < most && key[shared] === keyData[start + shared]) shared++
  return shared
}

/** Key bytes from `from` on, as a number. */
const prefixOf = ({ keyData, keyOffsets }: Columns.Columns, row: number, from: number): number => {
  const start = keyOffsets[row]! + from
  const end = Math.min(keyOffsets[row + 1]!, start + prefixBytes)
  let prefix = 0
  for (let i = start; i < end; i++) prefix = prefix * 256 + keyData[i]!
  return prefix * 256 ** (start + prefixBytes - end)
}

/** Sorts times, and the diffs with them. */
const sortByTime = (times: Array<number>, diffs: Array<number>): void => {
  if (times.length <= 32) insertionSort(times, diffs)
  else {
    const order = times.map((_, i) => i).toSorted((a, b) => times[a]! - times[b]!)
    replace(times, order.map((i) => times[i]!))
    replace(diffs, order.map((i) => diffs[i]!))
  }
}

const replace = (items: Array<number>, by: ReadonlyArray<number>): void => {
  for (let i = 0; i < items.length; i++) items[i] = by[i]!
}

const insertionSort = (times: Array<number>, diffs: Array<number>): void => {
  for (let i = 1; i < times.length; i++) {
    const time = times[i]!
    const diff = diffs[i]!
    let at = i
    while (at > 0 && times[at - 1]! > time) {
      times[at] = times[at - 1]!
      diffs[at] = diffs[at - 1]!
      at--
    }
    times[at] = time
    diffs[at] = diff
  }
}
