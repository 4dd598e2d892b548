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
import type { Update } from "../Update.ts"
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
 * A handle that writes. `E` is what the registration of its collection may have failed with, if that is told by the
 * operations instead of the registration itself.
 *
 * All operations of one fiber are applied in the order in which it calls them. Interrupting one that waits does not take
 * it back.
 *
 * @category models
 * @since 0.1.0
 */
export interface CollectionWriter<in K, in V, out E = never> {
  readonly name: string
  readonly id: Effect.Effect<number, E>
  /**
   * Appends updates, all or none, and returns their sequence number once they are durable. Updates may be at any time at
   * or after the upper. No updates are a success.
   */
  readonly append: (updates: Iterable<Update<K, V>>) => Effect.Effect<number, WriteError | E>
  /** Like `write`, but returns as soon as the updates have their place in the order: the reply comes later. */
  readonly offer: (updates: Iterable<Update<K, V>>) => Effect.Effect<Ack, WriteError | E>
  /**
   * Promises that no update at a time below `upper` will follow, which makes those times complete. Sealing again at the
   * same upper is a success; `Frontier.empty` finishes the collection.
   */
  readonly seal: (upper: Frontier.Frontier) => Effect.Effect<number, WriteError | E>
  readonly offerSeal: (upper: Frontier.Frontier) => Effect.Effect<Ack, WriteError | E>
  /**
   * Gives up the history before `since`: reads as of earlier times fail from now on, and their rows may collapse into
   * one for each live key and value. `since` may be beyond the upper.
   */
  readonly allowCompaction: (since: Frontier.Frontier) => Effect.Effect<number, WriteError | E>
  /**
   * Takes every row of a key out of the whole history, sealed times included, and its bytes out of the storage: the log is
   * rotated and let go of, batches are rewritten without the key, and what had it is deleted. Reads of any time are then as
   * if what was written before the call had never had the key; no update says so to those who follow the collection. Rows
   * of the key that are written after the call stay.
   *
   * It rewrites the collection, gives up all named holds, and waits until the snapshots that are open in this process are
   * closed. Readers in other processes that still need what is gone fail with `HoldExpired` or `Unavailable`, and read anew. Interrupted or failed,
   * it may have done a part: call it again. Copies that are not Tidemark's are the caller's: backups, replicas and versions
   * of a bucket, and in Postgres the pages and the write-ahead log until Postgres writes over them.
   */
  readonly erase: (key: K) => Effect.Effect<Erasure, Command.Failure | CollectionDestroyed | ValueOutOfRange | E>
  /**
   * Appends updates at times in [expected, upper) and seals up to `upper` in one step, if the collection's upper is
   * `expected`. Of several writers that try, one succeeds, and the others get `UpperMismatch` with the upper there is.
   */
  readonly compareAndAppend: (
    updates: Iterable<Update<K, V>>,
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

  const write = (updates: Iterable<Update<K, V>>) =>
    Effect.flatMap(
      located,
      (at) =>
        Effect.map(Rows.encode(codecs, updates), (columns) => new Command.Write({ targets: [{ ...at, columns }] }))
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
    append: (updates) => traced("CollectionWriter.append", name, Effect.flatMap(write(updates), store.submit)),
    offer: (updates) => traced("CollectionWriter.offer", name, Effect.flatMap(write(updates), store.offer)),
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

/** @internal What a collection gets where its upper is the expected one. */
export const conditional = Effect.fnUntraced(function*<K, V>(
  codecs: Rows.Codecs<K, V>,
  updates: Iterable<Update<K, V>>,
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

/** @internal Refuses what is no frontier. */
export const checked = (what: string, frontier: Frontier.Frontier): Effect.Effect<void, ValueOutOfRange> =>
  Effect.suspend(() => {
    const error = Frontier.check(what, frontier)
    return error === undefined ? Effect.void : Effect.fail(error)
  })
