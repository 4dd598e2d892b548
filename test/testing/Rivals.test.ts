import { assert, describe, it as base } from "@effect/vitest"
import { Effect, Exit } from "effect"
import * as Faults from "../../src/testing/Faults.ts"
import * as Simulation from "../../src/testing/Simulation.ts"
import * as SimulationTest from "../../src/testing/SimulationTest.ts"
import * as DiskStorage from "../utils/DiskStorage.ts"
import * as Rivals from "./Rivals.ts"

const it = SimulationTest.extend(base)

const storage = DiskStorage.make({ directories: "unordered", segmentBytes: 4096 })

describe("rivals on one simulated disk", () => {
  it.sim(
    "lose nothing when they are stopped, woken and taken over from",
    { seeds: 40, storage },
    Rivals.program({ rivals: 3, steps: 8 })
  )

  it.sim(
    "lose nothing when any file call fails or stops its process, too",
    { seeds: 60, storage, faults: Faults.disk },
    Rivals.program({ rivals: 3, steps: 8 })
  )

  it.live("have something to lose", () =>
    Effect.gen(function*() {
      let acknowledged = 0
      for (let seed = 0; seed < 5; seed++) {
        const options = { seed, storage, faults: Faults.disk, program: Rivals.program({ rivals: 3, steps: 8 }) }
        const { exit } = yield* Simulation.simulate(options)
        if (Exit.isSuccess(exit)) acknowledged += exit.value
      }
      assert.isAbove(acknowledged, 50)
    }))
})
