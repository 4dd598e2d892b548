/**
 * Effect's `KeyValueStore`, on a collection. A value is durable when `set` returns.
 *
 * Effect's `Persistence`, and with it `PersistedCache`, works on it as well: `Persistence.layerKvs`.
 *
 * @since 0.1.0
 */
import { Effect, Layer, Stream } from "effect"
import * as Effects from "effect/persistence/KeyValueStore"
import type { PersistClient } from "../client/PersistClient.ts"
import * as Codec from "../Codec.ts"
import * as Platform from "../Platform.ts"
import * as Cells from "./Cells.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The collection's name. Default `"key-value-store"`. Other layers of the same store may share it. */
  readonly collection?: string | undefined
}

/** Text as itself, and bytes as the tools print them. */
type Stored = string | { readonly $bytes: string }

const codec = Codec.json as unknown as Codec.Codec<Stored>

const encoder = new TextEncoder()

const textOf = (stored: Stored | undefined): string | undefined => typeof stored === "object" ? stored.$bytes : stored

const bytesOf = (stored: Stored | undefined): Uint8Array | undefined => {
  if (stored === undefined) return undefined
  return typeof stored === "string" ? encoder.encode(stored) : new Uint8Array(Platform.fromBase64(stored.$bytes))
}

const storedOf = (value: string | Uint8Array): Stored =>
  typeof value === "string" ? value : { $bytes: Platform.toBase64(value) }

const failing = (method: string, key?: string) =>
  Effect.mapError((cause: Cells.CellsError) =>
    new Effects.KeyValueStoreError({ message: cause.message, method, cause, ...(key !== undefined && { key }) })
  )

/**
 * Makes the service on a collection, which is created if absent.
 *
 * @see {@link layer}
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*({ collection = "key-value-store" }: Options = {}) {
  const cells = yield* Cells.make(collection, codec)

  const put = (key: string, value: Stored | undefined) =>
    cells.change(Effect.succeed([new Map([[key, value]]), undefined]))
  const keys = (prefix: string) => Stream.runCollect(Stream.map(cells.withPrefix(prefix), ([key]) => key))
  const clear = (prefix: string) =>
    cells.change(Effect.map(keys(prefix), (found) => [new Map(found.map((key) => [key, undefined])), undefined]))
  const modify = <A>(
    key: string,
    read: (stored: Stored | undefined) => A | undefined,
    write: (value: A) => A & (string | Uint8Array)
  ) =>
    cells.change(Effect.map(cells.get(key), (stored) => {
      const before = read(stored)
      if (before === undefined) return [new Map<string, Stored>(), undefined] as const
      const after = write(before)
      return [new Map([[key, storedOf(after)]]), after] as const
    }))

  return Effects.make({
    get: (key) => cells.get(key).pipe(Effect.map(textOf), failing("get", key)),
    getUint8Array: (key) => cells.get(key).pipe(Effect.map(bytesOf), failing("getUint8Array", key)),
    set: (key, value) => failing("set", key)(put(key, storedOf(value))),
    remove: (key) => failing("remove", key)(put(key, undefined)),
    clear: failing("clear")(clear("")),
    clearPrefix: (prefix) => failing("clearPrefix")(clear(prefix)),
    size: failing("size")(Stream.runCount(cells.withPrefix(""))),
    keys: failing("keys")(keys("")),
    modify: (key, f) => failing("modify", key)(modify(key, textOf, f)),
    modifyUint8Array: (key, f) => failing("modifyUint8Array", key)(modify(key, bytesOf, f))
  })
})

/**
 * Effect's `KeyValueStore` on a collection of the store.
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
export const layer = (options?: Options): Layer.Layer<Effects.KeyValueStore, Cells.CellsError, PersistClient> =>
  Layer.effect(Effects.KeyValueStore, make(options))
