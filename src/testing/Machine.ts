/**
 * What a simulation runs on: the tasks that are ready, the virtual time, and the processes.
 *
 * Of the tasks that are ready a seeded choice says which comes next, and after how many operations a fiber lets the
 * others run. Time stands still while anything is ready; when nothing is, it jumps to the next sleeper. A process is a
 * group of fibers that can be killed: none of them executes anything any more, not even a finalizer.
 *
 * @internal
 */
import { Clock, Context, Duration, Effect, Scheduler } from "effect"
import type * as Kept from "./Kept.ts"
import type { Prng } from "./Prng.ts"
import * as Trace from "./Trace.ts"

export interface Process {
  /** The scheduler and the clock of its fibers. */
  readonly context: Context.Context<never>
  readonly isAlive: () => boolean
  readonly kill: () => void
}

export interface Machine {
  readonly process: () => Process
  /** Executes the next task. False where none is ready. */
  readonly runNext: () => boolean
  /** Unless anything is ready, wakes who sleeps the shortest. False where nobody is ready or sleeps. */
  readonly advance: () => boolean
  readonly now: () => number
  /** Tasks executed. */
  readonly steps: () => number
  /** Stands for the scheduling choices alone. */
  readonly interleaving: () => string
}

export interface Options {
  readonly random: Prng
  readonly choices: Kept.Counter
  readonly trace: Trace.Trace
}

interface Task {
  readonly process: Process
  readonly run: () => void
}

interface Sleeper extends Task {
  readonly at: number
}

/** Of these, each seed picks how many operations a fiber executes at a stretch, on average. */
const stretches = [4, 8, 16, 32, 64, 128, 256]
/** Nobody keeps the others waiting for longer, as with Effect's own scheduler. */
const longestStretch = 2048
const nanosPerMilli = 1_000_000

export const make = ({ choices, random, trace }: Options): Machine => {
  const interleaving = Trace.make()
  const stretch = random.pick(stretches)
  const drawStretch = (): number => 1 + random.int(2 * stretch)
  let operationsLeft = drawStretch()
  let steps = 0
  let now = 0
  let ready: Array<Task> = []
  /** The earliest last; of two at the same time the first to sleep last. */
  let sleepers: Array<Sleeper> = []

  const chose = (choice: number): void => {
    interleaving.number(choice)
    trace.number(choice)
  }

  const yields = (): boolean => {
    if (--operationsLeft > 0) return false
    operationsLeft = drawStretch()
    const isKept = choices.next()
    chose(isKept ? -1 : -2)
    return isKept
  }

  const takeNext = (): Task => {
    if (ready.length === 1) return ready.pop()!
    const drawn = random.int(ready.length)
    const at = drawn > 0 && choices.next() ? drawn : 0
    chose(at)
    return ready.splice(at, 1)[0]!
  }

  const sleep = (process: Process, millis: number): Effect.Effect<void> =>
    Effect.callback<void>((resume) => {
      if (!process.isAlive() || millis === Infinity) return
      const sleeper: Sleeper = { at: now + millis, process, run: () => resume(Effect.void) }
      const index = sleepers.findLastIndex(({ at }) => at > sleeper.at)
      sleepers.splice(index + 1, 0, sleeper)
      return Effect.sync(() => {
        sleepers = sleepers.filter((other) => other !== sleeper)
      })
    })

  const millis = (): number => now
  const nanos = (): bigint => BigInt(Math.round(now * nanosPerMilli))

  const clockOf = (process: () => Process): Clock.Clock => ({
    currentTimeMillisUnsafe: millis,
    currentTimeMillis: Effect.sync(millis),
    currentTimeNanosUnsafe: nanos,
    currentTimeNanos: Effect.sync(nanos),
    monotonicTimeNanosUnsafe: nanos,
    monotonicTimeNanos: Effect.sync(nanos),
    sleep: (duration) =>
      Effect.suspend(() => {
        const wait = Duration.toMillis(duration)
        return wait > 0 ? sleep(process(), wait) : Effect.yieldNow
      })
  })

  const makeProcess = (): Process => {
    let isAlive = true
    const scheduler: Scheduler.Scheduler = {
      executionMode: "async",
      // A fiber of a dead process that somebody else resumes stops here, before it executes anything.
      shouldYield: (fiber) => !isAlive || fiber.currentOpCount >= longestStretch || yields(),
      makeDispatcher: () => ({
        scheduleTask: (run) => void (isAlive && ready.push({ process, run })),
        flush: () => {}
      })
    }
    const process: Process = {
      isAlive: () => isAlive,
      kill: () => {
        isAlive = false
        ready = ready.filter((task) => task.process !== process)
        sleepers = sleepers.filter((sleeper) => sleeper.process !== process)
      },
      context: Context.make(Scheduler.Scheduler, scheduler).pipe(Context.add(Clock.Clock, clockOf(() => process)))
    }
    return process
  }

  return {
    process: makeProcess,
    runNext: () => {
      if (ready.length === 0) return false
      steps++
      takeNext().run()
      return true
    },
    advance: () => {
      if (ready.length > 0) return true
      const next = sleepers.at(-1)
      if (next === undefined) return false
      now = next.at
      trace.text(String(now))
      while (sleepers.at(-1)?.at === now) ready.push(sleepers.pop()!)
      return true
    },
    now: millis,
    steps: () => steps,
    interleaving: interleaving.hash
  }
}
