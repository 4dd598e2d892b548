import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema, Stream } from "effect"
import type { CollectionEvent } from "../../src/client/CollectionEvent.ts"
import * as Csv from "../../src/formats/Csv.ts"
import * as Typed from "../../src/formats/Typed.ts"
import type * as Layout from "../../src/Layout.ts"
import * as Update from "../../src/Update.ts"
import { generator } from "./Layouts.ts"

type Json = Schema.Json

const flowOf = <A>(updates: ReadonlyArray<Update.Update<A, A>>) =>
  Stream.make<[CollectionEvent<A, A>]>({ _tag: "Updates", updates })

const textOf = <E>(bytes: Stream.Stream<Uint8Array, E>) => Stream.mkString(Stream.decodeText(bytes))

const written = (updates: ReadonlyArray<Update.Update<Json, Json>>, layouts: Csv.Layouts) =>
  textOf(Csv.encodeAs(layouts)(flowOf(updates)))

const decoded = (text: string) => Csv.decodeFields(Stream.make(new TextEncoder().encode(text)))

const read = (text: string) =>
  Effect.map(
    Stream.runCollect(decoded(text)),
    (events) => events.flatMap((event) => event._tag === "Updates" ? event.updates : [])
  )

const order: Layout.Layout = {
  struct: [["item", "string"], ["count", "int"], ["at", { struct: [["city", "string"], ["zip", "string", "?"]] }, "?"]]
}

const updatesOf = (values: ReadonlyArray<Json>) =>
  values.map((value, time) => Update.insert<Json, Json>("k", value, time))

describe("CSV with a column for each field", () => {
  it.effect.prop(
    "gives back every row of every layout, also those that do not fit it",
    [Schema.Int],
    ([seed]) =>
      Effect.gen(function*() {
        const { below, layout, value } = generator(seed)
        const fields: Layout.Layout = { tuple: [layout(0), layout(0)] }
        const values = layout(0)
        const updates = Array.from(
          { length: 1 + below(12) },
          (_, time) => Update.insert<Json, Json>(value(fields), value(values), time)
        )
        const text = yield* written(updates, { key: fields, value: values })
        assert.deepStrictEqual(yield* read(text), updates, JSON.stringify([fields, values]))
      }),
    { arbitrary: { runs: 300, seed: 1 } }
  )

  it.effect("has the fields as columns, and whole values where the cells do not say them exactly", () =>
    Effect.gen(function*() {
      const values = [
        { item: "tea, green", count: 2, at: { city: "Oslo", zip: "0150" } },
        { item: "12", count: 3 },
        { item: "milk", count: 1, more: true }
      ]
      assert.strictEqual(
        yield* written(updatesOf(values), { key: "string", value: order }),
        "key,key_json,value.item,value.count,value.at.city,value.at.zip,value_json,time,diff\n" +
          `k,,"tea, green",2,Oslo,0150,,0,1\n` +
          `k,,12,3,,,"{""item"":""12"",""count"":3}",1,1\n` +
          `k,,milk,1,,,"{""item"":""milk"",""count"":1,""more"":true}",2,1\n`
      )
    }))

  it.effect("has the fields of all members of a union side by side, and parts of tuples by their numbers", () =>
    Effect.gen(function*() {
      const payment: Layout.Layout = {
        tag: "_tag",
        union: [["card", { struct: [["digits", "int"]] }], ["cash", { struct: [["coins", "int"]] }]]
      }
      const rows = [
        Update.insert<Json, Json>(["eu", 1], { _tag: "card", digits: 42 }, 0),
        Update.insert<Json, Json>(["eu", 2], { _tag: "cash", coins: 3 }, 1)
      ]
      const text = yield* written(rows, { key: { tuple: ["string", "number"] }, value: payment })
      assert.strictEqual(
        text,
        "key._1,key._2,key_json,value._tag,value.digits,value.coins,value_json,time,diff\n" +
          "eu,1,,card,42,,,0,1\n" +
          "eu,2,,cash,,3,,1,1\n"
      )
      assert.deepStrictEqual(yield* read(text), rows)
    }))

  it.effect("is as it was where there are no fields", () =>
    Effect.gen(function*() {
      assert.strictEqual(
        yield* written(updatesOf([7, "x"]), { key: "string", value: "json" }),
        "key,value,time,diff\nk,7,0,1\nk,x,1,1\n"
      )
    }))

  it.effect("has the types of schemas on both ways, and contents have no times", () =>
    Effect.gen(function*() {
      const schemas = { key: Schema.String, value: Schema.Struct({ item: Schema.String, placed: Schema.Date }) }
      const updates = [Update.insert("o-1", { item: "tea", placed: new Date(1000) }, 3)]
      const text = yield* Stream.make<[CollectionEvent<string, { item: string; placed: Date }>]>({
        _tag: "Updates",
        updates
      })
        .pipe(Typed.encode(schemas), Csv.encodeFields(schemas), textOf)
      const found = yield* Stream.runCollect(Typed.decode(schemas)(decoded(text)))
      assert.deepStrictEqual(found, [{ _tag: "Updates", updates }])
      const rows = Stream.make(["o-1", { item: "tea", placed: "1970-01-01T00:00:01.000Z" }, 2] as const)
      assert.strictEqual(
        yield* textOf(Csv.contentsFields(schemas)(rows)),
        "key,key_json,value.placed,value.item,value_json,diff\no-1,,1970-01-01T00:00:01.000Z,tea,,2\n"
      )
    }))

  it.effect("is read from other programs: columns in any order, digits that a number would lose as a text", () =>
    Effect.gen(function*() {
      const rows = yield* read("value.n,value.b,time,diff,key\n9007199254740993,true,1,1,x\n1.50,,2,1,y\n")
      assert.deepStrictEqual(rows.map(({ key, value }) => [key, value]), [
        ["x", { n: "9007199254740993", b: true }],
        ["y", { n: 1.5 }]
      ])
    }))

  it.effect.each([
    "key,value.a,value.a.b,time,diff",
    "key,value.a,value.a,time,diff",
    "key,value.a,time",
    "key,value.a,time,diff,more",
    "value.a,time,diff",
    "key,value.,value..x,time,diff,"
  ])("refuses a header of other columns: %s", (header) =>
    Effect.gen(function*() {
      const result = yield* Effect.result(Stream.runCollect(decoded(`${header}\n`)))
      assert.deepInclude(Result.isFailure(result) ? result.failure : {}, { reason: "SchemaDrift", place: "record 1" })
    }))

  it.effect("refuses a whole value that is not JSON", () =>
    Effect.gen(function*() {
      const result = yield* Effect.result(Stream.runCollect(decoded("key,value.a,value_json,time,diff\nx,1,{,1,1\n")))
      assert.deepInclude(Result.isFailure(result) ? result.failure : {}, { reason: "Malformed", place: "record 2" })
    }))
})
