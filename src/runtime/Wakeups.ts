/**
 * When maintenance runs: at the ticks of a schedule, and at once when memory or the log exceed their limits. While there
 * is nothing to do there are no ticks.
 *
 * @internal
 */
import { Effect, Latch, type Schedule } from "effect"

export interface Wakeups {
  /** There may be something to do at the next tick. */
  readonly later: () => void
  /** There is something to do at once. */
  readonly now: () => void
  /** A run has begun: there are no more ticks until `later` is called. */
  readonly begun: () => void
  /** Runs again and again: one effect at ticks, the other when there is something to do at once. */
  readonly drive: (atTick: Effect.Effect<void>, atOnce: Effect.Effect<void>) => Effect.Effect<never>
}

export const make = (schedule: Schedule.Schedule<unknown>): Wakeups => {
  const isDue = Latch.makeUnsafe(false)
  const mayBeDue = Latch.makeUnsafe(true)
  return {
    later: () => void mayBeDue.openUnsafe(),
    now: () => void isDue.openUnsafe(),
    begun: () => void mayBeDue.closeUnsafe(),
    drive: (atTick, atOnce) =>
      Effect.raceFirst(
        Effect.andThen(Effect.repeat(Effect.andThen(atTick, mayBeDue.await), schedule), Effect.never),
        Effect.forever(Effect.andThen(
          isDue.await,
          Effect.suspend(() => {
            isDue.closeUnsafe()
            return atOnce
          })
        ))
      )
  }
}
