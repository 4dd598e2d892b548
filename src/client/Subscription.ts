/**
 * Subscribing: complete times, in order.
 *
 * A subscription delivers the updates of a time only once the time is sealed, and then the frontier that was reached. A
 * subscriber that stores the updates together with the frontier can stop at any moment and resume there: no update is
 * skipped, and none is delivered twice. Between pulls a subscription keeps only its frontier, so that a slow subscriber
 * costs neither memory nor disk. It reads the updates that it has missed from the collection.
 *
 * @since 0.1.0
 */
import { Cause, Effect, type Pull, Stream } from "effect"
import type { Frontier, Timestamp } from "../Frontier.ts"
import { AsOfBeforeSince, CollectionDestroyed } from "../PersistError.ts"
import type { OpenedView } from "../runtime/Command.ts"
import type { ReadStore } from "../runtime/ReadStore.ts"
import * as Update from "../Update.ts"
import type { CollectionEvent } from "./CollectionEvent.ts"
import * as LongWait from "./LongWait.ts"
import type { Query } from "./Merging.ts"
import type * as Rows from "./Rows.ts"
import type { Runs } from "./Runs.ts"
import * as Snapshot from "./Snapshot.ts"
import * as Stretches from "./Stretches.ts"

/**
 * Where a subscription begins.
 *
 * - `asOf`: with the contents as of a time (as updates at that time), then everything after it.
 * - `from`: at a frontier that an earlier subscription has delivered: everything at or after it. A frontier does not
 *   identify the collection. Store the reader's `id` with it, and begin again if the `id` differs: the collection was
 *   then destroyed and created again.
 * - neither: at the beginning of the retained history, with the contents as of `since`.
 *
 * With `until` it ends as soon as every time below that frontier has been delivered. It delivers nothing at or after
 * it.
 *
 * @category models
 * @since 0.1.0
 */
export interface SubscribeOptions {
  readonly asOf?: Timestamp | undefined
  readonly from?: Frontier | undefined
  readonly until?: Frontier | undefined
}

/**
 * What subscribing may fail with. `AsOfBeforeSince`: the history at the subscription's frontier has been compacted
 * away.
 *
 * @category errors
 * @since 0.1.0
 */
export type SubscribeError = Snapshot.ReadError | AsOfBeforeSince | CollectionDestroyed

/** @internal */
export interface Options<K, V> {
  readonly store: ReadStore
  readonly collection: number
  readonly name: string
  readonly codecs: Rows.Codecs<K, V>
  readonly policy: Rows.DecodePolicy
  readonly runs: Runs
  readonly stretches: Stretches.Stretches<K, V>
  readonly start: SubscribeOptions
}

/** @internal */
export const make = <K, V>(options: Options<K, V>): Stream.Stream<CollectionEvent<K, V>, SubscribeError> =>
  Stream.suspend(() => {
    const { start, store } = options
    const until = start.until ?? Infinity
    /** The last time that has been delivered, or none. Starting at 0 means that nothing has been delivered. */
    let delivered: number | undefined = start.from === undefined || start.from === 0 ? undefined : start.from - 1

    /** The events of the next range of complete times, once there is one. */
    const stretch: Pull.Pull<Stream.Stream<CollectionEvent<K, V>, SubscribeError>, SubscribeError> = Effect.gen(
      function*() {
        while (delivered !== Infinity) {
          const position = store.feed.upper()
          const opened = store.viewNow(options.collection)
          if (opened === undefined) return yield* new CollectionDestroyed({ collection: options.name })
          const { since, upper } = opened.view
          const base: number = delivered ?? start.asOf ?? since
          const next = delivered === undefined ? base : delivered + 1
          if (next >= until && upper >= until) {
            opened.release()
            break
          }
          if (base < since) {
            opened.release()
            return yield* new AsOfBeforeSince({ collection: options.name, asOf: base, since })
          }
          if (upper > next) {
            const toTime = Math.min(upper, until)
            const query = delivered === undefined
              ? { fromTime: 0, toTime, since: base }
              : { fromTime: delivered + 1, toTime, since: 0 }
            delivered = toTime - 1
            return Stream.ensuring(between(options, opened, query), Effect.sync(opened.release))
          }
          opened.release()
          if (!(yield* store.feed.await(position))) break
        }
        return yield* Cause.done()
      }
    )
    const first = LongWait.warned(store, firstOf(options), stretch)
    let hasBegun = false
    const next = Effect.suspend(() => {
      const pulled = hasBegun ? stretch : first
      hasBegun = true
      return pulled
    })
    const stretches = Stream.fromPull(Effect.succeed(Effect.map(next, (events) => [events] as const)))
    return Stream.flatMap(stretches, (events) => events)
  })

/** The time that a subscription begins with. One that resumes where the collection ends waits for what comes next. */
const firstOf = <K, V>({ collection, name, start: { asOf, from } }: Options<K, V>): LongWait.Waiting => ({
  what: "subscription",
  collection: { id: collection, name },
  time: (since) => from === undefined || from === 0 ? asOf ?? since : from - 1
})

/** The updates of a query, then the progress to its end. */
const between = <K, V>(
  options: Options<K, V>,
  { view }: OpenedView,
  query: Query
): Stream.Stream<CollectionEvent<K, V>, SubscribeError> => {
  const source = { ...options, batches: options.store.batches, view }
  const events = Snapshot.rows<K, V, Update.Update<K, V>>(source, query, Update.make).pipe(
    Stream.chunks,
    Stream.map((updates): CollectionEvent<K, V> => ({ _tag: "Updates", updates })),
    Stream.concat(Stream.succeed<CollectionEvent<K, V>>({ _tag: "Progress", frontier: query.toTime }))
  )
  // Times that were advanced to a `since` are delivered at it. Rows in quarantine are reported to each subscriber.
  const bytes = query.since === 0 && typeof options.policy === "string" ? Stretches.shortBytes(view, query) : undefined
  if (bytes === undefined) return events
  return Stream.unwrap(Effect.map(options.stretches.of(query, bytes, Stream.runCollect(events)), Stream.fromArray))
}
