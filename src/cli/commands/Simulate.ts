/**
 * `tidemark simulate`: the nemesis in a simulated world, seed by seed.
 *
 * @internal
 */
import { Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import fs from "node:fs"
import * as Recorded from "../../testing/history/Recorded.ts"
import * as Nemesis from "../../testing/nemesis/Nemesis.ts"
import * as NemesisProfile from "../../testing/nemesis/Profile.ts"
import * as Seeds from "../../testing/simulation/Seeds.ts"
import * as Faults from "../../testing/storage/Faults.ts"
import { Failure } from "../Failure.ts"
import * as Output from "../Output.ts"
import * as Progress from "../Progress.ts"
import { common } from "../Root.ts"

const storages = {
  none: Faults.none,
  mild: Faults.mild,
  harsh: Faults.harsh,
  /** No store survives these faults: they show what a violation looks like. */
  rot: { ...Faults.none, rot: 0.5 }
}

const replayPattern = /^\d+(:[cfs][\d,]*)*$/

const save = (file: string, cause: unknown, replay: string) =>
  cause instanceof Nemesis.NemesisFound
    ? Effect.try({
      try: () =>
        fs.writeFileSync(
          file,
          Recorded.text({
            replay,
            problem: cause.message,
            history: cause.history,
            violations: cause.violations
          })
        ),
      catch: (error) =>
        new Failure({ message: `cannot write ${file}: ${error instanceof Error ? error.message : String(error)}` })
    })
    : Output.note("the simulation ended without a history: nothing is saved")

/** The full violation is a result; its occurrence, and how to replay it, is the failure. */
const report = Effect.fnUntraced(function*(
  found: Seeds.SeedFailed | Seeds.NotDeterministic,
  again: string,
  file: Option.Option<string>
) {
  const { json } = yield* common
  if (found instanceof Seeds.NotDeterministic) return yield* new Failure({ message: found.message })
  const violation = found.cause instanceof Error ? found.cause.message : String(found.cause)
  const replay = `tidemark simulate --seed ${found.replay} ${again}`
  if (Option.isSome(file)) yield* save(file.value, found.cause, replay)
  yield* json ? Output.json({ ok: false, violation, replay }) : Output.line(violation)
  return yield* new Failure({ message: `seed ${Number.parseInt(found.replay, 10)} fails; replay: ${replay}` })
})

export const simulate = Command.make(
  "simulate",
  {
    seed: Flag.String("seed").pipe(
      Flag.filter((text) => replayPattern.test(text), () => "a seed is a number, or what a failure prints"),
      Flag.withMetavar("SEED"),
      Flag.withDescription("The first seed (default: 0), or what a failure prints"),
      Flag.optional
    ),
    seeds: Flag.Int("seeds").pipe(
      Flag.withDescription("How many seeds (default: 1 with --seed, otherwise 100)"),
      Flag.optional
    ),
    steps: Flag.Int("steps").pipe(
      Flag.withDescription("Steps of each seed (default: 60)"),
      Flag.withDefault(60)
    ),
    profile: Flag.Literals("profile", ["mixed", "busy", "crashes", "rivals", "churn", "upkeep", "alone"]).pipe(
      Flag.withDescription("What happens most (default: mixed)"),
      Flag.withDefault("mixed")
    ),
    faults: Flag.Literals("faults", ["none", "mild", "harsh", "rot"]).pipe(
      Flag.withDescription("How storage behaves (default: harsh); rot breaks promises, to see what that looks like"),
      Flag.withDefault("harsh")
    ),
    save: Flag.String("save").pipe(
      Flag.withMetavar("FILE"),
      Flag.withDescription("Write the history of a seed that fails to this file, for the inspector"),
      Flag.optional
    )
  },
  Effect.fn(function*({ faults, profile, save: file, seed, seeds, steps }) {
    const { json } = yield* common
    const first = Option.getOrElse(seed, () => "0")
    const count = Option.getOrElse(seeds, () => Option.isSome(seed) ? 1 : 100)
    const summary = yield* Effect.gen(function*() {
      const progress = yield* Progress.make({ label: "seeds", total: count })
      const options = {
        program: Nemesis.program({ steps, profile: NemesisProfile.byName[profile] }),
        faults: storages[faults],
        shrinkRuns: 200,
        firstSeed: Number.parseInt(first, 10),
        seeds: count,
        onSeed: () => progress.add(1)
      }
      return yield* first.includes(":") ? Seeds.replay(options, first) : Seeds.search(options)
    }).pipe(
      Effect.scoped,
      Effect.catch((found) => report(found, `--steps ${steps} --profile ${profile} --faults ${faults}`, file))
    )
    if (json) return yield* Output.json({ ok: true, ...summary })
    yield* Output.line(
      `${Output.counted(summary.seeds, "seed")}, ${Output.counted(summary.interleavings, "interleaving")}, ` +
        `${Output.counted(summary.faults, "fault")}, ${Output.counted(summary.replayed, "replay")}: no violation`
    )
  })
).pipe(
  Command.withDescription(
    "Run Tidemark in a simulated world: processes write, read, follow, die and take the store from each other, over " +
      "storage that fails, and every answer is judged. One seed is one history. A seed that fails is shrunk; the exit code " +
      "is 1, and the last line replays it. No store is touched."
  ),
  Command.withShortDescription("Look for a history in which a promise is broken"),
  Command.withExamples([
    { command: "tidemark simulate --seeds 1000", description: "Seeds 0 to 999" },
    { command: "tidemark simulate --seed 17 --profile crashes", description: "One seed, where writers die often" },
    {
      command: "tidemark simulate --save failed.json",
      description:
        "For the inspector, if a seed fails: tidemark serve --recordings . opens it at /?recording=failed.json"
    }
  ])
)
