/**
 * Runs a program under many seeds, to find a history that fails, and prints how to replay it.
 *
 * @since 0.1.0
 */
import { Cause, Config, Effect, Exit, Option } from "effect"
import * as Replay from "../Replay.ts"
import * as Shrink from "./Shrink.ts"
import * as Simulation from "./Simulation.ts"

/**
 * A program, and how many seeds to run it under.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<A, E> extends Omit<Simulation.Options<A, E>, "seed" | "kept"> {
  /** How many seeds; the environment variable `TIDEMARK_SEEDS` overrides it. Default 100. */
  readonly seeds?: number | undefined
  /** The first seed. Default 0. */
  readonly firstSeed?: number | undefined
  /** How many histories the shrinker may try. Default 500. */
  readonly shrinkRuns?: number | undefined
  /** Called for each seed that does not fail. */
  readonly onSeed?: ((outcome: Simulation.Outcome<A, E>) => void) | undefined
  /** The command to run behind `TIDEMARK_REPLAY=...`, for the message of a failure. */
  readonly command?: string | undefined
}

/**
 * What was run.
 *
 * @category models
 * @since 0.1.0
 */
export interface Summary {
  readonly seeds: number
  /** How many different interleavings there were. */
  readonly interleavings: number
  /** How many seeds were run twice, to check that their histories are the same. */
  readonly replayed: number
  readonly steps: number
  readonly faults: number
  readonly virtualMillis: number
}

/**
 * A seed whose history fails. The message ends with the line that replays it; the cause is the program's own error.
 *
 * @category errors
 * @since 0.1.0
 */
export class SeedFailed extends Error {
  override readonly name = "SeedFailed"
  readonly replay: string

  constructor(message: string, replay: string, cause: unknown) {
    super(message, { cause })
    this.replay = replay
  }
}

/**
 * A seed that had two histories: the program depends on something that the simulation does not control.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotDeterministic extends Error {
  override readonly name = "NotDeterministic"
}

/** One of this many seeds is run twice. */
const replayEvery = 50

/**
 * Runs the program under one seed after the other. The first failure is shrunk, and ends the run.
 *
 * If the environment variable `TIDEMARK_REPLAY` is set, only the history that it names is run.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Seeds } from "tidemark/testing"
 *
 * let shared = 0
 * const increment = Effect.gen(function*() {
 *   const before = shared
 *   yield* Effect.yieldNow
 *   shared = before + 1
 * })
 * const program = Effect.gen(function*() {
 *   shared = 0
 *   yield* Effect.all([increment, increment], { concurrency: "unbounded" })
 *   if (shared !== 2) return yield* Effect.fail("lost update")
 * })
 *
 * const error = await Effect.runPromise(Effect.flip(Seeds.check({ program, seeds: 20 })))
 * if (!/TIDEMARK_REPLAY=\d+/.test(error.message)) throw new Error("no line to replay it")
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const check = Effect.fnUntraced(function*<A, E>(options: Options<A, E>) {
  const text = yield* fromEnvironment(Config.String("TIDEMARK_REPLAY"))
  if (Option.isSome(text)) return yield* replay(options, text.value)
  const seeds = yield* fromEnvironment(Config.Int("TIDEMARK_SEEDS"))
  return yield* search({ ...options, seeds: Option.getOrElse(seeds, () => options.seeds) })
})

/**
 * As `check`, but ignores the environment.
 *
 * @category running
 * @since 0.1.0
 */
export const search = Effect.fnUntraced(function*<A, E>(options: Options<A, E>) {
  const { firstSeed = 0, onSeed, seeds = 100 } = options
  const interleavings = new Set<string>()
  const total = { replayed: 0, steps: 0, faults: 0, virtualMillis: 0 }
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    const outcome = yield* Simulation.simulate({ ...options, seed })
    if (Exit.isFailure(outcome.exit)) return yield* shrunk(options, outcome)
    if ((seed - firstSeed) % replayEvery === 0) {
      yield* checkAgain(options, outcome)
      total.replayed++
    }
    onSeed?.(outcome)
    interleavings.add(outcome.interleaving)
    total.steps += outcome.steps
    total.faults += outcome.faults
    total.virtualMillis += outcome.virtualMillis
  }
  return { seeds, interleavings: interleavings.size, ...total } satisfies Summary
})

const fromEnvironment = <A>(config: Config.Config<A>) => Effect.orDie(Config.option(config))

const checkAgain = Effect.fnUntraced(function*<A, E>(options: Options<A, E>, first: Simulation.Outcome<A, E>) {
  const { seed, traceHash } = first
  const second = yield* Simulation.simulate({ ...options, seed })
  if (second.traceHash === traceHash) return
  return yield* Effect.fail(
    new NotDeterministic(
      `seed ${seed} had two histories, ${traceHash} and ${second.traceHash}: the program uses something that the ` +
        `simulation does not decide, such as the wall clock, Math.random, files, or state from the run before`
    )
  )
})

/**
 * Runs one history: the one that a failure has printed, or that of a seed. Dies if the text is neither.
 *
 * @see {@link check}
 *
 * @category running
 * @since 0.1.0
 */
export const replay = Effect.fnUntraced(function*<A, E>(options: Options<A, E>, text: string) {
  const parsed = Replay.parse(text)
  if (parsed === undefined) return yield* Effect.die(new Error(`TIDEMARK_REPLAY=${text} is not what a failure prints`))
  const outcome = yield* Simulation.simulate({ ...options, ...parsed })
  if (Exit.isFailure(outcome.exit)) return yield* failure(options, outcome, parsed.kept, "as replayed")
  const { faults, steps, virtualMillis } = outcome
  return { seeds: 1, interleavings: 1, replayed: 0, steps, faults, virtualMillis } satisfies Summary
})

const shrunk = Effect.fnUntraced(function*<A, E>(options: Options<A, E>, failed: Simulation.Outcome<A, E>) {
  // Shrinking may take minutes.
  yield* Effect.logWarning(`seed ${failed.seed} fails; its history is being shrunk`)
  const found = yield* Shrink.shrink({ ...options, seed: failed.seed }, failed, options.shrinkRuns ?? 500)
  const how = `shrunk from ${failed.steps} steps of the scheduler to ${found.outcome.steps} in ${found.runs} runs`
  return yield* failure(options, found.outcome, found.kept, how)
})

const failure = <A, E>(
  options: Options<A, E>,
  { exit, faults, seed, steps, virtualMillis }: Simulation.Outcome<A, E>,
  kept: Replay.Choices,
  how: string
): Effect.Effect<never, SeedFailed> => {
  const cause = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
  const replay = Replay.print({ seed, kept })
  const message = [
    `seed ${seed} fails: ${cause instanceof Error ? cause.message : String(cause)}`,
    `${how}: ${steps} steps, ${faults} faults, ${virtualMillis} ms of virtual time`,
    `replay: ${[`TIDEMARK_REPLAY=${replay}`, ...options.command === undefined ? [] : [options.command]].join(" ")}`
  ]
  return Effect.fail(new SeedFailed(message.join("\n"), replay, cause))
}
