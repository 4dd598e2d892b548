/**
 * The client: an open store, and the collections in it.
 *
 * @since 0.1.0
 */
import { Context, Duration, Effect, Layer, type Scope } from "effect"
import {
  type HoldExpired,
  type Locked,
  type RuntimeShutdown,
  type StorageError,
  UnknownCollection,
  type ValueOutOfRange
} from "../PersistError.ts"
import * as Command from "../runtime/Command.ts"
import * as Follower from "../runtime/Follower.ts"
import * as Runtime from "../runtime/Runtime.ts"
import { traced } from "../runtime/Spans.ts"
import * as Store from "../runtime/Store.ts"
import type { Blob } from "../storage/Blob.ts"
import type { Log } from "../storage/Log.ts"
import * as ClientOptions from "./ClientOptions.ts"
import type { Options } from "./ClientOptions.ts"
import type * as Collection from "./Collection.ts"
import * as OpenCollection from "./OpenCollection.ts"
import type { CollectionOptions, RegisterError } from "./OpenCollection.ts"

export type { Options } from "./ClientOptions.ts"
export type { CollectionOptions, RegisterError } from "./OpenCollection.ts"

/**
 * The service.
 *
 * @category services
 * @since 0.1.0
 */
export class PersistClient extends Context.Service<PersistClient, {
  /** Opens a collection, and registers it first if there is none of this name. */
  readonly createOrLoad: <K, V>(
    name: string,
    options: CollectionOptions<K, V>
  ) => Effect.Effect<Collection.Collection<K, V>, RegisterError>
  /**
   * Like `createOrLoad`, but never fails itself: each operation of the collection fails with the registration's error.
   */
  readonly createOrLoadLazily: <K, V>(
    name: string,
    options: CollectionOptions<K, V>
  ) => Effect.Effect<Collection.Collection<K, V, RegisterError>>
  /** Opens a collection that must exist. */
  readonly load: <K, V>(
    name: string,
    options: CollectionOptions<K, V>
  ) => Effect.Effect<Collection.Collection<K, V>, RegisterError>
  /** A collection's frontiers, after every request that was made before. */
  readonly description: (name: string) => Effect.Effect<Description, Command.Failure | UnknownCollection>
  /** All live collections, in the order of their ids. */
  readonly descriptions: Effect.Effect<ReadonlyArray<Description>, Command.Failure>
  /** Destroys a collection and frees its space. True if this call did it, false if it was destroyed before. */
  readonly destroy: (name: string) => Effect.Effect<boolean, Command.Failure | UnknownCollection>
  /**
   * A barrier: after it, everything requested before is durable, and visible here. For a read-only client: everything
   * that the writer had made durable before is visible here.
   */
  readonly sync: Effect.Effect<void, Command.Failure>
  /**
   * Like `sync`, and checks with the storage that no newer writer has acquired the store. It fails with `Fenced` if one
   * has. A writer notices by itself only at its next append or maintenance run.
   */
  readonly confirm: Effect.Effect<void, Command.Failure>
  /**
   * Fails once the store has ended without having been stopped: with `Fenced` where a newer writer has acquired it,
   * with `Corrupt`, or with `RuntimeShutdown` after a defect. By then listeners and subscriptions have failed with the
   * same error, and so does every request. Race it with a program that must not continue without its store. A read-only
   * client follows any writer and never ends in this way.
   */
  readonly ended: Effect.Effect<never, StorageError | RuntimeShutdown>
  /**
   * Takes a named hold on the whole store as it is now, or resumes the one of this name. This state can be read until
   * the hold is released or expires, whatever the writer compacts, also by a process that was restarted. While the
   * scope is open, heartbeats renew the hold. Afterwards it stays for its lease, unless it is released.
   *
   * Names have 1 to 100 of `a-z`, `0-9`, dot, underscore and dash, and begin with a letter or a digit: other names, and
   * leases out of bounds, are `ValueOutOfRange`. A read-only client needs storage that it may write to. `Unavailable`: the
   * store was compacted again and again while the hold was taken.
   *
   * The idea is that of a lease, of Gray and Cheriton (1989), measured by one clock only: the writer's.
   *
   * @example
   * ```ts run
   * import { Effect, Stream } from "effect"
   * import { Codec, MemoryStorage, PersistClient, Update } from "tidemark"
   *
   * const program = Effect.gen(function*() {
   *   const persist = yield* PersistClient.make({ grace: 0 })
   *   const codecs = { key: Codec.string, value: Codec.unit }
   *   const counts = yield* persist.createOrLoad("counts", codecs)
   *   yield* counts.append([Update.insert("a", undefined, 1)])
   *   const hold = yield* persist.hold("nightly-report", { lease: "1 hour" })
   *   yield* counts.append([Update.retract("a", undefined, 2)])
   *   yield* persist.compact("counts")
   *   const held = yield* hold.client.load("counts", codecs)
   *   const rows = yield* Stream.runCollect((yield* held.snapshot()).contents)
   *   if (rows.length !== 1) throw new Error("it shows the store as it was")
   *   yield* hold.release
   * })
   * await Effect.runPromise(Effect.scoped(Effect.provide(program, MemoryStorage.layer)))
   * ```
   */
  readonly hold: (
    name: string,
    options?: HoldOptions
  ) => Effect.Effect<Hold, Command.Failure | ValueOutOfRange | HoldExpired, Scope.Scope>
  /** Rewrites a collection, now, into as few bytes as its frontiers allow. */
  readonly compact: (name: string) => Effect.Effect<void, Command.Failure | UnknownCollection | ValueOutOfRange>
  /** Runs the maintenance that is due, now. The schedule does it otherwise. */
  readonly maintain: Effect.Effect<void, Command.Failure | ValueOutOfRange>
  /**
   * Executes the accepted commands, then releases the store. Idempotent. The end of the layer's scope does the same. If
   * a defect had ended the store, it fails after the store is released.
   */
  readonly stop: Effect.Effect<void, RuntimeShutdown>
}>()("tidemark/PersistClient") {}

/**
 * How to take a hold.
 *
 * @category models
 * @since 0.1.0
 */
export interface HoldOptions {
  /**
   * How long a new hold stays after its last heartbeat, at least, as the writer's clock measures it: from one second to
   * 365 days. Default one minute. Four heartbeats are sent in this time. A resumed hold keeps its lease.
   */
  readonly lease?: Duration.Input | undefined
}

/**
 * A named hold. Clients that take the same name share one hold. Two clients that take a new name at the same moment may
 * each get a hold of their own.
 *
 * @category models
 * @since 0.1.0
 */
export interface Hold {
  readonly name: string
  /** Whether the hold existed before this call, and was resumed. */
  readonly isResumed: boolean
  /** Every command up to this one is reflected. */
  readonly seqNo: number
  /** Reads the store as it was when the hold was taken. Subscriptions end there. */
  readonly client: PersistClient["Service"]
  /** Fails when the hold is lost. Reads then fail with `HoldExpired` as soon as they need a deleted blob. */
  readonly lost: Effect.Effect<never, HoldExpired>
  /** Releases the hold, for all clients that share it. */
  readonly release: Effect.Effect<void, StorageError>
}

const defaultLease = Duration.minutes(1)

/**
 * A codec as it was registered: its name, and the document of its schema, which is empty where it has none.
 *
 * @category models
 * @since 0.1.0
 */
export interface StoredCodec {
  readonly name: string
  readonly document: string
}

/**
 * A collection's codecs and frontiers. Times below `upper` are complete; times from `since` on can be distinguished.
 * `lower` is always 0.
 *
 * @category models
 * @since 0.1.0
 */
export interface Description {
  readonly name: string
  readonly id: number
  readonly key: StoredCodec
  readonly value: StoredCodec
  readonly lower: number
  readonly upper: number
  readonly since: number
  /** Whether it is a table, whose times are microseconds of the store's timeline: see `tidemark/tables`. */
  readonly isOnTimeline: boolean
}

/**
 * Opens a store for writing: acquires the log, recovers the state, and runs until the scope closes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  options: Options = {}
): Effect.Effect<PersistClient["Service"], StorageError | Locked, Log | Blob | Scope.Scope> =>
  Effect.map(Runtime.make(ClientOptions.resolve(options)), writing)

/**
 * A client that writes. A store has one writer: a second one is rejected, or fences this one.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<PersistClient, StorageError | Locked, Log | Blob> =>
  Layer.effect(PersistClient, make(options))

/**
 * Opens a store for reading. It follows the writer, in this process or another, without a lock.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeReadOnly = (
  options: Pick<Options, "name" | "cacheBytes" | "feedBytes" | "patience" | "retry" | "timeout"> = {}
): Effect.Effect<PersistClient["Service"], StorageError, Log | Blob | Scope.Scope> =>
  Effect.map(Follower.make(ClientOptions.resolve(options)), (store) => reading(Store.following(store)))

/**
 * A client that only reads, and follows a live writer. Operations that write fail with `ReadOnly`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerReadOnly = (
  options?: Pick<Options, "name" | "cacheBytes" | "feedBytes" | "patience" | "retry" | "timeout">
): Layer.Layer<PersistClient, StorageError, Log | Blob> => Layer.effect(PersistClient, makeReadOnly(options))

/** What tables need of a client. */
const Internal: unique symbol = Symbol("tidemark/PersistClient")

type WithStore = PersistClient["Service"] & { readonly [Internal]: Store.Store }

/** @internal */
export const storeOf = (client: PersistClient["Service"]): Store.Store => (client as WithStore)[Internal]

const writing = (store: Store.Store): PersistClient["Service"] => client(store, OpenCollection.registering(store))

const reading = (store: Store.Store): PersistClient["Service"] => client(store, OpenCollection.finding(store))

const client = (store: Store.Store, open: OpenCollection.Ways): PersistClient["Service"] => {
  const { failed, opened } = OpenCollection.handlesOf(store)

  const client: WithStore = {
    [Internal]: store,
    createOrLoad: (name, options) =>
      traced(
        "PersistClient.createOrLoad",
        name,
        Effect.map(open.createOrLoad(name, options), (registration) => opened(name, options, registration))
      ),
    createOrLoadLazily: (name, options) =>
      Effect.map(Effect.result(open.createOrLoad(name, options)), (result) =>
        result._tag === "Success"
          ? opened(name, options, result.success)
          : failed(name, options, result.failure)),
    load: (name, options) =>
      traced(
        "PersistClient.load",
        name,
        Effect.map(open.load(name, options), (registration) => opened(name, options, registration))
      ),
    description: (name) =>
      traced(
        "PersistClient.description",
        name,
        Effect.flatMap(store.describe, (all) => {
          const found = all.find((each) => each.name === name)
          return found === undefined ? Effect.fail(new UnknownCollection({ collection: name })) : Effect.succeed(found)
        })
      ),
    descriptions: store.describe,
    destroy: (name) => traced("PersistClient.destroy", name, store.submit(new Command.Destroy({ name }))),
    sync: store.sync,
    confirm: store.confirm,
    ended: store.ended,
    hold: (holdName, { lease = defaultLease } = {}) =>
      traced(
        "PersistClient.hold",
        holdName,
        Effect.map(store.hold({ name: holdName, lease }), ({ isResumed, lost, release, store: held }): Hold => ({
          name: holdName,
          isResumed,
          seqNo: held.state().seqNo,
          client: reading(Store.held(held)),
          lost,
          release
        }))
      ),
    compact: (name) => traced("PersistClient.compact", name, store.compact(name)),
    maintain: store.maintain,
    stop: store.stop
  }
  return client
}
