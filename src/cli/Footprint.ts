/**
 * How much space a collection takes, and would take if more of its history were discarded.
 *
 * @internal
 */
import { Effect } from "effect"
import type * as Collection from "../engine/Collection.ts"
import type { State } from "../engine/State.ts"
import type { Frontier } from "../Frontier.ts"
import { UnknownCollection } from "../PersistError.ts"
import * as BatchStore from "../runtime/BatchStore.ts"
import * as BlockCache from "../runtime/BlockCache.ts"
import { Merger } from "../runtime/Merger.ts"
import type { Footprint } from "../runtime/Preview.ts"
import * as Preview from "../runtime/Preview.ts"
import * as Recovery from "../runtime/Recovery.ts"
import { Blob } from "../storage/Blob.ts"
import { Log } from "../storage/Log.ts"
import * as Output from "./Output.ts"
import * as Store from "./Store.ts"

export type { Footprint } from "../runtime/Preview.ts"

export { of } from "../runtime/Preview.ts"

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

/** The result of a compaction of the collection: the compaction is executed, but its result is not stored. */
export const preview = Effect.fnUntraced(function*(state: State, collection: Collection.Collection, since: Frontier) {
  const blob = yield* Blob
  const missing = BatchStore.missing(Recovery.isNamed(yield* Log, blob))
  const batches = BatchStore.make(blob, BlockCache.make(cacheBytes, yield* Effect.context<never>()), missing)
  return yield* Preview.compacted({ batches, merger: yield* Merger }, collection, since, state.position)
})

const cacheBytes = 1024 * 1024

export const format = ({ bytes, rows }: Footprint): string => `${Output.counted(rows, "row")} in ${Output.bytes(bytes)}`

/** The saved bytes, as a share of the bytes before. */
export const saving = (before: Footprint, after: Footprint): string => {
  const share = before.bytes === 0 ? 0 : Math.round((1 - after.bytes / before.bytes) * 100)
  return share < 0 ? `${-share} % more` : `${share} % less`
}
