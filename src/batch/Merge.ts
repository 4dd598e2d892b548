/**
 * The k-way merge: sorted inputs in, one sorted and consolidated output, a block at a time.
 *
 * It is a plain state machine that does no I/O and holds one block an input. `run` goes on until an input has to be fed,
 * the output is full, or everything is merged; what comes next is the caller's affair.
 *
 * @internal
 */
import type * as Columns from "./Columns.ts"
import { compareRows } from "./Compare.ts"
import { addDiffs } from "./Consolidate.ts"

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
  columns: Columns.Columns | undefined
  row: number
  /** The first six key bytes of the row as a number: it decides most comparisons. */
  prefix: number
  isEnded: boolean
}

const full: Step = { _tag: "Full" }
const done: Step = { _tag: "Done" }

export class Merge {
  private readonly since: number
  private readonly cursors: ReadonlyArray<Cursor>
  /** Inputs that have a row, as a binary heap: the least row is first. */
  private readonly heap: Array<Cursor> = []
  /** Inputs that have to be fed or ended before the merge can go on. */
  private readonly hungry: Array<Cursor>
  /** Rows of one key and value, gathered from all inputs. */
  private group: { readonly columns: Columns.Columns; readonly row: number } | undefined
  private groupTimes: Array<number> = []
  private groupDiffs: Array<number> = []

  /** `since` is the time that earlier times count as. */
  constructor(inputs: ReadonlyArray<Window>, since: number) {
    this.since = since
    this.cursors = inputs.map(({ lower, upper }, input) => ({
      input,
      lower,
      upper,
      columns: undefined,
      row: 0,
      prefix: 0,
      isEnded: false
    }))
    this.hungry = this.cursors.toReversed()
  }

  /** The next sorted rows of an input: they follow all that were pushed before. */
  push(input: number, columns: Columns.Columns): void {
    const cursor = this.cursors[input]!
    cursor.columns = columns
    cursor.row = -1
    if (!this.advance(cursor)) return
    this.hungry.splice(this.hungry.indexOf(cursor), 1)
    this.heap.push(cursor)
    this.siftUp(this.heap.length - 1)
  }

  /** An input has no more rows. */
  end(input: number): void {
    const cursor = this.cursors[input]!
    cursor.isEnded = true
    this.hungry.splice(this.hungry.indexOf(cursor), 1)
  }

  /** Adds rows to `out` until it has about `maxBytes`, an input must be fed, or there are no more rows. */
  run(out: Columns.Builder, maxBytes: number): Step {
    while (true) {
      const hungry = this.hungry.at(-1)
      if (hungry !== undefined) return { _tag: "Need", input: hungry.input }
      const least = this.heap[0]
      if (least === undefined) {
        this.flush(out)
        return done
      }
      if (this.group !== undefined && !this.isInGroup(least)) {
        this.flush(out)
        if (out.dataBytes + 16 * out.length >= maxBytes) return full
      }
      this.gather(least)
      if (this.advance(least)) this.siftDown(0)
      else this.drop()
    }
  }

  private isInGroup({ columns, row }: Cursor): boolean {
    return compareRows(this.group!.columns, this.group!.row, columns!, row) === 0
  }

  private gather({ columns, row }: Cursor): void {
    this.group ??= { columns: columns!, row }
    const time = columns!.times[row]!
    this.groupTimes.push(time < this.since ? this.since : time)
    this.groupDiffs.push(columns!.diffs[row]!)
  }

  /** Puts the gathered rows out, by time, summed. */
  private flush(out: Columns.Builder): void {
    if (this.group === undefined) return
    const { columns, row } = this.group
    const times = this.groupTimes
    const diffs = this.groupDiffs
    if (times.length > 1) sortByTime(times, diffs)
    for (let i = 0; i < times.length;) {
      const time = times[i]!
      let sum = diffs[i++]!
      while (i < times.length && times[i] === time) sum = addDiffs(sum, diffs[i++]!)
      if (sum !== 0) out.push(columns, row, time, sum)
    }
    this.group = undefined
    times.length = 0
    diffs.length = 0
  }

  /** Moves a cursor to its next row that counts. False where its block has none left: then it is hungry. */
  private advance(cursor: Cursor): boolean {
    const { columns, lower, upper } = cursor
    const { length, times } = columns!
    let row = cursor.row + 1
    while (row < length && (times[row]! < lower || times[row]! >= upper || this.since === Infinity)) row++
    cursor.row = row
    if (row === length) return false
    cursor.prefix = prefixOf(columns!, row)
    return true
  }

  /** Takes the first cursor out of the heap. */
  private drop(): void {
    const cursor = this.heap[0]!
    const last = this.heap.pop()!
    if (last !== cursor) {
      this.heap[0] = last
      this.siftDown(0)
    }
    this.hungry.push(cursor)
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

  private siftDown(start: number): void {
    const { heap } = this
    let at = start
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

const isBelow = (a: Cursor, b: Cursor): boolean =>
  a.prefix !== b.prefix ? a.prefix < b.prefix : compareRows(a.columns!, a.row, b.columns!, b.row) < 0

const swap = (heap: Array<Cursor>, i: number, j: number): void => {
  const held = heap[i]!
  heap[i] = heap[j]!
  heap[j] = held
}

const prefixOf = (columns: Columns.Columns, row: number): number => {
  const start = columns.keyOffsets[row]!
  const end = Math.min(columns.keyOffsets[row + 1]!, start + 6)
  let prefix = 0
  for (let i = start; i < end; i++) prefix = prefix * 256 + columns.keyData[i]!
  return prefix * 256 ** (start + 6 - end)
}

/** Sorts times, and the diffs with them. Groups are short, and nearly in order. */
const sortByTime = (times: Array<number>, diffs: Array<number>): void => {
  const isShort = times.length <= 32
  if (!isShort) {
    const order = times.map((_, i) => i).sort((a, b) => times[a]! - times[b]!)
    const sortedTimes = order.map((i) => times[i]!)
    const sortedDiffs = order.map((i) => diffs[i]!)
    for (let i = 0; i < times.length; i++) {
      times[i] = sortedTimes[i]!
      diffs[i] = sortedDiffs[i]!
    }
    return
  }
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
