import { assert, describe, it } from "@effect/vitest"
import { Cancellation, type Window } from "../../src/batch/Cancellation.ts"
import type * as Columns from "../../src/batch/Columns.ts"
import { make } from "../../src/testing/Prng.ts"
import { consolidate, fromColumns, generate, type Row, row, show, showColumns, toColumns, toSlice } from "./Rows.ts"

const whole: Window = { lower: 0, upper: Infinity, since: 10 }

const rest = (parts: ReadonlyArray<Columns.Columns>, window = whole, rowsAtOnce = 3): ReadonlyArray<string> => {
  const cancellation = new Cancellation(parts, window)
  while (!cancellation.step(rowsAtOnce));
  return cancellation.rest().flatMap(showColumns)
}

const long = (text: string) => `${"prefix ".repeat(30)}${text}${" suffix".repeat(30)}`

describe("Cancellation", () => {
  it("drops a row and the one that takes it back, whatever part they are in and in whatever order", () => {
    const parts = [
      [row("a", "old", 1, 1), row("b", "new", 9, -1)],
      [row("a", "old", 7, -1), row("a", "new", 7, 1), row("b", "new", 2, 1)]
    ]
    assert.deepStrictEqual(rest(parts.map(toSlice)), show([row("a", "new", 7, 1)]))
  })

  it("compares whole keys and values, not only what their hash covers", () => {
    const rows = [row("a", long("1"), 1, 1), row("a", long("2"), 2, -1), row("a", long("1"), 3, -1)]
    assert.deepStrictEqual(rest([toColumns(rows)]), show([rows[1]!]))
  })

  it("leaves what can still be read apart: times after since, and rows outside the window are not there", () => {
    const rows = [
      row("a", "", 10, 1),
      row("a", "", 11, -1),
      row("b", "", 11, 1),
      row("c", "", 4, 1),
      row("d", "", 30, 1)
    ]
    assert.deepStrictEqual(rest([toColumns(rows)], { lower: 5, upper: 30, since: 10 }), show(rows.slice(0, 3)))
  })

  it("finds what is taken back at since itself, and has no part for rows of which nothing is left", () => {
    const parts = [[row("a", "", 10, 1)], [row("b", "", 1, 1)], [row("a", "", 10, -1)]].map(toColumns)
    const cancellation = new Cancellation(parts, whole)
    while (!cancellation.step(1));
    assert.deepStrictEqual(cancellation.rest().map(showColumns), [show([row("b", "", 1, 1)])])
  })

  it.each<[string, (i: number) => Row]>([
    ["keys", (i) => row(`key ${i}`, "value", 1, 1)],
    ["keys of empty values", (i) => row(`key ${i}`, "", 1, 1)],
    ["short values", (i) => row("key", `value ${i}`, 1, 1)],
    ["lengths of values", (i) => row("key", "x".repeat(i), 1, 1)],
    ["the first bytes of long values", (i) => row("key", `${i}`.padStart(4, "0") + "x".repeat(200), 1, 1)],
    ["the last bytes of long values", (i) => row("key", "x".repeat(200) + `${i}`.padStart(4, "0"), 1, 1)],
    ["diffs", (i) => row("key", `value ${i >> 1}`, 1, 1 + (i & 1))]
  ])("leaves nothing of rows that are all taken back, in any order, if they differ in %s", (_, rowOf) => {
    const prng = make(1)
    const rows = Array.from({ length: 500 }, (_, i) => rowOf(i))
    const back = rows.map((each) => ({ ...each, time: 2, diff: -each.diff })).toSorted(() => prng.int(3) - 1)
    assert.deepStrictEqual(rest([toColumns(rows), toColumns(back)]), [])
  })

  it("finds each of some rows of one hash, whichever of them was taken back before", () => {
    for (const order of [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]) {
      const rows = ["0", "1", "2"].map((middle) => row("a", long(middle), 1, 1))
      assert.deepStrictEqual(rest([toColumns(rows), toColumns(order.map((i) => ({ ...rows[i]!, diff: -1 })))]), [])
    }
  })

  it("does not compare each with each of many rows of one hash: it leaves them to consolidation", () => {
    const rows = Array.from({ length: 200 }, (_, i) => row("a", long(`${100 + i}`), 1, 1))
    const back = rows.map((each) => ({ ...each, diff: -1 }))
    // The last ones are compared first, and taken back; the first ones are beyond those.
    assert.isAbove(rest([toColumns(rows), toColumns(back.slice(0, 100))]).length, 200)
    assert.deepStrictEqual(rest([toColumns(rows), toColumns(back.slice(192).toReversed())]), show(rows.slice(0, 192)))
  })

  it("looks at as many rows as it is asked to, across parts", () => {
    for (let seed = 1; seed <= 100; seed++) {
      const prng = make(seed)
      const lengths = Array.from({ length: 1 + prng.int(5) }, () => prng.int(20))
      const parts = lengths.map((length) => toColumns(generate(prng, length)))
      const rows = lengths.reduce((sum, length) => sum + length, 0)
      const atOnce = 1 + prng.int(30)
      const cancellation = new Cancellation(parts, whole)
      let steps = 1
      while (!cancellation.step(atOnce)) steps++
      // Empty parts at the end may take one more.
      assert.oneOf(steps - Math.max(1, Math.ceil(rows / atOnce)), [0, 1], `seed ${seed}`)
    }
  })

  it("what is left has the same consolidated rows as all", () => {
    for (let seed = 1; seed <= 300; seed++) {
      const prng = make(seed)
      const rows = generate(prng, prng.int(200))
      const parts: Array<ReadonlyArray<Row>> = []
      for (let from = 0, to = 0; from < rows.length; from = to) {
        to = from + 1 + prng.int(40)
        parts.push(rows.slice(from, to))
      }
      const window = { since: prng.int(120), lower: prng.int(50), upper: prng.pick([60, 1000, Infinity]) }
      const cancellation = new Cancellation(parts.map(toColumns), window)
      while (!cancellation.step(1 + prng.int(30)));
      const left = cancellation.rest().flatMap(fromColumns)
      assert.deepStrictEqual(show(consolidate(left, window)), show(consolidate(rows, window)), `seed ${seed}`)
    }
  })
})
