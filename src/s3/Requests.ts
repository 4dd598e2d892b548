/**
 * Sending requests to a bucket, again and again where that is safe.
 *
 * A write that was sent several times reports whether one of the attempts may have been executed.
 *
 * @internal
 */
import { type Duration, Effect, Schedule } from "effect"
import type { StorageError } from "../PersistError.ts"
import * as Failure from "./Failure.ts"

export interface Options {
  /** How long one attempt at a request may take; 30 seconds if absent. */
  readonly requestTimeout?: Duration.Input | undefined
  /** The schedule of retries; if absent, five retries, after 50 ms to 1.6 s. */
  readonly retry?: Schedule.Schedule<unknown> | undefined
}

export interface Requests {
  readonly read: Request
  readonly write: Request
}

/** Pauses of 50 ms to 1.6 s, six attempts in all. */
const defaultRetry: Schedule.Schedule<unknown> = Schedule.exponential("50 millis").pipe(
  Schedule.jittered,
  Schedule.upTo({ times: 5 })
)

const defaultTimeout: Duration.Input = "30 seconds"

export interface Abort {
  readonly abortSignal: AbortSignal
}

/** Sends a request until it is answered. `expected` are the rejections, by status, that count as answers. */
export type Request = <A>(
  operation: string,
  send: (abort: Abort) => Promise<A>,
  expected: { readonly [status: number]: A }
) => Effect.Effect<A, StorageError>

export const make = (location: string, options: Options): Requests => {
  const schedule = options.retry ?? defaultRetry
  const duration = options.requestTimeout ?? defaultTimeout

  const request = (isWrite: boolean): Request => (operation, send, expected) =>
    Effect.suspend(() => {
      let mayHaveHappened = false
      return Effect.tryPromise({ try: (abortSignal) => send({ abortSignal }), catch: Failure.of }).pipe(
        Effect.timeoutOrElse({ duration, orElse: () => Effect.fail(Failure.timedOut(duration)) }),
        Effect.catchIf(
          ({ status }) => status in expected,
          ({ status }) => Effect.succeed(expected[status]!)
        ),
        Effect.tapError(({ kind }) => Effect.sync(() => void (mayHaveHappened ||= isWrite && kind === "unknown"))),
        Effect.retry({ schedule, while: ({ kind }) => kind !== "refused" }),
        Effect.mapError((failure) => Failure.toStorageError(failure, operation, location, mayHaveHappened))
      )
    })
  return { read: request(false), write: request(true) }
}
