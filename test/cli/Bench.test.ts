import { assert, describe, it } from "@effect/vitest"
import fs from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import * as Latency from "../../src/cli/Latency.ts"
import { run, values } from "./Tool.ts"

describe("bench", () => {
  it("measures in a directory, and leaves nothing there", async () => {
    const directory = fs.mkdtempSync(path.join(tmpdir(), "tidemark-bench-command-"))
    try {
      const { code, err, out } = await run(["bench", directory, "--updates", "2000"])
      assert.deepStrictEqual([code, err], [0, ""])
      assert.match(out, /^updates, batches of 1,000 +[\d,]+\/s +[\d,]+\/s +\d+\.\d\d$/m)
      assert.match(out, /^one update, 64 writers +[\d,]+\/s +\d+\.\d a flush$/m)
      assert.match(out, /#/)
      const [figures] = values((await run(["--json", "bench", directory, "--updates", "2000"])).out)
      const all = Object.entries(figures as Readonly<Record<string, number>>)
      assert.strictEqual(all.length, 12)
      assert.deepStrictEqual(all.filter(([, value]) => !(value > 0 && Number.isFinite(value))), [])
      assert.deepStrictEqual(fs.readdirSync(directory), [])
    } finally {
      fs.rmSync(directory, { recursive: true, force: true })
    }
  })

  it("is wrong usage where there is no directory, or nothing to write", async () => {
    assert.strictEqual((await run(["bench", "/nowhere/at/all"])).code, 2)
    assert.strictEqual((await run(["bench", ".", "--updates", "0"])).code, 2)
  })
})

describe("latencies", () => {
  it("have quantiles", () => {
    const values = Array.from({ length: 100 }, (_, i) => 99 - i)
    assert.deepStrictEqual([0, 0.5, 0.99, 1].map((q) => Latency.quantile(values, q)), [0, 50, 99, 99])
    assert.isNaN(Latency.median([]))
  })

  it("are plotted two buckets a doubling, the gaps too", () => {
    const lines = Latency.plot([1, 1, 1.1, 2.5]).split("\n")
    assert.deepStrictEqual(lines.map((line) => line.trim().replace(/#+/, "#").split(/\s+/)), [
      ["1.00", "ms", "#", "3"],
      ["1.41", "ms", "0"],
      ["2.00", "ms", "#", "1"]
    ])
    assert.deepStrictEqual(lines.map((line) => line.split("#").length - 1), [40, 0, 14])
  })
})
