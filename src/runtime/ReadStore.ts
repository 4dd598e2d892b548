/**
 * What reading a store needs, whether this process writes it, follows its writer, or holds one state of it.
 *
 * @internal
 */
import { type Duration, Effect } from "effect"
import * as ReadView from "../engine/ReadView.ts"
import type { Target } from "../engine/Stage.ts"
import type { State } from "../engine/State.ts"
import { CollectionDestroyed, type HoldExpired, type RuntimeShutdown, type StorageError } from "../PersistError.ts"
import type { BatchStore } from "./BatchStore.ts"
import * as Command from "./Command.ts"
import type { Entry, Feed } from "./Feed.ts"
import type { LogPin } from "./LogPins.ts"
import type { Observers } from "./Observers.ts"

export interface ReadStore {
  /** Differs between any two open stores. */
  readonly id: symbol
  /** The durable state. To be read synchronously, and not to be kept: the store changes it. */
  readonly state: () => State
  readonly feed: Feed
  /** How long a read waits for a time to be sealed before it logs a warning. */
  readonly patience: Duration.Duration
  /** Runs an effect so that what it measures is counted for this store. */
  readonly measured: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Calls the observer with each commit as it becomes visible. Returns a function that ends it. */
  readonly observe: Observers["add"]
  readonly batches: BatchStore<StorageError | HoldExpired>
  /** Opens a read view of a collection at this position in the order of commands. */
  readonly openView: (target: Target) => Effect.Effect<Command.OpenedView, Command.Failure | CollectionDestroyed>
  /** The live collections and their frontiers, at this position in the order of commands. */
  readonly describe: Effect.Effect<ReadonlyArray<Command.Description>, Command.Failure>
  /** Opens a read view of a collection as it is now, outside the order of commands: for reads of sealed times. */
  readonly viewNow: (collection: number) => Command.OpenedView | undefined
  /** Keeps the log from a position on, for one listener. */
  readonly pinLog: (position: number) => LogPin
  /** The commits from a position on, from the log, up to about a mebibyte of them. */
  readonly reread: (
    position: number,
    collection: string
  ) => Effect.Effect<ReadonlyArray<Entry>, StorageError | HoldExpired>
  /** After it, everything that was durable before the call is visible here. */
  readonly sync: Effect.Effect<void, Command.Failure>
  /** Like `sync`, and checks with the storage that no newer writer has acquired the store. */
  readonly confirm: Effect.Effect<void, Command.Failure>
  /** Fails once the store has ended without having been stopped. */
  readonly ended: Effect.Effect<never, StorageError | RuntimeShutdown>
  /** Ends the store. Fails if a defect has ended it before. */
  readonly stop: Effect.Effect<void, RuntimeShutdown>
}

export interface Options
  extends Pick<ReadStore, "state" | "feed" | "patience" | "measured" | "observe" | "batches" | "reread" | "stop">
{
  /** Names the storage in messages. */
  readonly location: string
  /** After it, the state has everything that was durable before the call. */
  readonly catchUp: ReadStore["sync"]
}

/** A store that another process writes, or none any more. */
export const make = (options: Options): ReadStore => {
  const { batches, catchUp, feed, location, measured, observe, patience, reread, state, stop } = options
  const viewNow = (id: number): Command.OpenedView | undefined => {
    const { collections, position, seqNo } = state()
    const collection = collections.get(id)
    if (collection === undefined) return undefined
    return { view: ReadView.whole(collection, seqNo), cursor: { position, writes: 0 }, release: () => {} }
  }
  return {
    id: Symbol(location),
    state,
    feed,
    patience,
    measured,
    observe,
    batches,
    openView: (target) =>
      Effect.flatMap(catchUp, () => {
        const opened = viewNow(target.id)
        return opened === undefined
          ? Effect.fail(new CollectionDestroyed({ collection: target.name }))
          : Effect.succeed(opened)
      }),
    describe: Effect.map(catchUp, () => Command.describe(state())),
    viewNow,
    pinLog: () => ({ advance: () => {}, isExpired: () => false, release: () => {} }),
    reread,
    sync: catchUp,
    confirm: catchUp,
    ended: Effect.never,
    stop
  }
}
