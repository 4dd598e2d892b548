import { assert, describe, it } from "@effect/vitest"
import * as Columns from "../../src/batch/Columns.ts"
import * as Sheet from "../../src/batch/Sheet.ts"
import { Stage } from "../../src/engine/Stage.ts"
import * as State from "../../src/engine/State.ts"
import { InvalidRequest, type UpperMismatch } from "../../src/PersistError.ts"
import { row, showColumns, toColumns } from "../batch/Rows.ts"
import { columns, stateOf } from "./Fixtures.ts"

const target = (id: number) => ({ id, name: `c${id}` })

const rowsAt = (id: number, ...times: ReadonlyArray<number>) => ({ ...target(id), columns: columns(...times) })

const swapped = (id: number, time: number, expected: number, upper: number) => ({
  ...rowsAt(id, time),
  expected,
  upper
})

/** The sequence number, or the reason with its sequence number. */
const shown = (result: number | InvalidRequest | UpperMismatch) =>
  typeof result === "number"
    ? result
    : result instanceof InvalidRequest
    ? `${result.reason} ${result.seqNo}`
    : `${result.actual} is not ${result.expected}`

describe("a stage", () => {
  it("takes ranges of a sheet as it takes columns", () => {
    const sheet = new Sheet.Sheet()
    const rangeAt = (...times: ReadonlyArray<number>) => ({
      ...target(0),
      columns: sheet.add((into) => {
        for (const time of times) into.commit(time, 1)
        return Math.min(...times)
      })
    })
    const stage = new Stage(stateOf("c0"))
    const written = [
      stage.write([rangeAt(1)]),
      stage.seal([target(0)], 5),
      stage.write([rangeAt(7, 4)]),
      stage.write([rangeAt(5, 6)]),
      stage.write([rowsAt(0, 8)]),
      stage.write([rangeAt()])
    ]
    assert.deepStrictEqual(written.map(shown), [6, 7, "TimeSealed 8", 9, 10, 11])
    assert.deepStrictEqual([...stage.totals()].map(({ rows }) => rows), [4])
    const changes = stage.commit(1, 1).changes.filter((change) => change._tag === "Write")
    assert.deepStrictEqual(changes.map(({ columns }) => [...columns.times]), [[1, 5, 6, 8]])
  })

  it("validates each command against those before it, and numbers them all", () => {
    const stage = new Stage(stateOf("c0", "c1"))
    assert.deepStrictEqual(
      [
        stage.write([rowsAt(0, 1, 7)]),
        stage.seal([target(0)], 5),
        stage.write([rowsAt(0, 4)]),
        stage.write([rowsAt(0, 9, 4, 9)]),
        stage.write([rowsAt(0, 5)]),
        stage.seal([target(0)], 5),
        stage.seal([target(0)], 4),
        stage.allowCompaction([{ ...target(0), since: 9 }]),
        stage.allowCompaction([{ ...target(0), since: 9 }]),
        stage.allowCompaction([{ ...target(0), since: 8 }]),
        stage.compareAndAppend([swapped(0, 6, 4, 7)]),
        stage.compareAndAppend([swapped(0, 6, 5, 7)]),
        stage.seal([target(9)], 1),
        stage.compareAndAppend([swapped(9, 6, 0, 7)])
      ].map(shown),
      [
        6,
        7,
        "TimeSealed 8",
        "TimeSealed 9",
        10,
        11,
        "SealRegressed 12",
        13,
        14,
        "SinceRegressed 15",
        "5 is not 4",
        16,
        "CollectionDestroyed 17",
        "CollectionDestroyed 18"
      ]
    )
  })

  it("says how far a finished collection is sealed", () => {
    const stage = new Stage(stateOf("c0"))
    stage.seal([target(0)], Infinity)
    const refused = stage.write([rowsAt(0, 1)])
    assert.include(refused instanceof InvalidRequest ? refused.message : "", "below the seal the end of time")
  })

  it("applies a command to all of its collections or to none", () => {
    const stage = new Stage(stateOf("c0", "c1"))
    stage.seal([target(1)], 5)
    stage.allowCompaction([{ ...target(1), since: 5 }])
    stage.write([rowsAt(0, 1), rowsAt(1, 1)])
    stage.write([rowsAt(0, 1), rowsAt(9, 1)])
    stage.seal([target(0), target(1)], 4)
    stage.allowCompaction([{ ...target(0), since: 4 }, { ...target(1), since: 4 }])
    assert.strictEqual(
      shown(stage.compareAndAppend([swapped(0, 1, 0, 2), swapped(1, 5, 4, 6)])),
      "5 is not 4"
    )
    stage.compareAndAppend([swapped(0, 1, 0, 2), swapped(9, 5, 0, 6)])
    const { changes } = stage.commit(1, 1)
    assert.deepStrictEqual(changes, [
      { _tag: "Seal", collection: 1, upper: 5 },
      { _tag: "AllowCompaction", collection: 1, since: 5 }
    ])
  })

  it("changes nothing but itself: dropping it is the roll-back", () => {
    const state = stateOf("c0")
    const stage = new Stage(state)
    stage.write([rowsAt(0, 1)])
    stage.seal([target(0)], 5)
    assert.deepInclude(state, { seqNo: 5 })
    assert.deepInclude(state.collections.get(0), { upper: 0, chunks: [] })
    assert.strictEqual(new Stage(state).write([rowsAt(0, 1)]), 6)
  })

  it("is dirty only when there is something to make durable", () => {
    const state = stateOf("c0")
    const isDirty = (run: (stage: Stage) => void) => {
      const stage = new Stage(state)
      run(stage)
      return stage.isDirty
    }
    assert.isFalse(isDirty(() => {}))
    assert.isFalse(isDirty((stage) => stage.write([rowsAt(0)])))
    assert.isFalse(isDirty((stage) => stage.seal([target(0)], 0)))
    assert.isFalse(isDirty((stage) => stage.seal([target(9)], 1)))
    assert.isFalse(isDirty((stage) => stage.compareAndAppend([{ ...rowsAt(0), expected: 1, upper: 2 }])))
    assert.isFalse(isDirty((stage) => stage.place(0)))
    assert.isTrue(isDirty((stage) => stage.write([rowsAt(0, 1)])))
    assert.isTrue(isDirty((stage) => stage.seal([target(0)], 1)))
    assert.isTrue(isDirty((stage) => stage.allowCompaction([{ ...target(0), since: 1 }])))
    assert.isTrue(isDirty((stage) => stage.compareAndAppend([{ ...rowsAt(0), expected: 0, upper: 1 }])))
  })

  it("yields a commit that folds, with writes before seals, and only the last seal", () => {
    const state = stateOf("c0", "c1")
    const stage = new Stage(state)
    stage.write([rowsAt(0, 1)])
    stage.seal([target(0)], 3)
    stage.write([rowsAt(0, 3), rowsAt(1, 0)])
    stage.seal([target(0)], 4)
    const commit = stage.commit(7, 8)
    assert.deepInclude(commit, { writer: 7, attempt: 8, seqNo: 9 })
    assert.deepStrictEqual(commit.changes.map(({ _tag }) => _tag), ["Write", "Write", "Seal"])
    State.apply(state, commit, "test")
    assert.deepInclude(state.collections.get(0), { upper: 4, memoryRows: 2 })
    assert.strictEqual(state.seqNo, 9)
  })

  it("small writes share a block, large ones stand alone, and the order stays", () => {
    const stage = new Stage(stateOf("c0"))
    const large = { ...target(0), columns: toColumns([row("large", "v".repeat(70_000), 2, 1)]) }
    const keyed = (key: string) => ({ ...target(0), columns: toColumns([row(key, "", 1, 1)]) })
    for (const write of [keyed("a"), keyed("b"), large, keyed("c"), keyed("d")]) stage.write([write])
    const written = stage.commit(1, 1).changes.flatMap((change) => change._tag === "Write" ? [change.columns] : [])
    assert.deepStrictEqual(written.map(({ length }) => length), [2, 1, 2])
    assert.strictEqual(written[1], large.columns)
    assert.deepStrictEqual(
      written.flatMap((each) =>
        Array.from({ length: each.length }, (_, i) => Buffer.from(Columns.keyAt(each, i)).toString())
      ),
      ["a", "b", "large", "c", "d"]
    )
    assert.deepStrictEqual([...stage.totals()].map(({ collection, rows }) => [collection, rows]), [["c0", 5]])
  })

  it("a place says how many of the staged writes come before it", () => {
    const stage = new Stage(stateOf("c0"))
    assert.deepStrictEqual(stage.place(0), { collection: 0, seqNo: 5, upper: 0, since: 0, writes: 0 })
    stage.write([rowsAt(0, 1)])
    stage.write([rowsAt(0, 2)])
    assert.deepInclude(stage.place(0), { writes: 1, seqNo: 7 })
    stage.seal([target(0)], 2)
    stage.write([rowsAt(0, 3)])
    assert.deepInclude(stage.place(0), { writes: 2, seqNo: 9, upper: 2 })
    assert.isUndefined(stage.place(9))
    const written = stage.commit(1, 1).changes.flatMap((change) => change._tag === "Write" ? [change.columns] : [])
    assert.deepStrictEqual(written.map((each) => showColumns(each).length), [2, 1])
  })

  it("appends the rows of a conditional append together with its seal", () => {
    const stage = new Stage(stateOf("c0", "c1"))
    stage.compareAndAppend([{ ...rowsAt(0, 2, 3), expected: 0, upper: 4 }, { ...rowsAt(1), expected: 0, upper: 1 }])
    const changes = stage.commit(1, 1).changes.map((change) =>
      change._tag === "Write" ? [...change.columns.times] : change
    )
    assert.deepStrictEqual(changes, [
      [2, 3],
      { _tag: "Seal", collection: 0, upper: 4 },
      { _tag: "Seal", collection: 1, upper: 1 }
    ])
  })

  it("counts the bytes and rows of what is appended, and names no collection without any", () => {
    const stage = new Stage(stateOf("c0", "c1"))
    stage.write([rowsAt(0, 1, 2), rowsAt(1)])
    stage.compareAndAppend([{ ...rowsAt(0, 3), expected: 0, upper: 4 }])
    stage.seal([target(1)], 4)
    stage.write([rowsAt(0, 1)])
    const bytes = 3 * Columns.goodputBytes(columns(1))
    assert.deepStrictEqual([...stage.totals()], [{ collection: "c0", rows: 3, bytes }])
    assert.strictEqual(stage.bytes, bytes)
  })

  it("says which time and which seal stand against each other, and that a collection is gone", () => {
    const stage = new Stage(stateOf("c0"))
    stage.seal([target(0)], 5)
    const messages = [stage.write([rowsAt(0, 4)]), stage.seal([target(0)], 3)].map((each) => (each as Error).message)
    assert.include(messages[0], "time 4 lies below the seal 5")
    assert.include(messages[1], "sealed up to 5")
    assert.strictEqual(shown(stage.allowCompaction([{ ...target(9), since: 1 }])), "CollectionDestroyed 9")
  })
})
