/**
 * Virtual time: it stands still until it is advanced to the next sleeper.
 *
 * @internal
 */
import { type Clock, Duration, Effect } from "effect"

/** What a sleeper belongs to. */
export interface Sleeping {
  readonly isAlive: () => boolean
}

/** Lets a task be executed. */
export type Admit = (task: () => void) => void

export interface VirtualTime {
  readonly now: () => number
  readonly nanos: () => bigint
  /** How a process sleeps. */
  readonly sleepOf: (process: () => Sleeping, admit: Admit) => Clock.Clock["sleep"]
  /** Removes the sleepers of a process. */
  readonly drop: (process: Sleeping) => void
  /** Advances to the earliest time at which a sleeper wakes, and wakes those of this time. False if none sleeps. */
  readonly advance: () => boolean
}

interface Sleeper {
  readonly process: Sleeping
  readonly at: number
  readonly wake: () => void
}

export const nanosPerMilli = 1_000_000

/** `advanced` is called with each new time. */
export const make = (advanced: (now: number) => void): VirtualTime => {
  let now = 0
  /** Sorted with the earliest last; of two at the same time, the first one to sleep is last. */
  let sleepers: Array<Sleeper> = []

  const sleep = (process: Sleeping, admit: Admit, millis: number): Effect.Effect<void> =>
    Effect.callback<void>((resume) => {
      if (!process.isAlive() || millis === Infinity) return
      const sleeper: Sleeper = { at: now + millis, process, wake: () => admit(() => resume(Effect.void)) }
      const index = sleepers.findLastIndex(({ at }) => at > sleeper.at)
      sleepers.splice(index + 1, 0, sleeper)
      return Effect.sync(() => {
        sleepers = sleepers.filter((other) => other !== sleeper)
      })
    })

  return {
    now: () => now,
    nanos: () => BigInt(Math.round(now * nanosPerMilli)),
    sleepOf: (process, admit) => (duration) =>
      Effect.suspend(() => {
        const wait = Duration.toMillis(duration)
        return wait > 0 ? sleep(process(), admit, wait) : Effect.yieldNow
      }),
    drop: (process) => {
      sleepers = sleepers.filter((sleeper) => sleeper.process !== process)
    },
    advance: () => {
      const next = sleepers.at(-1)
      if (next === undefined) return false
      now = next.at
      advanced(now)
      while (sleepers.at(-1)?.at === now) sleepers.pop()!.wake()
      return true
    }
  }
}
