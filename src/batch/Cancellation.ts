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

/** Candidates are counted from 1, so that new memory, which is all 0, has no candidate in it. */
const none = 0

/** How many rows of one place of the table are compared. */
const maxLooks = 8

/** Bytes at either end of a value that its hash covers. */
const sampledBytes = 16

/**
 * What the table has of a candidate stands together, as each look is a miss of the cache: its hash, the candidate before
 * it at its place of the table, its part and its row.
 */
const entry = { hash: 0, before: 1, part: 2, row: 3, size: 4 }

export class Cancellation {
  private readonly parts: ReadonlyArray<Columns.Columns>
  private readonly window: Window
  /** For each part, 1 where a row is kept. */
  private readonly kept: ReadonlyArray<Uint8Array>
  private readonly entries: Int32Array
  private readonly last: Int32Array
  private candidates = 0
  /** Entries of candidates that were taken back, which later ones use again. */
  private free = none
  /** How many candidates add rows, and how many take back rows that were not found. */
  private added = 0
  private owed = 0
  private part = 0
  private row = 0

  constructor(parts: ReadonlyArray<Columns.Columns>, window: Window) {
    this.parts = parts
    this.window = window
    this.kept = parts.map(({ length }) => new Uint8Array(length))
    const rows = parts.reduce((sum, { length }) => sum + length, 0)
    this.entries = new Int32Array((rows + 1) * entry.size)
    this.last = new Int32Array(2 ** Math.ceil(Math.log2(rows + 1)))
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
    return this.stretches().filter((part) => part.length > 0).map(Columns.copyStretches)
  }

  /** The rows that are left, of each part. */
  stretches(): ReadonlyArray<ReadonlyArray<Columns.Stretch>> {
    return this.parts.map((columns, part) => stretchesOf(columns, this.kept[part]!))
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
    const { entries, last } = this
    const hash = hashOf(columns, row) | 0
    const place = hash & (last.length - 1)
    const isAdded = columns.diffs[row]! > 0
    let after = none
    let candidate = (isAdded ? this.owed : this.added) === 0 ? none : last[place]!
    for (let looks = 0; candidate !== none && looks < maxLooks; looks++) {
      const at = candidate * entry.size
      if (entries[at + entry.hash] === hash && this.isOpposite(at, columns, row)) {
        this.kept[entries[at + entry.part]!]![entries[at + entry.row]!] = 0
        if (after === none) last[place] = entries[at + entry.before]!
        else entries[after * entry.size + entry.before] = entries[at + entry.before]!
        entries[at + entry.before] = this.free
        this.free = candidate
        if (isAdded) this.owed--
        else this.added--
        return true
      }
      after = candidate
      candidate = entries[at + entry.before]!
    }
    this.put(hash, row)
    if (isAdded) this.added++
    else this.owed++
    return false
  }

  private isOpposite(at: number, columns: Columns.Columns, row: number): boolean {
    const other = this.parts[this.entries[at + entry.part]!]!
    const otherRow = this.entries[at + entry.row]!
    return other.diffs[otherRow] === -columns.diffs[row]! && Compare.isSameRow(other, otherRow, columns, row)
  }

  /** Makes a row of the present part the last candidate of its place. */
  private put(hash: number, row: number): void {
    const { entries, last } = this
    const candidate = this.free === none ? ++this.candidates : this.free
    const at = candidate * entry.size
    if (candidate === this.free) this.free = entries[at + entry.before]!
    const place = hash & (last.length - 1)
    entries[at + entry.hash] = hash
    entries[at + entry.part] = this.part
    entries[at + entry.row] = row
    entries[at + entry.before] = last[place]!
    last[place] = candidate
  }
}

const stretchesOf = (from: Columns.Columns, kept: Uint8Array): ReadonlyArray<Columns.Stretch> => {
  const stretches: Array<Columns.Stretch> = []
  for (let start = kept.indexOf(1), end = 0; start >= 0; start = kept.indexOf(1, end)) {
    end = kept.indexOf(0, start)
    if (end < 0) end = from.length
    stretches.push({ from, start, end })
  }
  return stretches
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
