/**
 * Reading a collection.
 *
 * @since 0.1.0
 */
import { Effect, type Scope, Stream } from "effect"
import type * as Columns from "../batch/Columns.ts"
import { ByteWriter } from "../ByteWriter.ts"
import * as Capture from "../engine/Capture.ts"
import type { Collection } from "../engine/Collection.ts"
import * as Frontier from "../Frontier.ts"
import {
  AsOfBeforeSince,
  AsOfNotSealed,
  RuntimeShutdown,
  StreamDestroyed,
  type ValueOutOfRange
} from "../PersistError.ts"
import type { Captured, Failure } from "../runtime/Command.ts"
import { compute } from "../runtime/Pure.ts"
import { traced } from "../runtime/Spans.ts"
import type { Store } from "../runtime/Store.ts"
import * as Update from "../Update.ts"
import * as Listen from "./Listen.ts"
import * as PointRead from "./PointRead.ts"
import { type Registered, target } from "./Registration.ts"
import * as Rows from "./Rows.ts"
import type * as Runs from "./Runs.ts"
import * as Snapshot from "./Snapshot.ts"
import * as Subscription from "./Subscription.ts"

/**
 * As of when to read.
 *
 * Without `asOf`: everything that is durable at this place of the order, sealed or not. With it: the contents as of that
 * time, for ever the same; the read waits until the time is sealed, or with `wait: false` fails with `AsOfNotSealed`.
 *
 * @category models
 * @since 0.1.0
 */
export interface AsOf {
  readonly asOf?: Frontier.Timestamp | undefined
  readonly wait?: boolean | undefined
}

/**
 * Which keys to read: from `from` on and before `to`, in the order of their encoded bytes. For strings that is the order
 * of their code points.
 *
 * @category models
 * @since 0.1.0
 */
export interface KeyRange<K> extends AsOf {
  readonly from?: K | undefined
  readonly to?: K | undefined
}

/**
 * What finding the place to read at may fail with.
 *
 * @category errors
 * @since 0.1.0
 */
export type PlaceError = Failure | AsOfBeforeSince | AsOfNotSealed | StreamDestroyed | ValueOutOfRange

/**
 * A handle that reads. `E` is what the registration of its collection may have failed with, if that is told by the
 * operations instead of the registration itself.
 *
 * @category models
 * @since 0.1.0
 */
export interface StreamReadHandle<in out K, out V, out E = never> {
  readonly streamName: string
  readonly streamId: Effect.Effect<number, E>
  /** A fixed view of the collection. The scope holds the stored batches that it refers to. */
  readonly snapshot: (options?: AsOf) => Effect.Effect<Snapshot.Snapshot<K, V>, PlaceError | E, Scope.Scope>
  /**
   * A snapshot, and the events from exactly there on: every write and every seal is in one of the two, and in one only.
   */
  readonly listen: () => Effect.Effect<
    {
      readonly snapshot: Snapshot.Snapshot<K, V>
      readonly events: Stream.Stream<Listen.ListenEvent<K, V>, Listen.ListenError>
    },
    PlaceError | E,
    Scope.Scope
  >
  /** Complete times, one stretch after the other, from a time or from a frontier told before. */
  readonly subscribe: (
    options?: Subscription.SubscribeOptions
  ) => Stream.Stream<Subscription.SubscribeEvent<K, V>, Subscription.SubscribeError | ValueOutOfRange | E>
  /** The values of one key with their multiplicities, usually one or none. Reads a few blocks, however large the collection. */
  readonly get: (
    key: K,
    options?: AsOf
  ) => Effect.Effect<ReadonlyArray<readonly [value: V, multiplicity: number]>, PlaceError | Snapshot.ReadError | E>
  /** The consolidated contents of a range of keys. */
  readonly range: (options: KeyRange<K>) => Stream.Stream<Snapshot.Row<K, V>, PlaceError | Snapshot.ReadError | E>
  /** The updates of one key that are left, by time. */
  readonly history: (
    key: K
  ) => Effect.Effect<ReadonlyArray<Update.Update<K, V>>, PlaceError | Snapshot.ReadError | E>
  /** What changed between the contents as of `from` and those as of `to`: rows with the difference of multiplicities. */
  readonly changes: (options: {
    readonly from: Frontier.Timestamp
    readonly to: Frontier.Timestamp
  }) => Stream.Stream<Snapshot.Row<K, V>, PlaceError | Snapshot.ReadError | E>
}

/** What it takes to make the handle once more. */
const Internal: unique symbol = Symbol("tidemark/StreamReadHandle")

interface WithInternal<K, V, E> extends StreamReadHandle<K, V, E> {
  readonly [Internal]: { readonly self: Registered<K, V, E>; readonly runs: Runs.Runs }
}

/**
 * The same handle with another policy for rows that do not decode.
 *
 * @category combinators
 * @since 0.1.0
 */
export const withUndecodable = <K, V, E>(
  handle: StreamReadHandle<K, V, E>,
  policy: Rows.DecodePolicy
): StreamReadHandle<K, V, E> => {
  const { runs, self } = (handle as WithInternal<K, V, E>)[Internal]
  return make({ ...self, policy }, runs)
}

/** @internal */
export const make = <K, V, E>(self: Registered<K, V, E>, runs: Runs.Runs): StreamReadHandle<K, V, E> => {
  const { codecs, name, policy, store } = self
  const located = target(self)
  const decode = Listen.makeDecode(name, codecs, policy)
  const sourceOf = ({ capture }: Captured): Snapshot.Source<K, V> => ({
    batches: store.batches,
    runs,
    codecs,
    policy,
    capture
  })
  const placed = (options: AsOf = {}) => Effect.flatMap(located, (at) => place(store, at, options))
  const held = (options?: AsOf) =>
    Effect.acquireRelease(placed(options), (captured) => Effect.sync(captured.release), { interruptible: true })

  /** The rows of a query over a capture that is held while they are read. */
  const read = (options: AsOf, query: (captured: Captured) => Effect.Effect<QueryOf, ValueOutOfRange>) =>
    Stream.unwrap(
      Effect.flatMap(held(options), (captured) =>
        Effect.map(query(captured), (found) => Snapshot.contents(sourceOf(captured), found)))
    )

  const keyBytes = new ByteWriter(64)

  /** The rows of one key, consolidated. */
  const ofKey = (key: K, options: AsOf, window: (captured: Captured) => PointRead.Window) =>
    Effect.scoped(Effect.gen(function*() {
      const captured = yield* held(options)
      const bytes = yield* Rows.encodeKey(codecs, key)
      return yield* PointRead.rows(store.batches, runs, captured.capture, bytes, window(captured))
    }))

  /** The same as of a time that is sealed, in one go, if all that may hold the key is in memory. */
  const ofKeyInMemory = (id: number, key: K, asOf: number) =>
    compute(() => {
      const now = sealedNow(store, id, asOf)
      if (now === undefined) return undefined
      const capture = Capture.whole(now, store.state().seqNo)
      return PointRead.inMemory(store.batches, runs, capture, Rows.encodeKeyInto(codecs, key, keyBytes), at(asOf))
    })

  const values = (rows: Columns.Columns) =>
    Rows.decode(name, codecs, policy, rows, (_, value, __, diff): readonly [V, number] => [value, diff])

  const keyOf = (key: K | undefined) => key === undefined ? Effect.undefined : Rows.encodeKey(codecs, key)

  const handle: WithInternal<K, V, E> = {
    [Internal]: { self, runs },
    streamName: name,
    streamId: Effect.map(located, ({ id }) => id),
    snapshot: (options = {}) =>
      traced(
        "StreamReadHandle.snapshot",
        name,
        Effect.map(held(options), (captured) => Snapshot.make(sourceOf(captured), options.asOf, captured.release))
      ),
    listen: () =>
      traced(
        "StreamReadHandle.listen",
        name,
        Effect.gen(function*() {
          const captured = yield* held()
          const { collection, upper } = captured.capture
          const events = yield* Listen.events({
            store,
            collection,
            name,
            decode,
            cursor: captured.cursor,
            upper
          })
          return { snapshot: Snapshot.make(sourceOf(captured), undefined, captured.release), events }
        })
      ),
    subscribe: (start = {}) =>
      Stream.unwrap(Effect.gen(function*() {
        if (start.asOf !== undefined) yield* checkTime(start.asOf)
        const at = yield* located
        return Subscription.make({ store, collection: at.id, name, codecs, policy, runs, start })
      })),
    get: (key, options = {}) =>
      traced(
        "StreamReadHandle.get",
        name,
        Effect.flatMap(located, ({ id }) => {
          const { asOf } = options
          const waiting = ofKey(key, options, () => at(asOf))
          if (asOf === undefined) return Effect.flatMap(waiting, values)
          return Effect.flatMap(
            ofKeyInMemory(id, key, asOf),
            (rows) => rows === undefined ? Effect.flatMap(waiting, values) : values(rows)
          )
        })
      ),
    range: (options) =>
      read(options, () =>
        Effect.map(Effect.all([keyOf(options.from), keyOf(options.to)]), ([fromKey, toKey]) => ({
          ...at(options.asOf),
          fromTime: 0,
          fromKey,
          toKey
        }))),
    history: (key) =>
      traced(
        "StreamReadHandle.history",
        name,
        Effect.flatMap(
          ofKey(key, {}, ({ capture }) => ({ toTime: Infinity, since: capture.since })),
          (rows) =>
            Effect.map(
              Rows.decode<K, V, Update.Update<K, V>>(name, codecs, policy, rows, Update.make),
              (updates) => updates.toSorted((a, b) => a.time - b.time)
            )
        )
      ),
    changes: ({ from, to }) =>
      Stream.unwrap(Effect.gen(function*() {
        yield* checkTime(from)
        const captured = yield* held({ asOf: Math.max(from, to) })
        const { since } = captured.capture
        const first = Math.min(from, to)
        if (first < since) return yield* new AsOfBeforeSince({ collection: name, asOf: first, since })
        const rows = Snapshot.contents(sourceOf(captured), {
          fromTime: first + 1,
          toTime: Math.max(from, to) + 1,
          since: Math.max(from, to)
        })
        return from <= to ? rows : Stream.map(rows, ([key, value, n]): Snapshot.Row<K, V> => [key, value, -n])
      }))
  }
  return handle
}

type QueryOf = Parameters<typeof Snapshot.contents>[1]

/** Rows that count as of a time, or at all. */
const at = (asOf: Frontier.Timestamp | undefined): { readonly toTime: number; readonly since: number } =>
  asOf === undefined ? { toTime: Infinity, since: Number.MAX_SAFE_INTEGER } : { toTime: asOf + 1, since: asOf }

/** The collection as it is now, if the time is sealed in it and still told apart from others. */
const sealedNow = (store: Store, id: number, asOf: number): Collection | undefined => {
  const now = store.state().collections.get(id)
  return now !== undefined && Number.isSafeInteger(asOf) && now.since <= asOf && asOf < now.upper ? now : undefined
}

const checkTime = (time: number): Effect.Effect<void, ValueOutOfRange> =>
  Effect.suspend(() => {
    const error = Frontier.checkTime("the time to read as of", time)
    return error === undefined ? Effect.void : Effect.fail(error)
  })

/**
 * Captures a collection where the read belongs: at this place of the order, or as soon as `asOf` is sealed. A time that
 * is sealed already needs no place, because its contents never change.
 */
const place = (
  store: Store,
  collection: { readonly id: number; readonly name: string },
  { asOf, wait = true }: AsOf
): Effect.Effect<Captured, PlaceError> => {
  if (asOf === undefined) return store.capture(collection)
  const { id, name } = collection

  const isSealed = (captured: Captured): Effect.Effect<boolean, AsOfBeforeSince> => {
    const { since, upper } = captured.capture
    if (asOf < upper && asOf >= since) return Effect.succeed(true)
    captured.release()
    return asOf < since ? Effect.fail(new AsOfBeforeSince({ collection: name, asOf, since })) : Effect.succeed(false)
  }
  const waiting: Effect.Effect<Captured, AsOfBeforeSince | StreamDestroyed | RuntimeShutdown> = Effect.suspend(() => {
    const position = store.feed.upper()
    const captured = store.captureNow(id)
    if (captured === undefined) return Effect.fail(new StreamDestroyed({ collection: name }))
    return Effect.flatMap(isSealed(captured), (sealed) =>
      sealed
        ? Effect.succeed(captured)
        : Effect.flatMap(store.feed.await(position), (goesOn) => goesOn ? waiting : Effect.fail(new RuntimeShutdown())))
  })

  return Effect.gen(function*() {
    yield* checkTime(asOf)
    if (sealedNow(store, id, asOf) !== undefined) return store.captureNow(id)!
    const captured = yield* store.capture(collection)
    if (yield* isSealed(captured)) return captured
    if (!wait) return yield* new AsOfNotSealed({ collection: name, asOf, upper: captured.capture.upper })
    return yield* waiting
  })
}
