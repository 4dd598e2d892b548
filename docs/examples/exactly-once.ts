/**
 * A pipeline that can be stopped at any moment: its output and the frontier that it has reached are written in one step,
 * and it resumes at that frontier. Nothing is skipped, nothing is counted twice.
 */
import { Console, Effect, Layer, Stream } from "effect"
import { Codec, MemoryStorage, MultiWriter, PersistClient, Update } from "tidemark"

const texts = { key: Codec.string, value: Codec.string }
const counts = { key: Codec.string, value: Codec.json }

/** Counts words up to the present end of the input, from where it stopped the last time. */
const runOnce = Effect.gen(function*() {
  const persist = yield* PersistClient.PersistClient
  const input = yield* persist.createOrLoad("lines", texts)
  const output = yield* persist.createOrLoad("words", counts)
  const checkpoint = yield* persist.createOrLoad("checkpoint", counts)
  const both = yield* MultiWriter.make<never>([output.writer, checkpoint.writer])

  const stored = yield* checkpoint.get("frontier")
  let from = Number(stored[0]?.[0] ?? 0)
  const { upper } = yield* persist.description("lines")
  let words = 0
  const events = input.subscribe({ from }).pipe(
    Stream.takeUntil((event) => event._tag === "Progress" && event.frontier >= upper)
  )
  yield* Stream.runForEach(upper > from ? events : Stream.empty, (event) => {
    if (event._tag === "Updates") {
      for (const { diff, value } of event.updates) words += diff * value.split(" ").length
      return Effect.void
    }
    const time = event.frontier
    const update = both.appendAtomic((add) => {
      add(output.writer, [Update.insert(`up to ${time}`, words, time)])
      add(checkpoint.writer, from === 0 ? [] : [Update.retract("frontier", from, time)])
      add(checkpoint.writer, [Update.insert("frontier", time, time)])
    })
    return Effect.andThen(update, Effect.sync(() => from = time))
  })
  return words
})

const program = Effect.gen(function*() {
  const persist = yield* PersistClient.PersistClient
  const lines = yield* persist.createOrLoad("lines", texts)
  yield* lines.compareAndAppend([Update.insert("1", "one two three", 1)], { expected: 0, upper: 2 })
  yield* Console.log(`first run: ${yield* runOnce} words`)
  yield* lines.compareAndAppend([Update.insert("2", "four five", 2)], { expected: 2, upper: 3 })
  yield* Console.log(`second run: ${yield* runOnce} words more`)
  yield* Console.log(`third run: ${yield* runOnce} words more`)
})

await program.pipe(
  Effect.provide(PersistClient.layer().pipe(Layer.provide(MemoryStorage.layer))),
  Effect.runPromise
)
