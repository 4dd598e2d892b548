/**
 * Collections as flows.
 *
 * @since 0.1.0
 */
import { Effect, Stream } from "effect"
import * as CollectionReader from "../client/CollectionReader.ts"
import type { ListenError } from "../client/Listen.ts"
import type { Undecodable } from "../client/Rows.ts"
import type { ReadError, Snapshot } from "../client/Snapshot.ts"
import * as Frontier from "../Frontier.ts"
import { AsOfBeforeSince } from "../PersistError.ts"
import * as Update from "../Update.ts"
import { type Event, type Flow, progress, updates } from "./Flow.ts"

/**
 * As of when a source begins: updates before it count as updates at it. Default: the beginning of the retained history.
 *
 * @category models
 * @since 0.1.0
 */
export interface SourceOptions {
  readonly asOf?: Frontier.Timestamp | undefined
}

/**
 * A collection's snapshot, then every append and seal, from one atomic `listen`. Updates are delivered as soon as they
 * are durable, also at times that are not complete; `awaitFrontier` delays those. The first progress is the upper of
 * the snapshot, so that consumers learn at once which times are already complete.
 *
 * @see {@link awaitFrontier} for complete times only
 * @see {@link replay} for the contents as of one time
 *
 * A row that does not decode is an error at its time, and the flow continues. Beginning before `since` fails with
 * `AsOfBeforeSince`.
 *
 * @example
 * ```ts
 * import { Effect, Layer, Stream } from "effect"
 * import { Codec, MemoryStorage, PersistClient, Update } from "tidemark"
 * import { awaitFrontier, persistedSource } from "tidemark/operators"
 *
 * const program = Effect.gen(function*() {
 *   const persist = yield* PersistClient.PersistClient
 *   const words = yield* persist.createOrLoad("words", { key: Codec.string, value: Codec.unit })
 *   yield* words.compareAndAppend([Update.insert("one", undefined, 0)], { expected: 0, upper: 1 })
 *   yield* words.append([Update.insert("two", undefined, 1)])
 *
 *   const complete = persistedSource(words).pipe(awaitFrontier, Stream.take(2))
 *   return yield* Stream.runCollect(complete)
 * }).pipe(Effect.provide(PersistClient.layer().pipe(Layer.provide(MemoryStorage.layer))))
 *
 * const [first, second] = await Effect.runPromise(program)
 * if (first?._tag !== "Updates" || first.updates.length !== 1) throw new Error("only time 0 is complete")
 * if (second?._tag !== "Progress" || second.frontier !== 1) throw new Error("and it says so")
 * ```
 *
 * @category sources
 * @since 0.1.0
 */
export const persistedSource = <K, V, E>(
  read: CollectionReader.CollectionReader<K, V, E>,
  options: SourceOptions = {}
): Flow<K, V, CollectionReader.OpenViewError | ListenError | E> =>
  Stream.unwrap(Effect.gen(function*() {
    const undecodable: Array<Undecodable> = []
    const setAside = (row: Undecodable) => Effect.sync(() => void undecodable.push(row))
    const { events, snapshot } = yield* CollectionReader.withUndecodable(read, { quarantine: setAside }).listen()
    const from = options.asOf ?? snapshot.since
    const live = Stream.map(events, (event): Event<K, V> =>
      event._tag === "Progress" ? progress(event.frontier) : updates(advanced(event.updates, from)))
    // Rows are quarantined before later events are delivered.
    const errors = (): ReadonlyArray<Event<K, V>> =>
      undecodable.length === 0 ? [] : [{
        _tag: "Errors",
        errors: undecodable.splice(0).map(({ collection, diff, error: { codec }, time }) =>
          Update.make(
            {
              operator: "persistedSource",
              collection,
              reason: "Undecodable" as const,
              detail: `a row does not decode as "${codec}"`
            },
            undefined,
            Frontier.advance(time, from),
            diff
          )
        )
      }]
    return Stream.mapAccumArray(
      replay(snapshot, options).pipe(
        Stream.concat(Stream.fromEffectDrain(snapshot.release)),
        Stream.concat(live)
      ),
      () =>
        undefined,
      (state, chunk) => [state, [...errors(), ...chunk]],
      { onHalt: errors }
    )
  }))

/**
 * A snapshot as a flow: all its updates, advanced to `asOf`, then the progress that they complete. Beginning before
 * `since` fails with `AsOfBeforeSince`.
 *
 * @category sources
 * @since 0.1.0
 */
export const replay = <K, V>(
  snapshot: Snapshot<K, V>,
  options: SourceOptions = {}
): Flow<K, V, ReadError | AsOfBeforeSince> => {
  const { since, name: collection, upper } = snapshot
  const { asOf = since } = options
  const invalid = Frontier.check("the time to begin as of", asOf)
  if (invalid !== undefined) return Stream.fail(invalid)
  if (asOf < since) return Stream.fail(new AsOfBeforeSince({ collection, asOf, since }))
  return snapshot.updates.pipe(
    Stream.chunks,
    Stream.map((chunk): Event<K, V> => updates(advanced(chunk, asOf))),
    Stream.concat(Stream.succeed<Event<K, V>>(progress(upper)))
  )
}

/** The updates with earlier times advanced to a time. Most are unchanged. */
const advanced = <K, V>(
  updates: ReadonlyArray<Update.Update<K, V>>,
  from: Frontier.Frontier
): ReadonlyArray<Update.Update<K, V>> =>
  updates.every(({ time }) => time >= from)
    ? updates
    : updates.map((update) => update.time >= from ? update : { ...update, time: from })
