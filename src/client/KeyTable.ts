/**
 * A hash table of rows by their keys, in which a row and the one that takes it back are a pair.
 *
 * A read that counts both rows of a pair as of one time has use for neither of them. Pairs stand in lists of their own,
 * the newest first, so that such a read looks at none of what was replaced before, however often a key was written.
 *
 * @internal
 */
import type * as Columns from "../batch/Columns.ts"
import * as Compare from "../batch/Compare.ts"
import * as Hash from "../batch/Hash.ts"

/** Rows at times in [fromTime, toTime) count, those before `since` as of `since`. */
export interface Times {
  readonly fromTime: number
  readonly toTime: number
  readonly since: number
}

/** Whether rows at a time count. */
export const counts = ({ fromTime, toTime }: Times, time: number): boolean => time >= fromTime && time < toTime

export type Visit = (columns: Columns.Columns, row: number) => void

/** Looking at an earlier row is as much work as adding so many. */
const lookWork = 16

/** Comparing so many bytes is as much work as adding a row. */
const bytesOfWork = 512

/** How many rows are looked at for the one that a row takes back: mostly it is the first or the second. */
const mostLooks = 8

/** Rows are counted from 1, so that new memory, which is all 0, has no row in it. */
const none = 0

/**
 * What the table has of a row stands together, as a search jumps from row to row, and each jump is a miss of the cache:
 * its hash, the row before it in its list, its chunk, the other row of its pair; and, in numbers of twice the size, its
 * time.
 */
const entry = { hash: 0, before: 1, chunk: 2, partner: 3, size: 6 }
const double = { time: 2, size: 3 }

/** The lists of a bucket: rows as they were added; rows for which a partner was looked for in vain; pairs. */
const lists = { added: 0, single: 1, pairs: 2, size: 3 }

/** So many rows have a bucket, when the table is full. What is not taken back is much less, mostly. */
const rowsOfBucket = 2

/** The memory of a table that had more rows than fit into so many bytes is not kept for the next ones. */
const keptBytes = 64 * 1024

export class KeyTable {
  /** The number of the last row. */
  private rows = none
  private chunks: Array<Columns.Columns> = []
  /** The number of the first row of each chunk. */
  private starts: Array<number> = []
  /** The last row for which a partner was looked for. */
  private looked = none
  private entries = new Int32Array(0)
  /** The same memory. */
  private doubles = new Float64Array(0)
  /** The last row of each list of each bucket. Added rows up to `looked` are in the other lists by now. */
  private last = new Int32Array(0)
  private pairTimes = new PairTimes()

  /** Bytes that it takes. */
  get bytes(): number {
    return this.entries.byteLength + this.last.byteLength
  }

  clear(): void {
    this.rows = none
    this.chunks = []
    this.starts = []
    this.looked = none
    if (this.bytes > keptBytes) {
      this.entries = new Int32Array(0)
      this.doubles = new Float64Array(0)
      this.last = new Int32Array(0)
    } else this.last.fill(none)
    this.pairTimes = new PairTimes()
  }

  /** The rows that are added next are of these columns. */
  begin(columns: Columns.Columns): void {
    this.chunks.push(columns)
    this.starts.push(this.rows + 1)
  }

  /** How many rows of the last chunk are in it. */
  get rowsOfLast(): number {
    return this.rows - (this.starts.at(-1) ?? 1) + 1
  }

  /** Adds the next rows of the last chunk. */
  add(count: number): void {
    const chunk = this.chunks.length - 1
    const { keyData, keyOffsets, times } = this.chunks[chunk]!
    const from = this.rowsOfLast
    this.reserve(count)
    for (let at = from; at < from + count; at++) {
      const row = ++this.rows
      this.entries[row * entry.size + entry.hash] = hashOf(keyData, keyOffsets[at]!, keyOffsets[at + 1]!)
      this.entries[row * entry.size + entry.chunk] = chunk
      this.entries[row * entry.size + entry.partner] = none
      this.doubles[row * double.size + double.time] = times[at]!
      this.link(row, lists.added)
    }
  }

  /** Makes room for so many more rows. Each row looks for its bucket anew. */
  private reserve(more: number): void {
    const rows = this.rows + more
    if (rows < this.entries.length / entry.size) return
    let capacity = 1024
    while (capacity <= rows) capacity *= 2
    const entries = new Int32Array(capacity * entry.size)
    entries.set(this.entries.subarray(0, (this.rows + 1) * entry.size))
    this.entries = entries
    this.doubles = new Float64Array(entries.buffer)
    this.last = new Int32Array(capacity / rowsOfBucket * lists.size)
    for (let row = 1; row <= this.rows; row++) {
      const partner = this.partnerOf(row)
      if (row > this.looked) this.link(row, lists.added)
      else if (partner === none) this.link(row, lists.single)
      else if (partner < row) this.link(row, lists.pairs)
    }
  }

  /** Looks for partners of the next rows, for about as much work as adding so many rows. */
  pair(work: number): void {
    for (let left = work; left > 0 && this.looked < this.rows;) left -= this.pairNext()
  }

  /** Returns how much work it was. */
  private pairNext(): number {
    const row = ++this.looked
    const { diffs, valueOffsets } = this.columnsOf(row)
    const at = this.rowIn(row)
    const bytes = valueOffsets[at + 1]! - valueOffsets[at]!
    const looks = diffs[at]! < 0 ? this.lookForPartner(row) : 0
    const partner = this.partnerOf(row)
    this.link(row, partner === none ? lists.single : lists.pairs)
    if (partner !== none) this.pairTimes.add(this.timeOf(partner), this.timeOf(row))
    return 1 + looks * (lookWork + bytes / bytesOfWork)
  }

  /** Takes the row that a row takes back out of its list, if it is among the last ones. Returns how many it looked at. */
  private lookForPartner(row: number): number {
    const { entries } = this
    const hash = entries[row * entry.size + entry.hash]!
    const last = this.bucketOf(hash) + lists.single
    let looks = 0
    let after = none
    for (let other = this.last[last]!; other !== none && looks < mostLooks; other = this.before(other)) {
      looks++
      if (entries[other * entry.size + entry.hash] === hash && this.isOpposite(other, row)) {
        if (after === none) this.last[last] = this.before(other)
        else entries[after * entry.size + entry.before] = this.before(other)
        entries[row * entry.size + entry.partner] = other
        entries[other * entry.size + entry.partner] = row
        break
      }
      after = other
    }
    return looks
  }

  /** Whether two rows are equal, and their diffs sum to 0. */
  private isOpposite(a: number, b: number): boolean {
    const ours = this.columnsOf(a)
    const i = this.rowIn(a)
    const theirs = this.columnsOf(b)
    const j = this.rowIn(b)
    return ours.diffs[i] === -theirs.diffs[j]! && Compare.isSameRow(ours, i, theirs, j)
  }

  /**
   * Visits the rows of the first `chunks` chunks that have the key and whose times count, in no order, except some that
   * cancel out.
   */
  look(chunks: number, key: Uint8Array, times: Times, visit: Visit): void {
    if (this.rows === none) return
    const hash = hashOf(key, 0, key.length)
    const end = this.starts[chunks] ?? this.rows + 1
    const bucket = this.bucketOf(hash)
    const visitRow = (row: number): void => {
      if (row >= end || this.hashOf(row) !== hash || !counts(times, this.timeOf(row))) return
      const columns = this.columnsOf(row)
      if (hasKey(columns, this.rowIn(row), key)) visit(columns, this.rowIn(row))
    }
    for (let row = this.last[bucket + lists.added]!; row > this.looked; row = this.before(row)) visitRow(row)
    for (let row = this.last[bucket + lists.single]!; row !== none; row = this.before(row)) visitRow(row)
    for (let row = this.last[bucket + lists.pairs]!; row !== none; row = this.before(row)) {
      if (row < end && this.pairTimes.areHidden(this.timeOf(row), times)) return
      const partner = this.partnerOf(row)
      if (row < end && isHidden(this.timeOf(partner), this.timeOf(row), times)) continue
      visitRow(row)
      visitRow(partner)
    }
  }

  private link(row: number, list: number): void {
    const last = this.bucketOf(this.hashOf(row)) + list
    this.entries[row * entry.size + entry.before] = this.last[last]!
    this.last[last] = row
  }

  private bucketOf(hash: number): number {
    return (hash & (this.last.length / lists.size - 1)) * lists.size
  }

  private hashOf(row: number): number {
    return this.entries[row * entry.size + entry.hash]!
  }

  private before(row: number): number {
    return this.entries[row * entry.size + entry.before]!
  }

  private partnerOf(row: number): number {
    return this.entries[row * entry.size + entry.partner]!
  }

  private timeOf(row: number): number {
    return this.doubles[row * double.size + double.time]!
  }

  private columnsOf(row: number): Columns.Columns {
    return this.chunks[this.entries[row * entry.size + entry.chunk]!]!
  }

  /** Which row of its columns it is. */
  private rowIn(row: number): number {
    return row - this.starts[this.entries[row * entry.size + entry.chunk]!]!
  }
}

/** The times of all pairs. */
class PairTimes {
  private first = Infinity
  private last = -Infinity
  /** Whether no time of a pair is beyond that of a later pair's retraction. */
  private isInOrder = true

  add(added: number, takenBack: number): void {
    this.isInOrder &&= takenBack >= added && takenBack >= this.last
    this.first = Math.min(this.first, added, takenBack)
    this.last = Math.max(this.last, added, takenBack)
  }

  /** Whether a read sees nothing of a pair that was taken back at a time, and of all pairs before it. */
  areHidden(takenBack: number, { fromTime, since, toTime }: Times): boolean {
    const last = this.isInOrder ? takenBack : this.last
    return this.first >= fromTime && last < toTime && last <= since
  }
}

/** Whether the rows of a pair cancel out. */
const isHidden = (added: number, takenBack: number, times: Times): boolean =>
  counts(times, added) && counts(times, takenBack) && Math.max(added, times.since) === Math.max(takenBack, times.since)

/** Compares from the end: keys that differ often begin alike. */
export const hasKey = ({ keyData, keyOffsets }: Columns.Columns, row: number, key: Uint8Array): boolean => {
  const start = keyOffsets[row]!
  let at = key.length
  if (keyOffsets[row + 1]! - start !== at) return false
  while (at > 0 && keyData[start + at - 1] === key[at - 1]) at--
  return at === 0
}

const hashOf = (data: Uint8Array, start: number, end: number): number =>
  Hash.finish(Hash.add(Hash.empty, data, start, end)) | 0
