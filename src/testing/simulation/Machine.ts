/**
 * The machine of a simulation: its ready tasks, its virtual time, and its processes.
 *
 * Of the ready tasks, a seeded choice selects the next one, and after how many operations a fiber yields. Time stands
 * still while a task is ready; when none is, it advances to the next sleeper. A process is a group of fibers that can
 * be killed: none of them executes anything more, not even a finalizer. It can also be stopped and woken; meanwhile its
 * fibers wait, and time advances. Each process has its own clocks, which can be set.
 *
 * @internal
 */
import { Clock, Context, Duration, Effect, Scheduler } from "effect"
import type { Prng } from "../Prng.ts"
import type * as Replay from "../Replay.ts"
import * as Trace from "../Trace.ts"

export interface Process {
  /** Counts up from 0, which is the program itself. */
  readonly number: number
  readonly host: string
  /** The scheduler and the clock of its fibers, and the process itself as `Self`. */
  readonly context: Context.Context<never>
  readonly isAlive: () => boolean
  readonly kill: () => void
  /** Stops it, as `SIGSTOP` would. It continues once it was woken as often as it was stopped. */
  readonly stop: () => void
  readonly wake: () => void
  readonly shiftClock: (shift: Shift) => void
}

/** By how many milliseconds clocks are set forward; the wall clock also back. */
export interface Shift {
  readonly wall?: number | undefined
  readonly monotonic?: number | undefined
}

/** The process that a fiber belongs to. */
export const Self: Context.Reference<Process | undefined> = Context.Reference<Process | undefined>(
  "tidemark/testing/Self",
  { defaultValue: () => undefined }
)

export const defaultHost = "simulated"

export interface Machine {
  readonly process: (host?: string) => Process
  /** Executes the next task. False if none is ready. */
  readonly runNext: () => boolean
  /** If no task is ready, wakes the sleeper with the earliest time. False if no task is ready or asleep. */
  readonly advance: () => boolean
  readonly now: () => number
  /** Tasks executed. */
  readonly steps: () => number
  /** A hash of the scheduling choices alone. */
  readonly interleaving: () => string
}

export interface Options {
  readonly random: Prng
  readonly choices: Replay.Counter
  readonly trace: Trace.Trace
}

interface Task {
  readonly process: Process
  readonly run: () => void
}

interface Sleeper {
  readonly process: Process
  readonly at: number
  readonly wake: () => void
}

/** Each seed chooses one of these: how many operations a fiber executes before it yields, on average. */
const stretches = [4, 8, 16, 32, 64, 128, 256]
/** The most operations before a fiber yields, as with Effect's own scheduler. */
const longestStretch = 2048
const nanosPerMilli = 1_000_000

type Admit = (task: () => void) => void

/** Every task of a process passes this on its way to be executed: it waits while the process is stopped. */
export const makeGate = (admit: Admit) => {
  let stops = 0
  let held: Array<() => void> = []
  return {
    isStopped: () => stops > 0,
    pass: (task: () => void): void => void (stops > 0 ? held.push(task) : admit(task)),
    stop: (): void => void stops++,
    wake: (): void => {
      if (stops === 0 || --stops > 0) return
      const tasks = held
      held = []
      tasks.forEach(admit)
    }
  }
}

/** Clocks that can be set, on top of a clock that cannot. */
export const makeClock = (
  base: { readonly millis: () => number; readonly monotonicNanos: () => bigint },
  sleep: Clock.Clock["sleep"]
) => {
  let wall = 0
  let monotonic = 0
  const millis = (): number => base.millis() + wall
  const nanos = (): bigint => BigInt(Math.round(millis() * nanosPerMilli))
  const monotonicNanos = (): bigint => base.monotonicNanos() + BigInt(Math.round(monotonic * nanosPerMilli))
  const clock: Clock.Clock = {
    currentTimeMillisUnsafe: millis,
    currentTimeMillis: Effect.sync(millis),
    currentTimeNanosUnsafe: nanos,
    currentTimeNanos: Effect.sync(nanos),
    monotonicTimeNanosUnsafe: monotonicNanos,
    monotonicTimeNanos: Effect.sync(monotonicNanos),
    sleep
  }
  const shift = (by: Shift): void => {
    wall += by.wall ?? 0
    monotonic += Math.max(0, by.monotonic ?? 0)
  }
  return { clock, shift }
}

export const make = ({ choices, random, trace }: Options): Machine => {
  const interleaving = Trace.make()
  const stretch = random.pick(stretches)
  const drawStretch = (): number => 1 + random.int(2 * stretch)
  let operationsLeft = drawStretch()
  let steps = 0
  let now = 0
  let processes = 0
  let ready: Array<Task> = []
  /** Sorted with the earliest last; of two at the same time, the first one to sleep is last. */
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

  const sleep = (process: Process, admit: Admit, millis: number): Effect.Effect<void> =>
    Effect.callback<void>((resume) => {
      if (!process.isAlive() || millis === Infinity) return
      const sleeper: Sleeper = { at: now + millis, process, wake: () => admit(() => resume(Effect.void)) }
      const index = sleepers.findLastIndex(({ at }) => at > sleeper.at)
      sleepers.splice(index + 1, 0, sleeper)
      return Effect.sync(() => {
        sleepers = sleepers.filter((other) => other !== sleeper)
      })
    })

  const millis = (): number => now
  const nanos = (): bigint => BigInt(Math.round(now * nanosPerMilli))

  const sleepOf = (process: () => Process, admit: Admit): Clock.Clock["sleep"] => (duration) =>
    Effect.suspend(() => {
      const wait = Duration.toMillis(duration)
      return wait > 0 ? sleep(process(), admit, wait) : Effect.yieldNow
    })

  const makeProcess = (host = defaultHost): Process => {
    let isAlive = true
    const gate = makeGate((run) => void (isAlive && ready.push({ process, run })))
    const { clock, shift } = makeClock({ millis, monotonicNanos: nanos }, sleepOf(() => process, gate.pass))
    const scheduler: Scheduler.Scheduler = {
      executionMode: "async",
      // A fiber of a dead or stopped process that is resumed from outside stops here, before it executes anything.
      // Other fibers execute at least one step: Effect loses a pending interruption of a fiber that has not begun yet.
      shouldYield: (fiber) =>
        !isAlive || gate.isStopped() || fiber.currentOpCount >= longestStretch ||
        (fiber.currentOpCount > 1 && yields()),
      makeDispatcher: () => ({ scheduleTask: gate.pass, flush: () => {} })
    }
    const process: Process = {
      number: processes++,
      host,
      isAlive: () => isAlive,
      kill: () => {
        isAlive = false
        ready = ready.filter((task) => task.process !== process)
        sleepers = sleepers.filter((sleeper) => sleeper.process !== process)
      },
      stop: () => {
        gate.stop()
        const stopped = ready.filter((task) => task.process === process)
        ready = ready.filter((task) => task.process !== process)
        stopped.forEach(({ run }) => gate.pass(run))
      },
      wake: gate.wake,
      shiftClock: shift,
      get context() {
        return context
      }
    }
    const context = Context.make(Scheduler.Scheduler, scheduler).pipe(
      Context.add(Clock.Clock, clock),
      Context.add(Self, process)
    )
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
      while (sleepers.at(-1)?.at === now) sleepers.pop()!.wake()
      return true
    },
    now: millis,
    steps: () => steps,
    interleaving: interleaving.hash
  }
}
