/**
 * Reading a collection.
 *
 * @since 0.1.0
 */
import { Effect, type Option, type Scope, Stream } from "effect"
import type * as Columns from "../batch/Columns.ts"
import { ByteWriter } from "../ByteWriter.ts"
import type { Prefix } from "../Codec.ts"
import * as ReadView from "../engine/ReadView.ts"
import type * as Frontier from "../Frontier.ts"
import { AsOfBeforeSince, NotKeyed, type ValueOutOfRange } from "../PersistError.ts"
import { compute } from "../Pure.ts"
import type { OpenedView } from "../runtime/Command.ts"
import type { ReadStore } from "../runtime/ReadStore.ts"
import { traced } from "../runtime/Spans.ts"
import * as Update from "../Update.ts"
import type { CollectionEvent } from "./CollectionEvent.ts"
import * as Listen from "./Listen.ts"
import * as PointRead from "./PointRead.ts"
import { type Registered, target } from "./Registration.ts"
import * as Rows from "./Rows.ts"
import type * as Runs from "./Runs.ts"
import * as Snapshot from "./Snapshot.ts"
import * as Stretches from "./Stretches.ts"
import * as Subscription from "./Subscription.ts"
import { type AsOf, checkTime, openAt, type OpenViewError, sealedNow } from "./Views.ts"

export type { AsOf, OpenViewError } from "./Views.ts"

/**
 * Which keys to read: from `from` on and before `to`, in the order of their encoded bytes. For strings that is the order
 * of their code points, for the keys of `Codec.tuple` that of their parts. With `prefix`, only those that begin with it:
 * with some first parts of a tuple, with a text, with bytes. The other codecs have no prefixes: `ValueOutOfRange`.
 *
 * @category models
 * @since 0.1.0
 */
export interface KeyRange<K> extends AsOf {
  readonly from?: K | undefined
  readonly to?: K | undefined
  readonly prefix?: Prefix<K> | undefined
}

/**
 * A handle that reads. `E` is the error of the collection's registration, where the operations report it instead of the
 * registration itself.
 *
 * @category models
 * @since 0.1.0
 */
export interface CollectionReader<in out K, out V, out E = never> {
  readonly name: string
  readonly id: Effect.Effect<number, E>
  /**
   * A fixed view of the collection. The scope holds the stored batches that it refers to. With `select`, values have
   * only these fields. Where values are stored in a layout, the other fields are not decoded.
   */
  readonly snapshot: {
    (options?: AsOf): Effect.Effect<Snapshot.Snapshot<K, V>, OpenViewError | E, Scope.Scope>
    <const F extends keyof V & string>(
      options: AsOf & { readonly select: ReadonlyArray<F> }
    ): Effect.Effect<Snapshot.Snapshot<K, Pick<V, F>>, OpenViewError | E, Scope.Scope>
  }
  /**
   * A snapshot, and the events that follow it. Every append and every seal is in exactly one of the two.
   *
   * @see {@link CollectionReader.subscribe} for complete times only
   */
  readonly listen: () => Effect.Effect<
    {
      readonly snapshot: Snapshot.Snapshot<K, V>
      readonly events: Stream.Stream<CollectionEvent<K, V>, Listen.ListenError>
    },
    OpenViewError | E,
    Scope.Scope
  >
  /**
   * Complete times in order, from a time or from a frontier that was delivered before.
   *
   * @see {@link CollectionReader.listen} for every commit as it becomes durable
   */
  readonly subscribe: (
    options?: Subscription.SubscribeOptions
  ) => Stream.Stream<CollectionEvent<K, V>, Subscription.SubscribeError | ValueOutOfRange | E>
  /** The values of one key with their multiplicities, usually one or none. Reads a few blocks, however large the collection. */
  readonly get: (
    key: K,
    options?: AsOf
  ) => Effect.Effect<ReadonlyArray<readonly [value: V, multiplicity: number]>, OpenViewError | Snapshot.ReadError | E>
  /**
   * The value of one key, in a collection that has one value a key. Where the key has several values, or one with another
   * multiplicity than 1, it fails with `NotKeyed`.
   */
  readonly getOne: (
    key: K,
    options?: AsOf
  ) => Effect.Effect<Option.Option<V>, OpenViewError | Snapshot.ReadError | NotKeyed | E>
  /** The consolidated contents of a range of keys. */
  readonly range: (options: KeyRange<K>) => Stream.Stream<Snapshot.Row<K, V>, OpenViewError | Snapshot.ReadError | E>
  /** The updates of one key that have not been compacted away, by time. */
  readonly history: (
    key: K
  ) => Effect.Effect<ReadonlyArray<Update.Update<K, V>>, OpenViewError | Snapshot.ReadError | E>
  /**
   * What changed between the contents as of `from` and those as of `to`: rows with the differences of their
   * multiplicities.
   */
  readonly changes: (options: {
    readonly from: Frontier.Timestamp
    readonly to: Frontier.Timestamp
  }) => Stream.Stream<Snapshot.Row<K, V>, OpenViewError | Snapshot.ReadError | E>
}

/** What is needed to make the same handle again. */
const Internal: unique symbol = Symbol("tidemark/CollectionReader")

interface WithInternal<K, V, E> extends CollectionReader<K, V, E> {
  readonly [Internal]: { readonly self: Registered<K, V, E>; readonly runs: Runs.Runs }
}

/** @internal The rows of a key as of a time that is sealed, as they are stored; those at or before `since` as one. */
export const rowsOf = <K, V, E>(
  handle: CollectionReader<K, V, E>,
  key: Uint8Array,
  asOf: Frontier.Timestamp,
  since = asOf
): Effect.Effect<Columns.Columns, OpenViewError | Snapshot.ReadError | E> => {
  const { runs, self } = (handle as WithInternal<K, V, E>)[Internal]
  const { store } = self
  const window = { toTime: asOf + 1, since }
  return Effect.flatMap(target(self), (at) =>
    Effect.flatMap(
      compute(() => sealedInMemory(store, runs, at.id, asOf, () => key, window)),
      (rows) =>
        rows !== undefined ? Effect.succeed(rows) : Effect.acquireUseRelease(
          openAt(store, at, { asOf }),
          ({ view }) => PointRead.rows(store.batches, runs, view, key, window),
          ({ release }) => Effect.sync(release)
        )
    ))
}

/** @internal The same at once, if all that may have the key is in memory. May throw what `Pure.compute` handles. */
export const rowsNow = <K, V, E>(
  handle: CollectionReader<K, V, E>,
  id: number,
  key: Uint8Array,
  asOf: Frontier.Timestamp
): Columns.Columns | undefined => {
  const { runs, self } = (handle as WithInternal<K, V, E>)[Internal]
  return sealedInMemory(self.store, runs, id, asOf, () => key, { toTime: asOf + 1, since: asOf })
}

/**
 * The rows of a key as of a time, if it is sealed and all rows that may have the key are in memory. It runs
 * synchronously. `keyOf` may throw `ValueOutOfRange`.
 */
const sealedInMemory = (
  store: ReadStore,
  runs: Runs.Runs,
  id: number,
  asOf: Frontier.Timestamp,
  keyOf: () => Uint8Array,
  window: PointRead.Window
): Columns.Columns | undefined => {
  const now = sealedNow(store, id, asOf)
  if (now === undefined) return undefined
  return PointRead.inMemory(store.batches, runs, ReadView.whole(now, store.state().seqNo), keyOf(), window)
}

/**
 * The same handle with another policy for rows that do not decode.
 *
 * @category combinators
 * @since 0.1.0
 */
export const withUndecodable = <K, V, E>(
  handle: CollectionReader<K, V, E>,
  policy: Rows.DecodePolicy
): CollectionReader<K, V, E> => {
  const { runs, self } = (handle as WithInternal<K, V, E>)[Internal]
  return make({ ...self, policy }, runs)
}

/** @internal */
export const make = <K, V, E>(self: Registered<K, V, E>, runs: Runs.Runs): CollectionReader<K, V, E> => {
  const { codecs, name, policy, store } = self
  const views = viewsOf(self, runs)
  const { located, opened, sourceOf } = views
  const { get, history } = keyReads(self, runs, views)
  // One for all listeners of the handle, which decode each commit once.
  const decode = Listen.makeDecode(name, codecs, policy)
  // And one for all subscribers.
  const stretches = Stretches.make<K, V>()

  const handle: WithInternal<K, V, E> = {
    [Internal]: { self, runs },
    name,
    id: Effect.map(located, ({ id }) => id),
    snapshot: <A>(options: AsOf & { readonly select?: ReadonlyArray<string> } = {}) =>
      traced(
        "CollectionReader.snapshot",
        name,
        Effect.map(opened(options), (at): Snapshot.Snapshot<K, A> => {
          const { asOf, select } = options
          const read = (select === undefined ? codecs : Rows.selecting(codecs, select)) as Rows.Codecs<K, unknown>
          return Snapshot.make({ ...sourceOf(at), codecs: read as Rows.Codecs<K, A> }, asOf, at.release)
        })
      ),
    listen: () =>
      traced(
        "CollectionReader.listen",
        name,
        Effect.gen(function*() {
          const { isOnTimeline } = yield* self.registration
          const at = yield* opened()
          const { collection, upper } = at.view
          const events = yield* Listen.events({
            store,
            collection,
            name,
            decode,
            cursor: at.cursor,
            isOnTimeline,
            upper
          })
          return { snapshot: Snapshot.make(sourceOf(at), undefined, at.release), events }
        })
      ),
    subscribe: (start = {}) =>
      Stream.unwrap(Effect.gen(function*() {
        if (start.asOf !== undefined) yield* checkTime(start.asOf)
        const at = yield* located
        return Subscription.make({ store, collection: at.id, name, codecs, policy, runs, stretches, start })
      })),
    get: (key, options = {}) => traced("CollectionReader.get", name, get(key, options)),
    getOne: (key, options = {}) =>
      traced("CollectionReader.getOne", name, Effect.flatMap(get(key, options), (values) => only(name, values))),
    range: (options) =>
      Stream.unwrap(Effect.gen(function*() {
        const view = sourceOf(yield* opened(options))
        const { from, to } = yield* Rows.encodeBounds(codecs, options)
        return Snapshot.contents(view, { ...at(options.asOf), fromTime: 0, fromKey: from, toKey: to })
      })),
    history: (key) => traced("CollectionReader.history", name, history(key)),
    changes: ({ from, to }) => Stream.unwrap(changes(views, name, from, to))
  }
  return handle
}

/** Views of a collection, each leased for as long as its scope is open, and what reading them needs. */
const viewsOf = <K, V, E>(self: Registered<K, V, E>, runs: Runs.Runs) => {
  const { codecs, policy, store } = self
  const located = target(self)
  const opened = (options: AsOf = {}) =>
    Effect.acquireRelease(
      Effect.flatMap(located, (at) => openAt(store, at, options)),
      (at) => Effect.sync(at.release),
      { interruptible: true }
    )
  const sourceOf = ({ view }: OpenedView): Snapshot.Source<K, V> => ({
    batches: store.batches,
    runs,
    codecs,
    policy,
    view
  })
  return { located, opened, sourceOf }
}

/** Reads of one key. */
const keyReads = <K, V, E>(self: Registered<K, V, E>, runs: Runs.Runs, views: ReturnType<typeof viewsOf<K, V, E>>) => {
  const { codecs, name, policy, store } = self
  const { located, opened } = views
  const keyBytes = new ByteWriter(64)

  /** The rows of a key, consolidated. */
  const rowsOf = (key: K, options: AsOf, window: (at: OpenedView) => PointRead.Window) =>
    Effect.scoped(Effect.gen(function*() {
      const at = yield* opened(options)
      const bytes = yield* Rows.encodeKey(codecs, key)
      return yield* PointRead.rows(store.batches, runs, at.view, bytes, window(at))
    }))

  const values = (rows: Columns.Columns) =>
    Rows.decode(name, codecs, policy, rows, (_, value, __, diff): readonly [V, number] => [value, diff])

  return {
    get: (key: K, options: AsOf) =>
      Effect.flatMap(located, ({ id }) => {
        const { asOf } = options
        const inOrder = () => Effect.flatMap(rowsOf(key, options, () => at(asOf)), values)
        if (asOf === undefined) return inOrder()
        return Effect.flatMap(
          compute(() =>
            sealedInMemory(store, runs, id, asOf, () => Rows.encodeKeyInto(codecs, key, keyBytes), at(asOf))
          ),
          (rows) => rows === undefined ? inOrder() : values(rows)
        )
      }),
    history: (key: K) =>
      rowsOf(key, {}, ({ view }) => ({ toTime: Infinity, since: view.since })).pipe(
        Effect.flatMap((rows) => Rows.decode<K, V, Update.Update<K, V>>(name, codecs, policy, rows, Update.make)),
        Effect.map((updates) => updates.toSorted((a, b) => a.time - b.time))
      )
  }
}

/** The value, if there is at most one, once. */
const only = <V>(
  collection: string,
  values: ReadonlyArray<readonly [value: V, multiplicity: number]>
): Effect.Effect<Option.Option<V>, NotKeyed> => {
  const [first] = values
  if (first === undefined) return Effect.succeedNone
  const [value, multiplicity] = first
  if (values.length === 1 && multiplicity === 1) return Effect.succeedSome(value)
  const detail = values.length > 1 ? `a key has ${values.length} values` : `a value is there ${multiplicity} times`
  return Effect.fail(new NotKeyed({ collection, detail }))
}

/** The rows that turn the contents as of one time into those as of another. */
const changes = Effect.fnUntraced(function*<K, V, E>(
  { opened, sourceOf }: ReturnType<typeof viewsOf<K, V, E>>,
  name: string,
  from: Frontier.Timestamp,
  to: Frontier.Timestamp
) {
  yield* checkTime(from)
  const [first, last] = from <= to ? [from, to] : [to, from]
  const at = yield* opened({ asOf: last })
  const { since } = at.view
  if (first < since) return yield* new AsOfBeforeSince({ collection: name, asOf: first, since })
  const rows = Snapshot.contents(sourceOf(at), { fromTime: first + 1, toTime: last + 1, since: last })
  return from <= to ? rows : Stream.map(rows, ([key, value, n]): Snapshot.Row<K, V> => [key, value, -n])
})

/** Rows that count as of a time, or at all. */
const at = (asOf: Frontier.Timestamp | undefined): { readonly toTime: number; readonly since: number } =>
  asOf === undefined ? { toTime: Infinity, since: Number.MAX_SAFE_INTEGER } : { toTime: asOf + 1, since: asOf }
