import { assert, describe, it } from "@effect/vitest"
import type * as Columns from "../../src/batch/Columns.ts"
import type * as Commit from "../../src/engine/Commit.ts"
import { hashOf, RecentWrites } from "../../src/engine/RecentWrites.ts"
import { Stage } from "../../src/engine/Stage.ts"
import * as State from "../../src/engine/State.ts"
import type * as Transaction from "../../src/engine/Transaction.ts"
import { row, showColumns, toColumns } from "../batch/Rows.ts"
import { apply, batch, commit, registration, seal, swap, table, write } from "./Fixtures.ts"

const target = (id: number) => ({ id, name: `t${id}` })
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Two tables and a collection, at time 10 of the timeline. */
const tables = (): State.State => {
  const state = State.make()
  apply(state, { _tag: "Register", registration: table(0, "t0") })
  apply(state, { _tag: "Register", registration: table(1, "t1") })
  apply(state, { _tag: "Register", registration: registration(2, "c2") })
  apply(state, { _tag: "Timeline", upper: 10 })
  return state
}

const rows = (...keys: ReadonlyArray<string>): Columns.Columns => toColumns(keys.map((key) => row(key, "v", 0, 1)))

const reading = (id: number, keys: ReadonlyArray<string>, ranges: ReadonlyArray<readonly [string, string]> = []) => ({
  ...target(id),
  keys: keys.map(bytes),
  ranges: ranges.map(([from, to]) => ({ from: bytes(from), to: bytes(to) }))
})

const transaction = (
  readAt: number,
  reads: ReadonlyArray<Transaction.Reads>,
  ...writes: ReadonlyArray<readonly [number, ReadonlyArray<string>]>
): Transaction.Transaction => ({
  readAt,
  reads,
  writes: writes.map(([id, keys]) => ({ ...target(id), columns: rows(...keys) }))
})

const reason = (result: unknown): unknown =>
  typeof result === "number" ? result : (result as { readonly reason: string }).reason

/** Makes a stage durable. */
const fold = (state: State.State, stage: Stage, recent?: RecentWrites): void => {
  const staged = stage.commit(1, 1)
  State.apply(state, staged, "test")
  for (const change of staged.changes) {
    if (change._tag === "Write" && change.collection < 2) recent?.add(change.collection, change.columns)
  }
}

describe("a stage on the timeline", () => {
  it("gives each transaction a time greater than every one before, whatever the clock says", () => {
    const stage = new Stage(tables())
    const at = (now: number) => stage.transact(transaction(9, [], [0, ["a"]]), now)
    assert.deepStrictEqual([at(5), at(20), at(20), at(3), at(21), at(100)], [10, 20, 21, 22, 23, 100])
    assert.strictEqual(reason(at(Number.MAX_SAFE_INTEGER)), undefined)
    assert.propertyVal(at(Number.MAX_SAFE_INTEGER), "_tag", "ValueOutOfRange")
    assert.strictEqual(at(0), 101)
  })

  it("completes the times of all tables with one change, and those of no collection", () => {
    const state = tables()
    const stage = new Stage(state)
    stage.transact(transaction(9, [], [0, ["a", "b"]]), 20)
    stage.transact(transaction(9, [], [0, ["c"]], [1, ["d"]]), 20)
    const { changes } = stage.commit(1, 1)
    assert.deepStrictEqual(
      changes.map((change) => change._tag === "Write" ? showColumns(change.columns) : change),
      [
        ["[61] [76] @20 1", "[62] [76] @20 1", "[63] [76] @21 1"],
        ["[64] [76] @21 1"],
        { _tag: "Timeline", upper: 22 }
      ]
    )
    fold(state, stage)
    assert.deepStrictEqual([0, 1, 2].map((id) => state.collections.get(id)!.upper), [22, 22, 0])
  })

  it("lets a transaction lose to what was written since it read, durable or in its group", () => {
    const state = tables()
    const recent = new RecentWrites(10)
    const first = new Stage(state, recent)
    assert.strictEqual(first.transact(transaction(9, [reading(0, ["a"])], [0, ["a"]]), 20), 20)
    assert.strictEqual(reason(first.transact(transaction(9, [reading(0, ["a"])], [0, ["b"]]), 20)), "KeyChanged")
    assert.strictEqual(first.transact(transaction(9, [reading(1, ["a"]), reading(0, ["b"])], [0, ["b"]]), 20), 21)
    fold(state, first, recent)
    const second = new Stage(state, recent)
    assert.strictEqual(reason(second.transact(transaction(9, [reading(0, ["a"])], [1, ["x"]]), 0)), "KeyChanged")
    assert.strictEqual(reason(second.transact(transaction(20, [reading(0, ["b"])], [1, ["x"]]), 0)), "KeyChanged")
    assert.strictEqual(reason(second.transact(transaction(20, [reading(0, ["a"])], [1, ["x"]]), 0)), 22)
    assert.strictEqual(reason(second.transact(transaction(21, [reading(0, ["a", "b"])], [1, ["y"]]), 0)), 23)
  })

  it("forgets what a group that failed had written", () => {
    const state = tables()
    const recent = new RecentWrites(10)
    new Stage(state, recent).transact(transaction(9, [], [0, ["a"]]), 20)
    assert.strictEqual(new Stage(state, recent).transact(transaction(9, [reading(0, ["a"])], [0, ["a"]]), 20), 20)
  })

  it("validates ranges, open ones too, against rows in memory, in the group and in batches", () => {
    const state = tables()
    const recent = new RecentWrites(10)
    const first = new Stage(state, recent)
    first.transact(transaction(9, [], [0, ["b", "m"]]), 20)
    const range = (from: string, to: string, readAt = 9) => transaction(readAt, [reading(0, [], [[from, to]])], [1, []])
    const everything = transaction(9, [{ ...reading(0, []), ranges: [{ from: undefined, to: undefined }] }], [1, []])
    const outcomes = (stage: Stage) =>
      [
        range("a", "b"),
        range("a", "c"),
        range("b", "m"),
        range("c", "m"),
        range("m", "n"),
        everything,
        range("a", "z", 20)
      ]
        .map((each) => typeof stage.transact(each, 0))
    const expected = ["number", "object", "object", "number", "object", "object", "number"]
    assert.deepStrictEqual(outcomes(first).slice(0, 6), expected.slice(0, 6))
    fold(state, first, recent)
    assert.deepStrictEqual(outcomes(new Stage(state, recent)), expected)

    const { upper } = state.timeline
    const stored = batch("x", 0, upper, { minKey: bytes("b"), maxKey: bytes("m"), minTime: 20, maxTime: 20 })
    apply(state, swap(0, { chunksBefore: state.position, newTrace: stored, traceUpper: upper }))
    assert.deepStrictEqual(
      outcomes(new Stage(state, recent)),
      ["number", "object", "object", "object", "object", "object", "number"]
    )
  })

  it("finds a written range among several writes of a group", () => {
    const stage = new Stage(tables())
    for (const key of ["b", "x", "y"]) stage.transact(transaction(9, [], [0, [key]]), 20)
    assert.strictEqual(
      reason(stage.transact(transaction(9, [reading(0, [], [["a", "c"]])], [1, ["d"]]), 20)),
      "RangeChanged"
    )
    assert.strictEqual(reason(stage.transact(transaction(9, [reading(0, [], [["c", "d"]])], [1, ["d"]]), 20)), 23)
  })

  it("numbers what it takes and what it refuses, and takes what has read a table that is gone", () => {
    const stage = new Stage(tables())
    const before = stage.seqNo
    stage.transact(transaction(9, [reading(7, ["a"], [["a", "b"]])], [0, ["a"]]), 20)
    assert.strictEqual(stage.seqNo, before + 1)
    assert.propertyVal(stage.transact(transaction(9, [], [7, ["a"]]), 20), "seqNo", before + 2)
    stage.advance(30)
    assert.strictEqual(stage.seqNo, before + 3)
  })

  it("refuses what would give a table times of its own", () => {
    const stage = new Stage(tables())
    const results = [
      stage.write([{ ...target(0), columns: rows("a") }]),
      stage.seal([target(0)], 30),
      stage.compareAndAppend([{ ...target(0), columns: rows("a"), expected: 10, upper: 30 }])
    ]
    assert.deepStrictEqual(results.map(reason), ["OnTimeline", "OnTimeline", "OnTimeline"])
    assert.isFalse(stage.isDirty)
    assert.strictEqual(reason(stage.transact(transaction(9, [], [7, ["a"]]), 0)), "CollectionDestroyed")
  })

  it("completes a time that nothing was written at, and only what is not complete", () => {
    const state = tables()
    const stage = new Stage(state)
    stage.advance(9)
    assert.isFalse(stage.isDirty)
    stage.advance(40)
    assert.isTrue(stage.isDirty)
    fold(state, stage)
    assert.strictEqual(state.timeline.upper, 41)
    assert.strictEqual(new Stage(state).place(0)?.upper, 41)
  })
})

describe("the fold", () => {
  it("refuses a timeline that moves back, a seal of a table, and a write below it", () => {
    const refused = (...changes: ReadonlyArray<Commit.Change>) => {
      try {
        State.apply(tables(), commit(...changes), "test")
        return ""
      } catch (error) {
        return String(error)
      }
    }
    assert.include(refused({ _tag: "Timeline", upper: 9 }), "moves back")
    assert.include(refused(seal(0, 30)), "sealed by the timeline alone")
    assert.include(refused(write(0, 9)), "below the seal")
    assert.strictEqual(refused(write(0, 10), { _tag: "Timeline", upper: 11 }), "")
  })
})

describe("recent writes", () => {
  it("are known until two generations of keys have come after them", () => {
    const recent = new RecentWrites(0)
    const generation = 65_536
    let time = 0
    const add = (name: string, count: number) => {
      time++
      recent.add(0, toColumns(Array.from({ length: count }, (_, i) => row(`${name}${i}`, "", time, 1))))
    }
    const isKnown = (key: string) => recent.isWrittenAfter(-1, hashOf(0, bytes(key), 0, key.length))
    add("first", 1)
    for (let i = 0; i < 3; i++) add(`k${i}-`, generation / 3)
    assert.strictEqual(recent.from, 0)
    assert.isTrue(isKnown("first0"))
    for (let i = 0; i < 6; i++) add(`l${i}-`, generation / 3)
    assert.isAbove(recent.from, 0)
    assert.isFalse(isKnown("first0"))
    assert.strictEqual(reason(new Stage(tables(), recent).transact(transaction(1, [], [0, ["a"]]), 0)), "TooOld")
  })

  it("knows every key that was written, the empty one and those of a commit on the timeline, too", () => {
    const state = tables()
    const recent = new RecentWrites(10)
    recent.add(0, rows())
    recent.add(0, toColumns([row("", "v", 20, 1), row("a", "v", 21, 1)]))
    const isKnown = (id: number, key: string, after: number) =>
      recent.isWrittenAfter(after, hashOf(id, bytes(key), 0, key.length))
    assert.deepStrictEqual([isKnown(0, "", 19), isKnown(0, "", 20), isKnown(0, "a", 20), isKnown(1, "", 0)], [
      true,
      false,
      true,
      false
    ])
    const columns = toColumns([row("b", "v", 30, 1)])
    recent.fold(state, [
      { _tag: "Timeline", upper: 31 },
      { _tag: "Write", collection: 1, columns },
      { _tag: "Write", collection: 2, columns }
    ])
    assert.deepStrictEqual([isKnown(1, "b", 29), isKnown(2, "b", 29), isKnown(0, "b", 29)], [true, false, false])
  })

  it("begins no generation with a write of no rows", () => {
    const recent = new RecentWrites(10)
    const many = Array.from({ length: 70_000 }, (_, i) => row(`${i}`, "", 20, 1))
    const at = (time: number) => toColumns(many.map((each) => ({ ...each, time })))
    recent.add(0, at(20))
    recent.add(0, rows())
    recent.add(0, at(30))
    assert.strictEqual(recent.from, 10)
    recent.add(0, at(40))
    assert.strictEqual(recent.from, 30)
  })
})
