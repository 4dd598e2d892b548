import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Result, Stream } from "effect"
import * as PersistClient from "../../src/client/PersistClient.ts"
import * as Codec from "../../src/Codec.ts"
import * as Debezium from "../../src/formats/Debezium.ts"
import { seal } from "../../src/operators/Seal.ts"
import * as Upsert from "../../src/operators/Upsert.ts"
import { ValueOutOfRange } from "../../src/PersistError.ts"
import * as MemoryStorage from "../../src/storage/MemoryStorage.ts"
import * as Update from "../../src/Update.ts"

const bytes = (messages: ReadonlyArray<unknown>): Stream.Stream<Uint8Array> =>
  Stream.make(new TextEncoder().encode(messages.map((message) => `${JSON.stringify(message)}\n`).join("")))

const unavailable = "__debezium_unavailable_value"

const key = (id: number) => ({ id })
const row = (id: number, n: number) => ({ id, n })
const inside = (id: string | undefined) => id === undefined ? {} : { transaction: { id, total_order: 1 } }
const insert = (id: number, n: number, transaction?: string) => ({
  key: key(id),
  value: { op: "c", before: null, after: row(id, n), source: { snapshot: "false" }, ...inside(transaction) }
})
const update = (id: number, from: number, to: number, transaction?: string) => ({
  key: key(id),
  value: { op: "u", before: row(id, from), after: row(id, to), ...inside(transaction) }
})
const remove = (id: number, n: number, transaction?: string) => ({
  key: key(id),
  value: { op: "d", before: row(id, n), after: null, ...inside(transaction) }
})
const tombstone = (id: number) => ({ key: key(id), value: null })
const read = (id: number, n: number, snapshot: string) => ({
  key: key(id),
  value: { op: "r", after: row(id, n), source: { snapshot } }
})
const begin = (id: string) => ({ value: { status: "BEGIN", id, event_count: null, data_collections: null } })
const end = (id: string) => ({ value: { status: "END", id, event_count: 2, data_collections: [] } })
/** As the JSON converter of Kafka Connect writes a message, with its schema. */
const wrapped = ({ key, value }: { readonly key: unknown; readonly value: unknown }) => ({
  key: { schema: {}, payload: key },
  value: { schema: {}, payload: value }
})

const outcome = (messages: ReadonlyArray<unknown>) =>
  Effect.suspend(() => {
    const delivered: Array<unknown> = []
    return bytes(messages).pipe(
      Debezium.decode(),
      Stream.runForEach((event) =>
        Effect.sync(() => {
          if (event._tag === "Updates") delivered.push(...event.updates)
          else delivered.push(event.frontier)
        })
      ),
      Effect.result,
      Effect.map((result) => ({ delivered, error: Result.isFailure(result) ? result.failure : undefined }))
    )
  })

describe("Debezium", () => {
  it.effect("inserts, updates, deletes and tombstones; each by itself is a transaction", () =>
    Effect.gen(function*() {
      const { error, delivered } = yield* outcome([
        insert(1, 10),
        wrapped(update(1, 10, 11)),
        { key: null, value: { op: "m", message: {} } },
        remove(1, 11),
        tombstone(1)
      ])
      assert.isUndefined(error)
      assert.deepStrictEqual(delivered, [
        Update.insert(key(1), row(1, 10), 0),
        1,
        Update.retract(key(1), row(1, 10), 1),
        Update.insert(key(1), row(1, 11), 1),
        2,
        Update.retract(key(1), row(1, 11), 2),
        3
      ])
    }))

  it.effect("a transaction has one time, complete at its END, or where the next begins, and not before", () =>
    Effect.gen(function*() {
      const { delivered } = yield* outcome([
        begin("7"),
        insert(1, 10, "7"),
        insert(2, 20, "7"),
        end("7"),
        end("other tables"),
        insert(3, 30, "8"),
        insert(4, 40, "9"),
        insert(5, 50, "9")
      ])
      assert.deepStrictEqual(delivered, [
        Update.insert(key(1), row(1, 10), 0),
        Update.insert(key(2), row(2, 20), 0),
        1,
        Update.insert(key(3), row(3, 30), 1),
        2,
        Update.insert(key(4), row(4, 40), 2),
        Update.insert(key(5), row(5, 50), 2)
      ])
    }))

  it.effect("the snapshot of a connector is one transaction", () =>
    Effect.gen(function*() {
      const { delivered } = yield* outcome([read(1, 1, "first"), read(2, 2, "true"), read(3, 3, "last"), insert(4, 4)])
      assert.deepStrictEqual(delivered.filter((event) => typeof event === "number"), [1, 2])
      const cutOff = yield* outcome([read(1, 1, "first"), read(2, 2, "true")])
      assert.isFalse(
        cutOff.delivered.some((event) => typeof event === "number"),
        "a snapshot without its end is not complete"
      )
    }))

  const wrong: ReadonlyArray<readonly [message: unknown, detail: RegExp]> = [
    [{ op: "c" }, /must be \{"key"/],
    [{ key: key(2), value: "secret" }, /no envelope/],
    [{ key: key(2), value: { op: 1 } }, /no envelope/],
    [{ key: key(2), value: { op: "x", after: {} } }, /operation is unknown/],
    [{ key: null, value: { op: "c", after: { secret: 1 } } }, /no key/],
    [{ key: null, value: null }, /tombstone without a key/],
    [{ key: key(2), value: { op: "c", after: null } }, /no row `after`/],
    [{ key: key(2), value: { op: "u", after: row(2, 2) } }, /REPLICA IDENTITY FULL/],
    [{ key: key(2), value: { op: "t" } }, /truncated/],
    [insert(3, 3, "7"), /has ended before/],
    [{ key: key(1), value: { op: "d", before: { id: 1, n: null }, after: null } }, /no more than the key/],
    [{ key: key(1), value: { op: "d", before: key(1), after: null } }, /no more than the key/],
    [
      { key: key(1), value: { op: "u", before: row(1, 10), after: { id: 1, n: 11, big: unavailable } } },
      /large column/
    ],
    [{ key: key(1), value: { op: "c", after: { id: 1, list: [unavailable] } } }, /large column/],
    [{ key: key(1), value: { op: "d", before: { id: 1, big: unavailable, n: 1 } } }, /large column/]
  ]
  it.effect.each(wrong)(
    "%j stops it with its line; what came before is there",
    ([message, detail]) =>
      Effect.gen(function*() {
        const { error, delivered } = yield* outcome([insert(1, 10, "7"), end("7"), message, insert(9, 9)])
        assert.deepStrictEqual(delivered, [Update.insert(key(1), row(1, 10), 0), 1])
        assert.deepInclude(error, { format: "Debezium", place: "line 3", reason: "Malformed" })
        assert.match(String(error), detail)
        assert.notInclude(String(error), "secret")
      })
  )

  it.effect("a transaction whose changes come again after others is refused, however many there were", () =>
    Effect.gen(function*() {
      const { error } = yield* outcome([insert(1, 1, "A"), insert(2, 2, "B"), insert(3, 3, "C"), insert(4, 4, "A")])
      assert.deepInclude(error, { place: "line 4", reason: "Malformed" })
      assert.match(String(error), /has ended before/)
    }))

  const identities: ReadonlyArray<readonly [what: string, before: object, isWhole: boolean]> = [
    ["columns that may not be null and are empty", { id: 1, n: 0, name: "", on: false, list: [] }, false],
    ["columns that have their defaults", { id: 1, n: 7, name: "new", on: null, list: null }, false],
    ["another key", { id: 0, n: 8, name: "b", on: true, list: [1] }, false],
    ["one column that is neither", { id: 1, n: 8, name: "", on: false, list: [] }, true]
  ]
  it.effect.each(identities)(
    "a row `before` with %s: what the default replica identity leaves out is not taken for data",
    ([, before, isWhole]) =>
      Effect.gen(function*() {
        const fields = [
          { field: "id", type: "int32" },
          { field: "n", type: "int32", default: 7 },
          { field: "name", type: "string", default: "new" }
        ]
        const schema = { type: "struct", fields: [{ field: "before", type: "struct", fields }] }
        const deletion = { op: "d", before, after: null }
        const value = "name" in before && before.name === "new" ? { schema, payload: deletion } : deletion
        const { error, delivered } = yield* outcome([{ key: key(1), value }])
        if (isWhole) assert.deepStrictEqual(delivered, [Update.retract(key(1), before, 0), 1])
        else assert.match(String(error), /REPLICA IDENTITY FULL/)
      })
  )

  it.effect("precise decimals are texts with all their digits where the schema comes with them", () =>
    Effect.gen(function*() {
      const decimal = (field: string, scale: string) => ({
        field,
        type: "bytes",
        name: "org.apache.kafka.connect.data.Decimal",
        parameters: { scale, "connect.decimal.precision": "38" }
      })
      const variable = {
        field: "any",
        type: "struct",
        name: "io.debezium.data.VariableScaleDecimal",
        fields: [{ field: "scale", type: "int32" }, { field: "value", type: "bytes" }]
      }
      const fields = [decimal("price", "2"), decimal("minus", "0"), decimal("none", "3"), variable]
      // 12345678901234567890.12, -1, nothing, 0.05
      const after = { price: "QjpcNQb5zGA=", minus: "/w==", none: null, any: { scale: 2, value: "BQ==" } }
      const value = {
        schema: { type: "struct", fields: [{ field: "after", type: "struct", fields }] },
        payload: { op: "c", after }
      }
      const { error, delivered } = yield* outcome([{ key: key(1), value }])
      assert.isUndefined(error)
      const row = { price: "47720127434112.15", minus: "-1", none: null, any: "0.05" }
      const [update] = delivered as ReadonlyArray<Update.Update<unknown, { readonly price: string }>>
      assert.deepStrictEqual({ ...update!.value, price: "" }, { ...row, price: "" })
      assert.strictEqual(BigInt(update!.value.price.replace(".", "")), 0x423a5c3506f9cc60n)
    }))

  it.effect("heartbeats count for nothing", () =>
    Effect.gen(function*() {
      const heartbeat = { key: { serverName: "x" }, value: { ts_ms: 1, ts_us: 1000, ts_ns: 1000000 } }
      const { error, delivered } = yield* outcome([heartbeat, insert(1, 10), wrapped(heartbeat)])
      assert.isUndefined(error)
      assert.deepStrictEqual(delivered, [Update.insert(key(1), row(1, 10), 0), 1])
    }))

  it.effect("a large column that did not change comes from the row before; a table may have no columns but its key", () =>
    Effect.gen(function*() {
      const { error, delivered } = yield* outcome([
        { key: key(1), value: { op: "u", before: { id: 1, big: "b" }, after: { id: 1, big: unavailable } } },
        { key: key(2), value: { op: "c", after: key(2) } },
        { key: key(2), value: { op: "d", before: key(2), after: null } }
      ])
      assert.isUndefined(error)
      assert.deepStrictEqual(delivered.slice(1), [
        Update.insert(key(1), { id: 1, big: "b" }, 0),
        1,
        Update.insert(key(2), key(2), 1),
        2,
        Update.retract(key(2), key(2), 2),
        3
      ])
    }))

  it.effect("integers beyond 2^53 are texts where the schema says int64, and refused elsewhere; clocks do not matter", () =>
    Effect.gen(function*() {
      const line = (key: string, value: string) =>
        Stream.make(new TextEncoder().encode(`{"key":${key},"value":${value}}`))
      const rowSchema = (field: string, type: string) =>
        `{"type":"struct","field":"${field}","fields":[{"field":"id","type":"${type}"}]}`
      const big = `{"id":9007199254740993}`
      const envelope = `{"op":"c","after":${big},"ts_ns":1760000000000000001,"source":{"ts_ns":1760000000000000001}}`
      const typed = (type: string) =>
        line(
          `{"schema":${rowSchema("key", type)},"payload":${big}}`,
          `{"schema":{"type":"struct","fields":[${rowSchema("after", type)}]},"payload":${envelope}}`
        ).pipe(Debezium.decode(), Stream.runCollect)
      const events = yield* typed("int64")
      const carried = { id: "9007199254740993" }
      assert.deepStrictEqual(events[0], { _tag: "Updates", updates: [Update.insert(carried, carried, 0)] })
      assert.match(String(yield* Effect.flip(typed("double"))), /rounded/)
      assert.match(String(yield* Effect.flip(Stream.runDrain(line(big, envelope).pipe(Debezium.changes())))), /rounded/)
    }))

  it.effect("changes need no `before`: upserts keep the collection, whatever comes twice", () =>
    Effect.gen(function*() {
      const client = yield* PersistClient.PersistClient
      const table = yield* client.createOrLoad("table", { key: Codec.json, value: Codec.json })
      const bare = (id: number, n: number) => ({ key: key(id), value: { op: "u", after: row(id, n) } })
      yield* bytes([insert(1, 10), insert(2, 20), bare(1, 11), bare(1, 11), remove(2, 20), tombstone(2), insert(3, 30)])
        .pipe(Debezium.changes(), Upsert.upsert(table), seal(table.writer), Stream.runDrain)
      const { contents } = yield* table.reader.snapshot()
      assert.deepStrictEqual(yield* Stream.runCollect(contents), [
        [key(1), row(1, 11), 1],
        [key(3), row(3, 30), 1]
      ])
    }).pipe(Effect.provide(PersistClient.layer().pipe(Layer.provide(MemoryStorage.layer)))))

  it.effect("contents are the snapshot of a connector, and come back as one time", () =>
    Effect.gen(function*() {
      const rows = Array.from({ length: 5 }, (_, i) => [key(i), row(i, i), 1] as const)
      for (const size of [1, 2, 5]) {
        const events = yield* Stream.fromIterable(rows, { chunkSize: size }).pipe(
          Debezium.contents("orders"),
          Debezium.decode(),
          Stream.runCollect
        )
        const updates = events.flatMap((event) => event._tag === "Updates" ? event.updates : [])
        assert.deepStrictEqual(updates, rows.map(([key, value]) => Update.insert(key, value, 0)))
        assert.deepStrictEqual(events.at(-1), { _tag: "Progress", frontier: 1 })
      }
      const twice = yield* Effect.result(
        Stream.runDrain(Debezium.contents("orders")(Stream.make([key(1), row(1, 1), 2] as const)))
      )
      assert.instanceOf(Result.isFailure(twice) && twice.failure, ValueOutOfRange)
    }))
})
