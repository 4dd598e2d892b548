/**
 * A store as of one entry of its log, read beside its writer, if there is one.
 *
 * @internal
 */
import { Effect, Schedule, Stream } from "effect"
import type * as State from "../engine/State.ts"
import { type Corrupt, type StorageError, Unavailable } from "../PersistError.ts"
import type { Blob } from "../storage/Blob.ts"
import type { Bounds, Entry, Log } from "../storage/Log.ts"
import * as Recovery from "./Recovery.ts"

export interface Source {
  readonly bounds: Bounds
  readonly entries: ReadonlyArray<Entry>
  readonly state: State.State
}

/** The log as it was found: a live writer may append meanwhile. */
const logOf = (log: Log["Service"], entries: ReadonlyArray<Entry>, lower: number): Log["Service"] => ({
  ...log,
  bounds: Effect.succeed({ lower, upper: lower + entries.length }),
  read: (position) => Stream.fromArray(entries.slice(position - lower))
})

/** Fails with `Unavailable` where the writer has truncated or deleted what was being read: then there is a newer state. */
export const look = Effect.fnUntraced(function*(log: Log["Service"], blob: Blob["Service"]) {
  const { lower } = yield* log.bounds
  const entries = yield* Stream.runCollect(log.read(lower))
  const bounds = { lower, upper: lower + entries.length }
  const orMoved = (error: Corrupt): Effect.Effect<never, StorageError> =>
    Effect.flatMap(log.bounds, ({ upper }) => {
      const moved = new Unavailable({ operation: "reading the log", detail: "it has moved on" })
      return Effect.fail(upper > bounds.upper ? moved : error)
    })
  const { state } = yield* Effect.catchTag(Recovery.load(logOf(log, entries, lower), blob), "Corrupt", orMoved)
  return { bounds, entries, state } satisfies Source
})

/** Reads again where the store has moved on. */
export const again = <A, E extends { readonly _tag: string }, R>(
  reading: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.retry(reading, {
    schedule: Schedule.spaced("100 millis"),
    times: 5,
    while: ({ _tag }) => _tag === "Unavailable"
  })
