/**
 * Counts the subscribers, and limits their number.
 *
 * @internal
 */
import { Effect, Metric, type Scope } from "effect"
import type { Store } from "../runtime/Store.ts"
import * as Metrics from "./Metrics.ts"
import * as Problem from "./Problem.ts"

export interface Seats {
  /** Counts a subscriber until the scope closes. */
  readonly take: Effect.Effect<void, Problem.TooManySubscribers, Scope.Scope>
}

export const make = Effect.fnUntraced(function*(count: number, measured: Store["measured"]) {
  let taken = 0
  const change = (by: number) =>
    Effect.suspend(() => {
      taken += by
      return measured(Metric.update(Metrics.subscribers, taken))
    })
  yield* change(0)
  const seats: Seats = {
    take: Effect.acquireRelease(
      Effect.suspend(() =>
        taken < count
          ? change(1)
          : Effect.fail(new Problem.TooManySubscribers({ detail: `there are ${count}; try again later` }))
      ),
      () => change(-1)
    )
  }
  return seats
})
