/**
 * The tenure of a runtime: whether it still is the writer of the log.
 *
 * @internal
 */
import { Effect, Scope } from "effect"
import { type Fenced, type StorageError, Unavailable } from "../PersistError.ts"
import type { Bounds, Log, Writer } from "../storage/Log.ts"

export interface Tenure {
  /** The newest writer that this runtime was given. */
  readonly writer: () => Writer
  /** The error of every operation, once another writer is known to have acquired the log. */
  readonly overtaken: () => Fenced | undefined
  /** Another writer has acquired the log. Earlier appends stay valid, but this runtime appends nothing any more. */
  readonly overtake: (fenced: Fenced) => void
  /**
   * The bounds of the log once every earlier append is fenced: by this runtime, which acquires the log again, or by another
   * writer that has acquired it meanwhile, and to which the log is left.
   */
  readonly fenceEarlier: Effect.Effect<Bounds, StorageError>
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
    fenceEarlier: Effect.suspend(() => log.acquireAfter(writer.epoch)).pipe(
      Scope.provide(scope),
      Effect.map((again): Bounds => {
        writer = again
        return again.bounds
      }),
      Effect.catchTag(
        "Locked",
        ({ message }) => Effect.fail(new Unavailable({ operation: "acquiring the log again", detail: message }))
      ),
      Effect.catchTag("Fenced", (fenced) => {
        overtake(fenced)
        return log.bounds
      })
    )
  }
  return tenure
})
