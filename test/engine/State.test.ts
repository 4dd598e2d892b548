import { assert, describe, it } from "@effect/vitest"
import * as Batch from "../../src/engine/Batch.ts"
import * as Collection from "../../src/engine/Collection.ts"
import type * as Commit from "../../src/engine/Commit.ts"
import * as Rollup from "../../src/engine/Rollup.ts"
import * as State from "../../src/engine/State.ts"
import { Corrupt } from "../../src/PersistError.ts"
import { allowCompaction, apply, batch, commit, registration, seal, stateOf, swap, write } from "./Fixtures.ts"

const detailOf = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    assert.instanceOf(error, Corrupt)
    return error.detail
  }
  return assert.fail("nothing was thrown")
}

/** A collection with two batches in its trace, a spill, and rows in memory. */
const full = () => {
  const state = stateOf("s", "t")
  apply(state, write(0, 3, 12, 20), seal(0, 10), allowCompaction(0, 5))
  const a = batch("a", 0, 4, { since: 2, level: 1 })
  const b = batch("b", 4, 8)
  apply(state, swap(0, { newTrace: a, traceUpper: 4 }))
  apply(state, swap(0, { newTrace: b, newSpills: [batch("c", 8, Infinity)], traceUpper: 8 }))
  return state
}

const s = (state: State.State) => state.collections.get(0)!

describe("arrangement_meta_validate: a swap that does not fit", () => {
  const cases: ReadonlyArray<readonly [message: string, change: Partial<Commit.Swap>]> = [
    ["the trace upper would move back", { traceUpper: 7 }],
    ["the trace upper would pass the seal", { traceUpper: 11 }],
    ["rows in memory have been replaced already", { chunksFrom: 1, chunksBefore: 2 }],
    ["a spill to replace is not there", { spills: ["x"] }],
    ["a trace batch to replace is not there", { trace: ["x"] }],
    ["the trace batches to replace do not adjoin", { trace: ["b", "a"], newTrace: batch("n", 0, 8, { since: 5 }) }],
    ["the new trace batch has a since behind one that it replaces", { trace: ["a"], newTrace: batch("n", 0, 4) }],
    ["a trace batch covers no time", { newTrace: batch("n", 8, 8), traceUpper: 9 }],
    ["trace batches overlap in time", { newTrace: batch("n", 7, 9), traceUpper: 9 }],
    ["levels increase from an older trace batch to a newer one", {
      newTrace: batch("n", 8, 9, { level: 1 }),
      traceUpper: 9
    }],
    ["a trace batch ends beyond the trace upper", { newTrace: batch("n", 8, 10), traceUpper: 9 }],
    ["a batch has been advanced beyond the collection's since", { newSpills: [batch("n", 8, Infinity, { since: 6 })] }],
    ["a blob is referenced twice", { newSpills: [batch("c", 8, Infinity)] }]
  ]

  for (const [message, change] of cases) {
    it(message, () => {
      const state = full()
      const refused = swap(0, { traceUpper: 8, ...change })
      assert.strictEqual(Collection.swapViolation(s(state), refused), message)
      assert.include(detailOf(() => apply(state, refused)), message)
    })
  }

  it("has a message of its own each time", () => {
    assert.strictEqual(new Set(cases.map(([message]) => message)).size, cases.length)
  })
})

describe("compact_trace / compact_trace_errors", () => {
  it("adjoining batches give way to one in their place, and their blobs are garbage", () => {
    const state = full()
    const garbage = apply(
      state,
      swap(0, { trace: ["a", "b"], newTrace: batch("n", 0, 8, { since: 5 }), traceUpper: 8 })
    )
    assert.deepStrictEqual(garbage, ["a", "b"])
    assert.deepStrictEqual([...State.blobKeys(state)].toSorted(), ["c", "n"])
  })

  it("a batch in the middle keeps its place, and one that nothing is left of leaves none", () => {
    const state = full()
    apply(state, seal(0, 30), swap(0, { newTrace: batch("d", 8, 30), traceUpper: 30 }))
    apply(state, swap(0, { trace: ["b"], newTrace: batch("n", 4, 8, { since: 5 }), traceUpper: 30 }))
    assert.deepStrictEqual(s(state).trace.map(({ lower }) => lower), [0, 4, 8])
    apply(state, swap(0, { trace: ["n"], traceUpper: 30 }))
    assert.deepStrictEqual(s(state).trace.map(({ lower }) => lower), [0, 8])
  })
})

describe("a commit that contradicts the state", () => {
  const cases: ReadonlyArray<readonly [message: string, change: Commit.Change]> = [
    ["the collection id is taken", { _tag: "Register", registration: registration(1, "new") }],
    ["the name is taken", { _tag: "Register", registration: registration(2, "s") }],
    ["there is no such collection", { _tag: "Destroy", collection: 9 }],
    ["an update lies below the seal", write(0, 12, 9)],
    ["the seal moves back", seal(0, 9)],
    ["the since moves back", allowCompaction(0, 4)],
    ["the rollup covers a position that is not written yet", { _tag: "Rollup", key: "r", position: 99, logFrom: 0 }],
    ["the rollup lets the wrong part of the log go", { _tag: "Rollup", key: "r", position: 2, logFrom: 3 }]
  ]

  for (const [message, change] of cases) {
    it(message, () => {
      assert.match(
        detailOf(() => apply(full(), change)),
        new RegExp(`^the ${change._tag} at log position 5 .*${message}`)
      )
    })
  }

  it("names the entry and the place", () => {
    const state = full()
    try {
      apply(state, seal(0, 9))
      assert.fail()
    } catch (error) {
      assert.deepInclude(error, { _tag: "Corrupt", location: "test" })
    }
  })
})

describe("folding", () => {
  it("trace_seal, test_allow_compaction: forward and again is fine, back is not, and the since may pass the seal", () => {
    const state = stateOf("s")
    for (const upper of [0, 5, 5, 7, Infinity, Infinity]) apply(state, seal(0, upper))
    for (const since of [0, 5, 5, 100, Infinity]) apply(state, allowCompaction(0, since))
    assert.include(detailOf(() => apply(state, seal(0, 8))), "the seal moves back")
    assert.include(detailOf(() => apply(state, allowCompaction(0, 8))), "the since moves back")
  })

  it("append_detect_min_max_times, append_trace_ts_upper_invariant", () => {
    const state = stateOf("s")
    apply(state, write(0, 7, 3, 9, 4))
    assert.deepInclude(s(state).chunks[0], { minTime: 3, maxTime: 9, position: 1 })
    apply(state, seal(0, 5))
    assert.include(detailOf(() => apply(state, write(0, 4))), "an update lies below the seal")
    apply(state, write(0, 5))
    assert.lengthOf(s(state).chunks, 2)
    assert.strictEqual(s(state).memoryRows, 5)
  })

  it("unsealed_evict: rows in memory go with the swap that has stored them, and no others", () => {
    const state = stateOf("s")
    for (const time of [1, 2, 3]) apply(state, write(0, time))
    apply(state, seal(0, 3), write(0, 4))
    apply(state, swap(0, { chunksBefore: 3, newTrace: batch("a", 0, 3), traceUpper: 3 }))
    assert.deepStrictEqual(s(state).chunks.map(({ position }) => position), [3, 4])
    assert.strictEqual(s(state).memoryRows, 2)
    assert.strictEqual(
      Collection.swapViolation(s(state), swap(0, { chunksBefore: 3, traceUpper: 3 })),
      "rows in memory have been replaced already"
    )
    apply(state, swap(0, { chunksFrom: 3, chunksBefore: 5, newSpills: [batch("b", 3, Infinity)], traceUpper: 3 }))
    assert.deepInclude(s(state), { chunks: [], memoryBytes: 0, memoryRows: 0, chunksFrom: 5 })
  })

  it("knows the bytes in memory of all collections", () => {
    const state = stateOf("s", "t")
    const check = () => {
      const bytes = [...state.collections.values()].flatMap(({ chunks: blocks }) => blocks.map((block) => block.bytes))
      assert.strictEqual(state.memoryBytes, bytes.reduce((sum, each) => sum + each, 0))
      return state.memoryBytes
    }
    apply(state, write(0, 1), write(1, 2), write(1, 3))
    assert.isAbove(check(), 0)
    State.restoreRows(state, 5, commit(write(0, 4)))
    apply(state, swap(1, { chunksBefore: 3, newSpills: [batch("a", 0, Infinity)] }))
    assert.isAbove(check(), 0)
    apply(state, { _tag: "Destroy", collection: 0 })
    const [one] = state.collections.values()
    apply(state, swap(1, { chunksFrom: one!.chunksFrom, chunksBefore: 9, newSpills: [batch("b", 0, Infinity)] }))
    assert.strictEqual(check(), 0)
  })

  it("destroying forgets the collection and gives its blobs up; its name can be taken again, its id cannot", () => {
    const state = full()
    assert.sameMembers(apply(state, { _tag: "Destroy", collection: 0 }), ["a", "b", "c"])
    assert.deepStrictEqual([...state.destroyed], [["s", 0]])
    apply(state, { _tag: "Register", registration: registration(2, "s") })
    assert.deepStrictEqual([...state.names], [["t", 1], ["s", 2]])
    assert.strictEqual(state.destroyed.size, 0)
  })

  it("a rollup makes the one before it garbage", () => {
    const state = full()
    assert.deepStrictEqual(apply(state, { _tag: "Rollup", key: "r1", position: 4, logFrom: 2 }), [])
    assert.deepStrictEqual(apply(state, { _tag: "Rollup", key: "r2", position: 6, logFrom: 6 }), ["r1"])
    assert.include(
      detailOf(() => apply(state, { _tag: "Rollup", key: "r3", position: 7, logFrom: 5 })),
      "the rollup lets the wrong part of the log go"
    )
  })
})

describe("rows of entries before a rollup", () => {
  it("come back alone: other changes of their entry, and rows of a collection that is gone, do not", () => {
    const state = stateOf("s")
    State.restoreRows(state, 1, commit(seal(0, 9), write(7, 1), write(0, 4)))
    const collection = state.collections.get(0)!
    assert.deepStrictEqual(collection.chunks.map(({ minTime, position }) => [position, minTime]), [[1, 4]])
    assert.deepInclude(collection, { upper: 0 })
    assert.strictEqual(State.make().timeline.upper, 0)
  })

  it("come back into memory from the first position on that no batch has", () => {
    const state = stateOf("s")
    const collection = state.collections.get(0)!
    collection.chunksFrom = 5
    for (const position of [4, 5, 6]) State.restoreRows(state, position, commit(write(0, position)))
    assert.deepStrictEqual(collection.chunks.map(({ position }) => position), [5, 6])
  })

  it("stay out of memory after a merge of the batches that have them, when a rollup is read back", () => {
    const state = stateOf("s", "late")
    // It keeps the log, from its first position on.
    apply(state, write(1, 50))
    const written = [commit(write(0, 1)), commit(write(0, 2))]
    for (const each of written) State.apply(state, each, "test")
    const logFrom = state.position - written.length
    const flushed = state.position
    apply(state, seal(0, 2))
    const first = swap(0, { chunksBefore: flushed, newTrace: batch("a", 0, 2), traceUpper: 2 })
    apply(state, first, seal(0, 3))
    apply(state, swap(0, { newTrace: batch("b", 2, 3), traceUpper: 3 }))
    const ids = s(state).trace.map(Batch.id)
    apply(state, swap(0, { trace: ids, newTrace: batch("c", 0, 3, { level: 1 }), traceUpper: 3 }))
    const reopened = Rollup.decode(Rollup.encode(state, logFrom), "test")
    written.forEach((each, i) => State.restoreRows(reopened, logFrom + i, each))
    assert.deepStrictEqual(s(reopened).chunks, [])
    assert.strictEqual(s(reopened).chunksFrom, flushed)
  })
})
