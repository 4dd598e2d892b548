import { afterAll, assert, describe, it } from "@effect/vitest"
import { Context, Effect, Schema, Stream } from "effect"
import { randomBytes } from "node:crypto"
import { Log } from "tidemark"
import * as Packing from "../../src/postgres/Packing.ts"
import { query, server } from "./Server.ts"
import { open } from "./Stores.ts"

const postgres = await server()
afterAll(() => postgres?.remove())

const mebibyte = 1024 * 1024
const repeating = new Uint8Array(mebibyte).map((_, i) => i % 251)
const random = new Uint8Array(randomBytes(mebibyte))

describe("packed entries", () => {
  it.prop("come out as they went in", [
    Schema.Uint8Array,
    Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 4000 }))
  ], ([
    some,
    times
  ]) => {
    const entry = new Uint8Array(some.length * times).map((_, i) => some[i % some.length]!)
    assert.deepStrictEqual(Packing.unpack(Packing.pack(entry)), entry)
  })

  it("are smaller, or as they were", () => {
    assert.isBelow(Packing.pack(repeating).bytes.length, mebibyte / 10)
    assert.strictEqual(Packing.pack(random).bytes, random)
    const small = repeating.subarray(0, 1000)
    assert.strictEqual(Packing.pack(small).bytes, small)
  })

  it("are nothing when any byte, or what is beside them, has changed", () => {
    for (const entry of [repeating, random, repeating.subarray(0, 1000)]) {
      const { bytes, seal } = Packing.pack(entry)
      for (let i = 0; i < bytes.length; i += Math.ceil(bytes.length / 100)) {
        const damaged = bytes.slice()
        damaged[i]! ^= 1
        assert.isUndefined(Packing.unpack({ bytes: damaged, seal }))
      }
      for (const bit of [0n, 31n, 32n, 40n]) assert.isUndefined(Packing.unpack({ bytes, seal: seal ^ (1n << bit) }))
    }
  })

  it.live.skipIf(postgres === undefined)("are in the database, beside those of format 1", () =>
    Effect.gen(function*() {
      const url = postgres!.newStore()
      const schema = new URL(url).searchParams.get("schema")!
      const log = Context.get(yield* open(url), Log.Log)
      const entries = [repeating, random, repeating.slice(0, 1000)]
      yield* Effect.scoped(Effect.flatMap(log.acquire, (writer) => writer.append(0, entries)))
      const stored = yield* query(url, `SELECT octet_length(bytes) AS bytes FROM ${schema}.entries ORDER BY position`)
      const [first, ...rest] = stored.map(({ bytes }) => Number(bytes))
      assert.isBelow(first!, mebibyte / 10)
      assert.deepStrictEqual(rest, [mebibyte, 1000])
      const read = Effect.map(
        Stream.runCollect(log.read(0)),
        (found) => found.map(({ bytes }) => new Uint8Array(bytes))
      )
      assert.deepStrictEqual(yield* read, entries)
      yield* query(url, `UPDATE ${schema}.log SET format = 1`)
      const older = Context.get(yield* open(url), Log.Log)
      yield* Effect.scoped(older.acquire)
      assert.deepStrictEqual(yield* query(url, `SELECT format FROM ${schema}.log`), [{ format: 2 }])
      assert.deepStrictEqual(yield* read, entries)
    }))
})
