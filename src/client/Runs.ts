/**
 * Sorted runs over the rows in memory, made by the first read and kept for later ones.
 *
 * Blocks come in arrival order. The first read sorts them; later reads sort only what has come since, and merge runs of
 * like size, so that a row is sorted a logarithmic number of times and a read sees few runs.
 *
 * @internal
 */
import * as Columns from "../batch/Columns.ts"
import * as Consolidate from "../batch/Consolidate.ts"
import type { MemoryChunk } from "../engine/Collection.ts"
import type { MemoryChunks } from "../engine/ReadView.ts"
import { KeyIndex } from "./KeyIndex.ts"

interface Run {
  /** How many chunks it covers. */
  readonly chunks: number
  readonly last: MemoryChunk
  readonly columns: Columns.Columns
}

export interface Runs {
  /** Sorted runs that together hold exactly the rows of the chunks: a collection's chunks from the first on. */
  readonly of: (chunks: MemoryChunks) => ReadonlyArray<Columns.Columns>
  /** The rows of one key, found without sorting. */
  readonly keys: KeyIndex
}

export const make = (): Runs => {
  let first: MemoryChunk | undefined
  let runs: Array<Run> = []

  return {
    keys: new KeyIndex(),
    of: ({ count, list }) => {
      if (count === 0) return []
      if (list[0] !== first) {
        first = list[0]
        runs = []
      }
      let covered = 0
      const usable: Array<Run> = []
      for (const run of runs) {
        const end = covered + run.chunks
        if (end > count || list[end - 1] !== run.last) break
        usable.push(run)
        covered = end
      }
      const added = sortedRun(list.slice(covered, count))
      const result = added === undefined ? usable : merged([...usable, added])
      // A read at an earlier position must not make a later one sort everything again.
      if (usable.length === runs.length) runs = result
      return result.map((run) => run.columns)
    }
  }
}

const sortedRun = (chunks: ReadonlyArray<MemoryChunk>): Run | undefined => {
  if (chunks.length === 0) return undefined
  return { chunks: chunks.length, last: chunks.at(-1)!, columns: sorted(chunks.map((chunk) => chunk.columns)) }
}

/** Merges runs from the end while the last is not much smaller than the one before it. */
const merged = (runs: Array<Run>): Array<Run> => {
  while (runs.length > 1 && runs.at(-2)!.columns.length < 2 * runs.at(-1)!.columns.length) {
    const b = runs.pop()!
    const a = runs.pop()!
    runs.push({ chunks: a.chunks + b.chunks, last: b.last, columns: sorted([a.columns, b.columns]) })
  }
  return runs
}

/** One sorted, consolidated run of the rows, at the times they have. */
export const sorted = (columns: ReadonlyArray<Columns.Columns>): Columns.Columns =>
  Consolidate.consolidate(Columns.concat(columns), { since: 0 })
