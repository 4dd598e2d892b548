import { afterAll, assert, it } from "@effect/vitest"
import { Context, Effect, Layer, Stream } from "effect"
import { createHash } from "node:crypto"
import fs from "node:fs"
import { join } from "node:path"
import * as BatchVerifier from "../src/batch/BatchVerifier.ts"
import * as PersistClient from "../src/client/PersistClient.ts"
import * as StoredJson from "../src/client/StoredJson.ts"
import * as Codec from "../src/Codec.ts"
import * as Collection from "../src/engine/Collection.ts"
import { version } from "../src/engine/Rollup.ts"
import { Log } from "../src/storage/Log.ts"
import * as Update from "../src/Update.ts"
import { filesOf } from "./cli/Tool.ts"
import * as Orders from "./golden/Orders.ts"
import * as Parts from "./golden/Parts.ts"
import * as Versions from "./golden/Versions.ts"
import { directory, layerOf } from "./node/Temporary.ts"
import * as Model from "./utils/Model.ts"
import * as Store from "./utils/Store.ts"

// Stores that were written when a format was new, by test/golden/make.ts. They must open for ever, and hold what was
// written. Where the present format has no store here yet, or reads none of the old ones, this fails.

const golden = join(import.meta.dirname, "golden")
const stores = fs.readdirSync(golden, { withFileTypes: true }).flatMap((entry) =>
  entry.isDirectory() ? [entry.name] : []
)
const formats = stores.filter((name) => name.startsWith("format-"))

/** What make.ts has written to "s". */
const model = (): Model.Model => {
  const updates: Array<Model.Row> = []
  for (let time = 0; time < 60; time++) {
    updates.push(
      Update.insert(`k${time % 7}`, `v${time}`, time),
      Update.make("sum", "", time, time - 30),
      Update.insert("future", `${time}`, 1_000 + time)
    )
  }
  updates.push(Update.insert("late", "in a batch of its own", 70), Update.insert("only", "in the log", 100))
  return { updates, upper: 100, since: 30 }
}

it("golden_test: there is a store of the present format", () => {
  assert.include(formats, `format-${version}`)
})

/** Of every file that a format's store had when it was made. They stay as they are for ever. */
const digests: Readonly<Record<string, string>> = {
  "format-1": "b2f73aa9ae9c4d0545d985774afecbd0fe589f01d0fd306b83db4771804010e7",
  "format-2": "f54f4b5345c915bc0047655aed11f73a11308d9c9cb98823cec5fdf3ca7227b2",
  "format-3": "8da57a11b0f00921649d4d3a9c3f683e05e2bf4d9f3c9b6093a5f0860af39d8e",
  "packed-1": "20e18fee71b0ffde7589f0f4f3d0eb2ff4315cd518e5be59bdd5c006c710bbe1",
  "typed-1": "3ab18658ce1118b1f0c1d7fd2e6e7f6b0d172c9968fc262a98f31a0c25b0ea8e"
}

const digestOf = (format: string): string => {
  const hash = createHash("sha256")
  for (const name of filesOf(join(golden, format))) {
    hash.update(`${name}\0`).update(fs.readFileSync(join(golden, format, name)))
  }
  return hash.digest("hex")
}

// After all others: no test may write to them.
afterAll(() => {
  assert.deepStrictEqual(Object.fromEntries(stores.map((store) => [store, digestOf(store)])), digests)
})

for (const format of formats) {
  it.effect(`golden_test: a store of ${format} opens, with what was written to it, and goes on`, () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      fs.cpSync(join(golden, format), path, { recursive: true })
      const storage = yield* Layer.build(layerOf(path))
      assert.deepStrictEqual(yield* Stream.runCollect(Context.get(storage, Log).verify), [])
      for (const name of fs.readdirSync(join(path, "blobs/batch"))) {
        assert.deepStrictEqual(BatchVerifier.verify(fs.readFileSync(join(path, "blobs/batch", name)), name), [])
      }

      const client = yield* Store.client(storage)
      const expected = model()
      const { reader, writer } = yield* client.load("s", Store.text)
      assert.deepStrictEqual(yield* Store.contents(reader), Model.contents(expected))
      for (let asOf = 30; asOf < 100; asOf++) {
        assert.deepStrictEqual(yield* Store.contents(reader, asOf), Model.contents(expected, asOf), `as of ${asOf}`)
      }
      assert.deepStrictEqual(
        (yield* client.descriptions).filter(({ isOnTimeline }) => !isOnTimeline).map((
          { id, name, since, upper }
        ) => [id, name, since, upper]),
        [
          [0, "s", 30, 100],
          [1, "every codec", 0, 0],
          [3, "finished", Infinity, Infinity],
          ...(format === "format-1" ? [] : [[4, "evolved", 0, 3]])
        ]
      )
      if (!["format-1", "format-2"].includes(format)) {
        const { reader: table } = yield* client.load("table", Store.text)
        const { isOnTimeline, upper } = yield* client.description("table")
        assert.isTrue(isOnTimeline)
        assert.deepStrictEqual(yield* Store.contents(table, upper - 1), [["a", "in the rollup", 1], [
          "b",
          "in the log",
          1
        ]])
      }
      const every = yield* client.load("every codec", { key: Codec.json, value: Codec.bytes })
      assert.deepStrictEqual(yield* Store.updates(every.reader), [
        Update.make({ a: [1, "ä", null] }, new Uint8Array([0, 255]), Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER)
      ])
      assert.isFalse(yield* client.destroy("gone"))

      yield* writer.append([Update.insert("new", "", 100)])
      yield* writer.seal(2_000)
      yield* client.compact("s")
      expected.updates.push(Update.insert("new", "", 100))
      assert.deepStrictEqual(yield* Store.contents(reader, 1_999), Model.contents(expected))
    }))
}

it.effect("golden_test: what was stored under older schemas is read, and retracted, under the newest", () =>
  Effect.gen(function*() {
    const path = join(yield* directory, "store")
    fs.cpSync(join(golden, "format-2"), path, { recursive: true })
    const storage = yield* Layer.build(layerOf(path))
    const state = yield* Store.recovered(storage)
    assert.deepStrictEqual(
      Collection.documents(state.collections.get(4)!).map(({ value }) => value),
      [Versions.first, Versions.second, Versions.third].map(({ value }) => value.document)
    )
    const client = yield* Store.client(storage)
    assert.propertyVal(yield* Effect.flip(client.load("evolved", Versions.first)), "_tag", "SchemaMismatch")
    const { reader, writer } = yield* client.load("evolved", Versions.third)
    assert.deepStrictEqual(yield* Store.contents(reader), [
      ["a", { price: 1 }, 1],
      ["b", { price: 2 }, 1],
      ["c", { note: "new", price: 3 }, 1]
    ])
    yield* writer.append([Update.retract("a", { price: 1 }, 3), Update.retract("c", { note: "new", price: 3 }, 3)])
    assert.deepStrictEqual(yield* Store.contents(reader), [["b", { price: 2 }, 1]])
  }))

it.effect("golden_test: rows in the layout of their schema are read, retracted, and shown without the program", () =>
  Effect.gen(function*() {
    const path = join(yield* directory, "store")
    fs.cpSync(join(golden, "typed-1"), path, { recursive: true })
    const client = yield* Store.client(yield* Layer.build(layerOf(path)))
    assert.deepInclude((yield* client.description("orders")).value, { name: "schema/2" })
    const shown = yield* Store.contents(
      (yield* Effect.provideService(
        StoredJson.open("orders"),
        PersistClient.PersistClient,
        client
      )).reader
    )
    const all = [...Orders.before, ...Orders.after]
    assert.deepStrictEqual(
      shown,
      all.map(({ key, value }) => [[...key], JSON.parse(JSON.stringify(value)) as StoredJson.Json, 1] as const)
    )
    const { reader, writer } = yield* client.load("orders", Orders.second)
    assert.deepStrictEqual(yield* Store.contents(reader), all.map(({ key, value }) => [key, value, 1] as const))
    yield* writer.append(all.slice(1).map((each) => ({ ...each, time: 3, diff: -1 })))
    assert.deepStrictEqual(yield* Store.contents(reader), [[all[0]!.key, all[0]!.value, 1]])
  }))

it.effect("golden_test: packed writes of the log are read, retracted and compacted", () =>
  Effect.gen(function*() {
    const path = join(yield* directory, "store")
    fs.cpSync(join(golden, "packed-1"), path, { recursive: true })
    const storage = yield* Layer.build(layerOf(path))
    const log = Context.get(storage, Log)
    const entries = yield* Stream.runCollect(log.read((yield* log.bounds).lower))
    const versions = new Set(entries.map(({ bytes }) => bytes[0]))
    assert.isTrue(versions.has(4))
    const client = yield* Store.client(storage)
    const { reader, writer } = yield* client.load("parts", Store.text)
    for (const time of Parts.times) assert.deepStrictEqual(yield* Store.contents(reader, time), Parts.contentsAt(time))
    const { length } = Parts.times
    yield* writer.append(Parts.updatesAt(length))
    yield* writer.seal(length + 1)
    yield* writer.allowCompaction(length)
    yield* client.compact("parts")
    assert.deepStrictEqual(yield* Store.contents(reader), Parts.contentsAt(length))
  }))
