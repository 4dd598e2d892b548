/**
 * Runs a view: its updates as they become complete, and its contents as a collection.
 *
 * @since 0.1.0
 */
import { Effect, Stream } from "effect"
import type { Collection } from "../client/Collection.ts"
import type { CollectionEvent } from "../client/CollectionEvent.ts"
import type { OpenViewError } from "../client/CollectionReader.ts"
import type { WriteError } from "../client/CollectionWriter.ts"
import type { SubscribeError, SubscribeOptions } from "../client/Subscription.ts"
import * as Frontier from "../Frontier.ts"
import * as Flow from "../operators/Flow.ts"
import * as PendingUpdates from "../operators/PendingUpdates.ts"
import type { UpperMismatch, ValueOutOfRange } from "../PersistError.ts"
import type * as Update from "../Update.ts"
import * as Dataflow from "./Dataflow.ts"
import type { View } from "./View.ts"

/**
 * The errors of a running view. `AsOfBeforeSince`: an input has discarded the history where the view begins.
 *
 * @category errors
 * @since 0.1.0
 */
export type ChangesError = SubscribeError | ValueOutOfRange

/**
 * The updates of a view, and its progress, with the same elements as `subscribe` of a collection. It begins with the
 * contents as of `asOf`, or as of the first time that all inputs can read.
 *
 * Memory depends on the state of the view: the rows of both sides of a `join`, those of every key of a `reduce`.
 *
 * @see {@link materialize}
 *
 * @category running
 * @since 0.1.0
 */
export const changes = <K, V, E>(
  view: View<K, V, E>,
  options: Pick<SubscribeOptions, "asOf"> = {}
): Stream.Stream<CollectionEvent<K, V>, ChangesError | E> =>
  Stream.suspend(() => {
    const dataflow = Dataflow.make(view)
    const held = dataflow.inputs.map(() => PendingUpdates.make<Update.Update<unknown, unknown>>())
    return Flow.tagged(dataflow.inputs.map((input) => input.subscribe(options))).pipe(
      Stream.mapAccumArray(() => Flow.meet(held.length), (meeting, chunk) => {
        const events: Array<CollectionEvent<K, V>> = []
        for (const [input, event] of chunk) {
          if (event._tag === "Updates") {
            held[input]!.add(event.updates)
            continue
          }
          const frontier = meeting.advance(input, event.frontier)
          if (frontier === undefined) continue
          const updates = advance(dataflow, held.map((rows) => PendingUpdates.byTime(rows.take(frontier).flat())))
          if (updates.length > 0) events.push({ _tag: "Updates", updates })
          events.push({ _tag: "Progress", frontier })
        }
        return [meeting, events]
      })
    )
  })

/** Iterates over complete times, one after the other. `inputs` are in the order of their times. */
const advance = <K, V, E>(
  dataflow: Dataflow.Dataflow<K, V, E>,
  inputs: ReadonlyArray<ReadonlyArray<Update.Update<unknown, unknown>>>
): ReadonlyArray<Update.Update<K, V>> => {
  const starts = inputs.map(() => 0)
  const steps: Array<ReadonlyArray<Update.Update<K, V>>> = []
  while (true) {
    const time = Math.min(...inputs.map((rows, i) => rows[starts[i]!]?.time ?? Infinity))
    if (time === Infinity) return steps.flat()
    steps.push(dataflow.step(
      time,
      inputs.map((rows, i) => {
        const start = starts[i]!
        let end = start
        while (end < rows.length && rows[end]!.time === time) end++
        starts[i] = end
        return rows.slice(start, end)
      })
    ))
  }
}

/**
 * Keeps a collection equal to a view, exactly once across restarts. Every range of complete times is appended and
 * sealed in one step, so that the collection's own upper shows where to resume. It emits what it has made durable.
 *
 * It resumes from the contents of the inputs as of the last complete time, which they must still have: compact an input
 * no further than to the upper of the views on it, less one. Otherwise it fails with `AsOfBeforeSince`, before anything
 * is written. If two processes keep the same collection, one fails with `UpperMismatch`. After any failure it can be
 * run again.
 *
 * @see {@link changes}
 *
 * @category running
 * @since 0.1.0
 */
export const materialize = <K, V, E, E2>(
  view: View<K, V, E>,
  into: Collection<K, V, E2>
): Stream.Stream<CollectionEvent<K, V>, ChangesError | OpenViewError | WriteError | UpperMismatch | E | E2> =>
  Stream.unwrap(Effect.gen(function*() {
    const { upper } = yield* Effect.scoped(into.reader.snapshot())
    if (Frontier.isEmpty(upper)) return Stream.empty
    return Stream.mapAccumArrayEffect(
      changes(view, upper === Frontier.initial ? {} : { asOf: upper - 1 }),
      () => upper,
      (expected, chunk) => {
        const frontier = chunk.reduce((to, event) => event._tag === "Progress" ? event.frontier : to, expected)
        if (frontier <= expected) return Effect.succeed([expected, []] as const)
        // A chunk has the updates with their progress. Those before `expected` are already stored: they only bring the
        // dataflow up to date.
        const rows = chunk.flatMap((event) => event._tag === "Updates" ? event.updates : [])
          .filter(({ time }) => time >= expected)
        const events: ReadonlyArray<CollectionEvent<K, V>> = [
          ...(rows.length > 0 ? [{ _tag: "Updates", updates: rows } as const] : []),
          { _tag: "Progress", frontier }
        ]
        return Effect.as(into.writer.compareAndAppend(rows, { expected, upper: frontier }), [frontier, events] as const)
      }
    )
  }))
