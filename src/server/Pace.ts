/**
 * Disconnects clients that stop reading. Data waits for the client to read, so that it takes no memory. A client that
 * reads nothing for a while is disconnected, since it counts as a subscriber, or keeps stored batches from being
 * deleted.
 *
 * @internal
 */
import { Clock, Effect, type Fiber, Metric, Schedule, Stream } from "effect"
import * as Metrics from "./Metrics.ts"

export interface Pace {
  /** Ends the request that sends these bytes when its client has stopped reading. */
  readonly guard: <E>(bytes: Stream.Stream<Uint8Array, E>) => Stream.Stream<Uint8Array, E>
}

/** `limit` is how long a client may read nothing, in milliseconds. */
export const make = Effect.fnUntraced(function*(limit: number) {
  const clock = yield* Clock.Clock
  /** The clients that have received bytes and have not asked for more, and when they received them. */
  const handed = new Map<Fiber.Fiber<unknown, unknown>, number>()

  const sweep = Effect.suspend(() => {
    const before = clock.currentTimeMillisUnsafe() - limit
    const stalled = [...handed].filter(([, since]) => since <= before).map(([fiber]) => fiber)
    for (const fiber of stalled) {
      handed.delete(fiber)
      fiber.interruptUnsafe()
    }
    return Metric.update(Metrics.stalled, stalled.length)
  })
  yield* Effect.forkScoped(Effect.schedule(sweep, Schedule.spaced(limit / 4)))

  const guard: Pace["guard"] = (bytes) =>
    Stream.transformPull(bytes, (pull) =>
      Effect.withFiber((fiber) =>
        Effect.succeed(Effect.suspend(() => {
          handed.delete(fiber)
          return Effect.map(pull, (chunk) => {
            handed.set(fiber, clock.currentTimeMillisUnsafe())
            return chunk
          })
        }))
      )).pipe(
        Stream.ensuring(Effect.withFiber((fiber) => Effect.sync(() => handed.delete(fiber))))
      )
  return { guard } satisfies Pace
})
