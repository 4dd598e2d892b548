import { describe } from "@effect/vitest"
import * as Nemeses from "./Nemeses.ts"

// The other half of the seeds is in Nemesis.test.ts.
describe("no promise is broken", () => {
  Nemeses.tests("Processes.test.ts", [
    { profile: "rivals", faults: "harsh", share: 200 },
    { profile: "crashes", faults: "harsh", share: 200 },
    { profile: "churn", faults: "mild", share: 50 },
    { profile: "upkeep", faults: "mild", share: 100 }
  ])
})
