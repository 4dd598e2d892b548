/**
 * The client: an open store, and the collections in it.
 *
 * @since 0.1.0
 */
import { Context, Duration, Effect, Layer, Schedule, type Scope } from "effect"
import type { Codec } from "../Codec.ts"
import type { CodecRef, Registration } from "../engine/Commit.ts"
import * as Evolution from "../engine/Evolution.ts"
import * as Layout from "../Layout.ts"
import {
  type CodecMismatch,
  CollectionDestroyed,
  type HoldExpired,
  type Locked,
  type RuntimeShutdown,
  type SchemaMismatch,
  type StorageError,
  UnknownCollection,
  type ValueOutOfRange
} from "../PersistError.ts"
import * as Command from "../runtime/Command.ts"
import * as Follower from "../runtime/Follower.ts"
import * as Resilience from "../runtime/Resilience.ts"
import * as Runtime from "../runtime/Runtime.ts"
import { traced } from "../runtime/Spans.ts"
import * as Store from "../runtime/Store.ts"
import type { Blob } from "../storage/Blob.ts"
import type { Log } from "../storage/Log.ts"
import * as Collection from "./Collection.ts"
import * as CollectionReader from "./CollectionReader.ts"
import * as CollectionWriter from "./CollectionWriter.ts"
import type { Registered } from "./Registration.ts"
import type * as Rows from "./Rows.ts"
import * as Runs from "./Runs.ts"

/**
 * How to open a collection.
 *
 * @category models
 * @since 0.1.0
 */
export interface CollectionOptions<K, V> {
  readonly key: Codec<K>
  readonly value: Codec<V>
  /** What a read does with rows that these codecs cannot decode. Default: the read fails. */
  readonly undecodable?: Rows.DecodePolicy | undefined
  /**
   * Which changes of the schemas of keys and values are accepted and stored. Default `additive`: changes of the value's
   * schema under which every stored row is read and retracted as before. Other changes fail with `SchemaMismatch`. With
   * `any` all changes are accepted. Rows that the new schema does not decode are then handled by `undecodable`.
   */
  readonly schemaChange?: Evolution.SchemaChange | undefined
  /** Whether a destroyed collection is created again under its name, with a new id. Default: false. */
  readonly recreate?: boolean | undefined
  /** @internal */
  readonly isOnTimeline?: boolean | undefined
}

/**
 * What the registration of a collection may fail with. `ValueOutOfRange`: a collection would be created under a name that
 * is empty, has more than 256 UTF-16 code units, or has control characters, line separators or half surrogate pairs.
 *
 * @category errors
 * @since 0.1.0
 */
export type RegisterError =
  | Command.Failure
  | CodecMismatch
  | SchemaMismatch
  | CollectionDestroyed
  | UnknownCollection
  | ValueOutOfRange

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
 * Limits and schedules of a writing client. The defaults suit a store of gigabytes on one disk.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * What metrics call the store, as their attribute `store`. Default: the location of its storage. Stores of one name that
   * a process has open at the same time are numbered.
   */
  readonly name?: string | undefined
  /** Commands that may wait for the runtime. Further callers wait. Default 1,024. */
  readonly queueCapacity?: number | undefined
  /** Bytes of rows that may wait. Default 64 MiB. */
  readonly queueBytes?: number | undefined
  /** Bytes of rows that share a commit at most, about. Default 8 MiB. */
  readonly groupBytes?: number | undefined
  /** Bytes of unsealed or recent rows in memory beyond which they are written to batches. Default 64 MiB. */
  readonly memoryBytes?: number | undefined
  /** Bytes of log after which it is rolled up and truncated. Default 64 MiB. */
  readonly logBytes?: number | undefined
  /** Bytes of rows that stay in memory when the log is rolled up. Default 1 MiB. */
  readonly inlineBytes?: number | undefined
  /** Bytes of rows below `since` in memory that are worth compacting. Default 1 MiB. */
  readonly reclaimBytes?: number | undefined
  /** The size of one blob of a batch, about. Default 16 MiB. */
  readonly partBytes?: number | undefined
  /** Bytes of decoded blocks kept for readers. Default 64 MiB. */
  readonly cacheBytes?: number | undefined
  /** Bytes of recent commits kept for listeners; slower ones read the log. Default 8 MiB. */
  readonly feedBytes?: number | undefined
  /** Bytes of log that a slow listener may keep from truncation before it gets `HoldExpired`. Default 256 MiB. */
  readonly heldLogBytes?: number | undefined
  /** How long replaced blobs stay for readers in other processes. Default 10 seconds. */
  readonly grace?: Duration.Input | undefined
  /** When to look for maintenance that is due, while there may be any: an idle store has no ticks. Default every second. */
  readonly maintenance?: Schedule.Schedule<unknown> | undefined
  /** How operations on unavailable storage are retried. Default five times within half a second. */
  readonly retry?: Schedule.Schedule<unknown> | undefined
  /**
   * How long one operation of the storage may take before it counts as failed. An append to the log then fails with
   * `Indeterminate`. Every other operation counts as `Unavailable` and is retried. Default 30 seconds.
   */
  readonly timeout?: Duration.Input | undefined
}

const mebibyte = 1024 * 1024

const resolve = (options: Options): Runtime.Options => ({
  name: options.name,
  mailbox: { capacity: options.queueCapacity ?? 1024, capacityBytes: options.queueBytes ?? 64 * mebibyte },
  maxGroupBytes: options.groupBytes ?? 8 * mebibyte,
  limits: {
    memoryBytes: options.memoryBytes ?? 64 * mebibyte,
    logBytes: options.logBytes ?? 64 * mebibyte,
    inlineBytes: options.inlineBytes ?? mebibyte,
    reclaimBytes: options.reclaimBytes ?? mebibyte
  },
  partBytes: options.partBytes ?? 16 * mebibyte,
  cacheBytes: options.cacheBytes ?? 64 * mebibyte,
  feedBytes: options.feedBytes ?? 8 * mebibyte,
  heldLogBytes: options.heldLogBytes ?? 256 * mebibyte,
  grace: Duration.fromInputUnsafe(options.grace ?? "10 seconds"),
  maintenance: options.maintenance ?? Schedule.spaced("1 second"),
  resilience: {
    retry: options.retry ?? Resilience.defaultSchedule,
    timeout: Duration.fromInputUnsafe(options.timeout ?? "30 seconds")
  }
})

/**
 * Opens a store for writing: acquires the log, recovers the state, and runs until the scope closes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  options: Options = {}
): Effect.Effect<PersistClient["Service"], StorageError | Locked, Log | Blob | Scope.Scope> =>
  Effect.map(Runtime.make(resolve(options)), writing)

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
  options: Pick<Options, "name" | "cacheBytes" | "feedBytes" | "retry" | "timeout"> = {}
): Effect.Effect<PersistClient["Service"], StorageError, Log | Blob | Scope.Scope> =>
  Effect.map(Follower.make(resolve(options)), (store) => reading(Store.following(store)))

/**
 * A client that only reads, and follows a live writer. Operations that write fail with `ReadOnly`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerReadOnly = (
  options?: Pick<Options, "name" | "cacheBytes" | "feedBytes" | "retry" | "timeout">
): Layer.Layer<PersistClient, StorageError, Log | Blob> => Layer.effect(PersistClient, makeReadOnly(options))

/** What tables need of a client. */
const Internal: unique symbol = Symbol("tidemark/PersistClient")

type WithStore = PersistClient["Service"] & { readonly [Internal]: Store.Store }

/** @internal */
export const storeOf = (client: PersistClient["Service"]): Store.Store => (client as WithStore)[Internal]

const writing = (store: Store.Store): PersistClient["Service"] => {
  const register = <K, V>(name: string, options: CollectionOptions<K, V>) =>
    store.submit(
      new Command.Register({
        ...requestedOf(options),
        name,
        recreate: options.recreate ?? false,
        isOnTimeline: options.isOnTimeline ?? false
      })
    )
  return client(store, {
    createOrLoad: register,
    // A collection that is found may have to remember another schema.
    load: (name, options) => Effect.andThen(find(store, name, options), register(name, { ...options, recreate: false }))
  })
}

const reading = (store: Store.Store): PersistClient["Service"] => {
  const load: Open = (name, options) => find(store, name, options)
  return client(store, { createOrLoad: load, load })
}

type Open = <K, V>(name: string, options: CollectionOptions<K, V>) => Effect.Effect<Registration, RegisterError>

/** Makes the handles of collections. Those of one collection share its sorted runs of the rows in memory. */
const handlesOf = (store: Store.Store) => {
  const runs = new Map<number, Runs.Runs>()
  const unregistered = Runs.make()
  const runsOf = (id: number): Runs.Runs => {
    const known = runs.get(id)
    if (known !== undefined) return known
    const made = Runs.make()
    runs.set(id, made)
    return made
  }
  const handle = <K, V, E>(
    name: string,
    { key, undecodable = "fail", value }: CollectionOptions<K, V>,
    registration: Effect.Effect<Registration, E>,
    collectionRuns: Runs.Runs
  ): Collection.Collection<K, V, E> => {
    const registered: Registered<K, V, E> = { name, store, codecs: { key, value }, policy: undecodable, registration }
    return Collection.make(CollectionReader.make(registered, collectionRuns), CollectionWriter.make(registered))
  }
  return {
    opened: <K, V>(name: string, options: CollectionOptions<K, V>, registration: Registration) => {
      const value = formOf(store, options.value, registration)
      return handle(name, { ...options, value }, Effect.succeed(registration), runsOf(registration.id))
    },
    failed: <K, V, E>(name: string, options: CollectionOptions<K, V>, error: E) =>
      handle(name, options, Effect.fail(error), unregistered)
  }
}

const client = (
  store: Store.Store,
  open: { readonly createOrLoad: Open; readonly load: Open }
): PersistClient["Service"] => {
  const { failed, opened } = handlesOf(store)

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

const refOf = (codec: Pick<Codec<never>, "name" | "document">): CodecRef => ({
  name: codec.name,
  document: codec.document ?? ""
})

/**
 * The form in which a collection stores its values. Rows are read unchecked if the collection has only ever had this
 * schema.
 */
const formOf = <V>(store: Store.Store, value: Codec<V>, { id, value: stored }: Registration): Codec<V> => {
  const { typed } = value
  if (typed === undefined || typed.name !== stored.name) return value
  const isFirst = store.state().collections.get(id)?.earlier.length === 0
  return typed.open(stored.document, isFirst && Layout.kept(typed.document, stored.document) === stored.document)
}

const requestedOf = <K, V>(options: CollectionOptions<K, V>): Evolution.Requested => ({
  key: refOf(options.key),
  value: refOf(options.value.typed ?? options.value),
  schemaChange: options.schemaChange ?? "additive"
})

/** The registration of a collection that must exist. */
const find = <K, V>(
  store: Store.Store,
  name: string,
  options: CollectionOptions<K, V>
): Effect.Effect<Registration, RegisterError> =>
  Effect.flatMap(store.sync, (): Effect.Effect<Registration, RegisterError> => {
    const { collections, destroyed, names } = store.state()
    const id = names.get(name)
    if (id === undefined) {
      return Effect.fail(
        destroyed.has(name)
          ? new CollectionDestroyed({ collection: name })
          : new UnknownCollection({ collection: name })
      )
    }
    const { registration } = collections.get(id)!
    const change = Evolution.of(registration, requestedOf(options))
    return change === undefined || change._tag === "Evolve" ? Effect.succeed(registration) : Effect.fail(change)
  })
