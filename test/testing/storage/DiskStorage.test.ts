import { assert, describe, it as base } from "@effect/vitest"
import { Effect, Exit } from "effect"
import * as Seeds from "../../../src/testing/simulation/Seeds.ts"
import * as Simulation from "../../../src/testing/simulation/Simulation.ts"
import * as SimulationTest from "../../../src/testing/simulation/SimulationTest.ts"
import * as Faults from "../../../src/testing/storage/Faults.ts"
import * as DiskStorage from "../../utils/DiskStorage.ts"
import * as Programs from "../simulation/Programs.ts"

const it = SimulationTest.extend(base)

/** Quick enough for something to be done between two crashes. */
const harsh: Faults.Profile = { ...Faults.harsh, slowMillis: 5 }

describe("file storage on a simulated disk", () => {
  it.sim(
    "keeps what was acknowledged through kills and power failures",
    { seeds: 60, storage: DiskStorage.make() },
    Programs.crashes
  )

  it.sim(
    "keeps it with I/O errors, full disks and slow flushes, too",
    { seeds: 60, storage: DiskStorage.make(), faults: Faults.mild },
    Programs.crashes
  )

  it.sim(
    "keeps it when hardly anything works",
    { seeds: 60, storage: DiskStorage.make(), faults: harsh },
    Programs.crashes
  )

  it.live("has something to lose: writes are acknowledged between the crashes", () =>
    Effect.gen(function*() {
      for (const faults of [Faults.none, Faults.mild, harsh]) {
        let acknowledged = 0
        for (let seed = 0; seed < 10; seed++) {
          const { exit } = yield* Simulation.simulate({
            seed,
            faults,
            storage: DiskStorage.make(),
            program: Programs.crashes
          })
          if (Exit.isSuccess(exit)) acknowledged += exit.value
        }
        assert.isAbove(acknowledged, 20)
      }
    }))

  it.live("loses it where the disk lies about its flushes, and the simulation finds that", () =>
    Effect.gen(function*() {
      const options = {
        seeds: 50,
        storage: DiskStorage.make({ lies: true }),
        program: Programs.crashes,
        shrinkRuns: 20
      }
      const error = yield* Effect.flip(Seeds.check(options))
      assert.instanceOf(error, Seeds.SeedFailed)
    }))
})
