/**
 * The open store of a client, whether this process writes it or follows the writer.
 *
 * @internal
 */
import type { Effect, Request } from "effect"
import type { Target } from "../engine/Stage.ts"
import type { State } from "../engine/State.ts"
import type {
  CollectionDestroyed,
  HoldExpired,
  ReadOnly,
  RuntimeShutdown,
  StorageError,
  UnknownCollection,
  ValueOutOfRange
} from "../PersistError.ts"
import type { BatchStore } from "./BatchStore.ts"
import type { Command, Description, Failure, OpenedView } from "./Command.ts"
import type { Erased } from "./Eraser.ts"
import type { Entry, Feed } from "./Feed.ts"
import type { Take } from "./HeldStore.ts"
import type { LogPin } from "./LogPins.ts"
import type { Reply } from "./Mailbox.ts"
import type { Observers } from "./Observers.ts"

export interface Store {
  /** Differs between any two open stores. */
  readonly id: symbol
  /** The durable state. To be read synchronously, and not to be kept: the store changes it. */
  readonly state: () => State
  readonly feed: Feed
  /** Runs an effect so that what it measures is counted for this store. */
  readonly measured: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Calls the observer with each commit as it becomes visible. Returns a function that ends it. */
  readonly observe: Observers["add"]
  readonly batches: BatchStore<StorageError | HoldExpired>
  /** Appends a command to the order of commands. The reply comes later. */
  readonly offer: <R extends Command>(request: R) => Effect.Effect<Reply<R>, RuntimeShutdown | ReadOnly>
  /** Appends a command to the order of commands, and waits for the reply. */
  readonly submit: <R extends Command>(
    request: R
  ) => Effect.Effect<Request.Success<R>, Request.Error<R> | RuntimeShutdown | ReadOnly>
  /** Opens a read view of a collection at this position in the order of commands. */
  readonly openView: (target: Target) => Effect.Effect<OpenedView, Failure | CollectionDestroyed>
  /** The live collections and their frontiers, at this position in the order of commands. */
  readonly describe: Effect.Effect<ReadonlyArray<Description>, Failure>
  /** Opens a read view of a collection as it is now, outside the order of commands: for reads of sealed times. */
  readonly viewNow: (collection: number) => OpenedView | undefined
  /** Keeps the log from a position on, for one listener. */
  readonly pinLog: (position: number) => LogPin
  /** The commits from a position on, from the log, up to about a mebibyte of them. */
  readonly reread: (
    position: number,
    collection: string
  ) => Effect.Effect<ReadonlyArray<Entry>, StorageError | HoldExpired>
  /** After it, everything that was durable before the call is visible here. */
  readonly sync: Effect.Effect<void, Failure>
  /** Like `sync`, and checks with the storage that no newer writer has acquired the store. */
  readonly confirm: Effect.Effect<void, Failure>
  /** Fails once the store has ended without having been stopped. */
  readonly ended: Effect.Effect<never, StorageError | RuntimeShutdown>
  /** Takes a named hold on the store as it is now, or resumes an existing one. */
  readonly hold: Take
  /** Rewrites a collection into as few bytes as its frontiers allow, now. */
  readonly compact: (name: string) => Effect.Effect<void, Failure | UnknownCollection | ValueOutOfRange>
  /** Removes a key from a collection's history, and its bytes from the storage. */
  readonly erase: (
    target: Target,
    key: Uint8Array
  ) => Effect.Effect<Erased, Failure | CollectionDestroyed | ValueOutOfRange>
  /** Runs the maintenance that is due, now. */
  readonly maintain: Effect.Effect<void, Failure | ValueOutOfRange>
  /** Ends the store. Fails if a defect has ended it before. */
  readonly stop: Effect.Effect<void, RuntimeShutdown>
}
