/** The nemesis on storage that is really there, as tests: few seeds, and as many more as TIDEMARK_SEEDS says. */
import { it } from "@effect/vitest"
import { Config, Effect } from "effect"
import * as Nemesis from "../../../src/testing/nemesis/Nemesis.ts"
import * as NemesisProfile from "../../../src/testing/nemesis/Profile.ts"
import * as Live from "../../../src/testing/simulation/Live.ts"
import type * as Simulation from "../../../src/testing/simulation/Simulation.ts"
import * as Faults from "../../../src/testing/storage/Faults.ts"

/** A run takes some seconds: of the seeds of a simulation, as many as take about the same time. */
const share = 1 / 2_000

const total = Config.Int("TIDEMARK_SEEDS").pipe(Config.withDefault(2_000))

const timeout = 3_600_000

/** What the seeds run, in turn: with the faults of the storage alone, and with injected ones. */
const worlds = [
  { profile: NemesisProfile.rivals, faults: Faults.none },
  { profile: NemesisProfile.mixed, faults: Faults.mild },
  { profile: NemesisProfile.crashes, faults: Faults.none },
  { profile: NemesisProfile.churn, faults: Faults.mild },
  { profile: NemesisProfile.rivals, faults: Faults.harsh }
]

/** One test. */
export const test = (name: string, storage: Simulation.MakeStorage): void => {
  it.live(name, () =>
    Effect.gen(function*() {
      const seeds = Math.max(1, Math.round((yield* total) * share))
      for (let seed = 0; seed < seeds; seed++) {
        const { faults, profile } = worlds[seed % worlds.length]!
        yield* Live.run({ seed, storage, faults, program: Nemesis.program({ profile }) }).pipe(
          Effect.catchDefect((defect) => Effect.die(new Error(`seed ${seed}: ${String(defect)}`, { cause: defect })))
        )
      }
    }), timeout)
}
