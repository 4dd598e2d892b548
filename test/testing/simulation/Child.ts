/** Prints the hashes of some histories. */
import { Effect } from "effect"
import { Faults, Simulation } from "tidemark/testing"
import * as DiskStorage from "../../utils/DiskStorage.ts"
import * as Programs from "./Programs.ts"

const programs = [
  { program: Effect.asVoid(Programs.store) },
  { program: Effect.asVoid(Programs.crashes) },
  { program: Effect.asVoid(Programs.crashes), storage: DiskStorage.make() }
]

for (const options of programs) {
  for (const seed of [1, 2, 3]) {
    const { traceHash } = await Simulation.run({ ...options, seed, faults: Faults.mild })
    console.log(traceHash)
  }
}
