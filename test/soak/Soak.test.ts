import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { directory } from "../node/Temporary.ts"
import * as Soak from "./Soak.ts"

// The short form of `npm run soak`, which see. How long something takes is printed, and not judged.

const soak = Effect.fnUntraced(function*(seconds: number, leak: "none" | "memory" | "disk") {
  const report = yield* Soak.run({ directory: yield* directory, seconds, leak, judgesTimes: false })
  console.log(Soak.shown(report))
  assert.isAbove(report.operations, 0)
  return report.rows.filter(({ holds }) => !holds).map(({ what }) => what)
})

describe("a store under mixed load, whose processes are killed and closed", () => {
  it.live("grows neither in memory nor on disk", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* soak(30, "none"), [])
    }))

  it.live("is noticed to grow where a subscriber keeps all that it receives", () =>
    Effect.gen(function*() {
      assert.include(yield* soak(24, "memory"), "heap of one process")
    }))

  it.live("is noticed to grow where holds are not released", () =>
    Effect.gen(function*() {
      assert.include(yield* soak(24, "disk"), "disk")
    }))
})
