import { assert, describe, it } from "@effect/vitest"
import * as Collection from "../../src/engine/Collection.ts"
import * as Overflow from "../../src/engine/Overflow.ts"
import * as Plan from "../../src/engine/Plan.ts"
import * as Prng from "../../src/testing/Prng.ts"
import { fromColumns, type Row, row, show, toColumns, toSlice } from "../batch/Rows.ts"
import { allowCompaction, apply, batch, seal, stateOf, swap, write } from "./Fixtures.ts"

const max = Number.MAX_SAFE_INTEGER

const rowsIn = (chunks: ReadonlyArray<Collection.MemoryChunk>): ReadonlyArray<Row> =>
  chunks.flatMap(({ columns }) => fromColumns(columns))

const sum = (rows: ReadonlyArray<Row>): bigint => rows.reduce((all, { diff }) => all + BigInt(Math.abs(diff)), 0n)

describe("groups whose diffs can be summed", () => {
  it("have all rows in their order, as few groups as can be, and none that is empty", () => {
    const prng = Prng.make(81)
    for (let round = 0; round < 300; round++) {
      const diff = () => prng.pick([1, -1, max, -max, max - 1, 2 ** 52, -(2 ** 51)])
      const chunks = Array.from({ length: prng.int(5) }, (_, i) => {
        const rows = Array.from({ length: prng.int(6) }, () => row(`${prng.int(3)}`, "", prng.int(9), diff()))
        return Collection.chunk(10 + i, 20 + i, prng.chance(0.5) ? toColumns(rows) : toSlice(rows))
      })
      const groups = Overflow.groups(chunks)
      assert.deepStrictEqual(show(rowsIn(groups.flat())), show(rowsIn(chunks)))
      groups.forEach((group, i) => {
        const rows = rowsIn(group)
        assert.isNotEmpty(rows)
        assert.isTrue(sum(rows) <= BigInt(max))
        const [next] = rowsIn(groups[i + 1] ?? [])
        if (next !== undefined) assert.isTrue(sum([...rows, next]) > BigInt(max))
      })
      // Each piece of a chunk is at the position of its chunk.
      for (const { columns, position, seqNo } of groups.flat()) {
        assert.isAbove(columns.length, 0)
        const of = chunks.find((chunk) => chunk.position === position)!
        assert.strictEqual(of.seqNo, seqNo)
        assert.includeMembers([...show(fromColumns(of.columns))], [...show(fromColumns(columns))])
      }
    }
  })
})

describe("a rewrite that would overflow", () => {
  const state = stateOf("s")
  apply(state, seal(0, 5), allowCompaction(0, 3))
  apply(state, swap(0, { newSpills: [batch("a", 0, Infinity)], newTrace: batch("t", 0, 5), traceUpper: 5 }))
  apply(state, write(0, 7), seal(0, 9), allowCompaction(0, 8))
  const whole = Plan.everything(state.collections.get(0)!, state.position)

  it("is done apart: rows in memory go to spills as they are, and stored rows stay where they are", () => {
    assert.deepInclude(whole, { since: 8, sealedTo: 9, traceUpper: 5 })
    assert.deepStrictEqual(Overflow.apart(whole), {
      ...whole,
      reason: "flush",
      spills: [],
      trace: [],
      sealedTo: 5,
      // A row at 7 that was advanced to 8 could not be taken back at its own time.
      spillSince: 5
    })
    assert.strictEqual(Overflow.apart({ ...whole, since: 2 }).spillSince, 2)
  })

  it("is known again by what it reads, and by how far it advances that", () => {
    assert.strictEqual(Overflow.attempt(whole), Overflow.attempt({ ...whole, chunks: [] }))
    const others = [
      { ...whole, since: 9 },
      { ...whole, sealedTo: 8 },
      { ...whole, spills: [] },
      { ...whole, trace: [] }
    ]
    assert.strictEqual(new Set([whole, ...others].map(Overflow.attempt)).size, 5)
  })
})
