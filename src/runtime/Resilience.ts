/**
 * Retries over storage, so that one hiccup of a disk or a network reaches nobody.
 *
 * Only what definitely did not happen (`Unavailable`) is tried again, a bounded number of times with growing, jittered
 * pauses. While storage keeps failing the circuit is open: each operation is tried once, so that callers learn at once,
 * and the first success closes it. `tidemark_circuit_open` shows which.
 *
 * @internal
 */
import { type Context, Effect, Schedule, Stream } from "effect"
import type { StorageError } from "../PersistError.ts"
import { Blob } from "../storage/Blob.ts"
import * as Metrics from "./Metrics.ts"
import { tracedCall } from "./Spans.ts"

export interface Circuit {
  /** Tries an operation again while that is safe and has a chance. */
  readonly run: <A, R>(operation: Effect.Effect<A, StorageError, R>) => Effect.Effect<A, StorageError, R>
}

/** Pauses of 5 ms to 160 ms, six tries in all. */
export const defaultSchedule: Schedule.Schedule<unknown> = Schedule.exponential("5 millis").pipe(
  Schedule.jittered,
  Schedule.upTo({ times: 5 })
)

/** Operations that have failed in a row, after all their tries, when the circuit opens. */
const threshold = 3

export const make = (
  context: Context.Context<never>,
  schedule: Schedule.Schedule<unknown> = defaultSchedule
): Circuit => {
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
  /** The tries after the first. A schedule costs more than most operations, so that the first does without. */
  const again = <A, R>(operation: Effect.Effect<A, StorageError, R>) =>
    Effect.retry(operation, { schedule, while: mayRetry }).pipe(
      Effect.tapError(failed),
      Effect.tap(() => Effect.sync(() => settled(false)))
    )

  return {
    run: (operation) =>
      Effect.matchEffect(operation, {
        onSuccess: (result) => {
          if (failures > 0) settled(false)
          return Effect.succeed(result)
        },
        onFailure: (error) => mayRetry(error) ? again(operation) : Effect.andThen(failed(error), Effect.fail(error))
      })
  }
}

/** A blob store whose operations are tried again and counted. */
export const blob = (self: Blob["Service"], circuit: Circuit, context: Context.Context<never>): Blob["Service"] =>
  Blob.of({
    location: self.location,
    put: (key, bytes) =>
      tracedCall("Blob.put", key, circuit.run(self.put(key, bytes))).pipe(
        Effect.trackDuration(Metrics.inSeconds(Metrics.blobWriteTime)),
        Effect.tap(() =>
          Effect.sync(() => {
            Metrics.blobWrites.updateUnsafe(1, context)
            Metrics.blobWriteBytes.updateUnsafe(bytes.length, context)
          })
        )
      ),
    get: (key, range) =>
      Effect.map(tracedCall("Blob.get", key, circuit.run(self.get(key, range))), (found) => {
        Metrics.blobReads.updateUnsafe(1, context)
        if (found._tag === "Some") Metrics.blobReadBytes.updateUnsafe(found.value.length, context)
        return found
      }),
    delete: (key) =>
      Effect.map(
        tracedCall("Blob.delete", key, circuit.run(self.delete(key))),
        () => Metrics.blobDeletes.updateUnsafe(1, context)
      ),
    list: (prefix) =>
      Stream.unwrap(
        Effect.map(tracedCall("Blob.list", prefix, circuit.run(Stream.runCollect(self.list(prefix)))), (infos) =>
          Stream.fromArray(infos))
      )
  })
