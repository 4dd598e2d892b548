/**
 * Upserts: a flow of "this key has this value now" into a collection with one value a key.
 *
 * @since 0.1.0
 */
import { Effect, Option, Result, Stream } from "effect"
import type { Collection } from "../client/Collection.ts"
import type { OpenViewError } from "../client/CollectionReader.ts"
import { type CollectionWriter, registeredOf, type WriteError } from "../client/CollectionWriter.ts"
import type { ReadError } from "../client/Snapshot.ts"
import type { Frontier, Timestamp } from "../Frontier.ts"
import { type CollectionDestroyed, NotKeyed } from "../PersistError.ts"
import * as Pure from "../Pure.ts"
import type { Failure } from "../runtime/Command.ts"
import * as Update from "../Update.ts"
import { type DataError, error, type Event, type Flow, progress, updates } from "./Flow.ts"
import { identity } from "./Identity.ts"
import { isRefusal, refusal } from "./Persist.ts"
import { retractUnsealed } from "./Unsealed.ts"

/**
 * The new state of a key: a value, or nothing. Of several changes of one key at one time, the one with the greatest
 * offset counts. Of several with the same offset, the last one counts.
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
 * Maintains a collection with one value a key. First it retracts the updates at or after `upper` (default: the
 * collection's own upper) and passes on the remaining contents. Then, whenever a time is complete, it appends for every
 * changed key the retraction of the old value and the insertion of the new one, and passes them on once they are
 * durable. It does not seal.
 *
 * Memory is proportional to the number of keys, and to the number of changes at times that are not complete.
 *
 * Changes at times that are already complete are `Late` errors, and have no other effect. Changes that cannot be
 * appended are `Refused` errors: they do not encode, or another writer has sealed their time. The key keeps its value.
 * Removing a key that has no value appends nothing, and is never refused.
 * A collection that has several values for a key fails with `NotKeyed`.
 *
 * @see {@link retractUnsealed} for the first step alone
 * @see {@link seal} to seal the collection
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
 *   yield* changes.pipe(Upsert.upsert(users), seal(users), Stream.runDrain)
 *   return [yield* users.get("u-1", { asOf: 1 }), yield* users.get("u-2", { asOf: 2 })]
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
  <K, V, E2>(handles: Collection<K, V, E2>, options: { readonly upper?: Frontier | undefined } = {}) =>
  <E, R>(
    changes: Flow<K, Change<V>, E, R>
  ): Flow<K, V, E | E2 | WriteError | ReadError | OpenViewError | Failure | CollectionDestroyed | NotKeyed, R> =>
    Stream.unwrap(Effect.gen(function*() {
      const { reader, writer } = handles
      yield* retractUnsealed(writer, options)
      const snapshot = yield* reader.snapshot()
      const upper = options.upper ?? snapshot.upper
      const state = makeState<K, V>(reader.name, identity(registeredOf(writer).codecs.key), upper)
      const restored = snapshot.contents.pipe(
        Stream.chunks,
        Stream.mapEffect((rows) => state.restore(rows, Math.max(snapshot.since, upper - 1, 0))),
        Stream.concat(Stream.fromEffectDrain(snapshot.release)),
        Stream.concat(Stream.succeed<Event<K, V>>(progress(upper)))
      )
      const changed = changes.pipe(
        Stream.buffer({ capacity: inFlight }),
        // Changes that have queued up during a write share the next one.
        Stream.mapAccumArrayEffect(
          () => state,
          (state, chunk) => Effect.map(state.change(writer, chunk), (events) => [state, events] as const)
        )
      )
      return Stream.concat(restored, changed)
    }))

/** How many events may wait for a write. */
const inFlight = 16

interface Pending<K, V> {
  readonly id: string
  readonly key: K
  readonly change: Change<V>
  readonly time: Timestamp
}

/** What upserting keeps: the durable value of each key, and the later changes. */
const makeState = <K, V>(collection: string, identify: (key: K) => string, upper: Frontier) => {
  const refuse: Refuse = (reason, detail, time) => error({ operator: "upsert", collection, reason, detail }, time)
  const waiting = makeWaiting<K, V>(identify, refuse, upper)
  const values = makeValues<K, V>(collection, identify, refuse)
  return {
    restore: values.restore,
    /** Processes events: appends the changes that are complete after them, and returns them with the errors. */
    change: <E>(
      write: CollectionWriter<K, V, E>,
      events: ReadonlyArray<Event<K, Change<V>>>
    ): Effect.Effect<ReadonlyArray<Event<K, V>>, E | WriteError> =>
      Effect.suspend(() => {
        const before = waiting.frontier()
        const errors = waiting.admit(events)
        const after = waiting.frontier()
        return Effect.map(
          values.take(write, waiting.takeComplete()),
          (taken) => [...errors, ...taken, ...(after > before ? [progress(after)] : [])]
        )
      })
  }
}

type Refuse = (reason: DataError["reason"], detail: string, time: Timestamp) => Event<never, never>

/** The changes at times that are not complete. */
const makeWaiting = <K, V>(identify: (key: K) => string, refuse: Refuse, upper: Frontier) => {
  const pending = new Map<Timestamp, Map<string, Pending<K, V>>>()
  let frontier = upper

  const admit = ({ diff, key, time, value: change }: Update.Update<K, Change<V>>): ReadonlyArray<Event<K, V>> => {
    if (time < frontier) return [refuse("Late", "a change at a time that is complete", frontier)]
    if (diff !== 1) return [refuse("Refused", "a change with another diff than 1", time)]
    const encoded = Pure.encoded(() => identify(key))
    if (Result.isFailure(encoded)) return [refuse("Refused", refusal(encoded.failure), time)]
    const id = encoded.success
    const ofTime = pending.get(time) ?? new Map<string, Pending<K, V>>()
    pending.set(time, ofTime)
    const known = ofTime.get(id)
    if (known === undefined || known.change.offset <= change.offset) ofTime.set(id, { id, key, change, time })
    return []
  }

  return {
    /** Times below it are complete. */
    frontier: () => frontier,
    /** Admits changes, up to the last progress among them. */
    admit: (events: ReadonlyArray<Event<K, Change<V>>>): ReadonlyArray<Event<K, V>> =>
      events.flatMap((event): ReadonlyArray<Event<K, V>> => {
        switch (event._tag) {
          case "Updates":
            return event.updates.flatMap(admit)
          case "Progress":
            frontier = Math.max(frontier, event.frontier)
            return []
          case "Errors":
            return [event]
        }
      }),
    /** The changes that have become complete, in the order of their times. */
    takeComplete: (): ReadonlyArray<Pending<K, V>> => {
      const times = [...pending.keys()].filter((time) => time < frontier).toSorted((a, b) => a - b)
      const complete = times.flatMap((time) => [...pending.get(time)!.values()])
      for (const time of times) pending.delete(time)
      return complete
    }
  }
}

/** The durable value of each key. */
const makeValues = <K, V>(collection: string, identify: (key: K) => string, refuse: Refuse) => {
  const values = new Map<string, V>()

  /** The updates that changes amount to, and the values that keys have afterwards. */
  const effect = (changes: ReadonlyArray<Pending<K, V>>) => {
    const rows: Array<Update.Update<K, V>> = []
    const after = new Map<string, Option.Option<V>>()
    for (const { change: { value }, id, key, time } of changes) {
      const old = after.get(id) ?? (values.has(id) ? Option.some(values.get(id) as V) : Option.none())
      if (Option.isSome(old)) rows.push(Update.retract(key, old.value, time))
      if (Option.isSome(value)) rows.push(Update.insert(key, value.value, time))
      after.set(id, value)
    }
    return { rows, after }
  }

  const keep = (after: ReadonlyMap<string, Option.Option<V>>): void => {
    for (const [id, value] of after) {
      if (Option.isSome(value)) values.set(id, value.value)
      else values.delete(id)
    }
  }

  /**
   * Appends changes in one step. If they are rejected, it appends halves of them, so that only changes that cannot be
   * appended are left out.
   */
  const take = <E>(
    write: CollectionWriter<K, V, E>,
    changes: ReadonlyArray<Pending<K, V>>
  ): Effect.Effect<ReadonlyArray<Event<K, V>>, E | WriteError> => {
    const { after, rows } = effect(changes)
    if (rows.length === 0) return Effect.succeed([])
    return write.append(rows).pipe(
      Effect.map(() => {
        keep(after)
        return [updates(rows)]
      }),
      Effect.catchIf(isRefusal, (error) => {
        if (changes.length === 1) return Effect.succeed([refuse("Refused", refusal(error), changes[0]!.time)])
        const half = changes.length >> 1
        return Effect.map(
          Effect.all([take(write, changes.slice(0, half)), Effect.suspend(() => take(write, changes.slice(half)))]),
          (events) => events.flat()
        )
      })
    )
  }

  /** Adds rows of the collection. */
  const restore = (rows: ReadonlyArray<readonly [key: K, value: V, multiplicity: number]>, time: Timestamp) => {
    for (const [key, value, multiplicity] of rows) {
      const id = identify(key)
      if (multiplicity !== 1) {
        return Effect.fail(new NotKeyed({ collection, detail: `a row is there ${multiplicity} times` }))
      }
      if (values.has(id)) return Effect.fail(new NotKeyed({ collection, detail: "a key has several values" }))
      values.set(id, value)
    }
    return Effect.succeed(updates(rows.map(([key, value]) => Update.insert(key, value, time))))
  }

  return { restore, take }
}
