import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { join } from "node:path"
import { output, remove, run, temporary } from "./Tool.ts"

const home = temporary()
const store = ["--dir", join(home, "store")]
const place = join(home, "backups")

const positions = async (): Promise<ReadonlyArray<number>> => {
  const { backups } = JSON.parse(await output(["backups", place, "--json"])) as {
    readonly backups: ReadonlyArray<{ readonly position: number }>
  }
  return backups.map(({ position }) => position)
}

const rows = (time: number): string =>
  Array.from({ length: 200 }, (_, i) => `{"key":"key ${i}","value":"${time}","time":${time}}\n`).join("") +
  `{"seal":${time + 1}}\n`

beforeAll(async () => {
  for (let time = 0; time < 4; time++) {
    await output([...store, "ingest", "x"], { input: rows(time) })
    await output([...store, "compact", "x", "--since", `${time}`])
    await output([...store, "backup", place])
  }
})
afterAll(() => remove(home))

describe("prune", () => {
  it("without a rule, or with one that says nothing, is wrong usage, and removes nothing", async () => {
    const before = await positions()
    for (const rule of [[], ["--keep", "many"], ["--within", "some time"]]) {
      const { code, err, out } = await run(["prune", place, ...rule])
      assert.deepStrictEqual([code, out], [2, ""], rule.join(" "))
      assert.notStrictEqual(err, "")
    }
    const none = await run(["prune", place, "--keep", "0"])
    assert.strictEqual(none.code, 1)
    assert.match(none.err, /^tidemark: .*\n$/)
    assert.deepStrictEqual(await positions(), before)
  })

  it("keeps what one of the rules keeps", async () => {
    const before = await positions()
    assert.strictEqual(before.length, 4)
    assert.strictEqual(
      await output(["prune", place, "--keep", "1", "--within", "30 days"]),
      "0 backups removed, 4 kept: 0 blobs of 0 B freed"
    )
    assert.match(await output(["prune", place, "--keep", "3"]), /^1 backup removed, 3 kept: \d+ blobs? of .* freed$/)
    assert.deepStrictEqual(await positions(), before.slice(1))
  })

  it("says what it did as JSON; what stays is whole, can be restored, and is gone on from", async () => {
    const before = await positions()
    const pruned = JSON.parse(await output(["prune", place, "--keep", "1", "--json"])) as {
      readonly removed: ReadonlyArray<number>
      readonly kept: ReadonlyArray<number>
    }
    assert.deepInclude(pruned, { removed: before.slice(0, -1), kept: before.slice(-1) })
    assert.match(await output(["backups", place, "--verify"]), /are as they were written$/)
    const restored = ["--dir", join(home, "restored")]
    await output(["restore", place, ...restored])
    const contents = ["snapshot", "x", "--updates"]
    assert.strictEqual(await output([...restored, ...contents]), await output([...store, ...contents]))
    await output([...store, "ingest", "x"], { input: rows(4) })
    await output([...store, "backup", place])
    assert.strictEqual((await positions()).at(-2), before.at(-1))
  })
})
