/**
 * State as events, without an event table that only grows: sessions are replaced again and again, and compaction keeps
 * one row for each that is live.
 */
import { Console, Effect, Layer, Schema, Stream } from "effect"
import { Codec, MemoryStorage, PersistClient, Update } from "tidemark"

const Session = Schema.Struct({ title: Schema.String, messages: Schema.Number })
const sessions = { key: Codec.string, value: Codec.schema(Session) }

const program = Effect.gen(function*() {
  const persist = yield* PersistClient.PersistClient
  const { reader, writer } = yield* persist.createOrLoad("sessions", sessions)

  const draft = (messages: number) => ({ title: "A draft", messages })
  yield* writer.append([Update.insert("s-1", draft(0), 0)])
  for (let time = 1; time <= 100; time++) {
    yield* writer.append(Update.replace("s-1", draft(time - 1), draft(time), time))
  }
  yield* writer.seal(101)

  const versions = (yield* reader.history("s-1")).length
  yield* writer.allowCompaction(100)
  yield* persist.compact("sessions")
  const left = (yield* reader.history("s-1")).length
  yield* Console.log(`${versions} updates of s-1 became ${left}`)

  const snapshot = yield* reader.snapshot({ asOf: 100 })
  yield* Stream.runForEach(snapshot.contents, ([id, session]) => Console.log(`${id}: ${session.messages} messages`))
})

await program.pipe(
  Effect.scoped,
  Effect.provide(PersistClient.layer().pipe(Layer.provide(MemoryStorage.layer))),
  Effect.runPromise
)
