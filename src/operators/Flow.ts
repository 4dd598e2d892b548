/**
 * Flows: streams of updates, of errors in the data, and of progress.
 *
 * A flow is a `Stream` of batches. `Progress(f)` promises that no update and no error at a time below `f` follows, as a
 * frontier does in timely dataflow; `subscribe` of a collection is a flow as it is. There are two separate kinds of
 * failure:
 *
 * - Errors in the data are **data**: `Errors` are updates of a collection of `DataError`s. They have times, can be
 *   persisted like everything else, and are retracted when the row that they are about is.
 * - Failures of the processing (storage, a history that was compacted away) are in the stream's error channel. They end
 *   the flow, and nothing is promised beyond the last `Progress`.
 *
 * @since 0.1.0
 */
import { Effect, Queue, Schema, type Scope, Stream } from "effect"
import type { CollectionEvent } from "../client/CollectionEvent.ts"
import type { Frontier } from "../Frontier.ts"
import * as Update from "../Update.ts"

/**
 * An error in rows of a flow, as data. It is canonical under `Codec.schema(DataError)`, and contains no data of the
 * rows themselves.
 *
 * - `Undecodable`: a stored row does not decode with the codecs that it is read with.
 * - `Refused`: a batch was rejected as a whole: a time below the seal, a value that does not encode.
 * - `Late`: rows at times that were complete already.
 *
 * @category errors
 * @since 0.1.0
 */
export const DataError = Schema.Struct({
  operator: Schema.String,
  collection: Schema.String,
  reason: Schema.Literals(["Undecodable", "Refused", "Late"]),
  detail: Schema.String
})

/**
 * @category errors
 * @since 0.1.0
 */
export type DataError = typeof DataError.Type

/**
 * One element of a flow.
 *
 * @category models
 * @since 0.1.0
 */
export type Event<K, V> =
  | CollectionEvent<K, V>
  | { readonly _tag: "Errors"; readonly errors: ReadonlyArray<Update.Update<DataError, void>> }

/**
 * A stream of batches with progress.
 *
 * @category models
 * @since 0.1.0
 */
export interface Flow<K, V, E = never, R = never> extends Stream.Stream<Event<K, V>, E, R> {}

/**
 * @category constructors
 * @since 0.1.0
 */
export const updates = <K, V>(updates: ReadonlyArray<Update.Update<K, V>>): Event<K, V> => ({
  _tag: "Updates",
  updates
})

/**
 * @category constructors
 * @since 0.1.0
 */
export const progress = (frontier: Frontier): Event<never, never> => ({ _tag: "Progress", frontier })

/**
 * One definite error.
 *
 * @category constructors
 * @since 0.1.0
 */
export const error = (error: DataError, time: number, diff = 1): Event<never, never> => ({
  _tag: "Errors",
  errors: [Update.make(error, undefined, time, diff)]
})

/**
 * All data of several flows. Its frontier is the earliest of theirs, so that after one flow has ended it does not pass
 * that flow's last frontier.
 *
 * @example
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { Update } from "tidemark"
 * import { Flow } from "tidemark/operators"
 *
 * const a = Stream.make(Flow.updates([Update.insert("a", 1, 0)]), Flow.progress(5))
 * const b = Stream.make(Flow.updates([Update.insert("b", 2, 0)]), Flow.progress(3))
 *
 * const events = await Effect.runPromise(Stream.runCollect(Flow.merge([a, b])))
 * const last = events.at(-1)
 * if (last?._tag !== "Progress" || last.frontier !== 3) throw new Error("it is complete up to 3")
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const merge = <K, V, E, R>(flows: ReadonlyArray<Flow<K, V, E, R>>): Flow<K, V, E, R> =>
  tagged(flows).pipe(
    Stream.mapAccumArray(() => meet(flows.length), (meeting, chunk) => {
      const events: Array<Event<K, V>> = []
      for (const [index, event] of chunk) {
        if (event._tag !== "Progress") {
          events.push(event)
          continue
        }
        const frontier = meeting.advance(index, event.frontier)
        if (frontier !== undefined) events.push(progress(frontier))
      }
      return [meeting, events]
    })
  )

/**
 * The elements of several streams, each with the index of the stream that it came from. (`Stream.mergeAll` of effect 4.1
 * ends too early, or never, when one of its fibers yields at an unlucky moment.)
 *
 * @internal
 */
export const tagged = <A, E, R>(
  streams: ReadonlyArray<Stream.Stream<A, E, R>>
): Stream.Stream<readonly [index: number, element: A], E, R> =>
  Stream.callback<readonly [number, A], E, R>((queue) =>
    Effect.forEach(
      streams,
      (stream, index) =>
        Stream.runForEachArray(
          stream,
          (chunk) => Queue.offerAll(queue, chunk.map((element) => [index, element] as const))
        ),
      { concurrency: "unbounded", discard: true }
    ).pipe(Effect.andThen(Queue.end(queue))), { bufferSize: waiting })

/** How many events of the flows that are merged may wait. */
const waiting = 16

/** @internal The earliest of several frontiers. */
export interface Meet {
  /** Moves one of them. Returns the earliest of all if that has moved. */
  readonly advance: (index: number, frontier: Frontier) => Frontier | undefined
}

/** @internal */
export const meet = (count: number): Meet => {
  const frontiers = Array.from({ length: count }, () => 0)
  let reported = 0
  return {
    advance: (index, frontier) => {
      frontiers[index] = Math.max(frontiers[index]!, frontier)
      const earliest = Math.min(...frontiers)
      if (earliest <= reported) return undefined
      reported = earliest
      return earliest
    }
  }
}

/**
 * The data of a flow and its errors, as two flows with the same progress. Both must be run. The faster one can be a few
 * batches ahead.
 *
 * @category combinators
 * @since 0.1.0
 */
export const splitOkErr = <K, V, E, R>(
  flow: Flow<K, V, E, R>
): Effect.Effect<
  readonly [
    ok: Stream.Stream<CollectionEvent<K, V>, E>,
    errors: Stream.Stream<CollectionEvent<DataError, void>, E>
  ],
  never,
  Scope.Scope | R
> =>
  Effect.map(Stream.broadcastN(flow, { n: 2, capacity: 16 }), ([left, right]) => [
    Stream.filter(left, (event): event is CollectionEvent<K, V> => event._tag !== "Errors"),
    right.pipe(
      Stream.filter((event) => event._tag !== "Updates"),
      Stream.map((event) => event._tag === "Errors" ? { _tag: "Updates", updates: event.errors } : event)
    )
  ])
