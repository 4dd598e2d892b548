import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Stream } from "effect"
import * as BatchVerifier from "../../src/batch/BatchVerifier.ts"
import * as Batch from "../../src/engine/Batch.ts"
import * as Plan from "../../src/engine/Plan.ts"
import type * as State from "../../src/engine/State.ts"
import * as BatchStore from "../../src/runtime/BatchStore.ts"
import * as BlockCache from "../../src/runtime/BlockCache.ts"
import { Merger } from "../../src/runtime/Merger.ts"
import * as Rewriter from "../../src/runtime/Rewriter.ts"
import { Blob } from "../../src/storage/Blob.ts"
import * as Prng from "../../src/testing/Prng.ts"
import { consolidate, fromColumns, type Row, row, show, showColumns, toColumns } from "../batch/Rows.ts"
import { allowCompaction, apply, seal, stateOf } from "../engine/Fixtures.ts"
import * as Store from "../utils/Store.ts"

const limits: Plan.Limits = { memoryBytes: 0, logBytes: Infinity, inlineBytes: 0, reclaimBytes: 0 }

/** One collection whose rewrites are performed as they are planned. */
const makeCollection = Effect.gen(function*() {
  const storage = yield* Store.memory
  const blob = Context.get(storage, Blob)
  const state = stateOf("s")
  const s = state.collections.get(0)!
  const batches = BatchStore.make(
    blob,
    BlockCache.make(10_000, Context.empty()),
    BatchStore.missing(() => Effect.succeed(true))
  )
  let keys = 0
  const rewriter = Rewriter.make({
    blob,
    batches,
    merger: yield* Merger,
    newKey: () => `batch/${keys++}`,
    partBytes: 100_000
  })
  const perform = (rewrite: Plan.Rewrite) =>
    Effect.map(rewriter.run(rewrite), ({ bytes, swap }) => ({ bytes, garbage: apply(state, swap), rewrite, swap }))
  return {
    state,
    s,
    blob,
    batches,
    perform,
    append: (rows: ReadonlyArray<Row>) => apply(state, { _tag: "Write", collection: 0, columns: toColumns(rows) }),
    /** All rows that count. */
    counting: Effect.gen(function*() {
      const found = s.chunks.flatMap(({ columns }) => fromColumns(columns))
      const traced: Array<Row> = []
      for (const batch of [...s.spills, ...s.trace]) {
        const scan = batches.scan(batch, {})
        for (let block = yield* scan.next; block !== undefined; block = yield* scan.next) {
          ;(s.trace.includes(batch) ? traced : found).push(...fromColumns(block))
        }
      }
      return [...traced, ...found.filter(({ time }) => time >= s.traceUpper)]
    }),
    write: (...rows: ReadonlyArray<readonly [key: string, time: number, diff?: number]>) =>
      apply(state, {
        _tag: "Write",
        collection: 0,
        columns: toColumns(rows.map(([key, time, diff = 1]) => row(key, "", time, diff)))
      }),
    /** Performs the one rewrite that is due. */
    next: Effect.suspend(() => {
      const due = Plan.rewrites(state, limits, 0)
      assert.lengthOf(due, 1)
      return perform(due[0]!)
    }),
    rows: (batch: Batch.Batch) =>
      Effect.gen(function*() {
        const scan = batches.scan(batch, {})
        const found: Array<string> = []
        for (let block = yield* scan.next; block !== undefined; block = yield* scan.next) {
          found.push(...showColumns(block))
        }
        return found.map((each) => each.replace(/\[([0-9a-f]*)\] \[\]/, (_, hex) => Buffer.from(hex, "hex").toString()))
      })
  }
})

const isDone = (state: State.State) =>
  assert.deepStrictEqual(Plan.rewrites(state, { ...limits, memoryBytes: 1e9 }, 0), [])

describe("rewrites", () => {
  it.effect("single_stream: rows go from memory to the trace as they are sealed", () =>
    Effect.gen(function*() {
      const { next, rows, s, state, write } = yield* makeCollection
      write(["k1", 1], ["k2", 2])
      assert.strictEqual((yield* next).rewrite.reason, "flush")
      assert.deepStrictEqual([s.trace.length, s.spills.length, s.chunks.length], [0, 1, 0])
      apply(state, seal(0, 2))
      assert.strictEqual((yield* next).rewrite.reason, "drain")
      assert.deepStrictEqual(yield* rows(s.trace[0]!), ["k1 @1 1"])
      assert.deepStrictEqual(yield* rows(s.spills[0]!), ["k2 @2 1"])
      apply(state, seal(0, 3))
      yield* next
      assert.deepStrictEqual(s.spills, [])
      assert.deepStrictEqual(s.trace.map(({ lower, upper }) => [lower, upper]), [[0, 2], [2, 3]])
      apply(state, allowCompaction(0, 3))
      yield* next
      assert.lengthOf(s.trace, 1)
      assert.deepStrictEqual(yield* rows(s.trace[0]!), ["k1 @3 1", "k2 @3 1"])
      isDone(state)
    }))

  it.effect("batch_sorting, batch_consolidation: what is stored is sorted, and equal rows are one", () =>
    Effect.gen(function*() {
      const { blob, next, rows, s, state, write } = yield* makeCollection
      write(["b", 1], ["a", 2], ["a", 1], ["c", 0])
      write(["a", 1], ["c", 0, -1], ["a", 1, 2])
      apply(state, seal(0, 3))
      yield* next
      assert.deepStrictEqual(yield* rows(s.trace[0]!), ["a @1 4", "a @2 1", "b @1 1"])
      const stored = yield* blob.get(Batch.id(s.trace[0]!))
      assert.strictEqual(stored._tag, "Some")
      if (stored._tag === "Some") assert.deepStrictEqual(BatchVerifier.verify(stored.value, "test"), [])
    }))

  it.effect("unsealed_batch_trim: what is sealed leaves the spill, and the rest knows its times", () =>
    Effect.gen(function*() {
      const { next, rows, s, state, write } = yield* makeCollection
      write(["a", 0], ["a", 1], ["a", 2], ["a", 3])
      yield* next
      apply(state, seal(0, 3))
      const { garbage, swap } = yield* next
      assert.deepStrictEqual(garbage, ["batch/0"])
      assert.deepStrictEqual(yield* rows(s.spills[0]!), ["a @3 1"])
      assert.deepInclude(swap.newSpills[0]!.parts[0], { minTime: 3, maxTime: 3, rows: 1 })
    }))

  it.effect("trace_compact: a merge rises a level only if it outgrew each of its inputs; nothing due is nothing written", () =>
    Effect.gen(function*() {
      const { next, perform, s, state, write } = yield* makeCollection
      for (let time = 0; time < 4; time++) {
        write(...Array.from({ length: 50 }, (_, i) => [`${time} ${i}`, time] as const))
        apply(state, seal(0, time + 1))
        yield* next
      }
      const grown = yield* next
      assert.strictEqual(grown.rewrite.reason, "merge")
      assert.deepStrictEqual(s.trace.map(({ level, lower, upper }) => [level, lower, upper]), [[1, 0, 4]])
      isDone(state)

      const since = s.trace[0]!.since
      apply(state, allowCompaction(0, 1))
      for (let time = 4; time < 8; time++) {
        write(["x", time, time % 2 === 0 ? 1 : -1], ["y", time])
        apply(state, seal(0, time + 1))
        yield* next
      }
      apply(state, allowCompaction(0, 8))
      yield* perform(Plan.merge(s, 1, s.trace.length))
      assert.deepStrictEqual(s.trace.map((batch) => [batch.level, batch.since]), [[1, since], [0, 8]])
    }))

  it.effect("trace_compact: what cancels out rises no level", () =>
    Effect.gen(function*() {
      const { perform, rows, s, state, write } = yield* makeCollection
      for (let time = 0; time < 4; time++) {
        write(...Array.from({ length: 50 }, (_, i) => [`${i}`, time, time % 2 === 0 ? 1 : -1] as const), ["z", time])
        apply(state, seal(0, time + 1))
        yield* perform(Plan.rewrites(state, limits, 0)[0]!)
      }
      apply(state, allowCompaction(0, 4))
      const { garbage } = yield* perform(Plan.merge(s, 0, 4))
      assert.lengthOf(garbage, 4)
      assert.strictEqual(s.trace[0]!.level, 0)
      assert.deepStrictEqual(yield* rows(s.trace[0]!), ["z @4 4"])
    }))

  it.effect("everything that cancels out leaves nothing at all", () =>
    Effect.gen(function*() {
      const { blob, perform, s, state, write } = yield* makeCollection
      write(["a", 0], ["a", 0, -1])
      apply(state, seal(0, 1))
      const { bytes } = yield* perform(Plan.everything(s, state.position))
      assert.strictEqual(bytes, 0)
      assert.deepInclude(s, { trace: [], spills: [], chunks: [], traceUpper: 1 })
      assert.deepStrictEqual(yield* Stream.runCollect(blob.list("")), [])
    }))

  it.effect("compaction_beyond_upper: sealed rows stand at since, the others where they were, and the seal stays", () =>
    Effect.gen(function*() {
      const { next, perform, rows, s, state, write } = yield* makeCollection
      write(["a", 0], ["b", 5])
      apply(state, seal(0, 10))
      yield* next
      write(["c", 12], ["d", 40])
      apply(state, allowCompaction(0, 30))
      yield* perform(Plan.everything(s, state.position))
      assert.deepStrictEqual(yield* rows(s.trace[0]!), ["a @30 1", "b @30 1"])
      assert.deepStrictEqual(yield* rows(s.spills[0]!), ["c @12 1", "d @40 1"])
      assert.deepInclude(s, { upper: 10, traceUpper: 10, since: 30 })
      isDone(state)
      apply(state, seal(0, 20))
      yield* perform(Plan.everything(s, state.position))
      assert.deepStrictEqual(yield* rows(s.trace[0]!), ["a @30 1", "b @30 1", "c @30 1"])
      assert.deepStrictEqual(yield* rows(s.spills[0]!), ["d @40 1"])
      isDone(state)
    }))

  it.effect("values that are rewritten again and again: what remains is what a model has, and little is written", () =>
    Effect.gen(function*() {
      for (let seed = 1; seed <= 40; seed++) {
        const prng = Prng.make(seed)
        const { append, counting, perform, s, state } = yield* makeCollection
        const written: Array<Row> = []
        const live = new Map<string, string>()
        let stored = 0
        for (let time = 0; time < 60; time++) {
          const rows: Array<Row> = []
          for (const key of ["a", "b", "c", "d"].filter(() => prng.chance(0.6))) {
            const value = `${prng.int(3)} ${"long ".repeat(20 + prng.int(3))}`
            if (live.has(key)) rows.push(row(key, live.get(key)!, time, -1))
            live.set(key, value)
            rows.push(row(key, value, time, 1))
          }
          // A row that comes before its time stays where it is.
          if (prng.chance(0.1)) rows.push(row("early", "row", time + prng.int(9), 1))
          append(rows)
          written.push(...rows)
          apply(state, seal(0, time + 1))
          if (prng.chance(0.5)) apply(state, allowCompaction(0, Math.max(s.since, time - prng.int(8))))
          const few = { ...limits, memoryBytes: 1e9, reclaimBytes: 1_000 }
          const due = Plan.rewrites(state, few, 0, prng.chance(0.8) ? "busy" : "quiet")[0]
          if (due !== undefined) stored += (yield* perform(due)).bytes
          const since = { since: s.since }
          const left = show(consolidate(yield* counting, since))
          assert.deepStrictEqual(left, show(consolidate(written, since)), `seed ${seed}, time ${time}`)
        }
        assert.isBelow(stored, written.reduce((sum, { value }) => sum + value.length, 0))
      }
    }))
})
