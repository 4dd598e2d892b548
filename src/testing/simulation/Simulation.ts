/**
 * Deterministic simulation: one seed determines one history, bit for bit.
 *
 * A program runs with a seeded scheduler, virtual time, seeded randomness, and a storage with seeded faults. The seed
 * decides everything that a real run leaves to chance. A failure can therefore be replayed, and a year of sleep takes
 * no time. A hash over all events of the run proves that two runs were the same.
 *
 * The idea is from FoundationDB (Zhou et al., "FoundationDB: A Distributed Unbundled Transactional Key Value Store",
 * 2021) and from TigerBeetle's simulator.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Codec, PersistClient, Update } from "tidemark"
 * import { Faults, Simulation } from "tidemark/testing"
 *
 * const program = Effect.gen(function*() {
 *   const persist = yield* PersistClient.PersistClient
 *   const orders = yield* persist.createOrLoad("orders", { key: Codec.string, value: Codec.string })
 *   yield* orders.append([Update.insert("o-1", "new", 0)])
 *   yield* Effect.sleep("1 hour")
 *   yield* orders.seal(1)
 *   return yield* orders.get("o-1", { asOf: 0 })
 * }).pipe(Effect.provide(PersistClient.layer()))
 *
 * const outcome = await Simulation.run({ seed: 1, program, faults: { ...Faults.none, slow: 0.2 } })
 * if (outcome.exit._tag !== "Success") throw new Error("it failed")
 * ```
 *
 * @since 0.1.0
 */
import { Context, Deferred, Effect, Exit, type Fiber, Layer, Random, type Scope } from "effect"
import type { Blob } from "../../storage/Blob.ts"
import type { Log } from "../../storage/Log.ts"
import * as MemoryStorage from "../../storage/MemoryStorage.ts"
import * as Prng from "../Prng.ts"
import * as Replay from "../Replay.ts"
import * as Faults from "../storage/Faults.ts"
import * as FaultyBlob from "../storage/FaultyBlob.ts"
import * as FaultyLog from "../storage/FaultyLog.ts"
import * as Trace from "../Trace.ts"
import * as Machine from "./Machine.ts"
import * as Violation from "./Violation.ts"

/**
 * A storage of the simulated world.
 *
 * @category models
 * @since 0.1.0
 */
export interface Storage {
  /** Each build of it opens the storage anew, as a restarted process would. */
  readonly layer: Layer.Layer<Log | Blob>
  /** The effect on the storage when a process that uses it is killed. */
  readonly killed: Effect.Effect<void>
  /** The effect on the storage when the power fails. */
  readonly crash: Effect.Effect<void>
}

/**
 * Makes a new, empty storage.
 *
 * @category models
 * @since 0.1.0
 */
export type MakeStorage = Effect.Effect<Storage, never, Faults.Injector | Scope.Scope>

/**
 * What a simulation runs, and under which conditions.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<A, E> {
  /** A non-negative integer. It decides everything. */
  readonly seed: number
  /** The services that a simulated program may use besides: `Simulated`, through the functions of this module. */
  readonly program: Effect.Effect<A, E, Log | Blob | Simulated | Faults.Injector | Scope.Scope>
  /** Default `Faults.none`. */
  readonly faults?: Faults.Profile | undefined
  /** After this many steps of the scheduler the program counts as stuck. Default 10 million. */
  readonly maxSteps?: number | undefined
  /** Default: a `MemoryStorage`, in which everything is durable at once. */
  readonly storage?: MakeStorage | undefined
  /** Which of the seed's choices the run keeps: for histories that were shrunk. Default: all. */
  readonly kept?: Replay.Choices | undefined
}

/**
 * How a simulation ended.
 *
 * @category models
 * @since 0.1.0
 */
export interface Outcome<A, E> {
  readonly seed: number
  /** The program's exit. It dies with a `Stuck` if it cannot end. */
  readonly exit: Exit.Exit<A, E>
  /** A hash of all events, 64 bits in hexadecimal. */
  readonly traceHash: string
  /** How often the scheduler has resumed a fiber. */
  readonly steps: number
  /** A hash of the scheduling choices alone, 64 bits in hexadecimal. */
  readonly interleaving: string
  /** How much time has passed in the simulation. */
  readonly virtualMillis: number
  /** The number of faults. */
  readonly faults: number
  /** The number of scheduling choices, faults and steps of the program that can be kept or omitted. */
  readonly counts: Readonly<Record<Replay.Kind, number>>
}

/**
 * The program never ends, or waits for something that never happens.
 *
 * @category errors
 * @since 0.1.0
 */
export class Stuck extends Error {
  override readonly name = "Stuck"
}

/**
 * What a program can use of the simulation that it runs in, through the functions of this module.
 *
 * @category services
 * @since 0.1.0
 */
export class Simulated extends Context.Service<Simulated, {
  /** Makes the scheduler and the clock of a new process. @internal */
  readonly process: (host?: string) => Machine.Process
  /** @internal */
  readonly trace: Trace.Trace
  /** @internal */
  readonly seed: number
  /** @internal */
  readonly steps: Replay.Counter
  /** @internal */
  readonly storage: Storage
  /** Kills all living processes. @internal */
  readonly living: Set<Effect.Effect<void>>
}>()("tidemark/testing/Simulated") {}

/**
 * Adds a value to the history that the trace hash covers.
 *
 * @category operations
 * @since 0.1.0
 */
export const note = (text: string): Effect.Effect<void, never, Simulated> =>
  Simulated.use(({ trace }) => Effect.sync(() => trace.text(text)))

/**
 * A step of the program, which the shrinker may omit. It has its own randomness, so that omitting it does not change
 * the steps after it. None if it was omitted.
 *
 * @category operations
 * @since 0.1.0
 */
export const step = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A | undefined, E, R | Simulated> =>
  Simulated.use(({ seed, steps }) => {
    const number = steps.count()
    if (!steps.next()) return Effect.undefined
    return Effect.provideService(effect, Random.Random, randomOf(Prng.split(seed, streams.steps + number)))
  })

/**
 * By how many milliseconds the clocks of a process are set.
 *
 * @category models
 * @since 0.1.0
 */
export type Shift = Machine.Shift

/**
 * The machine of a process.
 *
 * @category models
 * @since 0.1.0
 */
export interface SpawnOptions {
  /** The name of its machine, for storage that distinguishes machines. Processes without a name run on the same one. */
  readonly host?: string | undefined
}

/**
 * A process of the simulated world: fibers that can die all at once.
 *
 * @category models
 * @since 0.1.0
 */
export interface Process<A, E> {
  /** How it ended. It dies with `Killed` if it was killed before. */
  readonly exit: Effect.Effect<Exit.Exit<A, E>>
  /**
   * Ends it as a crash would: none of its fibers executes anything more, no finalizer runs, nothing is closed.
   *
   * @see {@link crash}
   */
  readonly kill: Effect.Effect<void>
  /** Stops it as `SIGSTOP` would: its fibers wait, and time advances. */
  readonly stop: Effect.Effect<void>
  /** Continues it, once it was woken as often as it was stopped. */
  readonly wake: Effect.Effect<void>
  /**
   * Sets its clocks, in milliseconds: the wall clock forward or back, the monotonic one forward. Sleepers do not wake
   * earlier or later.
   */
  readonly shiftClock: (shift: Shift) => Effect.Effect<void>
}

/**
 * The exit of a process that was killed.
 *
 * @category errors
 * @since 0.1.0
 */
export class Killed extends Error {
  override readonly name = "Killed"
}

/** What an effect needs besides the storage that its process opens. */
type Unopened<R> = Exclude<Exclude<R, Log | Blob>, Scope.Scope>

/**
 * Runs an effect as a separate process, which opens the storage anew. What its log and blobs have made durable survives
 * it.
 *
 * @category operations
 * @since 0.1.0
 */
export const spawn: <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  options?: SpawnOptions
) => Effect.Effect<Process<A, E>, never, Unopened<R> | Simulated> = Effect.fnUntraced(
  function*<A, E, R>(effect: Effect.Effect<A, E, R>, options: SpawnOptions = {}) {
    const { living, process: makeProcess, storage } = yield* Simulated
    const context = yield* Effect.context<Unopened<R>>()
    const process = makeProcess(options.host)
    const ended = yield* Deferred.make<Exit.Exit<A, E>>()
    const running = effect.pipe(
      Effect.provide(Layer.fresh(storage.layer)),
      Effect.scoped,
      Effect.exit,
      Effect.flatMap((exit) => Deferred.succeed(ended, exit))
    )
    const die = Effect.suspend(() => {
      process.kill()
      living.delete(die)
      return Effect.asVoid(Deferred.succeed(ended, Exit.die(new Killed("the process was killed"))))
    })
    living.add(die)
    yield* Effect.sync(() => Effect.runForkWith(Context.merge(context, process.context))(running))
    return {
      exit: Deferred.await(ended),
      kill: Effect.andThen(die, storage.killed),
      stop: Effect.sync(process.stop),
      wake: Effect.sync(process.wake),
      shiftClock: (shift) => Effect.sync(() => process.shiftClock(shift))
    }
  }
)

/**
 * A power failure: every spawned process dies, and the storage loses what was not flushed.
 *
 * @see {@link spawn}
 *
 * @category operations
 * @since 0.1.0
 */
export const crash: Effect.Effect<void, never, Simulated> = Simulated.use(({ living, storage }) =>
  Effect.andThen(Effect.forEach([...living], (die) => die, { discard: true }), storage.crash)
)

/** @internal */
export const randomOf = (seed: number): typeof Random.Random.Service => {
  const prng = Prng.make(seed)
  const nextDouble = (): number => prng.u32() / 4_294_967_296
  return {
    nextDoubleUnsafe: nextDouble,
    nextIntUnsafe: () => prng.u32() * 0x20_0000 + (prng.u32() >>> 11) - Number.MAX_SAFE_INTEGER
  }
}

/** Each kind of chance has its own stream of random numbers. @internal */
export const streams = { choices: 0, program: 1, faults: 2, steps: 1000 }
const defaultSteps = 10_000_000

/** Steps that finalizers may take after the program was abandoned. */
const closingSteps = 100_000

/**
 * Runs a program once.
 *
 * The program may use promises, but nothing that the simulation does not control: no timers, files, sockets or threads.
 *
 * @category running
 * @since 0.1.0
 */
export const simulate = <A, E>(options: Options<A, E>): Effect.Effect<Outcome<A, E>> =>
  Effect.suspend(() => {
    const { kept = Replay.all, maxSteps = defaultSteps, seed } = options
    const trace = Trace.make()
    const choices = Replay.counter(kept.choices)
    const faults = Replay.counter(kept.faults)
    const steps = Replay.counter(kept.steps)
    const machine = Machine.make({ choices, trace, random: Prng.make(Prng.split(seed, streams.choices)) })
    const root = machine.process()
    const surroundings = Context.add(root.context, Random.Random, randomOf(Prng.split(seed, streams.program)))
    const injector = Faults.make({
      faults,
      trace,
      surroundings,
      profile: options.faults ?? Faults.none,
      seed: Prng.split(seed, streams.faults)
    })
    const fiber = Effect.runForkWith(surroundings)(
      inWorld(
        options,
        injector,
        (storage) => ({ process: machine.process, trace, seed, steps, storage, living: new Set() })
      )
    )
    return Effect.map(toTheEnd(machine, fiber, maxSteps), (exit): Outcome<A, E> => {
      trace.text(Violation.of(exit) ?? "")
      return {
        seed,
        exit,
        traceHash: trace.hash(),
        steps: machine.steps(),
        interleaving: machine.interleaving(),
        virtualMillis: machine.now(),
        faults: injector.count(),
        counts: { choices: choices.count(), faults: faults.count(), steps: steps.count() }
      }
    })
  })

/** The program on its storage. @internal */
export const inWorld = <A, E>(
  { program, storage = memory }: Pick<Options<A, E>, "program" | "storage">,
  injector: Faults.Injector["Service"],
  simulatedOn: (storage: Storage) => Simulated["Service"]
): Effect.Effect<A, E> =>
  Effect.scoped(Effect.flatMap(storage, (sound) => {
    const layer = Layer.provide(
      Layer.merge(FaultyLog.layer, FaultyBlob.layer),
      Layer.merge(sound.layer, Layer.succeed(Faults.Injector, injector))
    )
    return program.pipe(
      Effect.provide(layer),
      Effect.provideService(Simulated, simulatedOn({ ...sound, layer }))
    )
  })).pipe(Effect.provideService(Faults.Injector, injector))

const memory: MakeStorage = Effect.map(MemoryStorage.make, (store) => ({
  layer: MemoryStorage.layerOf(store),
  killed: Effect.void,
  crash: Effect.void
}))

const toTheEnd = <A, E>(
  machine: Machine.Machine,
  fiber: Fiber.Fiber<A, E>,
  maxSteps: number
): Effect.Effect<Exit.Exit<A, E>> => {
  const isOver = () => fiber.pollUnsafe() !== undefined
  return Effect.flatMap(drive(machine, isOver, maxSteps), (reason) => {
    if (reason === undefined) return Effect.sync(() => fiber.pollUnsafe()!)
    fiber.interruptUnsafe()
    return Effect.as(drive(machine, isOver, machine.steps() + closingSteps), Exit.die(new Stuck(reason)))
  })
}

/** Runs until the program ends, or reports why it never does. */
const drive = Effect.fnUntraced(function*(machine: Machine.Machine, isOver: () => boolean, maxSteps: number) {
  while (!isOver()) {
    if (machine.steps() >= maxSteps) return `it did not end within ${maxSteps} steps`
    if (machine.runNext()) continue
    // The program's promises are processed before time advances.
    yield* Effect.yieldNow
    if (!isOver() && !machine.advance()) return "nothing is ready, and nothing sleeps: it waits for what never comes"
  }
  return undefined
})

/**
 * As `simulate`, but returns a promise.
 *
 * @see {@link simulate}
 *
 * @category running
 * @since 0.1.0
 */
export const run = <A, E>(options: Options<A, E>): Promise<Outcome<A, E>> => Effect.runPromise(simulate(options))
