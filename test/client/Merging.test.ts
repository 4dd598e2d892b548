import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Stream } from "effect"
import * as Columns from "../../src/batch/Columns.ts"
import * as Consolidate from "../../src/batch/Consolidate.ts"
import * as Merging from "../../src/client/Merging.ts"
import * as Runs from "../../src/client/Runs.ts"
import type { Batch } from "../../src/engine/Batch.ts"
import * as Collection from "../../src/engine/Collection.ts"
import type { ReadView } from "../../src/engine/ReadView.ts"
import type { BatchStore } from "../../src/runtime/BatchStore.ts"
import * as Prng from "../../src/testing/Prng.ts"
import * as Rows from "../batch/Rows.ts"

/** Batches that lie in memory. Of a batch, all blocks are read. */
const makeStore = () => {
  const blocks = new Map<string, ReadonlyArray<Columns.Columns>>()
  const notRead = Effect.die("a merge reads scans alone")
  const store: BatchStore<never> = {
    block: () => notRead,
    footer: () => notRead,
    cachedBlock: () => undefined,
    cachedFooter: () => undefined,
    scanStored: () => ({ next: notRead }),
    scan: ({ parts: [part] }) => {
      const left = [...blocks.get(part!.key)!]
      return { next: Effect.sync(() => left.shift()) }
    }
  }
  const add = (prng: Prng.Prng, rows: ReadonlyArray<Rows.Row>): Batch => {
    const key = `batch ${blocks.size}`
    const sorted = Consolidate.consolidate(Rows.toColumns(rows), { since: 0 })
    const cut = prng.int(sorted.length + 1)
    blocks.set(key, [Columns.slice(sorted, 0, cut), Columns.slice(sorted, cut, sorted.length)])
    const part = { key, bytes: 1, rows: sorted.length, minTime: 0, maxTime: 0, checksum: 0n }
    return {
      lower: 0,
      upper: Infinity,
      since: 0,
      level: 0,
      parts: [{ ...part, minKey: new Uint8Array(0), maxKey: new Uint8Array(0), content: undefined }]
    }
  }
  return { store, add }
}

const read = async (store: BatchStore<never>, runs: Runs.Runs, view: ReadView, query: Merging.Query) => {
  const pull = Merging.pull(store, runs, view, query)
  const rows: Array<Rows.Row> = []
  const next = Effect.map(pull, (columns) => [Rows.fromColumns(columns)] as const)
  await Effect.runPromise(
    Stream.runForEach(Stream.fromPull(Effect.succeed(next)), (each) => Effect.sync(() => rows.push(...each)))
  )
  return Rows.show(rows)
}

interface State {
  list: Array<Collection.MemoryChunk>
  traceUpper: number
  /** Rows as they count: those in memory and spills from the trace's upper on, and all of the trace. */
  unsealed: Array<Rows.Row>
  sealed: Array<Rows.Row>
  spills: Array<Batch>
  trace: Array<Batch>
}

const naive = ({ sealed, traceUpper, unsealed }: State, query: Merging.Query): ReadonlyArray<string> => {
  const { fromKey, fromTime, since, toKey, toTime } = query
  const isWanted = ({ key }: Rows.Row) =>
    (fromKey === undefined || Buffer.compare(key, fromKey) >= 0) &&
    (toKey === undefined || Buffer.compare(key, toKey) < 0)
  const counted = [...sealed, ...unsealed.filter(({ time }) => time >= traceUpper)]
  return Rows.show(Rows.consolidate(counted.filter(isWanted), { since, lower: fromTime, upper: toTime }))
}

const viewOf = ({ list, spills, trace, traceUpper }: State, count = list.length): ReadView => ({
  collection: 1,
  name: "rows",
  seqNo: 0,
  upper: 0,
  since: 0,
  traceUpper,
  chunks: { list, count },
  spills,
  trace
})

/** Rows of which most take back earlier ones, at times that mostly ascend. */
const nextRows = (prng: Prng.Prng, time: number, live: Array<Rows.Row>): ReadonlyArray<Rows.Row> =>
  Array.from({ length: 1 + prng.int(20) }, (_, i) => {
    const at = prng.chance(0.1) ? prng.int(40) : time
    const back = prng.chance(0.45) ? live.splice(prng.int(live.length), 1)[0] : undefined
    if (back !== undefined) return { ...back, time: at, diff: prng.chance(0.9) ? -back.diff : 1 }
    const row = Rows.row(`k${prng.int(6)}`, prng.chance(0.5) ? `${prng.int(3)}` : `${time} ${i}`, at, 1 + prng.int(2))
    live.push(row)
    return row
  })

const queryOf = (prng: Prng.Prng, latest: number): Merging.Query => {
  const asOf = prng.int(latest + 3)
  const times = prng.pick([
    { fromTime: 0, toTime: Infinity, since: Number.MAX_SAFE_INTEGER },
    { fromTime: 0, toTime: Infinity, since: Number.MAX_SAFE_INTEGER },
    { fromTime: 0, toTime: asOf + 1, since: asOf },
    { fromTime: 0, toTime: 50, since: 49 },
    { fromTime: 0, toTime: asOf + 1, since: 49 },
    { fromTime: prng.int(asOf + 1), toTime: asOf + 1, since: prng.pick([0, asOf]) },
    { fromTime: 0, toTime: Infinity, since: prng.int(latest + 1) }
  ])
  if (prng.chance(0.7)) return times
  const [from, to] = [prng.int(6), 1 + prng.int(6)]
  return { ...times, fromKey: Buffer.from(`k${from}`), toKey: Buffer.from(`k${to}`) }
}

/** Moves rows of the oldest chunks to a batch: to the trace, up to a time, or to a spill. */
const move = (prng: Prng.Prng, state: State, add: (rows: ReadonlyArray<Rows.Row>) => Batch, time: number): void => {
  if (prng.chance(0.5)) {
    const rows = state.unsealed.filter((row) => row.time >= state.traceUpper && row.time < time)
    if (rows.length > 0) state.trace.push(add(rows))
    state.sealed.push(...rows)
    state.traceUpper = Math.max(state.traceUpper, time)
    if (prng.chance(0.5)) state.list = [...state.list]
    return
  }
  const count = prng.int(state.list.length)
  const rows = state.list.slice(0, count).flatMap(({ columns }) => Rows.fromColumns(columns))
  if (rows.length > 0) state.spills.push(add(rows))
  state.list = state.list.slice(count)
}

describe("merged reads", () => {
  it("have what every row comes to, of the present and of the past, while rows come and are moved to batches", async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const prng = Prng.make(seed)
      const { add, store } = makeStore()
      const runs = Runs.make()
      const live: Array<Rows.Row> = []
      const state: State = { list: [], traceUpper: 0, unsealed: [], sealed: [], spills: [], trace: [] }
      for (let time = 0; time < 30; time++) {
        // What is below the trace's upper is sealed: nothing is appended there.
        const rows = nextRows(prng, time, live).map((row) => ({ ...row, time: Math.max(row.time, state.traceUpper) }))
        state.list.push(Collection.chunk(time, time, Rows.toColumns(rows)))
        state.unsealed.push(...rows)
        if (prng.chance(0.1)) move(prng, state, (moved) => add(prng, moved), time)
        const query = queryOf(prng, time)
        const found = await read(store, runs, viewOf(state), query)
        assert.deepStrictEqual(found, naive(state, query), `seed ${seed}, time ${time}, ${JSON.stringify(query)}`)
      }
    }
  })

  it("of fewer chunks than before have those alone", async () => {
    const list = [1, -1].map((diff, at) => Collection.chunk(at, at, Rows.toColumns([Rows.row("a", "b", at, diff)])))
    const state: State = { list, traceUpper: 0, unsealed: [], sealed: [], spills: [], trace: [] }
    const query = { fromTime: 0, toTime: Infinity, since: 7 }
    const runs = Runs.make()
    assert.deepStrictEqual(await read(makeStore().store, runs, viewOf(state), query), [])
    const earlier = await read(makeStore().store, runs, viewOf(state, 1), query)
    assert.deepStrictEqual(earlier, Rows.show([Rows.row("a", "b", 7, 1)]))
  })

  it("sum what is too much in memory with what a batch takes back", async () => {
    const most = Number.MAX_SAFE_INTEGER
    const { add, store } = makeStore()
    const list = [0, 1].map((at) => Collection.chunk(at, at, Rows.toColumns([Rows.row("a", "b", at, most)])))
    const spills = [add(Prng.make(1), [Rows.row("a", "b", 2, -most)])]
    const state: State = { list, traceUpper: 0, unsealed: [], sealed: [], spills, trace: [] }
    const query = { fromTime: 0, toTime: Infinity, since: 9 }
    assert.deepStrictEqual(
      await read(store, Runs.make(), viewOf(state), query),
      Rows.show([Rows.row("a", "b", 9, most)])
    )
    const alone = Merging.pull(store, Runs.make(), viewOf({ ...state, spills: [] }), query)
    const exit = await Effect.runPromiseExit(alone)
    assert.include(Exit.isFailure(exit) ? String(exit.cause) : "", "ValueOutOfRange")
  })

  it("come in pieces, each with at least a row, the first ones small", async () => {
    const rows = Array.from({ length: 6000 }, (_, i) => Rows.row(String(i).padStart(6, "0"), "x".repeat(100), 3, 1))
    const list = [Collection.chunk(0, 0, Rows.toColumns([...rows, Rows.row("big", "y".repeat(600_000), 3, 1)]))]
    const state: State = { list, traceUpper: 0, unsealed: [], sealed: [], spills: [], trace: [] }
    const pull = Merging.pull(makeStore().store, Runs.make(), viewOf(state), { fromTime: 0, toTime: 4, since: 3 })
    const pieces: Array<Columns.Columns> = []
    const next = Effect.map(pull, (columns) => [columns] as const)
    await Effect.runPromise(
      Stream.runForEach(Stream.fromPull(Effect.succeed(next)), (each) => Effect.sync(() => pieces.push(each)))
    )
    assert.deepStrictEqual(pieces.flatMap(Rows.fromColumns).length, 6001)
    const bytes = pieces.map(Columns.goodputBytes)
    assert.isBelow(bytes[0]!, 33_000)
    assert.isBelow(Math.max(...bytes.slice(0, -1)), 263_000)
  })
})
