/**
 * A reader that follows a writer. The two clients share nothing but a directory: they could be two processes.
 */
import { Console, Effect, Layer, Stream } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Codec, PersistClient, Update } from "tidemark"
import { FileStorage } from "tidemark/node"

const texts = { key: Codec.string, value: Codec.string }
const parent = mkdtempSync(join(tmpdir(), "tidemark-"))
const directory = join(parent, "store")

const writer = Effect.gen(function*() {
  const persist = yield* PersistClient.PersistClient
  const log = yield* persist.createOrLoad("log", texts)
  for (let time = 1; time <= 3; time++) {
    yield* log.append([Update.insert(`line ${time}`, "written", time)])
    yield* log.seal(time + 1)
  }
  yield* reader
}).pipe(Effect.provide(PersistClient.layer().pipe(Layer.provide(FileStorage.layer({ directory })))))

const reader = Effect.gen(function*() {
  const persist = yield* PersistClient.PersistClient
  const { reader } = yield* persist.load("log", texts)
  const events = reader.subscribe().pipe(
    Stream.takeUntil((event) => event._tag === "Progress" && event.frontier === 4)
  )
  yield* Stream.runForEach(events, (event) =>
    event._tag === "Progress"
      ? Console.log(`complete before ${event.frontier}`)
      : Console.log(`${event.updates.length} updates`))
}).pipe(Effect.provide(PersistClient.layerReadOnly().pipe(Layer.provide(FileStorage.layer({ directory })))))

await Effect.runPromise(writer)
rmSync(parent, { recursive: true })
