/**
 * Deadlines: how long callers wait for operations of storage. One timer serves all operations: a timer for each would
 * cost more than most of them.
 *
 * All deadlines of a store are equally far away, so that the oldest one is always the next. The timer is set for it, and
 * is left alone when the operation ends in time.
 *
 * @internal
 */
import { Clock, type Context, Duration, Effect, type Fiber } from "effect"

export interface Deadlines {
  /**
   * Waits for a fiber. At the deadline, or when the caller is interrupted, the fiber is interrupted, too, but it is not
   * waited for: a system call that hangs cannot be interrupted. After the deadline the result is `late`.
   */
  readonly join: <A, E>(fiber: Fiber.Fiber<A, E>, late: Effect.Effect<A, E>) => Effect.Effect<A, E>
}

interface Deadline {
  readonly at: number
  readonly expire: () => void
}

export const make = Effect.fnUntraced(function*(timeout: Duration.Duration, context: Context.Context<never>) {
  const clock = yield* Clock.Clock
  const millis = Duration.toMillis(timeout)
  const pending = new Set<Deadline>()
  let isOpen = true
  let timer: Fiber.Fiber<void> | undefined

  const untilNone: Effect.Effect<void> = Effect.suspend(() => {
    for (const deadline of pending) {
      const left = deadline.at - clock.currentTimeMillisUnsafe()
      if (left > 0) return Effect.andThen(Effect.sleep(left), untilNone)
      pending.delete(deadline)
      deadline.expire()
    }
    timer = undefined
    return Effect.void
  })

  const stop = (): void => {
    timer?.interruptUnsafe()
    timer = undefined
  }

  const add = (deadline: Deadline): void => {
    pending.add(deadline)
    timer ??= Effect.runForkWith(context)(untilNone)
  }

  /** A closed store leaves no timer behind, which would keep its process from ending. */
  const remove = (deadline: Deadline): void => {
    pending.delete(deadline)
    if (!isOpen && pending.size === 0) stop()
  }

  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      isOpen = false
      if (pending.size === 0) stop()
    })
  )

  const join: Deadlines["join"] = (fiber, late) =>
    Effect.callback((resume) => {
      const deadline: Deadline = {
        at: clock.currentTimeMillisUnsafe() + millis,
        expire: () => {
          giveUp()
          resume(late)
        }
      }
      const forget = fiber.addObserver((exit) => {
        remove(deadline)
        resume(exit)
      })
      const giveUp = () => {
        forget()
        fiber.interruptUnsafe()
      }
      add(deadline)
      return Effect.sync(() => {
        remove(deadline)
        giveUp()
      })
    })

  return { join } satisfies Deadlines
})
