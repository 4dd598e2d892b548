/**
 * Reads that wait for a time to be sealed: one that waits for long logs a warning, once, as its time may never be sealed.
 *
 * @internal
 */
import { Duration, Effect, Metric } from "effect"
import * as Frontier from "../Frontier.ts"
import * as Metrics from "../runtime/Metrics.ts"
import type { ReadStore } from "../runtime/ReadStore.ts"

/** What waits. */
export interface Waiting {
  readonly what: "read" | "subscription"
  readonly collection: { readonly id: number; readonly name: string }
  /** The time that it waits for, by the collection's `since`. */
  readonly time: (since: Frontier.Frontier) => number
}

const advice = {
  read: "read an earlier time, or read with wait: false, which fails instead",
  subscription: "subscribe from an earlier time"
}

/** Runs what waits, beside a timer that ends with it. */
export const warned = <A, E, R>(
  store: ReadStore,
  waiting: Waiting,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => {
  const { measured, patience } = store
  if (!Duration.isFinite(patience)) return effect
  return Effect.acquireUseRelease(
    Effect.forkChild(measured(Effect.andThen(Effect.sleep(patience), warning(store, waiting)))),
    () => effect,
    (timer) => Effect.sync(() => timer.interruptUnsafe())
  )
}

const warning = (store: ReadStore, { collection, time, what }: Waiting) =>
  Effect.suspend(() => {
    const now = store.state().collections.get(collection.id)
    if (now === undefined) return Effect.void
    const { since, upper } = now
    const asOf = time(since)
    if (asOf < upper) return Effect.void
    return Effect.logWarning(
      `a ${what} of "${collection.name}" has waited ${Duration.format(store.patience)} for the time ` +
        `${Frontier.format(asOf)}, and the collection is sealed up to ${
          Frontier.format(upper)
        } only: seal it further, or ` +
        advice[what]
    ).pipe(
      Effect.annotateLogs({ collection: collection.name, asOf, upper }),
      Effect.andThen(Metric.update(Metrics.longWaits, 1))
    )
  })
