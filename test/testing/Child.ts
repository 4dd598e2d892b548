/** Prints the hashes of some histories. */
import { Effect } from "effect"
import { Faults, Simulation } from "tidemark/testing"
import * as Programs from "./Programs.ts"

for (const program of [Programs.store, Programs.crashes]) {
  for (const seed of [1, 2, 3]) {
    const { traceHash } = await Simulation.run({ seed, program: Effect.asVoid(program), faults: Faults.mild })
    console.log(traceHash)
  }
}
