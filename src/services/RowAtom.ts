/**
 * Reactive atoms of rows: the value of a key in a table, and each one after it, for `effect/reactivity`.
 *
 * @since 0.1.0
 */
import { type Cause, Effect, type Option, Stream } from "effect"
import type * as AsyncResult from "effect/reactivity/AsyncResult"
import * as Atom from "effect/reactivity/Atom"
import type * as Table from "../tables/Table.ts"

/**
 * The value of a row, or none, as it is now.
 *
 * @category models
 * @since 0.1.0
 */
export type RowAtom<V, E = never> = Atom.Atom<
  AsyncResult.AsyncResult<Option.Option<V>, Table.TableError | Cause.NoSuchElementError | E>
>

/**
 * The atoms of the rows of a table, by key. An atom watches its row as long as it is mounted. Equal keys have one atom.
 *
 * @example
 * ```ts
 * import { Effect, Layer, Option, Schema } from "effect"
 * import { Atom, AtomRegistry } from "effect/reactivity"
 * import { MemoryStorage, PersistClient } from "tidemark"
 * import { RowAtom } from "tidemark/services"
 * import { Table } from "tidemark/tables"
 *
 * class Users extends Table.Service<Users>()("users", { key: Schema.String, value: Schema.String }) {}
 *
 * const store = PersistClient.layer().pipe(Layer.provide(MemoryStorage.layer))
 * const runtime = Atom.runtime(Users.layer.pipe(Layer.provide(store)))
 * const userOf = RowAtom.make(runtime, Users)
 * const rename = runtime.fn((name: string) => Effect.flatMap(Users, (users) => users.set("ada", name)))
 *
 * const registry = AtomRegistry.make()
 * registry.mount(userOf("ada"))
 * registry.mount(rename)
 * registry.set(rename, "Ada")
 * await Effect.runPromise(AtomRegistry.getResult(registry, rename))
 * registry.dispose()
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <R, ER, K, V, E>(
  runtime: Atom.AtomRuntime<R, ER>,
  table: Effect.Effect<Table.Table<K, V>, E, R>
): (key: K) => RowAtom<V, E | ER> =>
  Atom.family((key: K) => runtime.atom(Stream.unwrap(Effect.map(table, (opened) => opened.watch(key)))))
