/**
 * The cache of current rows: what a commit has replaced is not in it, and it holds as much as its budget allows.
 */
import { describe, expect, it } from "vitest"
import * as Codec from "../../src/Codec.ts"
import { Row, RowCache } from "../../src/tables/RowCache.ts"

const rowOf = (bytes: number): Row<Uint8Array> => new Row(new Uint8Array(bytes), Codec.bytes)

/** Reads a key at a time, when it has a row of so many bytes. */
const read = (cache: RowCache<Uint8Array>, key: string, bytes = 8): void => {
  cache.fill(key, cache.reserve(key), rowOf(bytes), 1)
}

const budget = 16 * 1024

describe("RowCache", () => {
  it("does not take the result of a read whose key it has dropped meanwhile: a commit may have replaced it", () => {
    const cache = new RowCache<Uint8Array>(budget)
    const reserved = cache.reserve("slow")
    for (let i = 0; i < 1_000; i++) read(cache, `other-${i}`)
    expect(cache.peek("slow")).toBeUndefined()

    cache.fill("slow", reserved, rowOf(8), 1)

    expect(cache.peek("slow")).toBeUndefined()
  })

  it("does not take the result of a read that began before commits were missed", () => {
    const cache = new RowCache<Uint8Array>(budget)
    const reserved = cache.reserve("slow")
    cache.clear()

    cache.fill("slow", reserved, rowOf(8), 1)

    expect(cache.peek("slow")).toBeUndefined()
  })

  it("keeps other rows, however often one is written", () => {
    const cache = new RowCache<Uint8Array>(budget)
    read(cache, "other")
    read(cache, "hot")
    for (let time = 2; time < 1_000; time++) cache.fill("hot", cache.peek("hot")!, rowOf(8), time)

    expect(cache.peek("other")).toBeDefined()
    expect(cache.peek("hot")?.from).toBe(999)
  })

  it("drops the rows that were read least recently where a row grows beyond the budget", () => {
    const cache = new RowCache<Uint8Array>(budget)
    for (const key of ["a", "b", "c"]) read(cache, key)
    for (let size = 8; size < 3_000; size += 100) cache.fill("c", cache.peek("c")!, rowOf(size), size)
    for (let i = 0; i < 30; i++) read(cache, `other-${i}`)

    expect(cache.peek("a")).toBeUndefined()
    expect(cache.peek("other-29")).toBeDefined()
  })
})
