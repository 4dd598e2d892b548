/**
 * Writing to a collection.
 *
 * @since 0.1.0
 */
import { type Deferred, Effect } from "effect"
import * as Frontier from "../Frontier.ts"
import { type CollectionDestroyed, type InvalidRequest, type UpperMismatch, ValueOutOfRange } from "../PersistError.ts"
import * as Command from "../runtime/Command.ts"
import { traced } from "../runtime/Spans.ts"
import type { Updates } from "../Update.ts"
import { Erasure } from "./Erasure.ts"
import { type Registered, target } from "./Registration.ts"
import * as Rows from "./Rows.ts"

/**
 * What a write, seal or compaction may fail with.
 *
 * @category errors
 * @since 0.1.0
 */
export type WriteError = Command.Failure | InvalidRequest | ValueOutOfRange

/**
 * The reply to an offered request: the sequence number, once it is durable.
 *
 * @category models
 * @since 0.1.0
 */
export type Ack = Deferred.Deferred<number, Command.Failure | InvalidRequest>

/**
 * What `compareAndAppend` expects a collection to be sealed up to, and seals it up to.
 *
 * @category models
 * @since 0.1.0
 */
export interface Expectation {
  readonly expected: Frontier.Frontier
  readonly upper: Frontier.Frontier
}

/**
 * A handle that writes. `E` is the error of the collection's registration, where the operations report it instead of
 * the registration itself.
 *
 * All operations of one fiber are applied in the order in which it calls them. Interrupting an operation that waits
 * does not undo it.
 *
 * @category models
 * @since 0.1.0
 */
export interface CollectionWriter<in K, in V, out E = never> {
  readonly name: string
  readonly id: Effect.Effect<number, E>
  /**
   * Appends updates, all or none, and returns their sequence number once they are durable. Updates may be at any time
   * at or after the upper. Appending no updates is a success. Updates may also be given as columns, `{ keys, values, times }`
   * (`Update.Columns`).
   */
  readonly append: (updates: Updates<K, V>) => Effect.Effect<number, WriteError | E>
  /** Like `append`, but returns as soon as the command is in the order of commands. The reply comes later. */
  readonly offer: (updates: Updates<K, V>) => Effect.Effect<Ack, WriteError | E>
  /**
   * Promises that no update at a time below `upper` will follow, which makes those times complete. Sealing again at the
   * same upper is a success; `Frontier.empty` finishes the collection.
   */
  readonly seal: (upper: Frontier.Frontier) => Effect.Effect<number, WriteError | E>
  /** As `seal`, but returns once the seal has its place in the order: see `offer`. */
  readonly offerSeal: (upper: Frontier.Frontier) => Effect.Effect<Ack, WriteError | E>
  /**
   * Allows compaction of the history before `since`. Reads as of earlier times fail from now on, and their rows may be
   * consolidated into one for each live key and value. `since` may be beyond the upper.
   */
  readonly allowCompaction: (since: Frontier.Frontier) => Effect.Effect<number, WriteError | E>
  /**
   * Removes every row of a key from the whole history, sealed times included, and its bytes from the storage. The log
   * is rotated and truncated, batches are rewritten without the key, and the blobs that contained it are deleted.
   * Afterwards, reads of any time return no row of the key that was written before the call. Listeners and subscribers
   * receive no update for it. Rows of the key that are written after the call stay.
   *
   * An erasure rewrites the collection, releases all named holds, and waits until the snapshots that are open in this
   * process are closed. Readers in other processes that still need deleted blobs fail with `HoldExpired` or
   * `Unavailable`, and must read again. An erasure that failed or was interrupted may be partly done: call it again.
   * Copies that Tidemark does not manage are the caller's responsibility: backups, replicas and versions of a bucket,
   * and in Postgres the pages and the write-ahead log until Postgres overwrites them.
   */
  readonly erase: (key: K) => Effect.Effect<Erasure, Command.Failure | CollectionDestroyed | ValueOutOfRange | E>
  /**
   * Appends updates at times in [expected, upper) and seals up to `upper` in one step, if the collection's upper is
   * `expected`. Of several writers that try, one succeeds. The others fail with `UpperMismatch`, which has the current
   * upper.
   */
  readonly compareAndAppend: (
    updates: Updates<K, V>,
    frontiers: Expectation
  ) => Effect.Effect<number, WriteError | UpperMismatch | E>
}

/** What a `MultiWriter` needs of a writer. */
const Internal: unique symbol = Symbol("tidemark/CollectionWriter")

interface WithRegistered<K, V, E> extends CollectionWriter<K, V, E> {
  readonly [Internal]: Registered<K, V, E>
}

/** @internal */
export const registeredOf = <K, V, E>(handle: CollectionWriter<K, V, E>): Registered<K, V, E> =>
  (handle as WithRegistered<K, V, E>)[Internal]

/** @internal */
export const make = <K, V, E>(self: Registered<K, V, E>): CollectionWriter<K, V, E> => {
  const { codecs, name, store } = self
  const located = target(self)
  const encode = Rows.encoder(codecs, store.isBusy)

  const write = <A, E2>(updates: Updates<K, V>, hand: (request: Command.Write) => Effect.Effect<A, E2>) =>
    Effect.flatMap(
      located,
      ({ id, name }) =>
        Effect.flatMap(
          encode(updates),
          (columns) => hand(new Command.Write({ targets: [{ id, name, columns }] }))
        )
    )
  const seal = (upper: Frontier.Frontier) =>
    Effect.flatMap(
      checked("the upper of a seal", upper),
      () => Effect.map(located, (at) => new Command.Seal({ targets: [at], upper }))
    )

  const handle: WithRegistered<K, V, E> = {
    [Internal]: self,
    name: name,
    id: Effect.map(located, ({ id }) => id),
    append: (updates) => traced("CollectionWriter.append", name, write(updates, store.submit)),
    offer: (updates) => traced("CollectionWriter.offer", name, write(updates, store.offer)),
    seal: (upper) => traced("CollectionWriter.seal", name, Effect.flatMap(seal(upper), store.submit)),
    offerSeal: (upper) => traced("CollectionWriter.offerSeal", name, Effect.flatMap(seal(upper), store.offer)),
    allowCompaction: (since) =>
      traced(
        "CollectionWriter.allowCompaction",
        name,
        Effect.flatMap(checked("the since of a compaction", since), () =>
          Effect.flatMap(located, (at) =>
            store.submit(new Command.AllowCompaction({ targets: [{ ...at, since }] }))))
      ),
    erase: (key) =>
      traced(
        "CollectionWriter.erase",
        name,
        Effect.gen(function*() {
          const at = yield* located
          const bytes = yield* Rows.encodeKey(codecs, key)
          return yield* Erasure.receipt(name, bytes, yield* store.erase(at, bytes))
        })
      ),
    compareAndAppend: (updates, frontiers) =>
      traced(
        "CollectionWriter.compareAndAppend",
        name,
        Effect.gen(function*() {
          const at = yield* located
          const rows = yield* conditional(codecs, updates, frontiers)
          return yield* store.submit(new Command.CompareAndAppend({ targets: [{ ...at, ...rows }] }))
        })
      )
  }
  return handle
}

/** @internal What is appended to a collection if its upper is the expected one. */
export const conditional = Effect.fnUntraced(function*<K, V>(
  codecs: Rows.Codecs<K, V>,
  updates: Updates<K, V>,
  { expected, upper }: Expectation
) {
  yield* checked("the expected upper", expected)
  yield* checked("the upper of a seal", upper)
  const columns = yield* Rows.encode(codecs, updates)
  if (upper < expected || columns.times.some((time) => time < expected || time >= upper)) {
    return yield* new ValueOutOfRange({
      what: "the time of an update",
      detail: `compareAndAppend takes times from ${Frontier.format(expected)} to before ${Frontier.format(upper)}`
    })
  }
  return { columns, expected, upper }
})

/** @internal Rejects a value that is not a frontier. */
export const checked = (what: string, frontier: Frontier.Frontier): Effect.Effect<void, ValueOutOfRange> =>
  Effect.suspend(() => {
    const error = Frontier.check(what, frontier)
    return error === undefined ? Effect.void : Effect.fail(error)
  })
