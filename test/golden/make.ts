// Makes the golden store of the present format: `node --conditions=tidemark-source test/golden/make.ts`. To be run once
// for each format version, before its release; a store that is here already stays as it is.
import { Effect, Layer, Random } from "effect"
import fs from "node:fs"
import { join } from "node:path"
import * as Columns from "../../src/batch/Columns.ts"
import * as PersistClient from "../../src/client/PersistClient.ts"
import * as Codec from "../../src/Codec.ts"
import { version } from "../../src/engine/Rollup.ts"
import * as FileStorage from "../../src/node/FileStorage.ts"
import * as Command from "../../src/runtime/Command.ts"
import * as Update from "../../src/Update.ts"
import * as Store from "../utils/Store.ts"
import * as Versions from "./Versions.ts"

const directory = join(import.meta.dirname, `format-${version}`)

const columnsOf = (key: string, value: string): Columns.Columns => {
  const builder = new Columns.Builder()
  builder.keys.utf8(key)
  builder.values.utf8(value)
  builder.commit(0, 1)
  return builder.finish()
}

const program = Effect.gen(function*() {
  const client = yield* PersistClient.PersistClient
  const s = yield* client.createOrLoad("s", Store.text)
  for (let time = 0; time < 60; time++) {
    yield* s.writer.append([
      Update.insert(`k${time % 7}`, `v${time}`, time),
      Update.make("sum", "", time, time - 30),
      Update.insert("future", `${time}`, 1_000 + time)
    ])
    if (time % 6 === 5) yield* s.writer.seal(time)
    if (time % 20 === 19) yield* client.maintain
  }
  yield* s.writer.allowCompaction(30)
  yield* client.compact("s")
  yield* s.writer.append([Update.insert("late", "in a batch of its own", 70)])
  yield* s.writer.seal(100)
  yield* client.maintain

  const every = yield* client.createOrLoad("every codec", { key: Codec.json, value: Codec.bytes })
  // Older versions took diffs of this size.
  const extreme = new Columns.Builder()
  Codec.json.encode({ a: [1, "ä", null] }, extreme.keys)
  Codec.bytes.encode(new Uint8Array([0, 255]), extreme.values)
  extreme.commit(Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER)
  const target = { id: yield* every.id, name: "every codec", columns: extreme.finish() }
  yield* PersistClient.storeOf(client).submit(new Command.Write({ targets: [target] }))
  yield* client.createOrLoad("gone", { key: Codec.unit, value: Codec.unit })
  yield* client.destroy("gone")
  const finished = yield* client.createOrLoad("finished", Store.text)
  yield* finished.writer.seal(Infinity)
  yield* finished.writer.allowCompaction(Infinity)
  const old = yield* client.createOrLoad("evolved", Versions.first)
  yield* old.writer.append([Update.insert("a", { price: 1 }, 1), Update.insert("b", { price: 2 }, 1)])
  const evolved = yield* client.createOrLoad("evolved", Versions.second)
  yield* evolved.writer.append([Update.insert("c", { price: 3, note: "new" }, 2)])
  yield* evolved.writer.seal(3)
  const table = yield* client.createOrLoad("table", { ...Store.text, isOnTimeline: true })
  const id = yield* table.id
  const transact = (key: string, value: string) =>
    PersistClient.storeOf(client).submit(
      new Command.Transact({ readAt: 0, reads: [], writes: [{ id, name: "table", columns: columnsOf(key, value) }] })
    )
  yield* transact("a", "in the rollup")
  // Now the rollup has two schemas, and the log of the third.
  yield* client.compact("s")
  yield* s.writer.append([
    Update.insert("much", "-".repeat(5_000), 2_000),
    Update.retract("much", "-".repeat(5_000), 2_000)
  ])
  yield* client.maintain
  yield* client.createOrLoad("evolved", Versions.third)
  yield* s.writer.append([Update.insert("only", "in the log", 100)])
  yield* transact("b", "in the log")
})

if (fs.existsSync(directory)) throw new Error(`${directory} is there already`)

program.pipe(
  Effect.provide(
    PersistClient.layer({ ...Store.tiny, inlineBytes: 100 }).pipe(Layer.provide(FileStorage.layer({ directory })))
  ),
  Random.withSeed("golden"),
  Effect.runFork
)
