import { assert, describe, it } from "@effect/vitest"
import type * as Columns from "../../src/batch/Columns.ts"
import { KeyIndex } from "../../src/client/KeyIndex.ts"
import * as Collection from "../../src/engine/Collection.ts"
import type { MemoryChunks } from "../../src/engine/ReadView.ts"
import * as Prng from "../../src/testing/Prng.ts"
import { row, toColumns } from "../batch/Rows.ts"

const keys = ["", "a", "b", "ab", "ba", "abc", "key-0001", "key-0002"]

const chunkOf = (position: number, rows: number, prng: Prng.Prng) =>
  Collection.chunk(
    position,
    position,
    toColumns(Array.from({ length: rows }, (_, i) => row(prng.pick(keys), `${position} ${i}`, position, 1)))
  )

const text = (columns: Columns.Columns, at: number): string =>
  Buffer.from(columns.valueData.subarray(columns.valueOffsets[at]!, columns.valueOffsets[at + 1]!)).toString()

const found = (index: KeyIndex, chunks: MemoryChunks, key: string): ReadonlyArray<string> => {
  const values: Array<string> = []
  index.find(chunks, Buffer.from(key), (columns, at) => values.push(text(columns, at)))
  return values.toSorted()
}

/** By looking at every row. */
const expected = ({ count, list }: MemoryChunks, key: string): ReadonlyArray<string> =>
  list.slice(0, count).flatMap(({ columns }) =>
    Array.from({ length: columns.length }, (_, at) => at)
      .filter((at) =>
        Buffer.from(columns.keyData.subarray(columns.keyOffsets[at]!, columns.keyOffsets[at + 1]!)).equals(
          Buffer.from(key)
        )
      )
      .map((at) => text(columns, at))
  ).toSorted()

describe("rows in memory by key", () => {
  it("are those that a look at every row finds, while rows come, are moved out, and older views are read", () => {
    for (let seed = 1; seed <= 60; seed++) {
      const prng = Prng.make(seed)
      const index = new KeyIndex()
      let list: Array<Collection.MemoryChunk> = []
      const views: Array<MemoryChunks> = []
      for (let position = 0; position < 40; position++) {
        list.push(chunkOf(position, prng.int(30), prng))
        // A flush moves the oldest out of a list that goes on as another one.
        if (prng.int(12) === 0) list = list.slice(prng.int(list.length))
        views.push({ list, count: list.length })
        const view = prng.int(3) === 0 ? prng.pick(views) : views.at(-1)!
        const key = prng.pick(keys)
        assert.deepStrictEqual(found(index, view, key), expected(view, key), `seed ${seed}, position ${position}`)
      }
    }
  })

  it("are found when there are more than one search adds to its table, in one chunk or many", () => {
    for (const rows of [100, 50_000]) {
      const prng = Prng.make(rows)
      const list = Array.from({ length: 100_000 / rows }, (_, position) => chunkOf(position, rows, prng))
      const index = new KeyIndex()
      for (let search = 0; search < 9; search++) {
        const view = { list, count: search === 4 ? Math.ceil(list.length / 2) : list.length }
        const key = keys[search % keys.length]!
        assert.deepStrictEqual(found(index, view, key), expected(view, key))
      }
    }
  })
})
