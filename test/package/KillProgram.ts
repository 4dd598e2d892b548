// A writer to be killed, and who reads after it. `KillProgram write DIRECTORY` appends numbers, and prints each once it is
// durable. `KillProgram read DIRECTORY` prints how many there are, if they are all from zero on.
import { Console, Effect, Layer, Stream } from "effect"
import { Codec, PersistClient, Update } from "tidemark"
import { FileStorage } from "tidemark/node"

const [task, directory] = process.argv.slice(2)

const program = Effect.gen(function*() {
  const persist = yield* PersistClient.PersistClient
  const { reader, writer } = yield* persist.createOrLoad("numbers", { key: Codec.string, value: Codec.unit })
  const { contents } = yield* reader.snapshot()
  const numbers = new Set((yield* Stream.runCollect(contents)).map(([key]) => key))
  const missing = Array.from(numbers, (_, i) => `${i}`).filter((number) => !numbers.has(number))
  if (missing.length > 0) return yield* Effect.die(new Error(`these are missing: ${missing.join()}`))
  if (task === "read") return yield* Console.log(numbers.size)
  for (let number = numbers.size;; number++) {
    yield* writer.append([Update.insert(`${number}`, undefined, number)])
    yield* Console.log(number)
  }
})

const store = PersistClient.layer().pipe(Layer.provide(FileStorage.layer({ directory: directory! })))
await Effect.runPromise(Effect.scoped(Effect.provide(program, store)))
