import { assert, describe, it } from "@effect/vitest"
import type * as Batch from "../../src/engine/Batch.ts"
import * as Collection from "../../src/engine/Collection.ts"
import * as Plan from "../../src/engine/Plan.ts"
import type * as State from "../../src/engine/State.ts"
import { allowCompaction, apply, batch, columns, seal, stateOf, swap, write } from "./Fixtures.ts"

const limits: Plan.Limits = { memoryBytes: 1_000, logBytes: 10_000, inlineBytes: 100, reclaimBytes: 200 }

const s = (state: State.State): Collection.Collection => state.collections.get(0)!

const due = (state: State.State, logBytes = 0, pace: Plan.Pace = "busy") =>
  Plan.rewrites(state, limits, logBytes, pace).map(({ collection, reason }) => `${reason} ${collection}`)

/** Rows of 24 bytes each, at one time. */
const rows = (collection: number, count: number, time = 0) =>
  write(collection, ...Array.from({ length: count }, () => time))

/** Puts batches into the trace as maintenance would have. */
const traced = (state: State.State, ...batches: ReadonlyArray<Batch.Batch>) => {
  for (const newTrace of batches) {
    apply(state, seal(0, Math.max(s(state).upper, newTrace.upper)))
    apply(state, swap(0, { newTrace, traceUpper: newTrace.upper }))
  }
  return state
}

describe("flush", () => {
  it("is due when memory is over its limit, for the largest collections, until half of the limit is left", () => {
    const state = stateOf("s", "t", "u")
    apply(state, rows(0, 10), rows(1, 20), rows(2, 5))
    assert.deepStrictEqual(due(state), [])
    apply(state, rows(1, 10))
    assert.deepStrictEqual(due(state), ["flush 1"])
    apply(state, rows(0, 12))
    assert.deepStrictEqual(due(state), ["flush 0", "flush 1"])
  })

  it("is due when the log must shrink, for all but what may be inline", () => {
    const state = stateOf("s", "t")
    apply(state, rows(0, 3), rows(1, 2))
    assert.deepStrictEqual(due(state, limits.logBytes - 1), [])
    assert.deepStrictEqual(due(state, limits.logBytes), ["flush 0"])
  })

  it("is not due at the limit itself, and leaves half of it", () => {
    const state = stateOf("s", "t", "u")
    apply(state, rows(0, 2), rows(1, 1), rows(2, 1))
    const dueWith = (memoryBytes: number) =>
      Plan.rewrites(state, { ...limits, memoryBytes }, 0).map(({ collection }) => collection)
    assert.deepStrictEqual(dueWith(4 * 24), [])
    assert.deepStrictEqual(dueWith(4 * 24 - 1), [0, 1])
    apply(state, rows(0, 1))
    assert.deepStrictEqual(dueWith(4 * 24), [0])
  })

  it("can be had of everything in memory, at once", () => {
    const state = stateOf("s", "t", "u")
    apply(state, rows(0, 2), rows(2, 1))
    assert.deepStrictEqual(
      Plan.flushes(state).map(({ chunks, collection, reason }) => [reason, collection, chunks.length]),
      [["flush", 0, 1], ["flush", 2, 1]]
    )
  })

  it("takes the spills along that are sealed at least in a quarter, and no spill of which nothing is", () => {
    const state = stateOf("s")
    const spill = (key: string, minTime: number, maxTime: number) =>
      batch(key, 0, Infinity, { minTime, maxTime, rows: 100 })
    apply(state, swap(0, { newSpills: [spill("a", 0, 99), spill("b", 25, 99)] }))
    apply(state, rows(0, 50, 100), seal(0, 24))
    assert.deepInclude(Plan.rewrites(state, limits, 0)[0], { reason: "flush", spills: [], sealedTo: 0 })
    apply(state, seal(0, 25))
    assert.deepInclude(Plan.rewrites(state, limits, 0)[0], {
      reason: "flush",
      spills: s(state).spills.slice(0, 1),
      sealedTo: 25
    })
  })

  it("takes all rows in memory, and splits them at the seal", () => {
    const state = stateOf("s")
    apply(state, rows(0, 50, 3), rows(0, 10, 9), seal(0, 5), allowCompaction(0, 2))
    const [rewrite] = Plan.rewrites(state, limits, 0)
    assert.deepInclude(rewrite, {
      reason: "flush",
      chunksFrom: 0,
      chunksBefore: state.position,
      sealedTo: 5,
      traceUpper: 0,
      since: 2,
      lower: 0,
      upper: 5,
      spills: [],
      trace: [],
      maxLevel: 0
    })
    assert.lengthOf(rewrite!.chunks, 2)
  })

  it("is not due where there is nothing in memory", () => {
    const state = stateOf("s")
    assert.deepStrictEqual(due(state, limits.logBytes), [])
  })

  it("leaves a spill alone of which little is sealed, and takes all when there are too many", () => {
    const state = stateOf("s")
    const spill = (key: string) => batch(key, 0, Infinity, { minTime: 0, maxTime: 99 })
    apply(state, swap(0, { newSpills: [spill("a")] }), seal(0, 10), rows(0, 50, 10))
    const [little] = Plan.rewrites(state, limits, 0)
    assert.deepInclude(little, { reason: "flush", spills: [], sealedTo: 0 })
    apply(state, swap(0, { newSpills: ["b", "c", "d"].map(spill) }))
    const [crowded] = Plan.rewrites(state, limits, 0)
    assert.lengthOf(crowded!.spills, 4)
    assert.strictEqual(crowded!.sealedTo, 0)
  })
})

describe("unsealed_batch_trim: a drain", () => {
  const spilled = (upper: number) => {
    const state = stateOf("s")
    apply(state, swap(0, { newSpills: [batch("a", 0, Infinity, { minTime: 0, maxTime: 9 })] }), seal(0, upper))
    return state
  }

  it("is due once half of the rows of the spills are sealed", () => {
    assert.deepStrictEqual(due(spilled(4)), [])
    assert.deepStrictEqual(due(spilled(5)), ["drain 0"])
    const [rewrite] = Plan.rewrites(spilled(5), limits, 0)
    assert.deepInclude(rewrite, { sealedTo: 5, traceUpper: 0, lower: 0, upper: 5 })
    assert.deepStrictEqual(rewrite!.spills.map((spill) => spill.parts[0]!.key), ["a"])
  })

  it("is due when there are many spills, whatever is sealed", () => {
    const state = spilled(0)
    apply(state, swap(0, { newSpills: ["b", "c", "d"].map((key) => batch(key, 0, Infinity)) }))
    const [rewrite] = Plan.rewrites(state, limits, 0)
    assert.strictEqual(rewrite!.reason, "drain")
    assert.lengthOf(rewrite!.spills, 4)
  })
})

describe("a drain counts the rows of each spill that are sealed", () => {
  it.each([
    ["all of one, and none of the other", [0, 9, 10], [1_000, 1_099, 90], 999, false],
    ["one that is half of all", [0, 9, 50], [1_000, 1_099, 50], 10, true],
    ["one but for its last time", [0, 9, 10], [1_000, 1_099, 10], 9, false],
    ["one with its last time", [0, 9, 10], [1_000, 1_099, 10], 10, true],
    ["a part of one that begins late", [50, 149, 100], [50, 149, 100], 60, false],
    ["half of one that begins late", [50, 149, 100], [50, 149, 100], 100, true]
  ])("%s", (_, a, b, upper, isDue) => {
    const spill = (key: string, [minTime, maxTime, rows]: ReadonlyArray<number>) =>
      batch(key, 0, Infinity, { minTime: minTime!, maxTime: maxTime!, rows: rows! })
    const state = stateOf("s")
    apply(state, swap(0, { newSpills: [spill("a", a), spill("b", b)] }), seal(0, upper))
    assert.deepStrictEqual(due(state), isDue ? ["drain 0"] : [])
  })
})

describe("trace_compact: a merge", () => {
  const small = (i: number, changes = {}) => batch(`b${i}`, i, i + 1, changes)

  it("is due for a run of batches of one level, the oldest first, and never above the one before", () => {
    const state = traced(stateOf("s"), ...[0, 1, 2].map((i) => small(i)))
    assert.deepStrictEqual(due(state), [])
    traced(state, small(3))
    const [rewrite] = Plan.rewrites(state, limits, 0)
    assert.deepInclude(rewrite, { reason: "merge", lower: 0, upper: 4, maxLevel: Infinity, chunks: [], spills: [] })
    assert.deepStrictEqual(rewrite!.trace.map(({ parts }) => parts[0]!.key), ["b0", "b1", "b2", "b3"])
  })

  it("leaves batches of other levels alone", () => {
    const state = traced(
      stateOf("s"),
      small(0, { level: 2 }),
      small(1, { level: 1 }),
      ...[2, 3, 4].map((i) => small(i))
    )
    assert.deepStrictEqual(due(state), [])
    traced(state, small(5))
    const [rewrite] = Plan.rewrites(state, limits, 0)
    assert.deepInclude(rewrite, { lower: 2, upper: 6, maxLevel: 1 })
    assert.deepStrictEqual(due(traced(stateOf("s"), small(0, { level: 1 }), small(1), small(2))), [])
  })
})

describe("test_allow_compaction: a compaction", () => {
  const old = () => traced(stateOf("s"), batch("a", 0, 100, { rows: 100 }))

  it("is due once a quarter of the rows lie below since, and not again when they have been advanced", () => {
    const state = old()
    apply(state, allowCompaction(0, 24))
    assert.deepStrictEqual(due(state), [])
    apply(state, allowCompaction(0, 25))
    assert.deepStrictEqual(due(state), ["compaction 0"])
    const [rewrite] = Plan.rewrites(state, limits, 0)
    assert.deepInclude(rewrite, { since: 25, lower: 0, upper: 100, sealedTo: 100, maxLevel: Infinity })
    apply(state, swap(0, { trace: ["a"], newTrace: batch("b", 0, 100, { since: 25, minTime: 25 }), traceUpper: 100 }))
    assert.deepStrictEqual(due(state), [])
  })

  it.each([
    ["no more rows of a batch than it has", [0, 10, 10], [100, 1_000, 90], 100, false],
    ["nothing of a batch that begins after since, and never less", [0, 10, 25], [900, 1_000, 75], 50, true],
    ["a batch but for its last time", [0, 4, 4], [100, 200, 12], 3, false],
    ["a batch with its last time", [0, 4, 4], [100, 200, 12], 4, true],
    ["times from the first of a batch on", [50, 150, 100], [150, 250, 1], 60, false]
  ])("counts %s", (_, a, b, since, isDue) => {
    const at = (key: string, [lower, upper, rows]: ReadonlyArray<number>) => batch(key, lower!, upper!, { rows: rows! })
    const state = traced(stateOf("s"), at("a", a), at("b", b))
    apply(state, allowCompaction(0, since))
    assert.deepStrictEqual(due(state), isDue ? ["compaction 0"] : [])
  })

  it("is due again when since has moved on from what was advanced", () => {
    const state = stateOf("s")
    apply(state, allowCompaction(0, 25))
    traced(state, batch("a", 0, 100, { since: 25, minTime: 25, rows: 100 }))
    assert.deepStrictEqual(due(state), [])
    apply(state, allowCompaction(0, 60))
    assert.deepStrictEqual(due(state), ["compaction 0"])
  })

  it("is not due where there is nothing, however small the limit", () => {
    assert.deepStrictEqual(Plan.rewrites(stateOf("s"), { ...limits, reclaimBytes: 0 }, 0, "quiet"), [])
  })

  it("drops the rows that are not sealed, too, once since is empty", () => {
    const state = old()
    apply(state, write(0, 150), allowCompaction(0, Infinity))
    const [rewrite] = Plan.rewrites(state, limits, 0, "quiet")
    assert.deepInclude(rewrite, { since: Infinity, spillSince: Infinity, sealedTo: 100 })
  })

  it("of an erasure is of everything, but for the rows of the key", () => {
    const state = old()
    apply(state, write(0, 150), allowCompaction(0, 300))
    const key = Buffer.from("gone")
    const everything = Plan.everything(s(state), state.position)
    assert.lengthOf([...everything.chunks, ...everything.trace], 2)
    assert.deepStrictEqual(Plan.erasure(s(state), state.position, key), {
      ...everything,
      reason: "erasure",
      without: key
    })
  })

  it("begins where the trace does", () => {
    const state = traced(stateOf("s"), batch("a", 3, 9), batch("b", 9, 12))
    assert.deepInclude(Plan.everything(s(state), state.position), { lower: 3, upper: 12, trace: s(state).trace })
  })

  it("is never due again for rows that all stand at one time", () => {
    const state = old()
    apply(state, allowCompaction(0, 99))
    apply(
      state,
      swap(0, {
        trace: ["a"],
        newTrace: batch("b", 0, 100, { since: 99, minTime: 99, maxTime: 99 }),
        traceUpper: 100
      })
    )
    apply(state, seal(0, 1_000), allowCompaction(0, 900))
    assert.deepStrictEqual(due(state), [])
  })

  it("counts rows in memory from a number of bytes on", () => {
    const state = stateOf("s")
    apply(state, rows(0, 5), seal(0, 1), allowCompaction(0, 1))
    assert.deepStrictEqual(due(state), [])
    assert.lengthOf(Plan.rewrites(state, { ...limits, reclaimBytes: 5 * 24 }, 0), 1)
    assert.lengthOf(Plan.rewrites(state, { ...limits, reclaimBytes: 5 * 24 + 1 }, 0), 0)
    apply(state, rows(0, 5, 1))
    apply(state, seal(0, 2), allowCompaction(0, 2))
    assert.deepStrictEqual(due(state), ["flush 0"])
  })

  it("leaves stored rows alone where only rows in memory can collapse, and flushes those by what is stored", () => {
    const state = stateOf("s")
    apply(state, allowCompaction(0, 99))
    traced(state, batch("a", 0, 100, { since: 99, minTime: 99, maxTime: 99, rows: 10, bytes: 4_000 }))
    apply(state, rows(0, 20, 100), seal(0, 101), allowCompaction(0, 101))
    assert.deepStrictEqual(due(state), [])
    assert.deepStrictEqual(due(state, 0, "quiet"), ["flush 0"])
    apply(state, rows(0, 70, 101), seal(0, 102), allowCompaction(0, 102))
    assert.deepStrictEqual(due(state), ["flush 0"])
  })

  it("flushes what can collapse, and not what can still be distinguished while the store is written to", () => {
    const state = stateOf("s")
    for (let time = 0; time < 10; time++) apply(state, rows(0, 2, time))
    apply(state, seal(0, 10), allowCompaction(0, 6))
    const [busy] = Plan.rewrites(state, limits, 0)
    assert.deepInclude(busy, { reason: "flush", sealedTo: 6, lower: 0, upper: 6, chunks: s(state).chunks.slice(0, 6) })
    assert.strictEqual(busy!.chunksBefore, s(state).chunks[6]!.position)
    const [quiet] = Plan.rewrites(state, limits, 0, "quiet")
    assert.deepInclude(quiet, { reason: "flush", sealedTo: 10, chunks: s(state).chunks, chunksBefore: state.position })
    apply(state, rows(0, 1, 10))
    apply(state, seal(0, 11))
    assert.deepInclude(Plan.rewrites(state, limits, 0)[0], { sealedTo: 6 })
  })

  it("flushes all where a spill has rows that can collapse, too", () => {
    const flushed = (minTime: number) => {
      const state = stateOf("s")
      apply(state, swap(0, { newSpills: [batch("a", 0, Infinity, { minTime, maxTime: 99, rows: 100 })] }))
      for (let time = 0; time < 10; time++) apply(state, rows(0, 2, time))
      apply(state, seal(0, 10), allowCompaction(0, 6))
      return { state, rewrite: Plan.rewrites(state, limits, 0)[0]! }
    }
    for (const minTime of [6, 7]) {
      const { rewrite, state } = flushed(minTime)
      assert.deepInclude(rewrite, { reason: "flush", sealedTo: 6, chunks: s(state).chunks.slice(0, 6) })
    }
    const { rewrite, state } = flushed(5)
    assert.deepInclude(rewrite, { reason: "flush", chunks: s(state).chunks })
  })

  it("flushes all where rows that can collapse came after others that cannot", () => {
    const state = stateOf("s")
    for (const commit of [rows(0, 10, 1), rows(0, 1, 7), rows(0, 2, 2)]) apply(state, commit)
    apply(state, seal(0, 10), allowCompaction(0, 6))
    assert.deepInclude(Plan.rewrites(state, limits, 0)[0], { sealedTo: 10, chunks: s(state).chunks })
  })

  it("counts rows that take back what an older batch has, but never those of the oldest", () => {
    const at = (key: string, lower: number, retractions: number) => {
      const content = { advanced: 40, retractions }
      return batch(key, lower, lower + 1, { since: lower, minTime: lower, maxTime: lower, rows: 40, content })
    }
    const state = stateOf("s")
    apply(state, allowCompaction(0, 9))
    traced(state, at("a", 1, 40), at("b", 2, 4))
    assert.deepStrictEqual(due(state), [])
    assert.deepStrictEqual(due(state, 0, "quiet"), ["compaction 0"])
    traced(state, at("c", 3, 11))
    assert.deepStrictEqual(due(state), ["compaction 0"])
  })

  it("does not count rows that have been advanced already", () => {
    const state = old()
    const advanced = batch("a2", 0, 100, { since: 110, minTime: 110, maxTime: 110 })
    const content = { advanced: 990, retractions: 0 }
    apply(state, allowCompaction(0, 110))
    apply(state, swap(0, { trace: ["a"], newTrace: advanced, traceUpper: 100 }))
    traced(state, batch("b", 100, 200, { since: 110, minTime: 110, maxTime: 130, rows: 1_000, content }))
    apply(state, allowCompaction(0, 131))
    assert.deepStrictEqual(due(state), [])
  })

  it("keeps as much log as half of what is stored, within the limits", () => {
    const sized = (bytes: number) => traced(stateOf("s"), batch("a", 0, 100, { bytes }))
    assert.strictEqual(Plan.logTarget(stateOf("s"), limits), limits.reclaimBytes)
    assert.strictEqual(Plan.logTarget(sized(6_000), limits), 3_000)
    assert.strictEqual(Plan.logTarget(sized(60_000), limits), limits.logBytes)
  })

  it("looks for what is due before the log is as large as it may be", () => {
    const sized = (bytes: number) => traced(stateOf("s"), batch("a", 0, 100, { bytes }))
    assert.strictEqual(Plan.lookAfter(stateOf("s"), limits), 2 * limits.reclaimBytes)
    assert.strictEqual(Plan.lookAfter(sized(6_000), limits), 3_000)
    assert.strictEqual(Plan.lookAfter(sized(60_000), limits), limits.logBytes)
    assert.strictEqual(Plan.lookAfter(stateOf("s"), { ...limits, reclaimBytes: 60_000 }), limits.logBytes)
  })

  it("compaction_beyond_upper: advances to since what is sealed, and nothing else", () => {
    const state = old()
    apply(state, write(0, 150), allowCompaction(0, 300))
    const [rewrite] = Plan.rewrites(state, limits, 0, "quiet")
    assert.deepInclude(rewrite, { reason: "compaction", since: 300, spillSince: 100, sealedTo: 100, upper: 100 })
    assert.lengthOf(rewrite!.chunks, 1)
  })

  it("leaves rows in memory where they are while the store is written to", () => {
    const state = old()
    apply(state, write(0, 100), seal(0, 101), allowCompaction(0, 50))
    const [busy] = Plan.rewrites(state, limits, 0)
    assert.deepInclude(busy, { reason: "compaction", since: 50, lower: 0, upper: 100, sealedTo: 100, chunks: [] })
    const [quiet] = Plan.rewrites(state, limits, 0, "quiet")
    assert.deepInclude(quiet, { reason: "compaction", upper: 101, sealedTo: 101, chunks: s(state).chunks })
  })

  it("compaction_beyond_upper: is not due for what is not sealed", () => {
    const state = stateOf("s")
    apply(state, rows(0, 40, 5), allowCompaction(0, 300))
    assert.deepStrictEqual(due(state), [])
    apply(state, swap(0, { chunksBefore: state.position, newSpills: [batch("a", 0, Infinity, { minTime: 5 })] }))
    assert.deepStrictEqual(due(state), [])
    assert.isTrue(Plan.isCompact(s(state)))
    apply(state, seal(0, 9))
    assert.deepStrictEqual(due(state), ["compaction 0"])
    assert.isFalse(Plan.isCompact(s(state)))
  })

  it("of everything gains nothing where there is one piece that has been advanced", () => {
    const state = old()
    assert.isTrue(Plan.isCompact(s(state)))
    apply(state, allowCompaction(0, 1))
    assert.isFalse(Plan.isCompact(s(state)))
    apply(state, swap(0, { trace: ["a"], newTrace: batch("b", 0, 100, { since: 1, minTime: 1 }), traceUpper: 100 }))
    assert.isTrue(Plan.isCompact(s(state)))
    apply(state, write(0, 200))
    assert.isFalse(Plan.isCompact(s(state)))
  })

  it("of everything gains something where there are several pieces", () => {
    assert.isFalse(Plan.isCompact(s(traced(stateOf("s"), batch("a", 0, 9), batch("b", 9, 12)))))
    const state = traced(stateOf("s"), batch("a", 0, 9))
    apply(state, swap(0, { newSpills: [batch("b", 9, Infinity)], traceUpper: 9 }))
    assert.isFalse(Plan.isCompact(s(state)))
  })
})

describe("rollups", () => {
  it("keep the oldest rows inline, and let the log go up to the first that are too many", () => {
    const state = stateOf("s")
    assert.strictEqual(Plan.horizon(state, limits), 1)
    for (let i = 0; i < 10; i++) apply(state, rows(0, 1))
    assert.strictEqual(s(state).chunks[0]!.bytes, 24)
    assert.strictEqual(Plan.horizon(state, limits), 5)
    assert.strictEqual(Plan.horizon(state, { ...limits, inlineBytes: 1_000 }), state.position)
    assert.strictEqual(Plan.horizon(state, { ...limits, inlineBytes: 4 * 24 }), 5)
    state.logFrom = 7
    assert.strictEqual(Plan.horizon(state, limits), 7)
  })

  it("keep the oldest rows of all collections inline", () => {
    const state = stateOf("s", "t", "u")
    for (let i = 0; i < 30; i++) apply(state, rows((i * 7) % 3, 1 + i % 2))
    const chunks = [...state.collections.values()].flatMap((each) => each.chunks)
      .toSorted((a, b) => a.position - b.position)
    const horizonOf = (inlineBytes: number, logFrom: number): number => {
      let inline = 0
      const first = chunks.find((chunk) => (inline += chunk.bytes) > inlineBytes)
      return Math.max(first?.position ?? state.position, logFrom)
    }
    for (const logFrom of [0, 11, state.position]) {
      state.logFrom = logFrom
      for (let inlineBytes = 0; inlineBytes <= state.memoryBytes; inlineBytes += 12) {
        assert.strictEqual(Plan.horizon(state, { ...limits, inlineBytes }), horizonOf(inlineBytes, logFrom))
      }
    }
  })

  it("keep the oldest rows of all collections inline, not all of the first", () => {
    const state = stateOf("s", "t")
    for (let i = 0; i < 5; i++) {
      apply(state, rows(0, 1))
      apply(state, rows(1, 1))
    }
    assert.strictEqual(Plan.horizon(state, limits), 2 + 4)
  })

  it("are due once they free the most that the log may have, whatever they have inline", () => {
    const state = stateOf("s")
    apply(state, rows(0, 1_000))
    const large = { ...limits, inlineBytes: 1_000_000 }
    assert.isFalse(Plan.isRollupDue(state, large, limits.logBytes - 1))
    assert.isTrue(Plan.isRollupDue(state, large, limits.logBytes))
  })

  it("are due when they free enough of the log", () => {
    const state = stateOf("s")
    assert.isTrue(Plan.isRollupDue(state, limits, limits.logBytes))
    assert.isTrue(Plan.isRollupDue(state, limits, limits.reclaimBytes))
    assert.isFalse(Plan.isRollupDue(state, limits, limits.reclaimBytes - 1))
    apply(state, rows(0, 3))
    assert.isTrue(Plan.isRollupDue(state, limits, limits.reclaimBytes))
    apply(state, rows(0, 10))
    assert.isAbove(state.memoryBytes, limits.inlineBytes)
    const large = { ...limits, inlineBytes: 300 }
    assert.isFalse(Plan.isRollupDue(state, large, 599), "the rows in the rollup are more than half of what it frees")
    assert.isTrue(Plan.isRollupDue(state, large, 600))
    assert.isTrue(Plan.isRollupDue(state, limits, limits.reclaimBytes), "the other rows stay in the log")
  })
})

it("blocks know their bytes and times", () => {
  assert.deepInclude(Collection.chunk(3, 4, columns(5, 2, 8)), {
    bytes: 72,
    minTime: 2,
    maxTime: 8,
    position: 3,
    seqNo: 4
  })
})
