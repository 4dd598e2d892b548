import { DuckDBInstance } from "@duckdb/node-api"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import fs from "node:fs"
import { join } from "node:path"
import * as PersistClient from "../../src/client/PersistClient.ts"
import * as Codec from "../../src/Codec.ts"
import * as FileStorage from "../../src/node/FileStorage.ts"
import * as Update from "../../src/Update.ts"
import { lines, output, remove, runBytes, temporary } from "./Tool.ts"

const home = temporary()
const dir = join(home, "store")
const path = join(home, "orders.parquet")

const Order = Schema.Struct({
  item: Schema.String,
  placed: Schema.Date,
  note: Schema.optionalKey(Schema.NullOr(Schema.String)),
  sizes: Schema.Array(Schema.Int)
})

beforeAll(async () => {
  const storing = Effect.gen(function*() {
    const client = yield* PersistClient.PersistClient
    const codecs = { key: Codec.tuple([Codec.string, Codec.number]), value: Codec.schema(Order) }
    const orders = yield* client.createOrLoad("orders", codecs)
    const placed = new Date("2026-01-02T03:04:05.006Z")
    yield* orders.append([
      Update.insert(["eu", 1], { item: "tea", placed, sizes: [1, 2] }, 0),
      Update.insert(["eu", 2], { item: "milk", placed, note: null, sizes: [] }, 1),
      Update.insert(["us", 1], { item: "thé ".repeat(5_000), placed, note: "soon", sizes: [3] }, 1)
    ])
    yield* orders.seal(2)
  })
  const stored = PersistClient.layer().pipe(Layer.provide(FileStorage.layer({ directory: dir })))
  await Effect.runPromise(Effect.provide(storing, stored))
  fs.writeFileSync(path, (await runBytes(["--dir", dir, "export", "orders", "--format", "parquet"])).out)
})
afterAll(() => remove(home))

describe("export --format parquet of a collection with a schema", () => {
  it("has its fields as columns with types, which DuckDB reads", async () => {
    const connection = await (await DuckDBInstance.create(":memory:")).connect()
    const rows = async (query: string) => (await connection.runAndReadAll(query)).getRowObjectsJson()
    assert.deepStrictEqual(
      await rows(
        `SELECT key._1 AS region, key._2 AS number, left(value.item, 4) AS item, value.placed, value.note, value.sizes, "time"
         FROM '${path}' WHERE value.placed > TIMESTAMPTZ '2026-01-01 00:00:00Z' ORDER BY "time", key._1`
      ),
      [
        {
          region: "eu",
          number: 1,
          item: "tea",
          placed: "2026-01-02 03:04:05.006+00",
          note: null,
          sizes: ["1", "2"],
          time: "0"
        },
        {
          region: "eu",
          number: 2,
          item: "milk",
          placed: "2026-01-02 03:04:05.006+00",
          note: null,
          sizes: [],
          time: "1"
        },
        {
          region: "us",
          number: 1,
          item: "thé ",
          placed: "2026-01-02 03:04:05.006+00",
          note: "soon",
          sizes: ["3"],
          time: "1"
        }
      ]
    )
    const bounds = await rows(
      `SELECT stats_min_value AS least, stats_max_value AS most FROM parquet_metadata('${path}')
       WHERE path_in_schema = 'key, _1' OR path_in_schema = 'key._1'`
    )
    assert.deepStrictEqual(bounds, [{ least: "eu", most: "us" }])
    connection.closeSync()
  })

  it("comes back as it was", async () => {
    const copy = ["--dir", join(home, "copy")]
    assert.strictEqual(
      await output([...copy, "ingest", "orders", path, "--format", "parquet"]),
      "3 updates durable, sealed to 2"
    )
    const sorted = async (store: ReadonlyArray<string>) =>
      lines(await output([...store, "snapshot", "orders", "--updates"]))
        .map((line): unknown => JSON.parse(line))
    assert.sameDeepMembers([...await sorted(copy)], [...await sorted(["--dir", dir])])
  })
})

describe("export --format csv of a collection with a schema", () => {
  it("has its fields as columns, and comes back as it was", async () => {
    const file = join(home, "orders.csv")
    fs.writeFileSync(file, await output(["--dir", dir, "export", "orders", "--format", "csv"]))
    const [header] = lines(fs.readFileSync(file, "utf8"))
    assert.strictEqual(
      header,
      "key._1,key._2,key_json,value.placed,value.item,value.sizes,value.note,value_json,time,diff"
    )
    const copy = ["--dir", join(home, "csv")]
    assert.strictEqual(
      await output([...copy, "ingest", "orders", file, "--format", "csv"]),
      "3 updates durable, nothing sealed"
    )
    const rows = async (store: ReadonlyArray<string>) =>
      lines(await output([...store, "snapshot", "orders", "--updates"])).map((line): unknown => JSON.parse(line))
    assert.sameDeepMembers([...await rows(copy)], [...await rows(["--dir", dir])])
    const connection = await (await DuckDBInstance.create(":memory:")).connect()
    const found = await connection.runAndReadAll(
      `SELECT "key._2" AS number, "value.placed" > TIMESTAMP '2026-01-01' AS is_new FROM '${file}' WHERE "key._1" = 'us'`
    )
    assert.deepStrictEqual(found.getRowObjectsJson(), [{ number: "1", is_new: true }])
    connection.closeSync()
  })
})
