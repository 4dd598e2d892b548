import { assert, describe, it } from "@effect/vitest"
import * as Compare from "../../src/batch/Compare.ts"
import * as Prng from "../../src/testing/Prng.ts"
import * as Rows from "./Rows.ts"

describe("the order of rows", () => {
  it("is that of their bytes, wherever in memory they are", () => {
    const prng = Prng.make(61)
    for (let round = 0; round < 40; round++) {
      const rows = Rows.generate(prng, 12)
      const [a, b] = [Rows.toColumns(rows), Rows.toSlice(rows.toReversed())]
      rows.forEach((one, i) =>
        rows.toReversed().forEach((other, j) => {
          const key = Buffer.compare(one.key, other.key)
          const value = Buffer.compare(one.value, other.value)
          assert.strictEqual(Math.sign(Compare.compareBytes(one.key, other.key)), key)
          assert.strictEqual(Math.sign(Compare.compareKeys(a, i, b, j)), key)
          assert.strictEqual(Math.sign(Compare.compareKeyTo(a, i, other.key)), key)
          assert.strictEqual(Math.sign(Compare.compareValues(a, i, b, j)), value)
          assert.strictEqual(Math.sign(Compare.compareRows(a, i, b, j)), key || value)
          assert.strictEqual(Compare.isSameValue(a, i, b, j), value === 0)
        })
      )
    }
  })

  it("leads to the first row at or above a key", () => {
    const prng = Prng.make(62)
    for (let round = 0; round < 200; round++) {
      const rows = Rows.generate(prng, prng.int(20)).toSorted(Rows.compare)
      for (const { key } of [...Rows.generate(prng, 5), ...rows]) {
        const found = rows.findIndex((each) => Buffer.compare(each.key, key) >= 0)
        assert.strictEqual(Compare.lowerBound(Rows.toSlice(rows), key), found < 0 ? rows.length : found)
      }
    }
  })
})
