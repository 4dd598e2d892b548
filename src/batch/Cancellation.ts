/**
 * Cancellation: finds rows in memory that take each other back, before they are sorted, merged or handed to another
 * thread.
 *
 * A value that is rewritten often leaves an insertion and a retraction for each of its steps. Once `since` has passed
 * both, consolidation drops them, but only after it has read, copied and compared all their bytes. Here a hash table
 * brings the two together. It is looked up by the key, the length of the value and a few of its bytes; the rows are then
 * compared as a whole. Rows that it does not bring together are dropped by consolidation.
 *
 * @internal
 */
import * as Columns from "./Columns.ts"
import * as Compare from "./Compare.ts"
import * as Hash from "./Hash.ts"

export interface Window {
  /** Rows at times in [lower, upper) count; the others are dropped. */
  readonly lower: number
  readonly upper: number
  /** Rows at times up to it count as rows at this time. */
  readonly since: number
}

const none = -1

/** How many rows of one place of the table are compared. */
const maxLooks = 8

/** Bytes at either end of a value that its hash covers. */
const sampledBytes = 32

export class Cancellation {
  private readonly parts: ReadonlyArray<Columns.Columns>
  private readonly window: Window
  /** For each part, 1 where a row is kept. */
  private readonly kept: ReadonlyArray<Uint8Array>
  /** The part and the row of each candidate, and the candidate before it at its place of the table. */
  private readonly partOf: Int32Array
  private readonly rowOf: Int32Array
  private readonly before: Int32Array
  private readonly last: Int32Array
  private candidates = 0
  private part = 0
  private row = 0

  constructor(parts: ReadonlyArray<Columns.Columns>, window: Window) {
    this.parts = parts
    this.window = window
    this.kept = parts.map(({ length }) => new Uint8Array(length))
    const rows = parts.reduce((sum, { length }) => sum + length, 0)
    this.partOf = new Int32Array(rows)
    this.rowOf = new Int32Array(rows)
    this.before = new Int32Array(rows)
    this.last = new Int32Array(2 ** Math.ceil(Math.log2(rows + 1))).fill(none)
  }

  /** Looks at the next rows. True if there are no more. */
  step(rows: number): boolean {
    for (let left = rows; left > 0 && this.part < this.parts.length;) {
      const columns = this.parts[this.part]!
      const end = Math.min(columns.length, this.row + left)
      left -= end - this.row
      for (; this.row < end; this.row++) this.take(columns, this.row)
      if (this.row < columns.length) continue
      this.part++
      this.row = 0
    }
    return this.part === this.parts.length
  }

  /** The rows that are left, those of each part in memory of their own. */
  rest(): ReadonlyArray<Columns.Columns> {
    return this.parts.map((columns, part) => this.restOf(columns, this.kept[part]!)).filter(({ length }) => length > 0)
  }

  private restOf(columns: Columns.Columns, kept: Uint8Array): Columns.Columns {
    const first = kept.indexOf(1)
    if (first < 0) return Columns.empty
    const out = new Columns.Builder()
    for (let row = first; row < columns.length; row++) {
      if (kept[row] === 1) out.push(columns, row, columns.times[row]!, columns.diffs[row]!)
    }
    return out.view()
  }

  private take(columns: Columns.Columns, row: number): void {
    const { lower, since, upper } = this.window
    const time = columns.times[row]!
    if (time < lower || time >= upper) return
    if (time <= since && this.cancel(columns, row)) return
    this.kept[this.part]![row] = 1
  }

  /** Drops an earlier row that this one takes back. Where there is none, a later one may take back this one. */
  private cancel(columns: Columns.Columns, row: number): boolean {
    const place = hashOf(columns, row) & (this.last.length - 1)
    let after = none
    let candidate = this.last[place]!
    for (let looks = 0; candidate !== none && looks < maxLooks; looks++) {
      const other = this.parts[this.partOf[candidate]!]!
      const otherRow = this.rowOf[candidate]!
      if (other.diffs[otherRow] === -columns.diffs[row]! && Compare.isSameRow(other, otherRow, columns, row)) {
        this.kept[this.partOf[candidate]!]![otherRow] = 0
        if (after === none) this.last[place] = this.before[candidate]!
        else this.before[after] = this.before[candidate]!
        return true
      }
      after = candidate
      candidate = this.before[candidate]!
    }
    this.partOf[this.candidates] = this.part
    this.rowOf[this.candidates] = row
    this.before[this.candidates] = this.last[place]!
    this.last[place] = this.candidates++
    return false
  }
}

const hashOf = (columns: Columns.Columns, row: number): number => {
  const { keyData, keyOffsets, valueData, valueOffsets } = columns
  const start = valueOffsets[row]!
  const end = valueOffsets[row + 1]!
  const key = Hash.add(Hash.step(Hash.empty, end - start), keyData, keyOffsets[row]!, keyOffsets[row + 1]!)
  const head = Math.min(end, start + sampledBytes)
  const tail = Math.max(head, end - sampledBytes)
  return Hash.finish(Hash.add(Hash.add(key, valueData, start, head), valueData, tail, end))
}
