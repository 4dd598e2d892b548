// What a bundled application does with a store: `BundleProgram DIRECTORY [WORKER]`. It appends enough for merges, compacts,
// opens the store again, and says as JSON what it found.
import { Effect, Layer, Logger, Schedule } from "effect"
import fs from "node:fs"
import { join } from "node:path"
import { Codec, PersistClient, Update } from "tidemark"
import { FileStorage } from "tidemark/node"

const [directory, mergeWorker] = process.argv.slice(2)
const warnings: Array<string> = []

const bytesOfBlobs = (): number =>
  fs.readdirSync(directory!, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /batch/.test(join(entry.parentPath, entry.name)))
    .reduce((sum, entry) => sum + fs.statSync(join(entry.parentPath, entry.name)).size, 0)

const opened = <A, E>(use: (client: PersistClient.PersistClient["Service"]) => Effect.Effect<A, E>) =>
  Effect.flatMap(PersistClient.PersistClient, use).pipe(
    Effect.provide(
      PersistClient.layer({ maintenance: Schedule.recurs(0), grace: 0, memoryBytes: 10_000 }).pipe(
        Layer.provide(FileStorage.layer({ directory: directory!, mergeWorker }))
      )
    )
  )

const text = { key: Codec.string, value: Codec.string }

const program = Effect.gen(function*() {
  const before = yield* opened((client) =>
    Effect.gen(function*() {
      const orders = yield* client.createOrLoad("orders", text)
      for (let time = 0; time < 50; time++) {
        yield* orders.append(
          Array.from({ length: 40 }, (_, i) => Update.insert(`k${i}`, `${time} ${"v".repeat(40)}`, time))
        )
        if (time > 0) {
          yield* orders.append(
            Array.from({ length: 40 }, (_, i) => Update.retract(`k${i}`, `${time - 1} ${"v".repeat(40)}`, time))
          )
        }
      }
      yield* orders.seal(50)
      yield* client.maintain
      const bytes = bytesOfBlobs()
      yield* orders.allowCompaction(49)
      yield* client.compact("orders")
      return bytes
    })
  )
  const rows = yield* opened((client) =>
    Effect.flatMap(client.load("orders", text), ({ reader }) => reader.get("k7", { asOf: 49 }))
  )
  process.stdout.write(JSON.stringify({ rows: rows.length, before, after: bytesOfBlobs(), warnings }))
})

const logger = Logger.make(({ logLevel, message }) => void warnings.push(`${logLevel} ${String(message)}`))
Effect.runFork(Effect.provide(program, Logger.layer([logger])))
