/** The nemesis as tests: many seeds of each profile, divided over files so that they run side by side. */
import { assert, it } from "@effect/vitest"
import { Config, Effect, Option } from "effect"
import * as Nemesis from "../../../src/testing/nemesis/Nemesis.ts"
import * as NemesisProfile from "../../../src/testing/nemesis/Profile.ts"
import * as Seeds from "../../../src/testing/simulation/Seeds.ts"
import * as Faults from "../../../src/testing/storage/Faults.ts"

const storages = { none: Faults.none, mild: Faults.mild, harsh: Faults.harsh } as const

export interface Part {
  readonly profile: keyof typeof NemesisProfile.byName
  readonly faults: keyof typeof storages
  /** Of a thousand seeds. */
  readonly share: number
}

const total = Config.Int("TIDEMARK_SEEDS").pipe(Config.withDefault(400))
const named = Config.option(Config.String("TIDEMARK_REPLAY"))

/** For what hangs: an hour, or ten seconds for each of the seeds, which take a fifth of a second. */
const timeout = Math.max(3_600_000, 10_000 * Number(process.env["TIDEMARK_SEEDS"] ?? 0))

/** One test for each part. A failure ends with the line that replays it. */
export const tests = (file: string, parts: ReadonlyArray<Part>): void => {
  for (const { faults, profile, share } of parts) {
    const name = `${profile}, ${faults === "none" ? "without" : `with ${faults}`} faults`
    it.live(name, () =>
      Effect.gen(function*() {
        const seeds = Math.ceil((yield* total) * share / 1_000)
        const options = {
          seeds,
          program: Nemesis.program({ profile: NemesisProfile.byName[profile] }),
          faults: storages[faults],
          command: `npm run test:unit -- test/testing/nemesis/${file} -t "${name}"`
        }
        const replay = yield* named
        if (Option.isSome(replay)) return yield* Effect.asVoid(Seeds.replay(options, replay.value))
        const { interleavings, replayed } = yield* Seeds.search(options)
        assert.isAtLeast(interleavings, 0.85 * seeds)
        assert.isAtLeast(replayed, 1)
      }), timeout)
  }
}
