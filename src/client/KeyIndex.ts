/**
 * Finding the rows of a key among those in memory, which stand in the order of their arrival.
 *
 * Each search adds a bounded number of rows to a hash table of keys, and scans the rows that are not in the table yet.
 * So the work of one search on the table is bounded, even right after recovery, when no row is in it. What is left of
 * the bound goes into pairing rows of the table. Nothing is sorted.
 *
 * @internal
 */
import type { MemoryChunk } from "../engine/Collection.ts"
import type { MemoryChunks } from "../engine/ReadView.ts"
import { counts, hasKey, KeyTable, type Times, type Visit } from "./KeyTable.ts"

/** Rows that one search adds to the table: about one millisecond of work. */
const addedAtOnce = 16_384

export class KeyIndex {
  /** Chunks whose rows are in the table. Of the last one, perhaps not all rows are. */
  private chunks: Array<MemoryChunk> = []
  private readonly table = new KeyTable()

  /**
   * Visits the rows of the chunks that have the key and whose times count, in no order. Of two rows that cancel out it may
   * leave out both. The chunks are those of one collection, from the first on.
   */
  find(chunks: MemoryChunks, key: Uint8Array, times: Times, visit: Visit): void {
    const { count, list } = chunks
    if (count === 0) return
    if (!this.isOf(chunks)) {
      // A read at an earlier position must not discard the table of a later one.
      const isEarlier = this.chunks.length > 0 && list[0]!.position < this.chunks[0]!.position
      if (isEarlier) return scan(chunks, 0, 0, key, times, visit)
      this.chunks = []
      this.table.clear()
    }
    this.table.pair(this.extend(chunks))
    this.table.look(count, key, times, visit)
    scan(chunks, Math.max(0, this.chunks.length - 1), this.table.rowsOfLast, key, times, visit)
  }

  /** Bytes that the table takes. */
  get bytes(): number {
    return this.table.bytes
  }

  private isOf({ count, list }: MemoryChunks): boolean {
    const known = Math.min(count, this.chunks.length)
    return known > 0 && list[0] === this.chunks[0] && list[known - 1] === this.chunks[known - 1]
  }

  /** Adds the next rows. Returns how many more it could have added. */
  private extend(chunks: MemoryChunks): number {
    let left = addedAtOnce
    while (left > 0) {
      const added = Math.min(left, (this.chunks.at(-1)?.columns.length ?? 0) - this.table.rowsOfLast)
      if (added > 0) {
        this.table.add(added)
        left -= added
      } else {
        const next = chunks.list[this.chunks.length]
        if (next === undefined || this.chunks.length >= chunks.count) break
        this.chunks.push(next)
        this.table.begin(next.columns)
      }
    }
    return left
  }
}

/** Looks at every row from row `from` of chunk `first` on. */
const scan = (
  { count, list }: MemoryChunks,
  first: number,
  from: number,
  key: Uint8Array,
  times: Times,
  visit: Visit
): void => {
  for (let i = first; i < count; i++) {
    const { columns } = list[i]!
    for (let row = i === first ? from : 0; row < columns.length; row++) {
      if (hasKey(columns, row, key) && counts(times, columns.times[row]!)) visit(columns, row)
    }
  }
}
