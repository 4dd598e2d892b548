// The judge of cut.sh: `node Reader.ts DIRECTORY ROW`. The store must open, verify, hold every row up to ROW, and no row
// without all those before it. Prints how many there are.
import { Context, Effect, Layer, Stream } from "effect"
import * as FileStorage from "../../src/node/FileStorage.ts"
import { Log } from "../../src/storage/Log.ts"
import * as Store from "../utils/Store.ts"

const [directory, acknowledged] = process.argv.slice(2)

const program = Effect.gen(function*() {
  const storage = yield* Layer.build(FileStorage.layer({ directory: directory! }))
  const client = yield* Store.client(storage)
  const { reader } = yield* client.createOrLoad("rows", Store.text)
  const found = (yield* Store.contents(reader)).map(([key]) => Number(key)).toSorted((a, b) => a - b)
  const missing = found.findIndex((row, i) => row !== i)
  if (missing >= 0) throw new Error(`row ${missing} is missing, but there are ${found.length}`)
  if (found.length <= Number(acknowledged)) {
    throw new Error(`${acknowledged} was durable, but there are ${found.length}`)
  }
  const problems = yield* Stream.runCollect(Context.get(storage, Log).verify)
  if (problems.length > 0) throw new Error(`${problems.length} problems: ${problems[0]!.message}`)
  console.log(found.length)
})

program.pipe(Effect.scoped, Effect.runPromise).catch((error: unknown) => {
  console.error(String(error))
  process.exitCode = 1
})
