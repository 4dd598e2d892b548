import { assert, describe, it } from "@effect/vitest"
import * as Columns from "../../src/batch/Columns.ts"
import { Merge, type Window } from "../../src/batch/Merge.ts"
import { ValueOutOfRange } from "../../src/PersistError.ts"
import * as Prng from "../../src/testing/Prng.ts"
import * as Rows from "./Rows.ts"

interface Input extends Window {
  /** Sorted and consolidated; each block follows the one before. */
  readonly blocks: ReadonlyArray<ReadonlyArray<Rows.Row>>
}

/** Cuts rows into blocks anywhere, some of them empty. */
const cut = (prng: Prng.Prng, rows: ReadonlyArray<Rows.Row>): ReadonlyArray<ReadonlyArray<Rows.Row>> => {
  const blocks: Array<ReadonlyArray<Rows.Row>> = []
  for (let start = 0; start < rows.length;) {
    const end = start + prng.int(prng.pick([2, 10, 100]))
    blocks.push(rows.slice(start, end))
    start = end
  }
  return blocks
}

const all = { lower: 0, upper: Infinity }
const whole = (...rows: ReadonlyArray<Rows.Row>): Input => ({ ...all, blocks: [rows] })

/** Runs a merge to its end, and checks on the way that it only asks for what it needs. */
const merge = (
  inputs: ReadonlyArray<Input>,
  since: number,
  maxBytes = 1 << 20
): ReadonlyArray<ReadonlyArray<Rows.Row>> => {
  const merging = new Merge(inputs, since)
  const out = new Columns.Builder()
  const fed = inputs.map(() => 0)
  const blocks: Array<ReadonlyArray<Rows.Row>> = []
  while (true) {
    const step = merging.run(out, maxBytes)
    if (step._tag === "Need") {
      const next = fed[step.input]!++
      const { blocks: available } = inputs[step.input]!
      assert.isAtMost(next, available.length, "an input was asked for after its end")
      if (next === available.length) merging.end(step.input)
      else merging.push(step.input, Rows.toSlice(available[next]!))
      continue
    }
    blocks.push(Rows.fromColumns(out.view()))
    out.clear()
    if (step._tag === "Done") break
  }
  inputs.forEach(({ blocks: available }, i) =>
    assert.strictEqual(fed[i], available.length + 1, "an input was not used up")
  )
  return blocks
}

const expected = (inputs: ReadonlyArray<Input>, since: number): ReadonlyArray<Rows.Row> =>
  Rows.consolidate(
    inputs.flatMap(({ blocks, lower, upper }) => blocks.flat().filter(({ time }) => time >= lower && time < upper)),
    { since }
  )

const generate = (prng: Prng.Prng, count: number): ReadonlyArray<Input> => {
  const kind = { ...Rows.kindOf(prng), times: prng.pick([1, 4, 50]) }
  // Rows of one pool, so that inputs have many in common.
  const pool = Rows.generate(prng, 1 + prng.int(150), kind)
  return Array.from({ length: count }, () => {
    const rows = Rows.consolidate(pool.filter(() => prng.chance(0.4)), { since: 0 })
    const window = prng.chance(0.5) ? all : { lower: prng.int(kind.times), upper: prng.int(kind.times + 2) }
    return { ...window, blocks: cut(prng, rows) }
  })
}

describe("compact_trace", () => {
  it("gives what consolidating all rows gives, for any inputs", () => {
    const prng = Prng.make(71)
    for (let round = 0; round < 500; round++) {
      const inputs = generate(prng, prng.pick([0, 1, 1, 2, 3, 8]))
      const since = prng.chance(0.05) ? Infinity : prng.int(prng.pick([1, 5, 60]))
      const maxBytes = prng.pick([1, 40, 500, 1 << 20])
      const result = merge(inputs, since, maxBytes).flat()
      assert.deepStrictEqual(Rows.show(result), Rows.show(expected(inputs, since)), `round ${round}`)
    }
  })

  it("merges as many as 64 inputs", () => {
    const inputs = generate(Prng.make(72), 64)
    assert.deepStrictEqual(Rows.show(merge(inputs, 3).flat()), Rows.show(expected(inputs, 3)))
  })

  it("merges keys that only differ behind a long prefix, and prefixes that change from block to block", () => {
    const prng = Prng.make(73)
    const prefixes = ["", "a", "aaaaaaaaaaaa", "aaaaaaaaaaab", "b\0\0\0\0\0\0\0\0", "b"]
    for (let round = 0; round < 100; round++) {
      const inputs = Array.from({ length: 4 }, () => {
        const rows = Array.from({ length: 60 }, () => Rows.row(prng.pick(prefixes) + prng.int(40), "", 0, 1))
        return { ...all, blocks: cut(prng, Rows.consolidate(rows, { since: 0 })) }
      })
      assert.deepStrictEqual(Rows.show(merge(inputs, 0).flat()), Rows.show(expected(inputs, 0)))
    }
  })

  it("merges keys that begin others, and that go on in their block as others do", () => {
    const prng = Prng.make(75)
    const letters = ["\0", "a"]
    for (let round = 0; round < 1_000; round++) {
      const start = "a".repeat(prng.int(4))
      const inputs = Array.from({ length: 2 + prng.int(2) }, () => {
        const rows = Array.from(
          { length: 1 + prng.int(6) },
          () => Rows.row(start + Array.from({ length: prng.int(6) }, () => prng.pick(letters)).join(""), "", 0, 1)
        )
        return { ...all, blocks: cut(prng, Rows.consolidate(rows, { since: 0 })) }
      })
      assert.deepStrictEqual(Rows.show(merge(inputs, 0).flat()), Rows.show(expected(inputs, 0)), `round ${round}`)
    }
  })

  it("is full when it has so many bytes, give or take a row", () => {
    const prng = Prng.make(74)
    const size = ({ key, value }: Rows.Row): number => 16 + key.length + value.length
    const sum = (rows: ReadonlyArray<Rows.Row>): number => rows.reduce((bytes, each) => bytes + size(each), 0)
    for (let round = 0; round < 100; round++) {
      const blocks = merge(generate(prng, 1 + prng.int(4)), 0, 300)
      blocks.forEach((block, i) => {
        if (i < blocks.length - 1) assert.isAtLeast(sum(block), 300)
        assert.isBelow(sum(block.slice(0, -1)), 300)
      })
    }
  })

  it("cuts one key and value that has more times than fit", () => {
    const rows = (offset: number) => Array.from({ length: 1000 }, (_, i) => Rows.row("key", "value", 2 * i + offset, 1))
    const inputs = [whole(...rows(0)), whole(...rows(1))]
    const blocks = merge(inputs, 0, 240)
    for (const block of blocks) assert.isAtMost(block.length, 10)
    assert.deepStrictEqual(Rows.show(blocks.flat()), Rows.show(expected(inputs, 0)))
  })

  it("collapses what the new since no longer distinguishes", () => {
    const inputs = [
      whole(Rows.row("a", "1", 1, 1), Rows.row("a", "1", 5, 1), Rows.row("b", "1", 2, 1)),
      whole(Rows.row("a", "1", 3, 1), Rows.row("b", "1", 4, -1))
    ]
    assert.deepStrictEqual(
      Rows.show(merge(inputs, 4).flat()),
      Rows.show([Rows.row("a", "1", 4, 2), Rows.row("a", "1", 5, 1)])
    )
  })

  it("drops everything behind the empty since", () => {
    assert.deepStrictEqual(merge([whole(Rows.row("a", "1", 1, 1)), whole()], Infinity).flat(), [])
  })
})

describe("compact_trace_errors", () => {
  it("refuses a sum that cannot be stored, whether its times were equal or become so", () => {
    const greatest = (time: number) => whole(Rows.row("a", "1", time, Number.MAX_SAFE_INTEGER))
    const one = (time: number) => whole(Rows.row("a", "1", time, 1))
    assert.throws(() => merge([greatest(1), one(1)], 0), ValueOutOfRange)
    assert.throws(() => merge([greatest(1), one(2)], 3), ValueOutOfRange)
    assert.strictEqual(merge([greatest(1), one(2)], 0).flat().length, 2)
  })

  it("takes one whose parts cannot be stored, in whatever order they come", () => {
    const diffs = [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, 5, -Number.MAX_SAFE_INTEGER]
    for (let turn = 0; turn < diffs.length; turn++) {
      const inputs = [...diffs.slice(turn), ...diffs.slice(0, turn)].map((diff, i) =>
        whole(Rows.row("a", "1", i, diff))
      )
      assert.throws(() => merge(inputs, 9), ValueOutOfRange)
      inputs.push(whole(Rows.row("a", "1", 9, -5)))
      assert.deepStrictEqual(Rows.show(merge(inputs, 9).flat()), Rows.show([Rows.row("a", "1", 9, diffs[0]!)]))
    }
  })
})
