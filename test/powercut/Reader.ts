// The judge of cut.sh: `node Reader.ts DIRECTORY ROW`. The store must open, verify in every file, hold every row up to ROW with
// its value, and no row without all those before it. Prints how many there are.
import { Effect, Layer } from "effect"
import * as FileStorage from "../../src/node/FileStorage.ts"
import * as Verification from "../../src/runtime/Verification.ts"
import * as Store from "../utils/Store.ts"
import * as Rows from "./Rows.ts"

const [directory, acknowledged] = process.argv.slice(2)

const program = Effect.gen(function*() {
  const storage = yield* Layer.build(FileStorage.layer({ directory: directory! }))
  const client = yield* Store.client(storage)
  const { reader } = yield* client.createOrLoad("rows", Store.text)
  const rows = yield* Store.contents(reader)
  const wrong = rows.filter(([key, value, count]) => count !== 1 || value !== Rows.value(Number(key)))
  if (wrong.length > 0) throw new Error(`${wrong.length} rows have another value than they were written with`)
  const found = rows.map(([key]) => Number(key)).toSorted((a, b) => a - b)
  const missing = found.findIndex((row, i) => row !== i)
  if (missing >= 0) throw new Error(`row ${missing} is missing, but there are ${found.length}`)
  if (found.length <= Number(acknowledged)) {
    throw new Error(`${acknowledged} was durable, but there are ${found.length}`)
  }
  const { problems } = yield* Effect.provide(Verification.run(() => {}), storage)
  if (problems.length > 0) throw new Error(`${problems.length} problems: ${problems[0]!.detail}`)
  console.log(found.length)
})

program.pipe(Effect.scoped, Effect.runPromise).catch((error: unknown) => {
  console.error(String(error))
  process.exitCode = 1
})
