/**
 * The tenure of a runtime: whether it still is the writer of the log.
 *
 * @internal
 */
import { Effect, Scope } from "effect"
import { Fenced, type Locked, type StorageError, Unavailable } from "../PersistError.ts"
import type { Log, Writer } from "../storage/Log.ts"

export interface Tenure {
  /** The newest writer that this runtime was given. */
  readonly writer: () => Writer
  /** The error of every operation, once another writer is known to have acquired the log. */
  readonly overtaken: () => Fenced | undefined
  /** Another writer has acquired the log. Earlier appends stay valid, but this runtime appends nothing any more. */
  readonly overtake: (fenced: Fenced) => void
  /** Acquires the log again, which fences earlier appends, and notices whether another writer had it in between. */
  readonly acquireAgain: Effect.Effect<Writer, StorageError>
}

export const make = Effect.fnUntraced(function*(
  log: Log["Service"],
  acquired: Writer,
  /** Called once it is known that another writer has acquired the log. */
  onOvertaken: (fenced: Fenced) => void
) {
  // Closed with the scope of the first acquisition: a later acquisition must outlive the command that caused it.
  const scope = yield* Scope.fork(yield* Effect.scope)
  let writer = acquired
  let overtaken: Fenced | undefined

  const overtake = (fenced: Fenced): void => {
    if (overtaken !== undefined) return
    overtaken = fenced
    onOvertaken(fenced)
  }

  const tenure: Tenure = {
    writer: () => writer,
    overtaken: () => overtaken,
    overtake,
    acquireAgain: Effect.map(acquireIn(scope, log), (again) => {
      const { epoch } = writer
      writer = again
      const current = again.epoch
      if (current !== epoch + 1) overtake(new Fenced({ epoch, current }))
      return again
    })
  }
  return tenure
})

const acquireIn = (scope: Scope.Scope, log: Log["Service"]): Effect.Effect<Writer, StorageError> =>
  log.acquire.pipe(
    Scope.provide(scope),
    Effect.catchTag("Locked", ({ host, pid }: Locked) =>
      Effect.fail(
        new Unavailable({ operation: "acquiring the log again", detail: `process ${pid} on ${host} has it` })
      ))
  )
