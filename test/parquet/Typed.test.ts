import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema, Stream } from "effect"
import { type AsyncBuffer, type FileMetaData, parquetMetadata, parquetReadObjects } from "hyparquet"
import type { CollectionEvent } from "../../src/client/CollectionEvent.ts"
import * as Typed from "../../src/formats/Typed.ts"
import type * as Layout from "../../src/Layout.ts"
import * as Parquet from "../../src/parquet/Parquet.ts"
import * as Update from "../../src/Update.ts"
import { generator } from "../formats/Layouts.ts"

type Json = Schema.Json
type Event = CollectionEvent<Json, Json>

const collected = <E>(bytes: Stream.Stream<Uint8Array, E>): Effect.Effect<ArrayBuffer, E> =>
  Effect.map(Stream.runCollect(bytes), (parts) => new Uint8Array(Buffer.concat([...parts])).buffer)

const updatesOf = (pairs: ReadonlyArray<readonly [key: Json, value: Json]>) =>
  pairs.map(([key, value], time) => Update.insert(key, value, time))

const written = (updates: ReadonlyArray<Update.Update<Json, Json>>, key: Layout.Layout, value: Layout.Layout) => {
  const flow: ReadonlyArray<Event> = [{ _tag: "Updates", updates }, { _tag: "Progress", frontier: updates.length }]
  return collected(Parquet.encodeAs({ key: { layout: key }, value: { layout: value } })(Stream.fromArray(flow)))
}

const read = (file: AsyncBuffer) =>
  Effect.map(Effect.result(Stream.runCollect(Parquet.decode(file))), (result) => {
    if (Result.isFailure(result)) return { updates: [], error: result.failure }
    return {
      updates: result.success.flatMap((event) => event._tag === "Updates" ? event.updates : []),
      error: undefined
    }
  })

/** The least and the greatest of each column, over all row groups. */
const bounds = ({ row_groups }: FileMetaData) =>
  Object.fromEntries((row_groups[0]?.columns ?? []).map(({ meta_data }) => {
    const { max_value, min_value } = meta_data!.statistics ?? {}
    return [meta_data!.path_in_schema.join("."), [min_value, max_value]] as const
  }))

describe("Parquet with types", () => {
  it.effect.prop(
    "gives back every row of every layout, also those that do not fit it",
    [Schema.Int],
    ([seed]) =>
      Effect.gen(function*() {
        const { below, layout, value } = generator(seed)
        const [keys, values] = [layout(0), layout(0)]
        const updates = updatesOf(Array.from({ length: 1 + below(12) }, () => [value(keys), value(values)]))
        const { error, updates: found } = yield* read(yield* written(updates, keys, values))
        assert.isUndefined(error, JSON.stringify([keys, values]))
        assert.deepStrictEqual(found, updates, JSON.stringify([keys, values]))
      }),
    { arbitrary: { runs: 200, seed: 1 } }
  )

  const Order = Schema.Struct({
    item: Schema.String,
    count: Schema.Int,
    price: Schema.Finite,
    isPaid: Schema.Boolean,
    placed: Schema.Date,
    note: Schema.optionalKey(Schema.String),
    sizes: Schema.Array(Schema.Int),
    payment: Schema.Union([
      Schema.Struct({ _tag: Schema.Literal("card"), digits: Schema.String }),
      Schema.Struct({ _tag: Schema.Literal("cash"), coins: Schema.Int })
    ]),
    extra: Schema.Json
  })
  const order = (item: string, count: number): typeof Order.Type => ({
    item,
    count,
    price: count / 4,
    isPaid: count > 1,
    placed: new Date(count * 1000),
    sizes: [count, count + 1],
    payment: count > 1 ? { _tag: "card", digits: "42" } : { _tag: "cash", coins: count },
    extra: { any: [null, count] }
  })
  const schemas = { key: Schema.String, value: Order }
  const orders = (count: number) => Array.from({ length: count }, (_, i) => Update.insert(`o-${i}`, order("tea", i), i))
  const fileOf = (updates: ReadonlyArray<Update.Update<string, typeof Order.Type>>) =>
    Stream.make<[CollectionEvent<string, typeof Order.Type>]>({ _tag: "Updates", updates }).pipe(
      Typed.encode(schemas),
      Parquet.encode(schemas),
      collected
    )

  it.effect("the fields of a schema are columns of their types, to everybody", () =>
    Effect.gen(function*() {
      const file = yield* fileOf([Update.insert("o-1", { ...order("tea", 1), note: "soon" }, 1)])
      assert.deepStrictEqual(yield* Effect.promise(() => parquetReadObjects({ file })), [{
        key: "o-1",
        key_json: null,
        value: {
          item: "tea",
          count: 1n,
          price: 0.25,
          isPaid: false,
          placed: new Date(1000),
          note: "soon",
          sizes: [1n, 2n],
          payment: { _tag: "cash", card: undefined, cash: { coins: 1n } },
          extra: { any: [null, 1] }
        },
        value_json: null,
        time: 1n,
        diff: 1n
      }])
    }))

  it.effect("decodes to the values that they were, over several row groups", () =>
    Effect.gen(function*() {
      const updates = orders(60_000)
      const found = yield* Parquet.decode(yield* fileOf(updates)).pipe(Typed.decode(schemas), Stream.runCollect)
      assert.deepStrictEqual(found.flatMap((event) => event._tag === "Updates" ? event.updates : []), updates)
    }))

  it.effect("columns have statistics, but none of JSON, whose bounds would be whole documents", () =>
    Effect.gen(function*() {
      const found = bounds(parquetMetadata(yield* fileOf(orders(1000))))
      assert.deepStrictEqual(found["key"], ["o-0", "o-999"])
      assert.deepStrictEqual(found["value.count"], [0n, 999n])
      assert.deepStrictEqual(found["value.price"], [-0, 249.75])
      assert.deepStrictEqual(found["value.placed"], [new Date(0), new Date(999_000)])
      assert.deepStrictEqual(found["value.payment.cash.coins"], [0n, 1n])
      assert.deepStrictEqual(found["value.extra"], [undefined, undefined])
      assert.deepStrictEqual(found["value_json"], [undefined, undefined])
      assert.deepStrictEqual(found["diff"], [1n, 1n])
    }))

  it.effect("texts have statistics that are theirs, also after the next row group", () =>
    Effect.gen(function*() {
      const updates = updatesOf(Array.from({ length: 100_000 }, (_, i) => [`key ${1_000_000 + i}`, `${i % 10}`]))
      const flow = Stream.make<[Event]>({ _tag: "Updates", updates })
      const file = yield* collected(Parquet.encode({ key: "text", value: "text" })(flow))
      const found = bounds(parquetMetadata(file))
      assert.deepStrictEqual(found["key"], ["key 1000000", "key 1049999"])
      assert.deepStrictEqual(found["value"], ["0", "9"])
    }))

  it.effect("contents have types, too", () =>
    Effect.gen(function*() {
      const rows = Stream.make(["a", { n: 1 }, 2] as const, ["b", { n: 2 }, 1] as const)
      const file = yield* collected(Parquet.contents({ value: Schema.Struct({ n: Schema.Int }) })(rows))
      const found = yield* Effect.promise(() => parquetReadObjects({ file }))
      assert.deepStrictEqual(found.map(({ diff, value }) => [value, diff]), [[{ n: 1n }, 2n], [{ n: 2n }, 1n]])
    }))

  it.effect("damaged anywhere it fails with a typed error, or gives rows, and comes to an end", () =>
    Effect.gen(function*() {
      const layout: Layout.Layout = { struct: [["n", "int"], ["s", { array: "string" }], ["j", "json", "?"]] }
      const file = yield* written(updatesOf([["a", { n: 1, s: ["x"] }], ["b", { n: 2, s: [] }]]), "string", layout)
      const footer = file.byteLength - 8 - new DataView(file).getUint32(file.byteLength - 8, true)
      for (let at = 0; at < file.byteLength; at++) {
        for (const bits of [0x01, 0x40, 0xff]) {
          const damaged = file.slice(0)
          new Uint8Array(damaged)[at]! ^= bits
          const { error, updates } = yield* read(damaged)
          if (at >= 4 && at < footer) assert.strictEqual(error?._tag, "InvalidInput", `byte ${at}`)
          else assert.strictEqual(updates.length, error === undefined ? 2 : 0, `byte ${at}`)
        }
      }
    }))
})
