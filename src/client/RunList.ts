/**
 * Runs over the rows in memory: the first read sorts them, later reads sort only what has come since, and merge runs of
 * like size. So a row is sorted a logarithmic number of times, and a read sees few runs.
 *
 * @internal
 */
import type * as Columns from "../batch/Columns.ts"
import type { MemoryChunk } from "../engine/Collection.ts"
import type { MemoryChunks } from "../engine/ReadView.ts"

interface Run {
  /** How many chunks it covers. */
  readonly chunks: number
  readonly last: MemoryChunk
  readonly columns: Columns.Columns
}

/** Makes one sorted run. */
export type Sort = (columns: ReadonlyArray<Columns.Columns>) => Columns.Columns

export class RunList {
  private first: MemoryChunk | undefined
  private runs: ReadonlyArray<Run> = []
  private readonly sorted: Sort

  constructor(sorted: Sort) {
    this.sorted = sorted
  }

  /** Whether the chunks are those of the runs, and perhaps more. */
  isExtendedBy({ count, list }: MemoryChunks): boolean {
    const covered = this.runs.reduce((sum, { chunks }) => sum + chunks, 0)
    return covered === 0 || list[0] !== this.first || covered <= count
  }

  /** Sorted runs that together hold the rows of the chunks: a collection's chunks from the first on. */
  of({ count, list }: MemoryChunks): ReadonlyArray<Columns.Columns> {
    if (count === 0) return []
    const known = list[0] === this.first ? this.runs : []
    let covered = 0
    const usable: Array<Run> = []
    for (const run of known) {
      const end = covered + run.chunks
      if (end > count || list[end - 1] !== run.last) break
      usable.push(run)
      covered = end
    }
    const result = this.merged(covered === count ? usable : [...usable, this.run(list.slice(covered, count))])
    // A read at an earlier position must not make a later one sort everything again.
    if (usable.length === known.length) {
      this.first = list[0]
      this.runs = result
    }
    return result.map((run) => run.columns)
  }

  private run(chunks: ReadonlyArray<MemoryChunk>): Run {
    return { chunks: chunks.length, last: chunks.at(-1)!, columns: this.sorted(chunks.map(({ columns }) => columns)) }
  }

  /** Merges runs from the end while the last is not much smaller than the one before it. */
  private merged(runs: Array<Run>): Array<Run> {
    while (runs.length > 1 && runs.at(-2)!.columns.length < 2 * runs.at(-1)!.columns.length) {
      const b = runs.pop()!
      const a = runs.pop()!
      runs.push({ chunks: a.chunks + b.chunks, last: b.last, columns: this.sorted([a.columns, b.columns]) })
    }
    return runs
  }
}
