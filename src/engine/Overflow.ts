/**
 * Rows whose diffs cannot be summed: what maintenance does about them.
 *
 * A rewrite sums the diffs of equal rows, and a sum beyond 2^53 - 1 can be stored nowhere. Such rows stay in batches of
 * their own, where they need neither memory nor log, until later rows bring the sum back into range.
 *
 * @internal
 */
import * as Columns from "../batch/Columns.ts"
import * as Batch from "./Batch.ts"
import * as Collection from "./Collection.ts"
import type { Rewrite } from "./Plan.ts"

/** Instead of a rewrite that would overflow: moves its rows in memory to spills, and leaves stored rows alone. */
export const apart = (rewrite: Rewrite): Rewrite => ({
  ...rewrite,
  reason: "flush",
  spills: [],
  trace: [],
  sealedTo: rewrite.traceUpper,
  spillSince: Math.min(rewrite.since, rewrite.traceUpper)
})

/** The same rows, in order, in groups whose diffs can be summed whatever rows are equal. */
export const groups = (
  chunks: ReadonlyArray<Collection.MemoryChunk>
): ReadonlyArray<ReadonlyArray<Collection.MemoryChunk>> => {
  const found: Array<Array<Collection.MemoryChunk>> = [[]]
  let magnitude = 0
  for (const { columns, position, seqNo } of chunks) {
    let start = 0
    const take = (end: number) => {
      if (end > start) found.at(-1)!.push(Collection.chunk(position, seqNo, Columns.slice(columns, start, end)))
      start = end
    }
    for (let row = 0; row < columns.length; row++) {
      magnitude += Math.abs(columns.diffs[row]!)
      if (Number.isSafeInteger(magnitude)) continue
      take(row)
      found.push([])
      magnitude = Math.abs(columns.diffs[row]!)
    }
    take(columns.length)
  }
  return found.filter((group) => group.length > 0)
}

/** Names what a rewrite of stored rows reads and how far it advances them: the same again would overflow again. */
export const attempt = (rewrite: Rewrite): string =>
  [...rewrite.spills, ...rewrite.trace].map(Batch.id).concat(`${rewrite.since} ${rewrite.sealedTo}`).join()
