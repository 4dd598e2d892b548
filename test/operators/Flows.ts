/** What the tests of operators share. */
import { Effect, Stream } from "effect"
import type { Event, Flow } from "../../src/operators/Flow.ts"
import type * as Update from "../../src/Update.ts"

export type Delivered<K, V> = {
  readonly updates: ReadonlyArray<Update.Update<K, V>>
  readonly errors: ReadonlyArray<string>
  readonly frontier: number
}

/** Everything that a flow has emitted. Fails where it breaks the promise of a frontier. */
export const delivered = <K, V>(events: ReadonlyArray<Event<K, V>>): Delivered<K, V> => {
  const updates: Array<Update.Update<K, V>> = []
  const errors: Array<string> = []
  let frontier = 0
  for (const event of events) {
    switch (event._tag) {
      case "Progress":
        if (event.frontier < frontier) throw new Error(`progress goes back from ${frontier} to ${event.frontier}`)
        frontier = event.frontier
        break
      case "Updates":
        for (const update of event.updates) {
          if (update.time < frontier) throw new Error(`an update at ${update.time} comes after progress to ${frontier}`)
          updates.push(update)
        }
        break
      case "Errors":
        for (const { key, time } of event.errors) {
          if (time < frontier) throw new Error(`an error at ${time} comes after progress to ${frontier}`)
          errors.push(`${key.operator} ${key.collection} ${key.reason} at ${time}`)
        }
    }
  }
  return { updates, errors, frontier }
}

export const run = <K, V, E, R>(flow: Flow<K, V, E, R>) => Effect.map(Stream.runCollect(flow), delivered)

/** Runs until it is complete up to a frontier. */
export const runTo = <K, V, E, R>(flow: Flow<K, V, E, R>, frontier: number) =>
  run(Stream.takeUntil(flow, (event) => event._tag === "Progress" && event.frontier >= frontier))

/** The sums of the updates, by row, for updates of texts. */
export const sums = (updates: ReadonlyArray<Update.Update<string, unknown>>): Record<string, number> => {
  const found: Record<string, number> = {}
  for (const { diff, key, value } of updates) {
    const id = value === undefined ? key : `${key}=${String(value)}`
    found[id] = (found[id] ?? 0) + diff
    if (found[id] === 0) delete found[id]
  }
  return found
}
