/**
 * Effect's `Persistence`, on a table, for `PersistedCache` and the like. A value is removed once its time to live has
 * passed.
 *
 * @since 0.1.0
 */
import { Clock, Duration, Effect, Layer, Option, type Schema, Stream } from "effect"
import * as Effects from "effect/persistence/Persistence"
import type { PersistClient } from "../client/PersistClient.ts"
import * as Codec from "../Codec.ts"
import * as Table from "../tables/Table.ts"
import * as Backing from "./Backing.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The table's name. Default `"persistence"`. Other layers of the same store may share it. */
  readonly table?: string | undefined
}

/** A value, with the milliseconds since 1970 at which it expires, if it does. */
interface Stored {
  readonly value: Schema.Json
  readonly until?: number
}

const declaration: Table.Options<readonly [store: string, key: string], Stored, {}> = {
  key: Codec.tuple([Codec.string, Codec.string]),
  value: Codec.json as unknown as Codec.Codec<Stored>,
  history: "latest",
  expire: ({ until }) => until
}

const failing = (what: string) =>
  Effect.mapError((cause: Backing.BackingError) =>
    new Effects.PersistenceError({ message: `${what}: ${cause.message}`, cause })
  )

/** Rows that have expired are read until they are removed. */
const liveAt = (now: number) => (found: Option.Option<Stored>): object | undefined =>
  Option.isSome(found) && (found.value.until ?? Infinity) > now ? found.value.value as object : undefined

const storedAt = (now: number, value: object, ttl: Duration.Duration | undefined): Stored => {
  const until = ttl === undefined ? Infinity : now + Duration.toMillis(ttl)
  return { value: value as unknown as Schema.Json, ...(Number.isFinite(until) && { until }) }
}

/**
 * Makes what `Persistence` stores in: values of all stores in one table, which is created if absent.
 *
 * @see {@link layer}
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*({ table: name = "persistence" }: Options = {}) {
  const { table } = yield* Backing.open(name, declaration)
  const clear = (store: string) =>
    Table.transaction(
      Stream.runForEach(table.range({ prefix: [store] }), ([key]) => table.remove(key))
    )
  const setAt = (store: string, now: number) =>
  (
    [key, value, ttl]: readonly [key: string, value: object, ttl: Duration.Duration | undefined]
  ) => table.set([store, key], storedAt(now, value, ttl))

  return Effects.BackingPersistence.of({
    make: (store) =>
      Effect.succeed<Effects.BackingPersistenceStore>({
        get: (key) =>
          failing("a persisted value cannot be read")(
            Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.map(table.get([store, key]), liveAt(now)))
          ),
        getMany: (keys) =>
          failing("persisted values cannot be read")(
            Effect.flatMap(Clock.currentTimeMillis, (now) =>
              Table.transaction(
                Effect.forEach(keys, (key) => Effect.map(table.get([store, key]), liveAt(now)))
              ))
          ),
        set: (key, value, ttl) =>
          failing("a value cannot be persisted")(
            Effect.flatMap(Clock.currentTimeMillis, (now) => setAt(store, now)([key, value, ttl]))
          ),
        setMany: (entries) =>
          failing("values cannot be persisted")(
            Effect.flatMap(
              Clock.currentTimeMillis,
              (now) => Table.transaction(Effect.forEach(entries, setAt(store, now), { discard: true }))
            )
          ),
        remove: (key) => failing("a persisted value cannot be removed")(table.remove([store, key])),
        clear: failing("persisted values cannot be removed")(clear(store))
      })
  })
})

/**
 * What `Persistence` stores in, on a table of the store.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerBacking = (
  options?: Options
): Layer.Layer<Effects.BackingPersistence, Table.OpenError, PersistClient> =>
  Layer.effect(Effects.BackingPersistence, make(options))

/**
 * Effect's `Persistence` on a table of the store.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<Effects.Persistence, Table.OpenError, PersistClient> =>
  Effects.layer.pipe(Layer.provide(layerBacking(options)))
