import { it as base } from "@effect/vitest"
import * as SimulationTest from "../../src/testing/simulation/SimulationTest.ts"
import * as Faults from "../../src/testing/storage/Faults.ts"
import { killed } from "./Pipeline.ts"

const it = SimulationTest.extend(base)

it.sim("bindings, upsert and conditional seal: killed at any moment, nothing is lost, doubled or changed", {
  seeds: 40,
  // Slow storage keeps more things half done.
  faults: { ...Faults.mild, slow: 0.5, slowMillis: 200 }
}, killed)
