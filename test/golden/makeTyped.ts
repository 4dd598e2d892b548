// Makes the golden store of typed rows: `node --conditions=tidemark-source test/golden/makeTyped.ts DIRECTORY`. A store that is
// here already stays as it is: a layout that is written otherwise needs a name of its own, and a store of its own.
import { Effect, Layer, Random } from "effect"
import fs from "node:fs"
import { join } from "node:path"
import * as PersistClient from "../../src/client/PersistClient.ts"
import * as FileStorage from "../../src/node/FileStorage.ts"
import * as Store from "../utils/Store.ts"
import * as Orders from "./Orders.ts"

const directory = join(import.meta.dirname, process.argv[2]!)

const program = Effect.gen(function*() {
  const client = yield* PersistClient.PersistClient
  const first = yield* client.createOrLoad("orders", Orders.first)
  yield* first.append(Orders.before)
  yield* first.seal(2)
  yield* client.compact("orders")
  const second = yield* client.createOrLoad("orders", Orders.second)
  yield* second.append(Orders.after)
})

if (fs.existsSync(directory)) throw new Error(`${directory} is there already`)

program.pipe(
  Effect.provide(PersistClient.layer(Store.tiny).pipe(Layer.provide(FileStorage.layer({ directory })))),
  Random.withSeed("golden"),
  Effect.runFork
)
