/**
 * Turns on keys that transactions contend for.
 *
 * A transaction that has lost on a key takes its turn on the key before it runs again, and one whose first read is of such
 * a key waits for its turn at once. So each of many transactions on one key runs once or twice, and none starves. A
 * transaction waits for one turn at most, while it has none: there is no deadlock. A turn is a courtesy: the owner
 * validates every transaction all the same.
 *
 * @internal
 */
import { Deferred, Effect, Exit } from "effect"

/** A transaction that has waited for so long reads without its turn. */
const patience = "1 second"

export class Turns {
  /** Those who wait, by each key that somebody has the turn on. */
  private readonly waiting = new Map<string, Array<Deferred.Deferred<void>>>()

  isTaken(key: string): boolean {
    return this.waiting.size > 0 && this.waiting.has(key)
  }

  /** Waits for the turn on a key. Calls `taken` when it is the caller's, who must release it then. */
  take(key: string, taken: () => void): Effect.Effect<void> {
    return Effect.suspend(() => {
      const queue = this.waiting.get(key)
      if (queue === undefined) {
        this.waiting.set(key, [])
        return Effect.sync(taken)
      }
      const turn = Deferred.makeUnsafe<void>()
      queue.push(turn)
      return Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(Effect.exit(restore(Effect.timeoutOption(Deferred.await(turn), patience))), (exit) => {
          if (Deferred.isDoneUnsafe(turn)) taken()
          else queue.splice(queue.indexOf(turn), 1)
          return Exit.isFailure(exit) ? Effect.failCause(exit.cause) : Effect.void
        })
      )
    })
  }

  /** Hands the turn to the one who has waited longest. */
  release(key: string): void {
    const next = this.waiting.get(key)?.shift()
    if (next === undefined) this.waiting.delete(key)
    else Deferred.doneUnsafe(next, Exit.void)
  }
}
