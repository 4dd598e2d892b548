import { assert, describe, it } from "@effect/vitest"
import * as Columns from "../../src/batch/Columns.ts"
import * as Compare from "../../src/batch/Compare.ts"
import * as Sort from "../../src/batch/Sort.ts"
import * as Prng from "../../src/testing/Prng.ts"
import * as Rows from "./Rows.ts"

/** The stable order by the naive way. */
const naiveOrder = (rows: ReadonlyArray<Rows.Row>): ReadonlyArray<number> =>
  rows.map((_, i) => i).toSorted((a, b) => Rows.compare(rows[a]!, rows[b]!) || a - b)

const checkOrder = (rows: ReadonlyArray<Rows.Row>, what: string): void => {
  const order = Sort.order(Rows.toSlice(rows))
  const expected = naiveOrder(rows)
  const names = expected.map((i) => Rows.show([{ ...rows[i]!, time: 0, diff: 0 }])[0])
  assert.deepStrictEqual([...order.rows], expected, what)
  assert.deepStrictEqual([...order.repeats], names.map((name, i) => i > 0 && name === names[i - 1] ? 1 : 0), what)
}

describe("batch_sorting", () => {
  for (const [name, key] of Object.entries(Rows.shapes)) {
    it(`orders rows with such keys as the naive way does: ${name}`, () => {
      const prng = Prng.make(11)
      for (const value of Object.values(Rows.shapes)) {
        for (const times of [1, 5, Number.MAX_SAFE_INTEGER]) {
          checkOrder(Rows.generate(prng, 1 + prng.int(300), { key, value, times }), `${times} times`)
        }
      }
    })
  }

  it("orders every small number of rows", () => {
    const prng = Prng.make(12)
    for (let length = 0; length < 120; length++) checkOrder(Rows.generate(prng, length), `${length} rows`)
  })

  it("orders more rows than one digit of the long radix sort counts", () => {
    const prng = Prng.make(13)
    const rows = Array.from({ length: 70_000 }, (_, i) => ({
      key: prng.bytes(3),
      value: new Uint8Array(0),
      time: (i * 7919) % 70_000,
      diff: 1
    }))
    const order = Sort.order(Rows.toColumns(rows)).rows
    assert.strictEqual(new Set(order).size, rows.length)
    for (let i = 1; i < order.length; i++) assert.isBelow(Rows.compare(rows[order[i - 1]!]!, rows[order[i]!]!), 0)
  })

  it("keeps equal rows in the order they came, and leaves sorted rows alone", () => {
    const equal = Array.from({ length: 100 }, (_, i) => Rows.row("key", "value", 5, i + 1))
    assert.deepStrictEqual([...Sort.order(Rows.toColumns(equal)).rows], equal.map((_, i) => i))
    const sorted = Rows.generate(Prng.make(14), 500).toSorted(Rows.compare)
    assert.deepStrictEqual([...Sort.order(Rows.toColumns(sorted)).rows], sorted.map((_, i) => i))
  })

  it("puts a key before what it is a prefix of, also where zeros follow", () => {
    const keys = [[], [0], [0, 0], [0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 1], [1], [1, 0], [255], [255, 0]]
    const rows = keys.toReversed().map((key) => ({
      key: Uint8Array.from(key),
      value: new Uint8Array(0),
      time: 0,
      diff: 1
    }))
    const columns = Rows.toColumns(rows)
    assert.deepStrictEqual([...Sort.order(columns).rows].map((i) => [...Columns.keyAt(columns, i)]), keys)
  })
})

describe("comparing", () => {
  it("orders bytes as unsigned, a prefix first", () => {
    const prng = Prng.make(15)
    for (let round = 0; round < 3000; round++) {
      const [a, b] = [prng.pick(Object.values(Rows.shapes))(prng), prng.pick(Object.values(Rows.shapes))(prng)]
      assert.strictEqual(Math.sign(Compare.compareBytes(a, b)), Buffer.compare(a, b))
    }
  })

  it("compares keys, values and both", () => {
    const columns = Rows.toSlice([Rows.row("a", "z", 0, 1), Rows.row("b", "x", 0, 1), Rows.row("b", "y", 0, 1)])
    assert.isBelow(Compare.compareKeys(columns, 0, columns, 1), 0)
    assert.strictEqual(Compare.compareKeys(columns, 1, columns, 2), 0)
    assert.isAbove(Compare.compareValues(columns, 0, columns, 2), 0)
    assert.isBelow(Compare.compareRows(columns, 1, columns, 2), 0)
    assert.isBelow(Compare.compareRows(columns, 0, columns, 1), 0)
  })

  it("finds the first row at or above a key", () => {
    const prng = Prng.make(16)
    for (let round = 0; round < 200; round++) {
      const rows = Rows.generate(prng, prng.int(40)).toSorted(Rows.compare)
      const columns = Rows.toSlice(rows)
      const key = rows.length > 0 && prng.chance(0.5) ? prng.pick(rows).key : prng.bytes(prng.int(5))
      const below = rows.filter((each) => Buffer.compare(each.key, key) < 0).length
      assert.strictEqual(Compare.lowerBound(columns, key), below)
    }
  })
})
