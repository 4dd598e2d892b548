/**
 * The end of a store that was not requested: another writer has acquired it, it is corrupt, or a defect has ended it.
 *
 * @internal
 */
import { Cause, type Context, Deferred, Effect, Exit } from "effect"
import { type Corrupt, type Fenced, RuntimeShutdown } from "../PersistError.ts"
import type { Feed } from "./Feed.ts"
import * as Metrics from "./Metrics.ts"

export interface Ending {
  /** To be called once no commit can succeed any more. */
  readonly lose: (failure: Fenced | Corrupt) => void
  /** A defect of the owner ends the store. The next writer recovers the state from the log. */
  readonly broken: (cause: Cause.Cause<never>) => Effect.Effect<void>
  /** Fails with what has ended the store, if it was not `stop`. */
  readonly ended: Effect.Effect<never, Fenced | Corrupt | RuntimeShutdown>
}

/** `close` ends the store. */
export const make = Effect.fnUntraced(
  function*(feed: Feed, close: Effect.Effect<void>, context: Context.Context<never>) {
    const lost = Deferred.makeUnsafe<never, Fenced | Corrupt | RuntimeShutdown>()
    yield* Effect.forkScoped(Effect.catchTag(
      Deferred.await(lost),
      ["Fenced", "Corrupt"],
      (failure) => Effect.logError("the store has ended, and takes no more requests", failure)
    ))
    const ending: Ending = {
      lose: (failure) => {
        Deferred.doneUnsafe(lost, Exit.fail(failure))
        feed.close(failure)
      },
      broken: (cause) =>
        Effect.suspend(() => {
          if (!Cause.hasDies(cause)) return Effect.void
          Metrics.ownerDefects.updateUnsafe(1, context)
          Deferred.doneUnsafe(lost, Exit.fail(new RuntimeShutdown({ cause: Cause.squash(cause) })))
          return Effect.andThen(
            Effect.logError("a defect has ended the store; open it again, and report the defect", cause),
            Effect.asVoid(Effect.forkDetach(close))
          )
        }),
      ended: Deferred.await(lost)
    }
    return ending
  }
)
