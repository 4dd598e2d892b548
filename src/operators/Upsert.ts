/**
 * Upserts: a flow of "this key has this value now" into a collection with one value a key.
 *
 * @since 0.1.0
 */
import { Effect, Option, Stream } from "effect"
import type { Handles } from "../client/PersistClient.ts"
import type { ReadError } from "../client/Snapshot.ts"
import type { PlaceError } from "../client/StreamReadHandle.ts"
import { registeredOf, type WriteError } from "../client/StreamWriteHandle.ts"
import type { Frontier, Timestamp } from "../Frontier.ts"
import { NotKeyed, type StreamDestroyed, ValueOutOfRange } from "../PersistError.ts"
import type { Failure } from "../runtime/Command.ts"
import * as Update from "../Update.ts"
import { type DataError, error, type Event, type Flow, progress, updates } from "./Flow.ts"
import { identity } from "./Identity.ts"
import { persist } from "./Persist.ts"
import { retractUnsealed } from "./Unsealed.ts"

/**
 * What a key becomes: a value, or nothing. Of the changes of one key at one time the one with the greatest offset counts,
 * and of those with the same offset the last.
 *
 * @category models
 * @since 0.1.0
 */
export interface Change<out V> {
  readonly value: Option.Option<V>
  readonly offset: number
}

/**
 * A key gets a value.
 *
 * @category constructors
 * @since 0.1.0
 */
export const put = <K, V>(key: K, value: V, time: Timestamp, offset: number): Update.Update<K, Change<V>> =>
  Update.insert(key, { value: Option.some(value), offset }, time)

/**
 * A key loses its value.
 *
 * @category constructors
 * @since 0.1.0
 */
export const remove = <K>(key: K, time: Timestamp, offset: number): Update.Update<K, Change<never>> =>
  Update.insert(key, { value: Option.none(), offset }, time)

/**
 * Keeps a collection with one value a key: first takes back what is written at or after `upper` (default: the
 * collection's own upper) and passes on what is left; then, whenever a time is complete, writes for every key that it
 * changes the retraction of the old value and the new one, and passes them on once they are durable. It does not seal.
 *
 * Memory follows the number of keys, and that of changes at times that are not complete.
 *
 * Changes at times that are complete already, at their arrival or in the collection, are `Late` errors, and have no other
 * effect. A collection that has several values for a key is refused with `NotKeyed`.
 *
 * @example
 * ```ts
 * import { Effect, Layer, Stream } from "effect"
 * import { Codec, MemoryStorage, PersistClient } from "tidemark"
 * import { Flow, seal, Upsert } from "tidemark/operators"
 *
 * const program = Effect.gen(function*() {
 *   const persist = yield* PersistClient.PersistClient
 *   const users = yield* persist.createOrLoad("users", { key: Codec.string, value: Codec.string })
 *   const changes = Stream.make(
 *     Flow.updates([Upsert.put("u-1", "Ada", 1, 100), Upsert.put("u-1", "Ada L.", 1, 101), Upsert.put("u-2", "Bo", 1, 102)]),
 *     Flow.updates([Upsert.remove("u-2", 2, 103)]),
 *     Flow.progress(3)
 *   )
 *   yield* changes.pipe(Upsert.upsert(users), seal(users.write), Stream.runDrain)
 *   return [yield* users.read.get("u-1", { asOf: 1 }), yield* users.read.get("u-2", { asOf: 2 })]
 * }).pipe(Effect.provide(PersistClient.layer().pipe(Layer.provide(MemoryStorage.layer))))
 *
 * const [ada, bo] = await Effect.runPromise(program)
 * if (ada?.[0]?.[0] !== "Ada L." || bo?.length !== 0) throw new Error("the last change of a time counts")
 * ```
 *
 * @category operators
 * @since 0.1.0
 */
export const upsert =
  <K, V, E2>(handles: Handles<K, V, E2>, options: { readonly upper?: Frontier | undefined } = {}) =>
  <E, R>(
    changes: Flow<K, Change<V>, E, R>
  ): Flow<K, V, E | E2 | WriteError | ReadError | PlaceError | Failure | StreamDestroyed | NotKeyed, R> =>
    Stream.unwrap(Effect.gen(function*() {
      const { read, write } = handles
      yield* retractUnsealed(write, options)
      const snapshot = yield* read.snapshot()
      const upper = options.upper ?? snapshot.upper
      const values = makeValues<K, V>(read.streamName, identity(registeredOf(write).codecs.key), upper)
      const restored = snapshot.contents.pipe(
        Stream.chunks,
        Stream.mapEffect((rows) => values.restore(rows, Math.max(snapshot.since, upper - 1, 0))),
        Stream.concat(Stream.fromEffectDrain(snapshot.release)),
        Stream.concat(Stream.succeed<Event<K, V>>(progress(upper)))
      )
      const changed = Stream.mapAccumArray(
        changes,
        () => values,
        (state, chunk) => [state, chunk.flatMap(state.change)]
      )
      return Stream.concat(restored, persist(write)(changed))
    }))

interface Pending<K, V> {
  readonly key: K
  readonly change: Change<V>
}

/** The value of each key as of the frontier, and the changes after it. */
const makeValues = <K, V>(collection: string, identify: (key: K) => string, upper: Frontier) => {
  const values = new Map<string, V>()
  const pending = new Map<Timestamp, Map<string, Pending<K, V>>>()
  let frontier = upper

  const refuse = (reason: DataError["reason"], detail: string, time: Timestamp) =>
    error({ operator: "upsert", collection, reason, detail }, Math.max(time, frontier))

  const admit = ({ diff, key, time, value: change }: Update.Update<K, Change<V>>): ReadonlyArray<Event<K, V>> => {
    if (time < frontier) return [refuse("Late", "a change at a time that is complete", time)]
    if (diff !== 1) return [refuse("Refused", "a change with another diff than 1", time)]
    const id = identified(identify, key)
    if (id instanceof ValueOutOfRange) return [refuse("Refused", `${id.what}: ${id.detail}`, time)]
    const ofTime = pending.get(time) ?? new Map<string, Pending<K, V>>()
    pending.set(time, ofTime)
    const known = ofTime.get(id)
    if (known === undefined || known.change.offset <= change.offset) ofTime.set(id, { key, change })
    return []
  }

  /** What the changes of one time do to the collection. */
  const apply = (time: Timestamp): ReadonlyArray<Update.Update<K, V>> => {
    const rows: Array<Update.Update<K, V>> = []
    for (const [id, { change, key }] of pending.get(time)!) {
      const old = values.get(id)
      if (old !== undefined || values.has(id)) rows.push(Update.retract(key, old as V, time))
      values.delete(id)
      if (Option.isSome(change.value)) {
        values.set(id, change.value.value)
        rows.push(Update.insert(key, change.value.value, time))
      }
    }
    pending.delete(time)
    return rows
  }

  const advance = (to: Frontier): ReadonlyArray<Event<K, V>> => {
    if (to <= frontier) return []
    frontier = to
    const complete = [...pending.keys()].filter((time) => time < to).toSorted((a, b) => a - b)
    const rows = complete.flatMap(apply)
    return rows.length === 0 ? [progress(to)] : [updates(rows), progress(to)]
  }

  return {
    /** Takes rows of the collection over. */
    restore: (rows: ReadonlyArray<readonly [key: K, value: V, multiplicity: number]>, time: Timestamp) => {
      for (const [key, value, multiplicity] of rows) {
        const id = identify(key)
        if (multiplicity !== 1) {
          return Effect.fail(new NotKeyed({ collection, detail: `a row is there ${multiplicity} times` }))
        }
        if (values.has(id)) return Effect.fail(new NotKeyed({ collection, detail: "a key has several values" }))
        values.set(id, value)
      }
      return Effect.succeed(updates(rows.map(([key, value]) => Update.insert(key, value, time))))
    },
    /** What a change does now: mostly nothing, until its time is complete. */
    change: (event: Event<K, Change<V>>): ReadonlyArray<Event<K, V>> => {
      switch (event._tag) {
        case "Updates":
          return event.updates.flatMap(admit)
        case "Progress":
          return advance(event.frontier)
        case "Errors":
          return [event]
      }
    }
  }
}

const identified = <K>(identify: (key: K) => string, key: K): string | ValueOutOfRange => {
  try {
    return identify(key)
  } catch (error) {
    if (error instanceof ValueOutOfRange) return error
    throw error
  }
}
