/**
 * Appends of a long input: several in flight, each applied exactly once, also if the store is unavailable for a while.
 *
 * An append that was not applied is retried. Whether one of unknown outcome was applied follows from the sequence
 * number of the store, which counts the applied commands. No other process sends commands to a store that this process
 * has open for writing.
 *
 * @internal
 */
import { Deferred, Effect, Exit, Option, Schedule } from "effect"
import type { Collection } from "../client/Collection.ts"
import type { WriteError } from "../client/CollectionWriter.ts"
import type * as Snapshot from "../client/Snapshot.ts"
import type { Json } from "../client/StoredJson.ts"
import type { Frontier } from "../Frontier.ts"
import { type CollectionDestroyed, type Indeterminate, Unavailable, type UpperMismatch } from "../PersistError.ts"
import type { Update } from "../Update.ts"
import * as Output from "./Output.ts"

type Rows = ReadonlyArray<Update<Json, Json>>

export type DeliveryError = WriteError | UpperMismatch | Snapshot.ReadError | CollectionDestroyed

export interface Delivery {
  /** Sends rows, and waits only if many are in flight. */
  readonly offer: (rows: Rows) => Effect.Effect<void, DeliveryError>
  /** Waits until everything sent is durable. */
  readonly drain: Effect.Effect<void, DeliveryError>
  /** Appends rows and seals in one step, once everything before is durable. */
  readonly seal: (
    rows: Rows,
    frontiers: { readonly expected: Frontier; readonly upper: Frontier }
  ) => Effect.Effect<void, DeliveryError>
  /** Waits for the appends in flight, for an input that has ended early: their failures are ignored. */
  readonly abandon: Effect.Effect<void>
  /** Rows that have been acknowledged. */
  readonly durable: () => number
}

/** Rows that were sent, and the reply to them. */
interface Sent {
  readonly rows: Rows
  readonly reply: Effect.Effect<number, DeliveryError>
}

const maxInFlight = 32

/** For how long an unavailable store is retried: a minute, with pauses of 50 ms to 5 s. */
export const patience = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("5 seconds")]).pipe(
  Schedule.jittered,
  Schedule.upTo({ duration: "1 minute" })
)

/** Retries what was not applied because the store was unavailable. */
export const persistently = <A, E extends { readonly _tag: string }, R>(work: Effect.Effect<A, E, R>) =>
  Effect.retry(work, { schedule: patience, while: ({ _tag }) => _tag === "Unavailable" })

export const make = Effect.fnUntraced(function*(
  collection: Pick<Collection<Json, Json>, "append" | "compareAndAppend" | "offer" | "snapshot">
) {
  /** The sequence number of the store, as far as it is known. */
  const position = persistently(Effect.scoped(Effect.map(collection.snapshot(), ({ seqNo }) => seqNo)))
  let applied = yield* position
  let durable = 0
  let inFlight: Array<Sent> = []

  const acknowledge = (rows: Rows): void => {
    applied++
    durable += rows.length
  }

  /** How many commands of unknown outcome were applied. Nothing else may be in flight. */
  const found = (unknown: Indeterminate) =>
    Effect.mapBoth(position, { onFailure: () => unknown, onSuccess: (seqNo) => seqNo - applied })

  /** Sends one command until it is applied. */
  const once = (rows: Rows, send: Effect.Effect<number, DeliveryError>) =>
    send.pipe(
      Effect.catchTag("Indeterminate", (failure) =>
        Effect.flatMap(found(failure), (count) =>
          count === 1
            ? Effect.void
            : Effect.fail(new Unavailable({ operation: failure.operation, detail: failure.detail })))),
      persistently,
      Effect.andThen(Effect.sync(() => acknowledge(rows)))
    )

  /** Waits for everything in flight. Returns the rows that were not applied. */
  const settle = Effect.gen(function*() {
    const { doubt, failed, fatal, succeeded, unknown } = yield* outcomesOf(inFlight)
    succeeded.forEach(acknowledge)
    inFlight = []
    if (fatal !== undefined) return yield* fatal
    if (doubt === undefined) return failed
    // They shared a commit, which was applied or not; of two such commits it cannot be known which one was.
    const count = yield* found(doubt)
    if (count !== 0 && count !== unknown.length) return yield* doubt
    if (count === 0) return [...failed, ...unknown]
    unknown.forEach(acknowledge)
    return failed
  })

  const recover = Effect.gen(function*() {
    const missing = yield* settle
    if (missing.length === 0) return
    yield* Output.note("the store was unavailable for a moment; what was not appended is sent again")
    for (const rows of missing) yield* once(rows, collection.append(rows))
  })

  /** Waits for the oldest append in flight. If it has failed, nothing more is sent until every outcome is known. */
  const next = Effect.gen(function*() {
    const { reply, rows } = inFlight[0]!
    if (Exit.isFailure(yield* Effect.exit(reply))) return yield* recover
    inFlight.shift()
    acknowledge(rows)
  })

  const drain = Effect.gen(function*() {
    while (inFlight.length > 0) yield* next
  })

  const delivery: Delivery = {
    offer: Effect.fnUntraced(function*(rows) {
      inFlight.push({ rows, reply: Deferred.await(yield* collection.offer(rows)) })
      if (inFlight.length > maxInFlight) yield* next
    }),
    drain,
    seal: (rows, frontiers) => Effect.andThen(drain, once(rows, collection.compareAndAppend(rows, frontiers))),
    abandon: Effect.suspend(() => Effect.ignore(settle)),
    durable: () => durable
  }
  return delivery
})

/** What has become of appends: of which rows, and the error of those of unknown outcome. */
interface Outcomes {
  readonly succeeded: Array<Rows>
  readonly failed: Array<Rows>
  readonly unknown: Array<Rows>
  doubt: Indeterminate | undefined
  /** An error that a retry cannot repair. */
  fatal: DeliveryError | undefined
}

const outcomesOf = Effect.fnUntraced(function*(all: ReadonlyArray<Sent>) {
  const outcomes: Outcomes = { succeeded: [], failed: [], unknown: [], doubt: undefined, fatal: undefined }
  for (const { reply, rows } of all) {
    const exit = yield* Effect.exit(reply)
    if (Exit.isSuccess(exit)) {
      outcomes.succeeded.push(rows)
      continue
    }
    const error = Option.getOrUndefined(Exit.findErrorOption(exit))
    if (error === undefined) return yield* Effect.failCause(exit.cause)
    if (error._tag === "Unavailable") outcomes.failed.push(rows)
    else if (error._tag === "Indeterminate") {
      outcomes.unknown.push(rows)
      outcomes.doubt = error
    } else outcomes.fatal ??= error
  }
  return outcomes
})
