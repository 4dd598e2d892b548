/**
 * How much space a collection takes, and would take if more of its history were discarded.
 *
 * @internal
 */
import { Effect } from "effect"
import * as Batch from "../engine/Batch.ts"
import * as Collection from "../engine/Collection.ts"
import * as Plan from "../engine/Plan.ts"
import type { State } from "../engine/State.ts"
import type { Frontier } from "../Frontier.ts"
import { UnknownCollection } from "../PersistError.ts"
import * as BatchStore from "../runtime/BatchStore.ts"
import * as BlockCache from "../runtime/BlockCache.ts"
import { Merger } from "../runtime/Merger.ts"
import * as Recovery from "../runtime/Recovery.ts"
import * as Rewriter from "../runtime/Rewriter.ts"
import { Blob } from "../storage/Blob.ts"
import { Log } from "../storage/Log.ts"
import * as Output from "./Output.ts"
import * as Store from "./Store.ts"

export interface Footprint {
  readonly rows: number
  /** The bytes of stored batches, and of rows that are only in the log. */
  readonly bytes: number
}

export const collectionOf = (state: State, name: string): Effect.Effect<Collection.Collection, UnknownCollection> => {
  const collection = state.collections.get(state.names.get(name) ?? -1)
  return collection === undefined
    ? Effect.fail(new UnknownCollection({ collection: name }))
    : Effect.succeed(collection)
}

/** A collection, and the state of its store, as they are on disk now. */
export const read = Effect.fnUntraced(function*(name: string) {
  const { state } = yield* Store.recover
  return { state, collection: yield* collectionOf(state, name) }
})

export const of = (collection: Collection.Collection): Footprint =>
  Collection.batches(collection).reduce(
    (sum, batch) => ({ rows: sum.rows + Batch.rows(batch), bytes: sum.bytes + Batch.bytes(batch) }),
    { rows: collection.memoryRows, bytes: collection.memoryBytes }
  )

/** The result of a compaction of the collection: the compaction is executed, but its result is not stored. */
export const preview = Effect.fnUntraced(function*(state: State, collection: Collection.Collection, since: Frontier) {
  const blob = yield* Blob
  const context = yield* Effect.context<never>()
  let keys = 0
  const rewriter = Rewriter.make({
    blob: { ...blob, put: () => Effect.void },
    batches: BatchStore.make(
      blob,
      BlockCache.make(cacheBytes, context),
      BatchStore.missing(Recovery.isNamed(yield* Log, blob))
    ),
    merger: yield* Merger,
    newKey: () => `preview/${++keys}`,
    partBytes
  })
  const advanced = { ...collection, since: Math.max(collection.since, since) }
  const { bytes, swap } = yield* rewriter.run(Plan.everything(advanced, state.position))
  const batches = [...swap.newSpills, ...(swap.newTrace === undefined ? [] : [swap.newTrace])]
  return { rows: batches.reduce((sum, batch) => sum + Batch.rows(batch), 0), bytes } satisfies Footprint
})

const partBytes = 16 * 1024 * 1024
const cacheBytes = 1024 * 1024

export const format = ({ bytes, rows }: Footprint): string => `${Output.counted(rows, "row")} in ${Output.bytes(bytes)}`

/** The saved bytes, as a share of the bytes before. */
export const saving = (before: Footprint, after: Footprint): string => {
  const share = before.bytes === 0 ? 0 : Math.round((1 - after.bytes / before.bytes) * 100)
  return share < 0 ? `${-share} % more` : `${share} % less`
}
