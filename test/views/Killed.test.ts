import { it as base } from "@effect/vitest"
import * as SimulationTest from "../../src/testing/simulation/SimulationTest.ts"
import * as Faults from "../../src/testing/storage/Faults.ts"
import { killed } from "./Shop.ts"

const it = SimulationTest.extend(base)

it.sim("a view in a collection: killed at any moment, it is what its inputs say, each change once", {
  seeds: 10,
  // Slow storage keeps more things half done.
  faults: { ...Faults.mild, slow: 0.5, slowMillis: 200 }
}, killed)
