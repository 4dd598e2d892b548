import { assert, describe, it } from "@effect/vitest"
import * as Consolidate from "../../src/batch/Consolidate.ts"
import { ValueOutOfRange } from "../../src/PersistError.ts"
import * as Prng from "../../src/testing/Prng.ts"
import * as Rows from "./Rows.ts"

const max = Number.MAX_SAFE_INTEGER

describe("batch_consolidation", () => {
  it("makes one row of equal ones", () => {
    const rows = Array.from({ length: 4 }, () => Rows.row("key", "value", 1, 1))
    const result = Consolidate.consolidate(Rows.toColumns(rows), { since: 0 })
    assert.deepStrictEqual(Rows.showColumns(result), Rows.show([Rows.row("key", "value", 1, 4)]))
  })

  it("gives what the naive way gives, for every since and every range of times", () => {
    const prng = Prng.make(21)
    for (let round = 0; round < 400; round++) {
      const kind = Rows.kindOf(prng)
      const rows = Rows.generate(prng, prng.int(150), kind)
      const bound = (): number => prng.chance(0.1) ? Infinity : prng.int(kind.times + 2)
      const options = prng.chance(0.3)
        ? { since: bound() }
        : { since: bound(), lower: prng.int(kind.times), upper: bound() }
      const result = Consolidate.consolidate(Rows.toSlice(rows), options)
      assert.deepStrictEqual(
        Rows.showColumns(result),
        Rows.show(Rows.consolidate(rows, options)),
        JSON.stringify(options)
      )
      assert.isTrue(Consolidate.isConsolidated(result))
    }
  })

  it("is the same when done again", () => {
    const prng = Prng.make(22)
    for (let round = 0; round < 50; round++) {
      const once = Consolidate.consolidate(Rows.toColumns(Rows.generate(prng, 100)), { since: 1 })
      const twice = Consolidate.consolidate(once, { since: 1 })
      assert.deepStrictEqual(Rows.showColumns(twice), Rows.showColumns(once))
    }
  })

  it("gives the same of rows that stand in order already, whichever of them count, and leaves those as they are", () => {
    const prng = Prng.make(23)
    for (let round = 0; round < 300; round++) {
      const kind = Rows.kindOf(prng)
      const ordered = Rows.consolidate(Rows.generate(prng, prng.int(20), kind), { since: prng.int(kind.times) })
      const rows = ordered.map((row) => ({ ...row, diff: prng.chance(0.05) ? 0 : row.diff }))
      const bound = (otherwise: number): number => prng.chance(0.6) ? otherwise : prng.int(kind.times + 2)
      const options = { since: bound(0), lower: bound(0), upper: bound(Infinity) }
      const columns = Rows.toSlice(rows)
      const result = Consolidate.consolidate(columns, options)
      const expected = Rows.show(Rows.consolidate(rows, options))
      assert.deepStrictEqual(Rows.showColumns(result), expected, JSON.stringify(options))
      assert.deepStrictEqual(Rows.showColumns(columns), Rows.show(rows))
    }
  })

  it("leaves nothing where everything cancels, or no time is left", () => {
    const rows = [Rows.row("a", "b", 1, 5), Rows.row("a", "b", 2, -5)]
    assert.strictEqual(Consolidate.consolidate(Rows.toColumns(rows), { since: 2 }).length, 0)
    assert.strictEqual(Consolidate.consolidate(Rows.toColumns(rows), { since: 1 }).length, 2)
    assert.strictEqual(Consolidate.consolidate(Rows.toColumns(rows.slice(1)), { since: Infinity }).length, 0)
    assert.strictEqual(Consolidate.consolidate(Rows.toColumns([]), { since: 0 }).length, 0)
  })

  it("refuses a sum that cannot be stored, and takes the greatest that can", () => {
    const sum = (...diffs: ReadonlyArray<number>) =>
      Rows.fromColumns(
        Consolidate.consolidate(Rows.toColumns(diffs.map((diff) => Rows.row("k", "v", 0, diff))), { since: 0 })
      )[0]?.diff
    assert.strictEqual(sum(max - 1, 1), max)
    assert.strictEqual(sum(-max + 1, -1), -max)
    assert.throws(() => sum(max, 1), ValueOutOfRange)
    assert.throws(() => sum(-max, -1), ValueOutOfRange)
  })

  it("cares for the sum alone, not for what it comes to on the way", () => {
    const sum = (...diffs: ReadonlyArray<number>) =>
      Rows.fromColumns(
        Consolidate.consolidate(Rows.toColumns(diffs.map((diff) => Rows.row("k", "v", 0, diff))), { since: 0 })
      )[0]?.diff
    assert.strictEqual(sum(max, 1, -1), max)
    assert.strictEqual(sum(max, max, max, -max, -max), max)
    assert.strictEqual(sum(-max, -max, 3, max), -max + 3)
    assert.isUndefined(sum(-max, -1, max, 1))
    assert.throws(() => sum(max, max, -max, 1), ValueOutOfRange)
  })
})

describe("isConsolidated", () => {
  const check = (...rows: ReadonlyArray<Rows.Row>) => Consolidate.isConsolidated(Rows.toSlice(rows))

  it("wants rows to increase strictly, and no diff to be 0", () => {
    assert.isTrue(check())
    assert.isTrue(
      check(Rows.row("a", "a", 1, 1), Rows.row("a", "a", 2, 1), Rows.row("a", "b", 0, 1), Rows.row("b", "", 0, 1))
    )
    assert.isFalse(check(Rows.row("a", "a", 1, 1), Rows.row("a", "a", 1, 1)))
    assert.isFalse(check(Rows.row("a", "a", 2, 1), Rows.row("a", "a", 1, 1)))
    assert.isFalse(check(Rows.row("a", "b", 1, 1), Rows.row("a", "a", 2, 1)))
    assert.isFalse(check(Rows.row("b", "a", 1, 1), Rows.row("a", "a", 2, 1)))
    assert.isFalse(check(Rows.row("a", "a", 1, 0)))
  })
})
