import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Nemesis from "../../src/testing/nemesis/Nemesis.ts"
import * as NemesisProfile from "../../src/testing/nemesis/Profile.ts"
import * as Seeds from "../../src/testing/simulation/Seeds.ts"
import * as Faults from "../../src/testing/storage/Faults.ts"
import * as DiskStorage from "../utils/DiskStorage.ts"

// The real code of src/node on a simulated disk, through power failures.
describe("no promise is broken on files", () => {
  it.live.each([["mild", Faults.mild, 100], ["harsh", Faults.harsh, 1_040]] as const)(
    "with %s faults",
    ([, faults, firstSeed]) =>
      Effect.gen(function*() {
        const program = Nemesis.program({ profile: NemesisProfile.alone })
        const { replayed } = yield* Seeds.search({ storage: DiskStorage.make(), program, faults, firstSeed, seeds: 40 })
        assert.strictEqual(replayed, 1)
      }),
    600_000
  )
})
