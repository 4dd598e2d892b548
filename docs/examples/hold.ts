/**
 * A long read beside a writer that compacts. The reader takes a named hold, reads a part, and ends. The writer goes on and
 * gives its history up. The reader is started again, resumes the hold by its name, and reads the rest of the same
 * snapshot. The clients share nothing but a directory: they could be processes on two machines.
 */
import { Console, Effect, Layer } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Codec, PersistClient, Update } from "tidemark"
import { FileStorage } from "tidemark/node"

const prices = { key: Codec.string, value: Codec.string }
const parent = mkdtempSync(join(tmpdir(), "tidemark-"))
const storage = FileStorage.layer({ directory: join(parent, "store") })
const writing = PersistClient.layer({ grace: 0 }).pipe(Layer.provide(storage))
const reading = PersistClient.layerReadOnly().pipe(Layer.provide(storage))

/** Reads what the hold shows of one key. Whoever loses the hold begins again with a new one. */
const read = (key: string) =>
  Effect.gen(function*() {
    const persist = yield* PersistClient.PersistClient
    const hold = yield* persist.hold("report", { lease: "10 minutes" })
    const { reader } = yield* hold.client.load("prices", prices)
    const rows = yield* reader.get(key, { asOf: 1 })
    yield* Console.log(`${hold.isResumed ? "resumed" : "new"}: ${key} was ${rows.map(([value]) => value).join()}`)
    return hold
  })

const writer = Effect.gen(function*() {
  const persist = yield* PersistClient.PersistClient
  const { writer } = yield* persist.createOrLoad("prices", prices)
  yield* writer.append([Update.insert("tea", "3.00", 1), Update.insert("coffee", "4.00", 1)])
  yield* writer.seal(2)
  yield* persist.compact("prices")

  yield* Effect.scoped(Effect.provide(read("tea"), reading))

  yield* writer.append([...Update.replace("tea", "3.00", "3.50", 2), ...Update.replace("coffee", "4.00", "4.50", 2)])
  yield* writer.seal(3)
  yield* writer.allowCompaction(2)
  yield* persist.compact("prices")

  yield* Effect.scoped(
    Effect.provide(Effect.flatMap(read("coffee"), ({ release }) => release), reading)
  )
})

await Effect.runPromise(Effect.provide(writer, writing))
rmSync(parent, { recursive: true })
