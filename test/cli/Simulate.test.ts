import { assert, describe, it } from "@effect/vitest"
import fs from "node:fs"
import { join } from "node:path"
import * as Checker from "../../src/testing/history/Checker.ts"
import type * as Recorded from "../../src/testing/history/Recorded.ts"
import { lines, remove, run, temporary, values } from "./Tool.ts"

const simulate = (...args: ReadonlyArray<string>) => run(["simulate", "--steps", "15", ...args])

describe("simulate", () => {
  it("runs seeds, and says so in one line", async () => {
    const { code, err, out } = await simulate("--seeds", "3", "--faults", "mild")
    assert.deepStrictEqual([code, err, lines(out).length], [0, "", 1])
    assert.match(out, /^3 seeds, 3 interleavings, \d+ faults?, 1 replay: no violation\n$/)
    const [summary] = values((await simulate("--seed", "7", "--profile", "rivals", "--json")).out)
    assert.deepInclude(summary, { ok: true, seeds: 1, interleavings: 1 })
  })

  it("ends with 1 and the line that replays it when a promise is broken", async () => {
    const first = await simulate("--seeds", "20", "--faults", "rot")
    assert.strictEqual(first.code, 1)
    assert.match(first.out, /Corrupt/)
    const line =
      /^tidemark: seed \d+ fails; replay: tidemark (simulate --seed \S+ --steps 15 --profile mixed --faults rot)\n$/
    assert.match(first.err, line)
    const again = await run(line.exec(first.err)![1]!.split(" "))
    assert.deepStrictEqual(again, first)
    const [delivered] = values((await run(["--json", ...line.exec(first.err)![1]!.split(" ")])).out)
    assert.deepInclude(delivered, { ok: false, violation: first.out.trimEnd() })
  })

  it("saves the history of a seed that fails, and says if it cannot", async () => {
    const home = temporary()
    const file = join(home, "failed.json")
    const failing = ["--seeds", "20", "--faults", "rot"]
    const { code, out } = await simulate(...failing, "--save", file)
    assert.strictEqual(code, 1)
    const saved = JSON.parse(fs.readFileSync(file, "utf8")) as Recorded.Recorded
    assert.deepInclude(saved, { tidemarkHistory: 1, problem: out.trimEnd() })
    assert.match(saved.replay, /^tidemark simulate --seed \S+ --steps 15 --profile mixed --faults rot$/)
    assert.isNotEmpty(saved.history)
    assert.deepStrictEqual(saved.violations, Checker.check(saved.history))
    const refused = await simulate(...failing, "--save", home)
    assert.strictEqual(refused.code, 1)
    assert.match(refused.err, /^tidemark: cannot write /)
    remove(home)
  })

  it("does not take everything for a seed", async () => {
    assert.strictEqual((await simulate("--seed", "x")).code, 2)
    assert.strictEqual((await simulate("--profile", "x")).code, 2)
  })
})
