// Makes the golden store of packed writes: `node --conditions=tidemark-source test/golden/makePacked.ts DIRECTORY`. A store
// that is here already stays as it is.
import { Effect, Layer, Random } from "effect"
import fs from "node:fs"
import { join } from "node:path"
import * as PersistClient from "../../src/client/PersistClient.ts"
import * as FileStorage from "../../src/node/FileStorage.ts"
import * as Store from "../utils/Store.ts"
import * as Parts from "./Parts.ts"

const directory = join(import.meta.dirname, process.argv[2]!)

const program = Effect.gen(function*() {
  const client = yield* PersistClient.PersistClient
  const { writer } = yield* client.createOrLoad("parts", Store.text)
  for (const time of Parts.times) {
    yield* writer.append(Parts.updatesAt(time))
    yield* writer.seal(time + 1)
    if (time === Parts.stored.at(-1)) yield* client.compact("parts")
  }
})

if (fs.existsSync(directory)) throw new Error(`${directory} is there already`)

program.pipe(
  Effect.provide(PersistClient.layer(Store.quiet).pipe(Layer.provide(FileStorage.layer({ directory })))),
  Random.withSeed("golden"),
  Effect.runFork
)
