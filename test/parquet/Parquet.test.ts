import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema, Stream } from "effect"
import { type AsyncBuffer, parquetMetadata, parquetReadObjects, type SchemaElement } from "hyparquet"
import { ByteWriter, parquetWriteBuffer, ParquetWriter } from "hyparquet-writer"
import type { CollectionEvent } from "../../src/client/CollectionEvent.ts"
import * as Frontier from "../../src/Frontier.ts"
import * as Parquet from "../../src/parquet/Parquet.ts"
import type { InvalidInput } from "../../src/PersistError.ts"
import * as Update from "../../src/Update.ts"

type Json = Schema.Json
type Event = CollectionEvent<Json, Json>

const bytesOf = (flow: ReadonlyArray<Event>, columns: Parquet.Columns = {}) =>
  Effect.map(
    Stream.runCollect(Parquet.encode(columns)(Stream.fromArray(flow))),
    (parts) => new Uint8Array(parts.flatMap((part) => [...part])).buffer
  )

/** All updates and the last progress, and what it failed with. */
const outcome = Effect.fnUntraced(function*(file: AsyncBuffer) {
  const updates: Array<Update.Update<Json, Json>> = []
  let frontier: number | undefined
  const result = yield* Parquet.decode(file).pipe(
    Stream.runForEach((event) =>
      Effect.sync(() => {
        if (event._tag === "Updates") updates.push(...event.updates)
        else frontier = event.frontier
      })
    ),
    Effect.result
  )
  return { updates, frontier, error: Result.isFailure(result) ? result.failure : undefined }
})

const text = Schema.String.check(Schema.makeFilter((text) => text.isWellFormed()))
const Json: Schema.Codec<Json> = Schema.Union([
  Schema.Null,
  text,
  Schema.Int,
  Schema.Struct({ a: text, b: Schema.Array(Schema.Boolean) })
])
const Row = Schema.Struct({
  key: Json,
  value: Json,
  time: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
  diff: Schema.Int.check(Schema.isBetween({ minimum: -Number.MAX_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER }))
})

describe("Parquet", () => {
  it.effect.prop("gives back what was written: any JSON, any time, and how far it is complete", [Schema.Array(Row)], ([
    rows
  ]) =>
    Effect.gen(function*() {
      const updates = rows.map((row) => ({ ...row, diff: row.diff + 0 }))
      const flow: ReadonlyArray<Event> = [{ _tag: "Updates", updates }, { _tag: "Progress", frontier: Frontier.empty }]
      const found = yield* outcome(yield* bytesOf(flow))
      assert.isUndefined(found.error)
      assert.deepStrictEqual(found.updates, updates)
      assert.strictEqual(found.frontier, Frontier.empty)
    }), { arbitrary: { runs: 100, seed: 1 } })

  it.effect("columns of texts are texts to everybody, and rows of several groups come back", () =>
    Effect.gen(function*() {
      const rows = 120_000
      const updates = Array.from({ length: rows }, (_, i) => Update.insert(`key ü ${i}`, `value ${i % 7}`, i))
      const flow = Array.from({ length: rows / 1000 }, (_, i): Event => ({
        _tag: "Updates",
        updates: updates.slice(i * 1000, (i + 1) * 1000)
      }))
      const file = yield* bytesOf(flow, { key: "text", value: "text" })
      const { row_groups, schema } = parquetMetadata(file)
      assert.deepStrictEqual(row_groups.map(({ num_rows }) => Number(num_rows)), [50_000, 50_000, 20_000])
      assert.deepStrictEqual(schema.map(({ converted_type }) => converted_type), [
        undefined,
        "UTF8",
        "UTF8",
        undefined,
        undefined
      ])
      const found = yield* outcome(file)
      assert.deepStrictEqual(found.updates, updates)
      assert.isUndefined(found.frontier)
      const [last] = yield* Effect.promise(() => parquetReadObjects({ file, rowStart: rows - 1 }))
      assert.deepStrictEqual(last, { key: "key ü 119999", value: "value 5", time: 119_999n, diff: 1n })
    }))

  it.effect("contents have no times", () =>
    Effect.gen(function*() {
      const parts = yield* Stream.runCollect(
        Parquet.contents({ key: "text" })(Stream.make(["a", { n: 1 }, 2] as const))
      )
      const file = new Uint8Array(parts.flatMap((part) => [...part])).buffer
      assert.deepStrictEqual(yield* Effect.promise(() => parquetReadObjects({ file })), [
        { key: "a", value: { n: 1 }, diff: 2n }
      ])
      const { error } = yield* outcome(file)
      assert.deepInclude(error, { reason: "SchemaDrift", detail: `it has no column "time"` })
    }))

  it.effect("files of others: numbers, booleans and nulls are JSON, and a row without a diff is there once", () =>
    Effect.gen(function*() {
      const file = parquetWriteBuffer({
        columnData: [
          { name: "key", data: [1, 2], type: "INT32" },
          { name: "value", data: [true, null], type: "BOOLEAN" },
          { name: "time", data: [3, 4], type: "INT32" }
        ]
      })
      const { updates } = yield* outcome(file)
      assert.deepStrictEqual(updates, [Update.insert(1, true, 3), Update.insert(2, null, 4)])
    }))
})

/** A file with one row, and metadata that says of the bytes of its value what they are. */
const ofBytes = (bytes: ReadonlyArray<number>, as: Partial<SchemaElement>) => {
  const element: SchemaElement = { name: "value", type: "BYTE_ARRAY", repetition_type: "REQUIRED" }
  const writer = new ByteWriter()
  const file = new ParquetWriter({
    writer,
    schema: [
      { name: "root", num_children: 3 },
      { name: "key", type: "INT32", repetition_type: "REQUIRED" },
      element,
      { name: "time", type: "INT32", repetition_type: "REQUIRED" }
    ]
  })
  void file.write({
    columnData: [
      { name: "key", data: [1] },
      { name: "value", data: [Uint8Array.from(bytes)], statistics: false },
      { name: "time", data: [3] }
    ]
  })
  // The writer would convert the bytes: it learns only now what they are.
  Object.assign(element, as)
  void file.finish()
  return writer.getBuffer()
}

describe("Parquet of others", () => {
  it.effect("decimals have all their digits", () =>
    Effect.gen(function*() {
      const decimal = (bytes: ReadonlyArray<number>, scale: number) =>
        Effect.map(
          outcome(ofBytes(bytes, { converted_type: "DECIMAL", precision: 38, scale })),
          ({ error, updates }) => [error, updates[0]?.value]
        )
      const great = [0x4b, 0x3b, 0x4c, 0xa8, 0x5a, 0x86, 0xc4, 0x7a, 0x09, 0x8a, 0x22, 0x3f, 0xff, 0xff, 0xff, 0xff]
      assert.deepStrictEqual(yield* decimal(great, 2), [undefined, "999999999999999999999999999999999999.99"])
      assert.deepStrictEqual(yield* decimal([0xff], 2), [undefined, "-0.01"])
      assert.deepStrictEqual(yield* decimal([0x7f], 0), [undefined, "127"])
    }))

  const bytes: ReadonlyArray<readonly [name: string, bytes: ReadonlyArray<number>, as: Partial<SchemaElement>]> = [
    ["bytes that are no text", [0xff, 0xfe], {}],
    ["bytes that no annotation calls a text", [0x61], {}],
    ["a text that is not UTF-8", [0x61, 0xff], { converted_type: "UTF8" }],
    ["JSON that is not UTF-8", [0x22, 0xff, 0x22], { converted_type: "JSON" }],
    ["JSON that would be rounded", [...new TextEncoder().encode("9007199254740993")], { converted_type: "JSON" }]
  ]
  it.effect.each(bytes)("%s: refused, not changed", ([, bytes, as]) =>
    Effect.gen(function*() {
      const { error, updates } = yield* outcome(ofBytes(bytes, as))
      assert.deepStrictEqual(updates, [])
      assert.strictEqual(error?._tag, "InvalidInput")
    }))
})

describe("Parquet that cannot be taken", () => {
  const column = (name: string, data: ReadonlyArray<unknown>) => ({ name, data: [...data] })
  const written = (...columnData: ReadonlyArray<ReturnType<typeof column>>) =>
    parquetWriteBuffer({ columnData: [...columnData] })
  const key = column("key", ["a", "b"])
  const value = column("value", ["a", "b"])
  const time = column("time", [1n, 2n])

  const cases: ReadonlyArray<
    readonly [name: string, file: ArrayBuffer, rows: number, reason: InvalidInput["reason"], place: string]
  > = [
    ["an empty file", new ArrayBuffer(0), 0, "Truncated", "its end"],
    ["something else", new TextEncoder().encode("key,value,time,diff\n").buffer, 0, "Malformed", "its beginning"],
    ["a column less", written(key, value), 0, "SchemaDrift", "its columns"],
    ["a column more", written(key, value, time, column("x", ["a", "b"])), 0, "SchemaDrift", "its columns"],
    ["a time below 0", written(key, value, column("time", [1n, -2n])), 1, "Malformed", "row 2"],
    ["a time above 2^53", written(key, value, column("time", [1n, 2n ** 53n])), 1, "Malformed", "row 2"],
    ["no time", written(key, value, column("time", [1n, null])), 1, "Malformed", "row 2"],
    ["a diff above 2^53", written(key, value, time, column("diff", [1n, 2n ** 53n])), 1, "Malformed", "row 2"],
    ["a date as a value", written(key, column("value", [new Date(0), new Date(1)]), time), 0, "SchemaDrift", "row 1"],
    ["a number that no JSON has", written(column("key", [1n, 2n ** 60n]), value, time), 1, "SchemaDrift", "row 2"]
  ]
  it.effect.each(cases)("%s", ([, file, rows, reason, place]) =>
    Effect.gen(function*() {
      const { error, updates } = yield* outcome(file)
      assert.deepInclude(error, { _tag: "InvalidInput", reason, place })
      assert.strictEqual(updates.length, rows)
    }))

  const sample: ReadonlyArray<Event> = [
    { _tag: "Updates", updates: [Update.insert("a", { n: 1 }, 1), Update.insert("b", null, 2)] },
    { _tag: "Progress", frontier: 3 }
  ]

  it.effect("cut off anywhere it is truncated, and nothing of it comes out", () =>
    Effect.gen(function*() {
      const file = yield* bytesOf(sample)
      for (let length = 0; length < file.byteLength; length++) {
        const { error, frontier, updates } = yield* outcome(file.slice(0, length))
        assert.deepInclude(error, { reason: "Truncated" }, `${length} bytes`)
        assert.deepStrictEqual([updates, frontier], [[], undefined])
      }
    }))

  it.effect("damaged anywhere it fails with a typed error, or gives rows, but never dies", () =>
    Effect.gen(function*() {
      const file = yield* bytesOf(sample)
      for (let at = 0; at < file.byteLength; at++) {
        const damaged = file.slice(0)
        const bytes = new Uint8Array(damaged)
        bytes[at] = bytes[at]! ^ 0xff
        yield* outcome(damaged)
      }
    }))

  it.effect("an upper below its own rows is no harm; one that is no time is", () =>
    Effect.gen(function*() {
      const withUpper = (upper: string) =>
        parquetWriteBuffer({ columnData: [key, value, time], kvMetadata: [{ key: "tidemark.upper", value: upper }] })
      assert.strictEqual((yield* outcome(withUpper("1"))).frontier, 1)
      assert.deepInclude((yield* outcome(withUpper("soon"))).error, { reason: "Malformed" })
    }))
})
