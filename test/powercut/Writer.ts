// The writer of cut.sh: `node Writer.ts DIRECTORY`. Appends without end, one row a commit, seals and compacts now and then,
// and prints the number of each row once it is durable.
import { Effect, Layer } from "effect"
import * as PersistClient from "../../src/client/PersistClient.ts"
import * as FileStorage from "../../src/node/FileStorage.ts"
import * as Update from "../../src/Update.ts"
import * as Store from "../utils/Store.ts"
import * as Rows from "./Rows.ts"
import * as Unflushed from "./Unflushed.ts"

Unflushed.leaveOut()

const program = Effect.gen(function*() {
  const client = yield* PersistClient.PersistClient
  const { writer } = yield* client.createOrLoad("rows", Store.text)
  for (let i = 0;; i++) {
    yield* writer.append([Update.insert(String(i), Rows.value(i), i)])
    yield* Effect.sync(() => console.log(i))
    if (i % 10 === 9) yield* writer.seal(i)
    if (i % 100 === 99) yield* client.compact("rows")
  }
})

program.pipe(
  Effect.provide(
    PersistClient.layer({ ...Store.tiny, logBytes: 64_000, memoryBytes: 32_000 }).pipe(
      Layer.provide(FileStorage.layer({ directory: process.argv[2]!, segmentBytes: 64 * 1024 }))
    )
  ),
  Effect.runFork
)
