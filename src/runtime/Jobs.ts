/**
 * The jobs of maintenance: pieces of work that are counted and timed, one after the other.
 *
 * @internal
 */
import { type Context, Effect, Semaphore } from "effect"
import type { GarbageCollector } from "./GarbageCollector.ts"
import type { MemoryPressure } from "./MemoryPressure.ts"
import * as Metrics from "./Metrics.ts"
import type { Wakeups } from "./Wakeups.ts"

export interface Jobs {
  /** Does one job. If it fails, it has changed nothing, and maintenance runs again at the next tick. */
  readonly run: <A, E>(job: Effect.Effect<A, E>) => Effect.Effect<A, E>
  /** Does a series of jobs, none of which runs while another series does. */
  readonly alone: <A, E>(series: Effect.Effect<A, E>) => Effect.Effect<A, E>
}

export const make = (
  collector: GarbageCollector,
  pressure: MemoryPressure,
  wakeups: Wakeups,
  context: Context.Context<never>
): Jobs => {
  const failed = Effect.sync(() => {
    Metrics.stepErrors.updateUnsafe(1, context)
    collector.sweepAgain()
    wakeups.later()
    pressure.release()
  })
  return {
    run: (job) =>
      Effect.trackDuration(job, Metrics.inSeconds(Metrics.stepTime)).pipe(
        Effect.tap(() => Effect.sync(() => Metrics.steps.updateUnsafe(1, context))),
        Effect.onError(() => failed)
      ),
    alone: Semaphore.makeUnsafe(1).withPermit
  }
}
