/**
 * What a compaction of a collection would come to: it is carried out, and its result is not stored.
 *
 * @internal
 */
import { Effect } from "effect"
import * as Batch from "../engine/Batch.ts"
import * as Collection from "../engine/Collection.ts"
import * as Plan from "../engine/Plan.ts"
import type { Frontier } from "../Frontier.ts"
import * as Rewriter from "./Rewriter.ts"

export interface Footprint {
  readonly rows: number
  /** The bytes of stored batches, and of rows that are only in the log. */
  readonly bytes: number
}

/** What it takes now. */
export const of = (collection: Collection.Collection): Footprint =>
  Collection.batches(collection).reduce(
    (sum, batch) => ({ rows: sum.rows + Batch.rows(batch), bytes: sum.bytes + Batch.bytes(batch) }),
    { rows: collection.memoryRows, bytes: collection.memoryBytes }
  )

const partBytes = 16 * 1024 * 1024

/** What it would take if the history before `since` were given up. `position` is that of the state. */
export const compacted = Effect.fnUntraced(function*(
  { batches, merger }: Pick<Rewriter.Options, "batches" | "merger">,
  collection: Collection.Collection,
  since: Frontier,
  position: number
) {
  let keys = 0
  const rewriter = Rewriter.make({
    blob: { put: () => Effect.void },
    batches,
    merger,
    newKey: () => `preview/${++keys}`,
    partBytes
  })
  const advanced = { ...collection, chunks: [...collection.chunks], since: Math.max(collection.since, since) }
  const { bytes, swap } = yield* rewriter.run(Plan.everything(advanced, position))
  const stored = [...swap.newSpills, ...(swap.newTrace === undefined ? [] : [swap.newTrace])]
  return { rows: stored.reduce((sum, batch) => sum + Batch.rows(batch), 0), bytes } satisfies Footprint
})
