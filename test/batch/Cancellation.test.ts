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
