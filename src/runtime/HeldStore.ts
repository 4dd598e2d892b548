/**
 * The store as a hold keeps it: the state as of one log position, which never changes.
 *
 * @internal
 */
import { Duration, Effect, type Scope } from "effect"
import type { State } from "../engine/State.ts"
import type { HoldExpired, ValueOutOfRange } from "../PersistError.ts"
import type { Blob } from "../storage/Blob.ts"
import * as BatchStore from "./BatchStore.ts"
import type { BlockCache } from "./BlockCache.ts"
import type { Failure } from "./Command.ts"
import * as Feed from "./Feed.ts"
import * as Hold from "./Hold.ts"
import * as HoldFiles from "./HoldFiles.ts"
import * as Observers from "./Observers.ts"
import * as ReadStore from "./ReadStore.ts"

export interface OpenHold extends Pick<Hold.Hold, "isResumed" | "lost" | "release"> {
  readonly store: ReadStore.ReadStore
}

/** How an open store takes holds. */
export type Take = (
  options: Hold.Options
) => Effect.Effect<OpenHold, Failure | ValueOutOfRange | HoldExpired, Scope.Scope>

export const taking = (
  blob: Blob["Service"],
  cache: BlockCache,
  current: Effect.Effect<State, Failure>,
  measured: ReadStore.ReadStore["measured"]
): Take =>
  Effect.fnUntraced(function*(options) {
    const { isResumed, lost, missing, release, state } = yield* measured(Hold.take(options, blob, current))
    const feed = Feed.make(state.position, 0)
    feed.close()
    const store = ReadStore.make({
      location: `hold ${options.name}`,
      state: () => state,
      feed,
      // It waits for nothing: nothing follows the state that it has.
      patience: Duration.infinity,
      measured,
      observe: Observers.make().add,
      batches: BatchStore.make(blob, cache, missing),
      catchUp: Effect.void,
      reread: () => Effect.succeed([]),
      stop: Effect.void
    })
    return { store, isResumed, lost, release } satisfies OpenHold
  })

/** The holds of a store, and how it takes more. */
export const of = (blob: Blob["Service"], cache: BlockCache) => ({
  holds: HoldFiles.list(blob),
  taking: (current: Effect.Effect<State, Failure>, measured: ReadStore.ReadStore["measured"]) =>
    taking(blob, cache, current, measured)
})
