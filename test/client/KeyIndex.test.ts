import { assert, describe, it } from "@effect/vitest"
import * as Columns from "../../src/batch/Columns.ts"
import { KeyIndex } from "../../src/client/KeyIndex.ts"
import type { Times } from "../../src/client/KeyTable.ts"
import * as Collection from "../../src/engine/Collection.ts"
import type { MemoryChunks } from "../../src/engine/ReadView.ts"
import * as Prng from "../../src/testing/Prng.ts"
import * as Rows from "../batch/Rows.ts"

const keys = ["", "a", "b", "ab", "ba", "abc", "key-0001", "key-0002"]

const everything: Times = { fromTime: 0, toTime: Infinity, since: 0 }
const now: Times = { ...everything, since: Number.MAX_SAFE_INTEGER }

const chunkOf = (position: number, rows: ReadonlyArray<Rows.Row>): Collection.MemoryChunk =>
  Collection.chunk(position, position, Rows.toColumns(rows))

/** The rows that a search visits, as they are stored. */
const visited = (index: KeyIndex, chunks: MemoryChunks, key: string, times = everything): ReadonlyArray<Rows.Row> => {
  const rows: Array<Rows.Row> = []
  index.find(chunks, Buffer.from(key), times, (columns, at) => rows.push(rowAt(columns, at)))
  return rows
}

const rowAt = (columns: Columns.Columns, at: number): Rows.Row => ({
  key: columns.keyData.slice(columns.keyOffsets[at], columns.keyOffsets[at + 1]),
  value: columns.valueData.slice(columns.valueOffsets[at], columns.valueOffsets[at + 1]),
  time: columns.times[at]!,
  diff: columns.diffs[at]!
})

/** By looking at every row. */
const expected = ({ count, list }: MemoryChunks, key: string, times = everything): ReadonlyArray<Rows.Row> =>
  list.slice(0, count)
    .flatMap(({ columns }) => Columns.rowsOf(columns, Buffer.from(key)).map((at) => rowAt(columns, at)))
    .filter(({ time }) => time >= times.fromTime && time < times.toTime)

/** What rows come to, as of `since`. */
const summed = (rows: ReadonlyArray<Rows.Row>, { since }: Times): ReadonlyArray<string> => {
  const sums = new Map<string, number>()
  for (const { diff, key, time, value } of rows) {
    const what = Rows.show([{ key, value, time: Math.max(time, since), diff: 0 }])[0]!
    sums.set(what, (sums.get(what) ?? 0) + diff)
  }
  return [...sums].filter(([, sum]) => sum !== 0).map(([what, sum]) => `${what} ${sum}`).toSorted()
}

/** Rows of which many take back earlier ones, mostly of the time before, at times that mostly ascend. */
const nextRows = (prng: Prng.Prng, position: number, live: Array<Rows.Row>): ReadonlyArray<Rows.Row> =>
  Array.from({ length: prng.int(30) }, (_, i) => {
    const time = prng.chance(0.2) ? prng.int(40) : position
    const back = prng.chance(0.6) ? live.splice(prng.chance(0.8) ? -1 : prng.int(live.length), 1)[0] : undefined
    if (back !== undefined) return { ...back, time, diff: prng.chance(0.9) ? -back.diff : -1 }
    const row = Rows.row(
      prng.pick(keys),
      `${prng.chance(0.5) ? prng.int(3) : `${position} ${i}`}`,
      time,
      1 + prng.int(2)
    )
    live.push(row)
    return row
  })

const timesOf = (prng: Prng.Prng): Times => {
  const asOf = prng.int(45)
  return prng.pick([
    everything,
    now,
    { fromTime: prng.int(20), toTime: asOf + 1, since: asOf },
    { fromTime: 0, toTime: asOf + 1, since: asOf },
    { fromTime: prng.int(20), toTime: Infinity, since: prng.int(30) }
  ])
}

describe("rows in memory by key", () => {
  it("come to what every row comes to, while rows come, are moved out, and older views are read", () => {
    for (let seed = 1; seed <= 80; seed++) {
      const prng = Prng.make(seed)
      const index = new KeyIndex()
      let list: Array<Collection.MemoryChunk> = []
      const live: Array<Rows.Row> = []
      const views: Array<MemoryChunks> = []
      for (let position = 0; position < 40; position++) {
        list.push(chunkOf(position, nextRows(prng, position, live)))
        // A flush moves the oldest out of a list that goes on as another one.
        if (prng.int(12) === 0) list = list.slice(prng.int(list.length))
        views.push({ list, count: list.length })
        const view = prng.int(3) === 0 ? prng.pick(views) : views.at(-1)!
        const key = prng.pick(keys)
        const times = timesOf(prng)
        assert.deepStrictEqual(
          summed(visited(index, view, key, times), times),
          summed(expected(view, key, times), times),
          `seed ${seed}, position ${position}, ${JSON.stringify(times)}`
        )
      }
    }
  })

  it("are found when there are more than one search adds to its table, in one chunk or many", () => {
    for (const rows of [100, 50_000]) {
      const prng = Prng.make(rows)
      const list = Array.from(
        { length: 100_000 / rows },
        (_, position) =>
          chunkOf(position, Array.from({ length: rows }, (_, i) => Rows.row(`${prng.int(1000)}`, `${i}`, position, 1)))
      )
      const index = new KeyIndex()
      for (let search = 0; search < 9; search++) {
        const view = { list, count: search === 4 ? Math.ceil(list.length / 2) : list.length }
        const found = visited(index, view, `${search}`)
        assert.deepStrictEqual(Rows.show(found).toSorted(), Rows.show(expected(view, `${search}`)).toSorted())
      }
    }
  })

  it("leave no memory of their number behind when maintenance has moved them", () => {
    const many = Array.from({ length: 200_000 }, (_, i) => Rows.row(`key ${i}`, "", 1, 1))
    const index = new KeyIndex()
    const all: MemoryChunks = { list: [chunkOf(1, many)], count: 1 }
    while (index.bytes < 24 * many.length) visited(index, all, "key 1")

    const rest: MemoryChunks = { list: [chunkOf(2, [Rows.row("key 1", "new", 2, 1)])], count: 1 }
    assert.deepStrictEqual(visited(index, rest, "key 1").map(({ time }) => time), [2])
    assert.isBelow(index.bytes, 100_000)
    assert.deepStrictEqual(visited(index, rest, "key 2"), [])
  })

  it("are not visited once they have been taken back, however often their key was written", () => {
    const list = Array.from({ length: 2000 }, (_, time) =>
      chunkOf(time, [
        ...(time === 0 ? [] : [Rows.row("a", `value ${time - 1}`, time, -1)]),
        Rows.row("a", `value ${time}`, time, 1)
      ]))
    const index = new KeyIndex()
    const view = { list, count: list.length }
    for (const count of [300, 300, 1000, 2000, 2000, 2000]) visited(index, { list, count }, "b")
    assert.deepStrictEqual(Rows.show(visited(index, view, "a", now)), Rows.show([Rows.row("a", "value 1999", 1999, 1)]))
    const before = { fromTime: 0, toTime: 1000, since: 999 }
    assert.deepStrictEqual(
      Rows.show(visited(index, view, "a", before)),
      Rows.show([Rows.row("a", "value 999", 999, 1)])
    )
    assert.lengthOf(visited(index, view, "a"), 3999)
  })
})
