/**
 * Retries and time-outs over storage, so that a short failure of a disk or a network does not reach callers, and no
 * caller waits for ever.
 *
 * Only operations that definitely did not happen (`Unavailable`) are retried, a bounded number of times with growing,
 * jittered pauses. While storage keeps failing the circuit is open: each operation is tried once, so that callers fail
 * fast. The first success closes the circuit. The metric `tidemark_circuit_open` shows its state.
 *
 * Every operation except an append is idempotent, so that one that takes too long counts as `Unavailable`. It is not
 * awaited: a system call that hangs cannot be interrupted.
 *
 * @internal
 */
import { type Context, Duration, Effect, Schedule, Stream } from "effect"
import { type StorageError, Unavailable } from "../PersistError.ts"
import { Blob } from "../storage/Blob.ts"
import * as Deadlines from "./Deadlines.ts"
import * as Metrics from "./Metrics.ts"
import { tracedCall } from "./Spans.ts"

export interface Options {
  readonly retry: Schedule.Schedule<unknown>
  /** How long one try may take. */
  readonly timeout: Duration.Duration
}

export interface Circuit {
  /** Retries while it is safe and may succeed. */
  readonly retry: <A, R>(operation: Effect.Effect<A, StorageError, R>) => Effect.Effect<A, StorageError, R>
  /** Fails once it takes too long: with `Unavailable`, or with `late` of what happened. */
  readonly inTime: <A, R>(
    name: string,
    operation: Effect.Effect<A, StorageError, R>,
    late?: (detail: string) => StorageError
  ) => Effect.Effect<A, StorageError, R>
  /** Retries operations that failed or took too long. */
  readonly run: Circuit["inTime"]
}

/** Pauses of 5 ms to 160 ms, six tries in all. */
export const defaultSchedule: Schedule.Schedule<unknown> = Schedule.exponential("5 millis").pipe(
  Schedule.jittered,
  Schedule.upTo({ times: 5 })
)

/** Operations that have failed in a row, after all their tries, when the circuit opens. */
const threshold = 3

export const make = Effect.fnUntraced(function*(context: Context.Context<never>, options: Options) {
  const deadlines = yield* Deadlines.make(options.timeout, context)
  let failures = 0
  const settled = (failed: boolean) => {
    failures = failed ? failures + 1 : 0
    Metrics.circuitOpen.updateUnsafe(failures >= threshold ? 1 : 0, context)
  }
  const mayRetry = (error: StorageError): boolean => {
    if (error._tag !== "Unavailable" || failures >= threshold) return false
    Metrics.storageRetries.updateUnsafe(1, context)
    return true
  }
  const failed = (error: StorageError) =>
    Effect.sync(() => {
      settled(error._tag === "Unavailable")
      Metrics.storageErrors.updateUnsafe(1, context)
      if (error._tag === "OutOfSpace") Metrics.outOfSpace.updateUnsafe(1, context)
    })
  /** The retries. A schedule costs more than most operations, so that the first try runs without it. */
  const again = <A, R>(operation: Effect.Effect<A, StorageError, R>) =>
    Effect.retry(operation, { schedule: options.retry, while: mayRetry }).pipe(
      Effect.tapError(failed),
      Effect.tap(() => Effect.sync(() => settled(false)))
    )

  const retry: Circuit["retry"] = (operation) =>
    Effect.matchEffect(operation, {
      onSuccess: (result) => {
        if (failures > 0) settled(false)
        return Effect.succeed(result)
      },
      onFailure: (error) => mayRetry(error) ? again(operation) : Effect.andThen(failed(error), Effect.fail(error))
    })

  const detail = `it took longer than ${Duration.format(options.timeout)}`
  const inTime: Circuit["inTime"] = (name, operation, late) =>
    Effect.flatMap(
      Effect.forkDetach(operation, { startImmediately: true }),
      (fiber) =>
        fiber.pollUnsafe() ?? deadlines.join(
          fiber,
          Effect.suspend(() => Effect.fail(late?.(detail) ?? new Unavailable({ operation: name, detail })))
        )
    )

  const circuit: Circuit = { retry, inTime, run: (name, operation, late) => retry(inTime(name, operation, late)) }
  return circuit
})

/** A blob store whose operations are retried and counted. */
export const blob = (self: Blob["Service"], circuit: Circuit, context: Context.Context<never>): Blob["Service"] =>
  Blob.of({
    location: self.location,
    put: (key, bytes) =>
      tracedCall("Blob.put", key, circuit.run("storing a blob", self.put(key, bytes))).pipe(
        Effect.trackDuration(Metrics.inSeconds(Metrics.blobWriteTime)),
        Effect.tap(() =>
          Effect.sync(() => {
            Metrics.blobWrites.updateUnsafe(1, context)
            Metrics.blobWriteBytes.updateUnsafe(bytes.length, context)
          })
        )
      ),
    get: (key, range) =>
      Effect.map(tracedCall("Blob.get", key, circuit.run("reading a blob", self.get(key, range))), (found) => {
        Metrics.blobReads.updateUnsafe(1, context)
        if (found._tag === "Some") Metrics.blobReadBytes.updateUnsafe(found.value.length, context)
        return found
      }),
    delete: (key) =>
      Effect.map(
        tracedCall("Blob.delete", key, circuit.run("deleting a blob", self.delete(key))),
        () => Metrics.blobDeletes.updateUnsafe(1, context)
      ),
    list: (prefix) =>
      Stream.unwrap(
        Effect.map(
          tracedCall("Blob.list", prefix, circuit.run("listing blobs", Stream.runCollect(self.list(prefix)))),
          (infos) => Stream.fromArray(infos)
        )
      )
  })
