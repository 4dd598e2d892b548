import { assert, describe, it } from "@effect/vitest"
import * as Columns from "../../src/batch/Columns.ts"
import * as Prng from "../../src/testing/Prng.ts"
import * as Rows from "./Rows.ts"

describe("columnar_records", () => {
  it("gives back the rows that were put in", () => {
    const prng = Prng.make(31)
    for (let round = 0; round < 100; round++) {
      const rows = Rows.generate(prng, prng.int(80))
      const columns = Rows.toColumns(rows)
      assert.deepStrictEqual(Rows.showColumns(columns), Rows.show(rows))
      assert.deepStrictEqual(Rows.showColumns(Rows.toSlice(rows)), Rows.show(rows))
      const bytes = rows.reduce((sum, { key, value }) => sum + key.length + value.length, 0)
      assert.strictEqual(Columns.keyBytes(columns) + Columns.valueBytes(columns), bytes)
      assert.strictEqual(Columns.goodputBytes(Rows.toSlice(rows)), bytes + 16 * rows.length)
    }
  })

  it("has an empty form", () => {
    assert.strictEqual(Columns.goodputBytes(Columns.empty), 0)
    assert.deepStrictEqual(Rows.fromColumns(Columns.empty), [])
    assert.deepStrictEqual(new Columns.Builder().finish(), Columns.empty)
  })

  it("builds from rows, ranges and whole columns of others", () => {
    const prng = Prng.make(32)
    for (let round = 0; round < 100; round++) {
      const rows = Rows.generate(prng, 1 + prng.int(40))
      const columns = Rows.toSlice(rows)
      const start = prng.int(rows.length)
      const end = start + prng.int(rows.length - start + 1)
      const since = prng.int(4)
      const builder = new Columns.Builder(prng.int(3), prng.int(3), prng.int(3))
      builder.push(columns, start, 9, -4)
      builder.append(columns)
      builder.appendRange(columns, start, end, since)
      assert.deepStrictEqual(
        Rows.showColumns(builder.view()),
        Rows.show([
          { ...rows[start]!, time: 9, diff: -4 },
          ...rows,
          ...rows.slice(start, end).map((each) => ({ ...each, time: Math.max(since, each.time) }))
        ])
      )
      assert.deepStrictEqual(Rows.showColumns(builder.finish()), Rows.showColumns(builder.view()))
      assert.deepStrictEqual(Rows.showColumns(builder.take()), Rows.showColumns(builder.view()))
    }
  })

  it("joins columns", () => {
    const prng = Prng.make(33)
    const parts = [Rows.generate(prng, 5), [], Rows.generate(prng, 7)]
    assert.deepStrictEqual(Rows.showColumns(Columns.concat(parts.map(Rows.toSlice))), Rows.show(parts.flat()))
    assert.strictEqual(Columns.concat([]).length, 0)
  })

  it("copies in steps of any size what it copies at once", () => {
    const prng = Prng.make(34)
    for (let round = 0; round < 100; round++) {
      const parts = Array.from({ length: 1 + prng.int(4) }, () => Rows.toSlice(Rows.generate(prng, prng.int(20))))
      const copying = new Columns.Copying(parts)
      const bytes = 1 + prng.int(30)
      for (let steps = 0; !copying.step(bytes); steps++) assert.isBelow(steps, 10_000)
      assert.deepStrictEqual(Rows.showColumns(copying.columns()), Rows.showColumns(Columns.copy(parts)))
    }
  })

  it("drops an unfinished row, and forgets all rows", () => {
    const builder = new Columns.Builder()
    builder.keys.utf8("a")
    builder.commit(1, 1)
    builder.keys.utf8("unfinished")
    builder.values.utf8("row")
    assert.strictEqual(builder.pendingBytes, 13)
    builder.rollback()
    assert.strictEqual(builder.pendingBytes, 0)
    assert.deepStrictEqual(Rows.showColumns(builder.view()), Rows.show([Rows.row("a", "", 1, 1)]))
    builder.clear()
    assert.strictEqual(builder.view().length, 0)
    assert.strictEqual(builder.dataBytes, 0)
  })
})
