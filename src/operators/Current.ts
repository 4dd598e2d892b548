/**
 * The present contents of a collection, in memory, for programs that read them often.
 *
 * @since 0.1.0
 */
import { Cause, Effect, Fiber, HashMap, Option, type Scope, Stream, SubscriptionRef } from "effect"
import type { CollectionEvent } from "../client/CollectionEvent.ts"
import * as Frontier from "../Frontier.ts"
import type { Update } from "../Update.ts"

/**
 * Contents that are complete before a frontier: for each key its values with their multiplicities, usually one. A
 * persistent map, so that a new version shares everything unchanged with the one before it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Contents<out K, out V> {
  readonly frontier: Frontier.Frontier
  readonly rows: HashMap.HashMap<K, ReadonlyArray<readonly [value: V, multiplicity: number]>>
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Current<in out K, in out V, out E> {
  /** Changes whenever a time has become complete. At frontier 0 nothing has been received yet. */
  readonly contents: SubscriptionRef.SubscriptionRef<Contents<K, V>>
  /** Waits until a time is complete, and returns the contents. `NoSuchElementError` if the stream ends before. */
  readonly through: (time: Frontier.Timestamp) => Effect.Effect<Contents<K, V>, E | Cause.NoSuchElementError>
  /** Waits until the stream has ended, and fails with its error if it failed. The contents stay as they were. */
  readonly ended: Effect.Effect<void, E>
}

/**
 * Follows a stream of complete times, of a collection or a view, for as long as the scope is open.
 *
 * Keys are compared as `Equal` and `Hash` do, values by the text that `identify` gives them (default: their JSON).
 *
 * @example
 * ```ts
 * import { Effect, HashMap, Layer } from "effect"
 * import { Codec, MemoryStorage, PersistClient, Update } from "tidemark"
 * import { Current } from "tidemark/operators"
 *
 * const program = Effect.gen(function*() {
 *   const persist = yield* PersistClient.PersistClient
 *   const words = yield* persist.createOrLoad("words", { key: Codec.string, value: Codec.json })
 *   const current = yield* Current.make(words.subscribe())
 *   yield* words.compareAndAppend([Update.insert("one", 1, 0)], { expected: 0, upper: 1 })
 *   const { rows } = yield* current.through(0)
 *   return HashMap.size(rows)
 * }).pipe(Effect.scoped, Effect.provide(PersistClient.layer().pipe(Layer.provide(MemoryStorage.layer))))
 *
 * if ((await Effect.runPromise(program)) !== 1) throw new Error("there is one word")
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <K, V, E, R>(
  events: Stream.Stream<CollectionEvent<K, V>, E, R>,
  options: { readonly identify?: ((value: V) => string) | undefined } = {}
): Effect.Effect<Current<K, V, E>, never, R | Scope.Scope> =>
  Effect.gen(function*() {
    const { identify = JSON.stringify } = options
    const contents = yield* SubscriptionRef.make<Contents<K, V>>({ frontier: Frontier.initial, rows: HashMap.empty() })
    let pending: Array<ReadonlyArray<Update<K, V>>> = []
    const following = yield* Stream.runForEach(events, (event) => {
      if (event._tag === "Updates") {
        pending.push(event.updates)
        return Effect.void
      }
      const batches = pending
      pending = []
      return SubscriptionRef.update(contents, ({ rows }) => ({
        frontier: event.frontier,
        rows: HashMap.mutate(rows, (next) => {
          for (const batch of batches) for (const update of batch) apply(next, update, identify)
        })
      }))
    }).pipe(Effect.forkScoped)

    const ended = Fiber.join(following)
    const isThrough = (time: Frontier.Timestamp) => ({ frontier }: Contents<K, V>) => Frontier.isSettled(frontier, time)
    const at = (time: Frontier.Timestamp) =>
      Effect.filterOrFail(SubscriptionRef.get(contents), isThrough(time), () => new Cause.NoSuchElementError())
    return {
      contents,
      ended,
      through: (time) =>
        at(time).pipe(
          Effect.catch(() =>
            Effect.andThen(
              Effect.raceFirst(
                Stream.runHead(Stream.filter(SubscriptionRef.changes(contents), isThrough(time))),
                ended
              ),
              at(time)
            )
          )
        )
    }
  })

/** Adds an update to the rows of its key, in place. */
const apply = <K, V>(
  rows: HashMap.HashMap<K, ReadonlyArray<readonly [V, number]>>,
  { diff, key, value }: Update<K, V>,
  identify: (value: V) => string
): void => {
  const known = Option.getOrElse(HashMap.get(rows, key), () => [])
  const id = identify(value)
  const at = known.findIndex(([other]) => other === value || identify(other) === id)
  const multiplicity = diff + (at < 0 ? 0 : known[at]![1])
  const others = at < 0 ? known : known.toSpliced(at, 1)
  const next = multiplicity === 0 ? others : [...others, [value, multiplicity] as const]
  if (next.length === 0) HashMap.remove(rows, key)
  else HashMap.set(rows, key, next)
}
