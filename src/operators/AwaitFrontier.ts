/**
 * Delays data until its time is complete.
 *
 * @since 0.1.0
 */
import { Stream } from "effect"
import type { Event, Flow } from "./Flow.ts"
import { updates } from "./Flow.ts"
import * as PendingUpdates from "./PendingUpdates.ts"

/**
 * Delays updates until the frontier has passed their times, and then passes them on in the order of arrival, not in the
 * order of their times. Behind `persist` and `seal` it makes data visible only once it is durable and complete; without
 * it data is visible as soon as it is durable. Errors are not delayed.
 *
 * Memory is proportional to the number of rows at times that are not complete.
 *
 * @category operators
 * @since 0.1.0
 */
export const awaitFrontier = <K, V, E, R>(flow: Flow<K, V, E, R>): Flow<K, V, E, R> =>
  Stream.mapAccumArray(flow, makeHeld<K, V>, (held, chunk) => {
    const events: Array<Event<K, V>> = []
    for (const event of chunk) {
      if (event._tag === "Updates") held.add(event.updates)
      else {
        if (event._tag === "Progress") {
          for (const complete of held.take(event.frontier)) events.push(updates(complete))
        }
        events.push(event)
      }
    }
    return [held, events]
  })

const makeHeld = <K, V>() =>
  PendingUpdates.make<Extract<Event<K, V>, { readonly _tag: "Updates" }>["updates"][number]>()
