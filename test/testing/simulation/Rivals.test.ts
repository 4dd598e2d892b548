import { assert, describe, it as base } from "@effect/vitest"
import { Effect, Exit } from "effect"
import * as File from "../../../src/node/File.ts"
import * as Simulation from "../../../src/testing/simulation/Simulation.ts"
import * as SimulationTest from "../../../src/testing/simulation/SimulationTest.ts"
import * as Faults from "../../../src/testing/storage/Faults.ts"
import * as DiskStorage from "../../utils/DiskStorage.ts"
import * as Rivals from "./Rivals.ts"

const it = SimulationTest.extend(base)

const storage = DiskStorage.make({ directories: "unordered", segmentBytes: 4096 })
const program = Rivals.program({ rivals: 3, steps: 8 })
const longer = Rivals.program({ rivals: 3, steps: 24 })

describe("rivals on one simulated disk", () => {
  it.sim("lose nothing when they are stopped, woken and taken over from", { seeds: 12, storage }, program)

  it.sim(
    "lose nothing on hosts of their own, where only heartbeats tell who is alive",
    { seeds: 12, storage },
    Rivals.program({ rivals: 3, hosts: 3, steps: 8 })
  )

  it.live("lose nothing when merges die, be it in a worker that is replaced", () =>
    Effect.gen(function*() {
      let deaths = 0
      const program = Rivals.program({ rivals: 2, steps: 8, onMergeDeath: () => void deaths++ })
      for (let seed = 0; seed < 12; seed++) {
        const { exit } = yield* Simulation.simulate({ seed, storage, program })
        assert.isTrue(Exit.isSuccess(exit), `seed ${seed}: ${String(exit)}`)
      }
      assert.isAbove(deaths, 20)
    }))

  // Two at once that create the store; a program that is stopped; segments and directories that a power failure brings
  // back or takes away.
  it.live("lose nothing under the seeds that have found faults", () =>
    Effect.gen(function*() {
      for (const seed of [23, 57, 68, 78, 109, 138, 148]) {
        const { exit } = yield* Simulation.simulate({ seed, storage, faults: Faults.disk, program })
        assert.isTrue(Exit.isSuccess(exit), `seed ${seed}: ${String(exit)}`)
      }
    }))

  // Openers that are stopped while they open the store, and wake up when others have written, truncated the log and gone,
  // under the same epoch or a later one.
  it.live("lose nothing in longer lives either", () =>
    Effect.gen(function*() {
      for (const seed of [1, 24, 82, 87, 90, 93, 104, 122, 132, 136, 154]) {
        const { exit } = yield* Simulation.simulate({ seed, storage, faults: Faults.disk, program: longer })
        assert.isTrue(Exit.isSuccess(exit), `seed ${seed}: ${String(exit)}`)
      }
    }))

  it.live("have the same history alone and after others", () =>
    Effect.gen(function*() {
      const run = (seed: number) => Simulation.simulate({ seed, storage, faults: Faults.disk, program: longer })
      const alone = yield* run(3)
      yield* run(18)
      yield* run(5)
      const after = yield* run(3)
      assert.strictEqual(after.traceHash, alone.traceHash)
      assert.strictEqual(after.steps, alone.steps)
    }))

  // So many as the environment asks for.
  if (process.env["TIDEMARK_SEEDS"] !== undefined) {
    it.sim(
      "lose nothing when any file call fails or stops its process, too",
      { seeds: 1, storage, faults: Faults.disk },
      program
    )
  }

  it.live("are not held up by a program that makes calls of its own", () =>
    Effect.gen(function*() {
      const faults = { ...Faults.none, script: { "list directory": { 1: "stopped" } } } as const
      for (let seed = 0; seed < 4; seed++) {
        const { exit } = yield* Simulation.simulate({ seed, storage, faults, program: File.list("/simulated") })
        assert.deepStrictEqual(exit, Exit.succeed([]))
      }
    }))

  it.live("have something to lose", () =>
    Effect.gen(function*() {
      let acknowledged = 0
      for (let seed = 0; seed < 5; seed++) {
        const { exit } = yield* Simulation.simulate({ seed, storage, program })
        if (Exit.isSuccess(exit)) acknowledged += exit.value
      }
      assert.isAbove(acknowledged, 50)
    }))
})
