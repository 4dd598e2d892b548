// A writer in a process of its own: `node Writer.ts DIRECTORY`. Says `ready`, then writes and seals 400 times one after
// the other, rolling its log up and compacting on the way.
import { Effect, Layer } from "effect"
import * as PersistClient from "../../src/client/PersistClient.ts"
import * as FileStorage from "../../src/node/FileStorage.ts"
import * as Update from "../../src/Update.ts"
import * as Store from "./Store.ts"

const program = Effect.gen(function*() {
  const client = yield* PersistClient.PersistClient
  const { writer } = yield* client.createOrLoad("s", Store.text)
  yield* Effect.sync(() => console.log("ready"))
  for (let time = 0; time < 400; time++) {
    yield* writer.append([Update.insert(`k${time}`, "v".repeat(50), time)])
    yield* writer.seal(time + 1)
    if (time % 50 === 49) yield* client.compact("s")
    if (time % 20 === 0) yield* Effect.sleep("1 millis")
  }
})

program.pipe(
  Effect.provide(
    PersistClient.layer({ ...Store.tiny, grace: "10 seconds" }).pipe(
      Layer.provide(FileStorage.layer({ directory: process.argv[2]!, segmentBytes: 16 * 1024 }))
    )
  ),
  Effect.runFork
)
