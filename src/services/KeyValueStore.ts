/**
 * Effect's `KeyValueStore`, on a table. A value is durable when `set` returns.
 *
 * @since 0.1.0
 */
import { Effect, Layer, Option, Stream } from "effect"
import * as Effects from "effect/persistence/KeyValueStore"
import type { PersistClient } from "../client/PersistClient.ts"
import * as Codec from "../Codec.ts"
import * as Platform from "../Platform.ts"
import * as Table from "../tables/Table.ts"
import * as Backing from "./Backing.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The table's name. Default `"key-value-store"`. Other layers of the same store may share it. */
  readonly table?: string | undefined
}

/** Text as itself, and bytes as the tools print them. */
type Stored = string | { readonly $bytes: string }

const declaration: Table.Options<string, Stored, {}> = {
  key: Codec.string,
  value: Codec.json as unknown as Codec.Codec<Stored>,
  history: "latest"
}

const encoder = new TextEncoder()

const textOf = (stored: Stored): string => typeof stored === "object" ? stored.$bytes : stored

const bytesOf = (stored: Stored): Uint8Array =>
  typeof stored === "string" ? encoder.encode(stored) : new Uint8Array(Platform.fromBase64(stored.$bytes))

const storedOf = (value: string | Uint8Array): Stored =>
  typeof value === "string" ? value : { $bytes: Platform.toBase64(value) }

const failing = (method: string, key?: string) =>
  Effect.mapError((cause: Backing.BackingError) =>
    new Effects.KeyValueStoreError({ message: cause.message, method, cause, ...(key !== undefined && { key }) })
  )

/**
 * Makes the service on a table, which is created if absent.
 *
 * @see {@link layer}
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*({ table: name = "key-value-store" }: Options = {}) {
  const { table } = yield* Backing.open(name, declaration)

  const get = <A>(key: string, read: (stored: Stored) => A) =>
    Effect.map(table.get(key), (found) => Option.getOrUndefined(Option.map(found, read)))
  const keys = (prefix: string) => Stream.runCollect(Stream.map(table.range({ prefix }), ([key]) => key))
  const clear = (prefix: string) =>
    Table.transaction(Effect.flatMap(keys(prefix), Effect.forEach(table.remove, { discard: true })))
  const modify = <A extends string | Uint8Array>(key: string, read: (stored: Stored) => A, change: (value: A) => A) =>
    Effect.map(
      table.modify(key, Option.map((stored) => storedOf(change(read(stored))))),
      (found) => Option.getOrUndefined(Option.map(found, read))
    )

  return Effects.make({
    get: (key) => failing("get", key)(get(key, textOf)),
    getUint8Array: (key) => failing("getUint8Array", key)(get(key, bytesOf)),
    set: (key, value) => failing("set", key)(table.set(key, storedOf(value))),
    remove: (key) => failing("remove", key)(table.remove(key)),
    clear: failing("clear")(clear("")),
    clearPrefix: (prefix) => failing("clearPrefix")(clear(prefix)),
    size: failing("size")(Stream.runCount(table.range())),
    keys: failing("keys")(keys("")),
    modify: (key, change) => failing("modify", key)(modify(key, textOf, change)),
    modifyUint8Array: (key, change) => failing("modifyUint8Array", key)(modify(key, bytesOf, change))
  })
})

/**
 * Effect's `KeyValueStore` on a table of the store.
 *
 * @example
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { KeyValueStore } from "effect/persistence"
 * import { MemoryStorage, PersistClient } from "tidemark"
 * import { KeyValueStore as Durable } from "tidemark/services"
 *
 * const program = Effect.gen(function*() {
 *   const settings = yield* KeyValueStore.KeyValueStore
 *   yield* settings.set("theme", "dark")
 *   return yield* settings.get("theme")
 * })
 *
 * const store = PersistClient.layer().pipe(Layer.provide(MemoryStorage.layer))
 * await Effect.runPromise(program.pipe(Effect.provide(Durable.layer().pipe(Layer.provide(store))))) // "dark"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<Effects.KeyValueStore, Table.OpenError, PersistClient> =>
  Layer.effect(Effects.KeyValueStore, make(options))
