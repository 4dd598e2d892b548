/**
 * How much history collections keep, as a layer: policies that a `Schedule` carries out.
 *
 * A policy moves `since`. Maintenance rewrites batches once enough space below it can be reclaimed. A policy applies to
 * all keys of a collection alike: as of a retained time, everything can be read.
 *
 * @since 0.1.0
 */
import { Clock, Duration, Effect, Layer, Schedule } from "effect"
import type * as Frontier from "../Frontier.ts"
import { type Description, PersistClient } from "./PersistClient.ts"
import * as StoredJson from "./StoredJson.ts"

/**
 * Begins to watch one collection. What it returns is asked from time to time for the `since` that the collection may have:
 * one that is lower than the present one leaves it alone. It is given the wall clock's milliseconds, which may jump, and
 * the milliseconds for which the clock has been seen to run, which only grow.
 *
 * @category models
 * @since 0.1.0
 */
export type Policy = () => (description: Description, nowMillis: number, runMillis: number) => Frontier.Frontier

/**
 * Keeps the last `count` sealed times, one at least.
 *
 * @category policies
 * @since 0.1.0
 */
export const times = (count: number): Policy => () => ({ since, upper }) =>
  // The last time of a finished collection is not known.
  upper === Infinity ? since : upper - Math.max(1, count)

/**
 * Keeps the contents as of the last sealed time only.
 *
 * @category policies
 * @since 0.1.0
 */
export const latest: Policy = times(1)

/**
 * Keeps what could be read during the last `span`, whatever the collection's times mean. The policy observes when each
 * upper was reached. After a restart it has observed nothing yet, so that history is kept for longer, never for less.
 * Only time during which the clock runs counts: setting the clock does not shorten the span.
 *
 * @category policies
 * @since 0.1.0
 */
export const duration = (span: Duration.Input): Policy => () => {
  const lastBefore = observing(Duration.toMillis(Duration.fromInputUnsafe(span)))
  return ({ since, upper }, _nowMillis, runMillis) => lastBefore(upper, runMillis) ?? since
}

/**
 * @internal Observes when each upper was reached. Returns the last time that was sealed a span of milliseconds ago, if
 * the observation is as old as that.
 */
export const observing = (millis: number) => {
  const seen: Array<{ readonly at: number; readonly upper: Frontier.Frontier }> = []
  return (upper: Frontier.Frontier, runMillis: number): Frontier.Timestamp | undefined => {
    if (upper !== Infinity && seen.at(-1)?.upper !== upper) seen.push({ at: runMillis, upper })
    while (seen.length > 1 && seen[1]!.at <= runMillis - millis) seen.shift()
    const oldest = seen[0]
    return oldest === undefined || oldest.at > runMillis - millis ? undefined : Math.max(0, oldest.upper - 1)
  }
}

/**
 * Keeps everything. The application moves `since` itself.
 *
 * @category policies
 * @since 0.1.0
 */
export const manual: Policy = () => ({ since }) => since

/**
 * What policies apply to, and when.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Policies by the names of collections, which need not exist yet. */
  readonly collections?: Readonly<Record<string, Policy>> | undefined
  /** The policy of all collections that are not named. Default: `manual`. */
  readonly others?: Policy | undefined
  /** When they are asked. Default: at once, and then every minute. */
  readonly schedule?: Schedule.Schedule<unknown> | undefined
}

/**
 * @internal How long the clock has run. The wall clock and the monotonic clock must agree on it, so that a jump of
 * either does not count.
 */
export const makeRun = Effect.gen(function*() {
  const clock = yield* Clock.Clock
  const read = () => ({
    wall: clock.currentTimeMillisUnsafe(),
    monotonic: Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n)
  })
  let last = read()
  let run = 0
  return Effect.sync(() => {
    const now = read()
    run += Math.max(0, Math.min(now.wall - last.wall, now.monotonic - last.monotonic))
    last = now
    return { now: now.wall, run }
  })
})

/**
 * Carries policies out for as long as the layer's scope is open. Where the store cannot be written to, the policy logs
 * a warning and tries again at the next time of its schedule.
 *
 * @example
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { MemoryStorage, PersistClient, Retention } from "tidemark"
 *
 * const store = Retention.layer({
 *   collections: { metrics: Retention.duration("7 days"), orders: Retention.manual },
 *   others: Retention.times(1000)
 * }).pipe(Layer.provideMerge(PersistClient.layer()), Layer.provide(MemoryStorage.layer))
 *
 * await Effect.runPromise(Effect.provide(Effect.void, store))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<never, never, PersistClient> =>
  Layer.effectDiscard(Effect.gen(function*() {
    const client = yield* PersistClient
    const { collections = {}, others = manual, schedule = Schedule.spaced("1 minute") } = options
    const clock = yield* makeRun
    /** By id: a new collection of an old name has a policy state of its own. */
    let watches = new Map<number, ReturnType<Policy>>()

    const retain = Effect.fnUntraced(function*(description: Description, since: Frontier.Frontier) {
      const { key, name, value } = description
      const codecs = { key: StoredJson.codec(key), value: StoredJson.codec(value) }
      const { writer } = yield* client.load(name, codecs)
      yield* writer.allowCompaction(since)
    })
    const round = Effect.gen(function*() {
      const { now, run } = yield* clock
      const next: typeof watches = new Map()
      for (const description of yield* client.descriptions) {
        const { id, name, since } = description
        const watch = watches.get(id) ?? (Object.hasOwn(collections, name) ? collections[name]! : others)()
        next.set(id, watch)
        const wanted = watch(description, now, run)
        if (wanted <= since) continue
        // Another command has destroyed the collection, or moved its `since` further.
        yield* Effect.catchTag(
          retain(description, wanted),
          ["InvalidRequest", "CollectionDestroyed"],
          () => Effect.void
        )
      }
      watches = next
    })
    const rounds = Effect.catch(round, (error) => Effect.logWarning("retention waits for its next time", error))
    yield* Effect.forkScoped(Effect.repeat(rounds, schedule))
  }))
