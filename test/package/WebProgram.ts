// What an application does with a store in a browser: it appends enough for merges, compacts, opens the store again, and
// prints as JSON what it found. The page's address names the storage.
import { Effect, Layer, Schedule, Stream } from "effect"
import { Blob, Codec, PersistClient, Update } from "tidemark"
import { IndexedDbStorage, OpfsStorage } from "tidemark/web"

const name = "store"

const storage = location.pathname.includes("OpfsStorage")
  ? OpfsStorage.layer({ name, worker: () => new Worker("/files.js", { type: "module" }) })
  : IndexedDbStorage.layer({ name })

const options = { maintenance: Schedule.recurs(0), grace: 0, memoryBytes: 10_000 }

const opened = <A, E>(use: Effect.Effect<A, E, PersistClient.PersistClient | Blob.Blob>) =>
  Effect.provide(use, Layer.provideMerge(PersistClient.layer(options), storage))

const text = { key: Codec.string, value: Codec.string }

const bytesOfBlobs = Effect.flatMap(
  Blob.Blob,
  (blobs) => Stream.runFold(blobs.list(""), () => 0, (sum, { bytes }) => sum + bytes)
)

const value = (time: number) => `${time} ${"v".repeat(40)}`

const keys = Array.from({ length: 40 }, (_, i) => `k${i}`)

const program = Effect.gen(function*() {
  const before = yield* opened(Effect.gen(function*() {
    const client = yield* PersistClient.PersistClient
    const orders = yield* client.createOrLoad("orders", text)
    for (let time = 0; time < 50; time++) {
      yield* orders.append(keys.map((key) => Update.insert(key, value(time), time)))
      if (time > 0) yield* orders.append(keys.map((key) => Update.retract(key, value(time - 1), time)))
    }
    yield* orders.seal(50)
    yield* client.maintain
    const bytes = yield* bytesOfBlobs
    yield* orders.allowCompaction(49)
    yield* client.compact("orders")
    return bytes
  }))
  return yield* opened(Effect.gen(function*() {
    const client = yield* PersistClient.PersistClient
    const { reader } = yield* client.load("orders", text)
    const rows = yield* reader.get("k7", { asOf: 49 })
    return { rows: rows.length, before, after: yield* bytesOfBlobs, warnings: [] }
  }))
})

console.log(JSON.stringify(await Effect.runPromise(program)))
