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
import { Clock, Context, Effect, Scheduler } from "effect"
import type { Prng } from "../Prng.ts"
import type * as Replay from "../Replay.ts"
import * as Trace from "../Trace.ts"
import * as VirtualTime from "./VirtualTime.ts"

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

/** Each seed chooses one of these: how many operations a fiber executes before it yields, on average. */
const stretches = [4, 8, 16, 32, 64, 128, 256]
/** The most operations before a fiber yields, as with Effect's own scheduler. */
const longestStretch = 2048

/** Every task of a process passes this on its way to be executed: it waits while the process is stopped. */
export const makeGate = (admit: VirtualTime.Admit) => {
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
  // Whole milliseconds, as the clock of a machine tells them: parts of a nanosecond are left for nobody to sleep.
  const millis = (): number => Math.floor(base.millis() + wall)
  const nanos = (): bigint => BigInt(Math.round((base.millis() + wall) * VirtualTime.nanosPerMilli))
  const monotonicNanos = (): bigint => base.monotonicNanos() + BigInt(Math.round(monotonic * VirtualTime.nanosPerMilli))
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

/** The choices of a seed: which ready task is next, and when a fiber yields. */
const makeChoices = ({ choices, random, trace }: Options) => {
  const interleaving = Trace.make()
  const stretch = random.pick(stretches)
  const drawStretch = (): number => 1 + random.int(2 * stretch)
  let operationsLeft = drawStretch()

  const chose = (choice: number): void => {
    interleaving.number(choice)
    trace.number(choice)
  }
  return {
    interleaving: interleaving.hash,
    yields: (): boolean => {
      if (--operationsLeft > 0) return false
      operationsLeft = drawStretch()
      const isKept = choices.next()
      chose(isKept ? -1 : -2)
      return isKept
    },
    takeFrom: (ready: Array<Task>): Task => {
      if (ready.length === 1) return ready.pop()!
      const drawn = random.int(ready.length)
      const at = drawn > 0 && choices.next() ? drawn : 0
      chose(at)
      return ready.splice(at, 1)[0]!
    }
  }
}

export const make = (options: Options): Machine => {
  const { interleaving, takeFrom, yields } = makeChoices(options)
  const time = VirtualTime.make((now) => options.trace.text(String(now)))
  let steps = 0
  let processes = 0
  let ready: Array<Task> = []

  const makeProcess = (host = defaultHost): Process => {
    let isAlive = true
    const gate = makeGate((run) => void (isAlive && ready.push({ process, run })))
    const { clock, shift } = makeClock(
      { millis: time.now, monotonicNanos: time.nanos },
      time.sleepOf(() => process, gate.pass)
    )
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
        time.drop(process)
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
      takeFrom(ready).run()
      return true
    },
    advance: () => ready.length > 0 || time.advance(),
    now: time.now,
    steps: () => steps,
    interleaving
  }
}
