/**
 * Live runs: the program of a simulation on real storage, such as a database or a bucket.
 *
 * The seed decides what the program does, what the injected faults are, and how wrong the clock of each process is: an
 * hour early or late, or not at all. The machine decides when things happen, so that replaying a failure may take
 * several runs of its seed. Time passes faster than usual, since programs spend much of it asleep. Processes are groups
 * of fibers, as in a simulation, and can be killed. Requests that they have sent by then may still arrive.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { MemoryStorage } from "tidemark"
 * import { Faults, Live, Nemesis, type Simulation } from "tidemark/testing"
 *
 * // Stands for a storage of your own.
 * const storage: Simulation.MakeStorage = Effect.map(MemoryStorage.make, (store) => ({
 *   layer: MemoryStorage.layerOf(store),
 *   killed: Effect.void,
 *   crash: Effect.void
 * }))
 * await Effect.runPromise(
 *   Live.run({ seed: 1, storage, program: Nemesis.program({ steps: 20 }), faults: Faults.mild, speed: 1_000 })
 * )
 * ```
 *
 * @since 0.1.0
 */
import { Clock, Context, Duration, Effect, Random, Scheduler, type Scope } from "effect"
import type { Blob } from "../../storage/Blob.ts"
import type { Log } from "../../storage/Log.ts"
import * as Prng from "../Prng.ts"
import * as Replay from "../Replay.ts"
import * as Faults from "../storage/Faults.ts"
import * as Trace from "../Trace.ts"
import * as Machine from "./Machine.ts"
import * as Simulation from "./Simulation.ts"

/**
 * The program of a live run, and its storage.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<A, E> {
  /** A non-negative integer. */
  readonly seed: number
  readonly program: Effect.Effect<A, E, Log | Blob | Simulation.Simulated | Faults.Injector | Scope.Scope>
  /** Makes a store that nothing else uses. Faults that the storage itself injects end when the injector is paused. */
  readonly storage: Simulation.MakeStorage
  /** Default `Faults.none`. */
  readonly faults?: Faults.Profile | undefined
  /** How many times as fast as usual time passes. Default 20. */
  readonly speed?: number | undefined
}

const defaultSpeed = 20

/** By how much the clocks of processes are wrong. */
const skews = [0, -3_600_000, 3_600_000]

/**
 * Runs a program once.
 *
 * @category running
 * @since 0.1.0
 */
export const run = <A, E>(options: Options<A, E>): Effect.Effect<A, E> =>
  Effect.gen(function*() {
    const { seed, speed = defaultSpeed } = options
    const clock = yield* Clock.Clock
    const random = Prng.make(Prng.split(seed, Simulation.streams.choices))
    const surroundings = Context.make(Clock.Clock, clockOf(clock, speed, 0)).pipe(
      Context.add(Random.Random, Simulation.randomOf(Prng.split(seed, Simulation.streams.program)))
    )
    const trace = Trace.make()
    let processes = 0
    const injector = Faults.make({
      trace,
      surroundings,
      faults: Replay.counter(undefined),
      profile: options.faults ?? Faults.none,
      seed: Prng.split(seed, Simulation.streams.faults)
    })
    const simulatedOn = (storage: Simulation.Storage): Simulation.Simulated["Service"] => ({
      process: (host = Machine.defaultHost) =>
        makeProcess(++processes, host, clocksOf(clock, speed, random.pick(skews))),
      trace,
      seed,
      steps: Replay.counter(undefined),
      storage,
      living: new Set()
    })
    return yield* Effect.provideContext(Simulation.inWorld(options, injector, simulatedOn), surroundings)
  })

/** A clock that is wrong by some milliseconds, and on which time passes faster. @internal */
export const clockOf = (clock: Clock.Clock, speed: number, skew: number): Clock.Clock =>
  clocksOf(clock, speed, skew).clock

const clocksOf = (clock: Clock.Clock, speed: number, skew: number) => {
  const start = clock.currentTimeMillisUnsafe()
  return Machine.makeClock(
    {
      millis: () => start + skew + Math.floor((clock.currentTimeMillisUnsafe() - start) * speed),
      monotonicNanos: () => clock.monotonicTimeNanosUnsafe() * BigInt(speed)
    },
    (duration) => clock.sleep(Duration.divideUnsafe(duration, speed))
  )
}

/** Fibers that run on Effect's own scheduler until the process is killed. */
const makeProcess = (
  number: number,
  host: string,
  { clock, shift }: ReturnType<typeof Machine.makeClock>
): Machine.Process => {
  const inner = new Scheduler.MixedScheduler()
  let isAlive = true
  const gate = Machine.makeGate((task) => task())
  const scheduler: Scheduler.Scheduler = {
    executionMode: "async",
    // A fiber of a dead or stopped process that a timer or a socket resumes stops here, before it executes anything.
    shouldYield: (fiber) => !isAlive || gate.isStopped() || inner.shouldYield(fiber),
    makeDispatcher: () => {
      const dispatcher = inner.makeDispatcher()
      return {
        scheduleTask: (task, priority) =>
          dispatcher.scheduleTask(() => gate.pass(() => void (isAlive && task())), priority),
        flush: () => dispatcher.flush()
      }
    }
  }
  const process: Machine.Process = {
    number,
    host,
    isAlive: () => isAlive,
    kill: () => void (isAlive = false),
    stop: gate.stop,
    wake: gate.wake,
    shiftClock: shift,
    get context() {
      return context
    }
  }
  const context = Context.make(Scheduler.Scheduler, scheduler).pipe(
    Context.add(Clock.Clock, clock),
    Context.add(Machine.Self, process)
  )
  return process
}
