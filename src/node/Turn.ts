/**
 * The turn of one operation at a time, and its end, which can be waited for.
 *
 * It is a flag and no semaphore: callers do not queue, and taking the turn costs an append nothing.
 *
 * @internal
 */
import { Deferred, Effect, Exit } from "effect"

export interface Turn {
  readonly isTaken: () => boolean
  readonly take: () => void
  readonly end: () => void
  /** Waits until the operation that is under way has ended. */
  readonly untilEnd: Effect.Effect<void>
}

export const make = (): Turn => {
  let isTaken = false
  let onEnd: (() => void) | undefined
  return {
    isTaken: () => isTaken,
    take: () => void (isTaken = true),
    end: () => {
      isTaken = false
      onEnd?.()
    },
    untilEnd: Effect.suspend(() => {
      if (!isTaken) return Effect.void
      const ended = Deferred.makeUnsafe<void>()
      onEnd = () => void Deferred.doneUnsafe(ended, Exit.void)
      return Deferred.await(ended)
    })
  }
}
