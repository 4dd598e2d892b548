/**
 * Finding the rows of a key among those in memory, which stand in the order of their arrival.
 *
 * Each search adds a bounded number of rows to a hash table of keys, and scans the rows that are not in the table yet.
 * So the work of one search on the table is bounded, even right after recovery, when no row is in it. Nothing is
 * sorted.
 *
 * @internal
 */
import type * as Columns from "../batch/Columns.ts"
import * as Hash from "../batch/Hash.ts"
import type { MemoryChunk } from "../engine/Collection.ts"
import type { MemoryChunks } from "../engine/ReadView.ts"

/** Rows that one search adds to the table: about one millisecond of work. */
const addedAtOnce = 16_384

const none = -1

/** What the table has of a row stands together, as a search jumps from row to row: each jump is a miss of the cache. */
const entry = { hash: 0, before: 1, chunk: 2, row: 3, size: 4 }

export class KeyIndex {
  /** Chunks whose rows are in the table. Of the last one, perhaps not all rows are. */
  private chunks: Array<MemoryChunk> = []
  /** The number of the first row of each. */
  private starts: Array<number> = []
  /** Rows in the table. */
  private rows = 0
  /**
   * Of each row: its hash, the row before it that has its place in the table, too, its chunk, by the place in the list, and
   * its row there.
   */
  private entries = new Int32Array(0)
  /** The last row of each place: twice as many as there is room for rows. */
  private last = new Int32Array(0)

  /**
   * Visits every row of the chunks that has the key, in no order. The chunks are those of one collection, from the
   * first on.
   */
  find(chunks: MemoryChunks, key: Uint8Array, found: (columns: Columns.Columns, row: number) => void): void {
    const { count, list } = chunks
    if (count === 0) return
    if (!this.isOf(chunks)) {
      // A read at an earlier position must not discard the table of a later one.
      if (this.chunks.length > 0 && list[0]!.position < this.chunks[0]!.position) return scan(chunks, 0, 0, key, found)
      this.clear()
    }
    this.extend(chunks)
    this.look(count, key, found)
    const first = Math.max(0, this.chunks.length - 1)
    scan(chunks, first, this.rows - (this.starts[first] ?? 0), key, found)
  }

  private isOf({ count, list }: MemoryChunks): boolean {
    const known = Math.min(count, this.chunks.length)
    return known > 0 && list[0] === this.chunks[0] && list[known - 1] === this.chunks[known - 1]
  }

  private clear(): void {
    this.chunks = []
    this.starts = []
    this.rows = 0
    this.last.fill(none)
  }

  /** Adds the next rows. */
  private extend({ count, list }: MemoryChunks): void {
    for (let left = addedAtOnce; left > 0;) {
      const chunk = this.chunks.at(-1)
      const from = this.rows - (this.starts.at(-1) ?? 0)
      if (chunk !== undefined && from < chunk.columns.length) {
        const to = Math.min(chunk.columns.length, from + left)
        this.add(chunk.columns, from, to)
        left -= to - from
      } else {
        if (this.chunks.length >= count) return
        this.chunks.push(list[this.chunks.length]!)
        this.starts.push(this.rows)
      }
    }
  }

  private add({ keyData, keyOffsets }: Columns.Columns, from: number, to: number): void {
    if (this.rows + to - from > this.entries.length / entry.size) this.grow(this.rows + to - from)
    const chunk = this.chunks.length - 1
    for (let row = from; row < to; row++) {
      const at = this.rows * entry.size
      this.entries[at + entry.hash] = hashOf(keyData, keyOffsets[row]!, keyOffsets[row + 1]!)
      this.entries[at + entry.chunk] = chunk
      this.entries[at + entry.row] = row
      this.place(this.rows++)
    }
  }

  private place(row: number): void {
    const { entries } = this
    const at = entries[row * entry.size + entry.hash]! & (this.last.length - 1)
    entries[row * entry.size + entry.before] = this.last[at]!
    this.last[at] = row
  }

  private grow(rows: number): void {
    let capacity = Math.max(1024, this.entries.length / entry.size)
    while (capacity < rows) capacity *= 2
    const entries = new Int32Array(capacity * entry.size)
    entries.set(this.entries.subarray(0, this.rows * entry.size))
    this.entries = entries
    this.last = new Int32Array(2 * capacity).fill(none)
    for (let row = 0; row < this.rows; row++) this.place(row)
  }

  /** Looks the key up in the table. */
  private look(count: number, key: Uint8Array, found: (columns: Columns.Columns, row: number) => void): void {
    if (this.rows === 0) return
    const { entries } = this
    const hash = hashOf(key, 0, key.length)
    let before: number
    for (let row = this.last[hash & (this.last.length - 1)]!; row !== none; row = before) {
      const at = row * entry.size
      before = entries[at + entry.before]!
      const chunk = entries[at + entry.chunk]!
      if (entries[at + entry.hash] !== hash || chunk >= count) continue
      const { columns } = this.chunks[chunk]!
      if (hasKey(columns, entries[at + entry.row]!, key)) found(columns, entries[at + entry.row]!)
    }
  }
}

/** Looks at every row from row `from` of chunk `first` on. */
const scan = (
  { count, list }: MemoryChunks,
  first: number,
  from: number,
  key: Uint8Array,
  found: (columns: Columns.Columns, row: number) => void
): void => {
  for (let i = first; i < count; i++) {
    const { columns } = list[i]!
    for (let row = i === first ? from : 0; row < columns.length; row++) {
      if (hasKey(columns, row, key)) found(columns, row)
    }
  }
}

/** Compares from the end: keys that differ often begin alike. */
const hasKey = ({ keyData, keyOffsets }: Columns.Columns, row: number, key: Uint8Array): boolean => {
  const start = keyOffsets[row]!
  let at = key.length
  if (keyOffsets[row + 1]! - start !== at) return false
  while (at > 0 && keyData[start + at - 1] === key[at - 1]) at--
  return at === 0
}

const hashOf = (data: Uint8Array, start: number, end: number): number =>
  Hash.finish(Hash.add(Hash.empty, data, start, end)) | 0
