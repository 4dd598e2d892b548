/**
 * Tables: one value a key, transactions over several of them, and reads as of any time that is kept.
 *
 * All tables of a store share its timeline: each commit takes one time of it, in microseconds, and completes it for all of
 * them at once. A table is declared once, as a service, and its layer opens it in the store of the `PersistClient`.
 *
 * @since 0.1.0
 */
import { Context, type DateTime, type Duration, Effect, Layer, type Option, type Schedule, Stream } from "effect"
import type { PersistClient, RegisterError } from "../client/PersistClient.ts"
import type { SubscribeError } from "../client/Subscription.ts"
import type { Frontier, Timestamp } from "../Frontier.ts"
import { InvalidHandle, type TableMismatch, TransactionTimeout } from "../PersistError.ts"
import type { ExpireOf } from "./Expiry.ts"
import type { History } from "./History.ts"
import type { IndexKey, TypeOf } from "./Keys.ts"
import * as OneRow from "./OneRow.ts"
import * as Open from "./Open.ts"
import * as Rows from "./Rows.ts"
import * as TableStore from "./TableStore.ts"
import * as Versions from "./Versions.ts"
import type { Contest, Workspace } from "./Workspace.ts"

/**
 * What an operation of a table may fail with.
 *
 * @category errors
 * @since 0.1.0
 */
export type TableError = TableStore.TransactError | InvalidHandle

/**
 * What opening a table may fail with. `TableMismatch`: it is open under another declaration, or a collection of its name is
 * no table.
 *
 * @category errors
 * @since 0.1.0
 */
export type OpenError = RegisterError | TableMismatch | TableStore.TransactError

export type { Range } from "./Rows.ts"
export type { Change, TableEvent, Version } from "./Versions.ts"
export type { ExpireOf, History, IndexKey }

/**
 * Reading a table, as of one time or as of now.
 *
 * @category models
 * @since 0.1.0
 */
export interface TableReader<in out K, in out V> {
  /** The value of a key, if it has one. */
  readonly get: (key: K) => Effect.Effect<Option.Option<V>, TableError>
  /** Rows in the order of their keys. They are those of one time, however long the stream is read. */
  readonly range: (range?: Rows.Range<K>) => Stream.Stream<readonly [key: K, value: V], TableError>
}

/**
 * A table. Outside a transaction, each operation is a transaction of its own, and durable when it returns. Inside a
 * transaction, nothing is written before the transaction ends, and all reads are as of its time, including its own
 * writes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Table<in out K, in out V> extends TableReader<K, V> {
  readonly name: string
  /**
   * The time as of which `get` and `range` read: the last complete one. Changes after it are `changes({ from: now + 1 })`.
   */
  readonly now: Effect.Effect<Timestamp, TableError>
  /** Gives a key its value, and returns the time of the commit; in a transaction, the time as of which that reads. */
  readonly set: (key: K, value: V) => Effect.Effect<Timestamp, TableError>
  /** Removes a key. Returns whether it existed. */
  readonly remove: (key: K) => Effect.Effect<boolean, TableError>
  /**
   * Reads, changes and writes in one step, and returns the new value. `Option.none()` stands for a key without value,
   * before and after. The function is called again if another commit has written the key meanwhile.
   */
  readonly modify: (
    key: K,
    change: (value: Option.Option<V>) => Option.Option<V>
  ) => Effect.Effect<Option.Option<V>, TableError>
  /** Every version of a key that is kept, the oldest first. */
  readonly history: (key: K) => Stream.Stream<Versions.Version<V>, TableError>
  /** The value now, and each one after it. */
  readonly watch: (key: K) => Stream.Stream<Option.Option<V>, TableError>
  /**
   * Every change from a frontier on, or from the beginning of the retained history, where earlier changes are delivered
   * as additions at its first time. Store the frontier of a `Progress` to resume from it: no change is skipped, and
   * none is delivered twice.
   */
  readonly changes: (options?: {
    readonly from?: Frontier | undefined
  }) => Stream.Stream<Versions.TableEvent<K, V>, TableError | SubscribeError>
}

/**
 * What the indexes of a table sort by, by their names.
 *
 * @category models
 * @since 0.1.0
 */
export type Indexes = Readonly<Record<string, IndexKey | undefined>>

/** The whole key of an index, or the first parts of one that has several. */
type FirstParts<S> = S extends ReadonlyArray<infer Part> ? ReadonlyArray<Part> : S

/**
 * The rows of each index, by the name of the index: those with a key, or all, in the order of the index.
 *
 * @category models
 * @since 0.1.0
 */
export type Lookups<K, V, I> = {
  readonly [Name in keyof I]: (
    key?: FirstParts<Exclude<I[Name], undefined>>
  ) => Stream.Stream<readonly [key: K, value: V], TableError>
}

/**
 * A table with its indexes.
 *
 * @category models
 * @since 0.1.0
 */
export type Indexed<K, V, I> = Table<K, V> & Lookups<K, V, I> & {
  /**
   * The table as of a time: microseconds of the timeline, or a `DateTime`, which stands for the end of its millisecond.
   * A time in the future fails with `AsOfNotSealed`, and a time before the retained history with `AsOfBeforeSince`.
   */
  readonly at: (time: Timestamp | DateTime.DateTime) => TableReader<K, V> & Lookups<K, V, I>
}

/**
 * How a table is declared.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<K, V, I> {
  /** Texts, numbers, booleans and tuples of them sort as they do; other keys are found, and sort as JSON. */
  readonly key: TypeOf<K>
  readonly value: TypeOf<V>
  /** How much history is kept. Default: a day. */
  readonly history?: History | undefined
  /**
   * The function of each index, by the name of the index, which becomes a method of the table. It computes the index
   * key of a row. A row for which it returns `undefined` is not in the index. Rename an index when you change its
   * function.
   */
  readonly indexes?: { readonly [Name in keyof I]: (value: V, key: K) => I[Name] } | undefined
  /** Rows are removed once the clock has passed it. */
  readonly expire?: ExpireOf<K, V> | undefined
  /** Bytes of current rows that are kept in memory for `get`, about. Default 8 MiB. */
  readonly cacheBytes?: number | undefined
}

/** The transaction that a fiber is in. The first table that it uses determines its store. */
class Current extends Context.Service<Current, {
  readonly contest: Contest
  bound: { readonly tables: TableStore.TableStore; readonly workspace: Workspace } | undefined
  isOver: boolean
}>()("tidemark/tables/Current") {}

/** Runs in the workspace of the transaction that the fiber is in, or in none. */
const inside = <A, E, R>(
  tables: TableStore.TableStore,
  table: string,
  run: (workspace: Workspace | undefined) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | InvalidHandle, R> =>
  Effect.withFiber((fiber): Effect.Effect<A, E | InvalidHandle, R> => {
    const current = Context.getOrUndefined(fiber.context, Current)
    if (current === undefined) return run(undefined)
    if (current.isOver) {
      return Effect.fail(new InvalidHandle({ detail: `table "${table}" was used in a transaction that is over` }))
    }
    current.bound ??= { tables, workspace: tables.begin(current.contest) }
    if (current.bound.tables !== tables) {
      return Effect.fail(new InvalidHandle({ detail: `table "${table}" is of another store than the transaction` }))
    }
    return run(current.bound.workspace)
  })

/**
 * Runs outside of the transaction that the fiber is in, if it is in one.
 *
 * @internal
 */
export const outside = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.updateContext(effect, (context: Context.Context<R>) => Context.omit(Current)(context) as Context.Context<R>)

/** @internal */
export const of = <K, V, I extends Indexes>(opened: Open.Opened<K, V>): Indexed<K, V, I> => {
  const { indexes, rows, tables } = opened
  const { name } = rows.relation
  const within = <A, E, R>(run: (workspace: Workspace | undefined) => Effect.Effect<A, E, R>) =>
    inside(tables, name, run)
  const streamed = <A>(of: (workspace: Workspace | undefined) => Stream.Stream<A, TableError>) =>
    Stream.unwrap(within((workspace) => Effect.succeed(of(workspace))))
  const now = () => rows.relation.now()

  /** Each operation is a transaction of its own, where there is none. */
  const changing = <A>(key: K, change: Rows.Change<V, A>) =>
    within((workspace) =>
      workspace === undefined
        ? OneRow.change(tables, rows, key, change)
        : Effect.map(Rows.changeIn(workspace, rows, key, change), (value) => ({ value, time: workspace.readAt }))
    )
  const lookups = (of: (index: Open.Opened<K, V>["indexes"][number]) => (key?: IndexKey) => unknown) =>
    Object.fromEntries(indexes.map((index) => [index.name, of(index)])) as unknown as Lookups<K, V, I>

  const at = (time: Timestamp | DateTime.DateTime): TableReader<K, V> & Lookups<K, V, I> => {
    const asOf = TableStore.timeOf(time)
    const completed = tables.complete(name, asOf)
    const reader: TableReader<K, V> = {
      get: (key) => Effect.andThen(completed, Rows.getAt(rows, key, asOf)),
      range: (range = {}) => Stream.unwrap(Effect.as(completed, Rows.rangeAt(rows, range, asOf)))
    }
    return {
      ...lookups((index) => (key) => Stream.unwrap(Effect.as(completed, Rows.byIndexAt(rows, index, key, asOf)))),
      ...reader
    }
  }
  const table: Table<K, V> = {
    name,
    now: within((workspace) => Effect.sync(() => workspace === undefined ? now() : workspace.readAt)),
    get: (key) =>
      within((workspace) => workspace === undefined ? Rows.getNow(rows, key) : Rows.getIn(workspace, rows, key)),
    range: (range = {}) =>
      streamed((workspace) =>
        workspace === undefined ? Rows.rangeAt(rows, range, now()) : Rows.rangeIn(workspace, rows, range)
      ),
    set: (key, value) => Effect.map(changing(key, Rows.setting(value)), ({ time }) => time),
    remove: (key) => Effect.map(changing(key, Rows.setting<V>(undefined)), ({ value }) => value),
    modify: (key, change) => Effect.map(changing(key, Rows.modifying(change)), ({ value }) => value),
    history: (key) => Versions.history(rows.relation, key),
    watch: (key) => Versions.watch(rows.relation, key, tables.store.feed),
    changes: ({ from } = {}) => Versions.changes(rows.relation, from)
  }
  return {
    ...lookups((index) => (key) =>
      streamed((workspace) =>
        workspace === undefined
          ? Rows.byIndexAt(rows, index, key, now())
          : Rows.byIndexIn(workspace, rows, index, key)
      )
    ),
    ...table,
    at
  }
}

/**
 * The service of a table, with the layer that opens it.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServiceClass<Self, Name extends string, K, V, I>
  extends Context.ServiceClass<Self, `tidemark/tables/${Name}`, Indexed<K, V, I>>
{
  /** Opens the table in the store of the `PersistClient`, creates it if it does not exist, and builds new indexes. */
  readonly layer: Layer.Layer<Self, OpenError, PersistClient>
}

/**
 * Declares a table as a service.
 *
 * @example
 * ```ts run
 * import { Effect, Layer, Option, Schema } from "effect"
 * import { MemoryStorage, PersistClient } from "tidemark"
 * import { Table } from "tidemark/tables"
 *
 * class Balances extends Table.Service<Balances>()("balances", {
 *   key: Schema.String,
 *   value: Schema.Int,
 *   history: "1 day"
 * }) {}
 *
 * const program = Effect.gen(function*() {
 *   const balances = yield* Balances
 *   const before = yield* balances.set("ada", 10)
 *   yield* balances.modify("ada", Option.map((amount) => amount - 3))
 *   return [yield* balances.get("ada"), yield* balances.at(before).get("ada")] // Some(7), Some(10)
 * })
 * const store = PersistClient.layer().pipe(Layer.provide(MemoryStorage.layer))
 * await Effect.runPromise(Effect.provide(program, Balances.layer.pipe(Layer.provide(store))))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const Service = <Self>() =>
<const Name extends string, K, V, const I extends Indexes = {}>(
  name: Name,
  options: Options<K, V, I>
): ServiceClass<Self, Name, K, V, I> => {
  const Base = Context.Service<Self, Indexed<K, V, I>>()(`tidemark/tables/${name}`)
  return class extends Base {
    static readonly layer = Layer.effect(Base, Effect.map(Open.open(name, options), (opened) => of<K, V, I>(opened)))
  } as unknown as ServiceClass<Self, Name, K, V, I>
}

/**
 * How a transaction is run.
 *
 * @category models
 * @since 0.1.0
 */
export interface TransactionOptions {
  /** When a transaction is retried after a conflict. Default: at once, a thousand times at most. */
  readonly retry?: Schedule.Schedule<unknown> | undefined
  /** How long one attempt may take before it fails with `TransactionTimeout`. Default 30 seconds. */
  readonly timeout?: Duration.Input | undefined
}

/**
 * Runs an effect as one transaction over any tables of a store. It reads them as of one time, including its own writes.
 * Its writes become durable in one commit when it ends, if nothing that it has read was written meanwhile. So
 * transactions are serializable; the validation at the commit is optimistic concurrency control (Kung and Robinson,
 * 1981). A transaction with a conflict is retried, so that the effect should have no other effects that cannot be
 * repeated. A transaction that fails, or is interrupted, writes nothing. A transaction inside another is part of it.
 *
 * @category combinators
 * @since 0.1.0
 */
export const transaction = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  options: TransactionOptions = {}
): Effect.Effect<A, E | TableError | TransactionTimeout, R> =>
  Effect.withFiber((fiber): Effect.Effect<A, E | TableError | TransactionTimeout, R> =>
    Context.getOrUndefined(fiber.context, Current) === undefined
      ? TableStore.retried((contest) => attempt(effect, contest, options), { schedule: options.retry })
      : effect
  )

const attempt = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  contest: Contest,
  { timeout = "30 seconds" }: TransactionOptions
) =>
  Effect.suspend(() => {
    const current: Current["Service"] = { contest, bound: undefined, isOver: false }
    const end = Effect.sync(() => {
      current.isOver = true
      current.bound?.tables.end(current.bound.workspace)
    })
    const body = Effect.timeoutOrElse(Effect.provideService(effect, Current, current), {
      duration: timeout,
      orElse: () => Effect.fail(new TransactionTimeout({ detail: "an attempt took longer than its timeout" }))
    })
    const committed = Effect.suspend(() => {
      current.isOver = true
      return current.bound === undefined ? Effect.void : current.bound.workspace.commit
    })
    return Effect.ensuring(Effect.tap(body, () => committed), end)
  })
