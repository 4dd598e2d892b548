/**
 * A writer, and others that stand by. All of them run the same program on one store: one writes, and when it has given no
 * sign of life for a while, another takes over. Two that try at once do no harm, as the store has one writer: the other
 * is fenced, and stands by again. So is a writer that was only slow.
 */
import { Console, Duration, Effect, Fiber, Schedule, Stream } from "effect"
import { type Blob, Codec, type Log, MemoryStorage, PersistClient, Update } from "tidemark"

/** A sign of life is a seal of a collection that never has a row: it costs a few bytes, and leaves nothing behind. */
const beats = { key: Codec.unit, value: Codec.unit }
const orders = { key: Codec.string, value: Codec.string }

/** Waits until no writer has given a sign of life for so long. Shorter than its longest pause would be too short. */
const silence = (detection: Duration.Duration) =>
  Effect.gen(function*() {
    const follower = yield* PersistClient.makeReadOnly()
    const { reader } = yield* follower.load("beats", beats)
    const { events } = yield* reader.listen()
    yield* Stream.runDrain(Stream.timeout(events, detection))
  }).pipe(
    Effect.scoped,
    // No writer has come so far as to give a sign.
    Effect.catchTag(["NotAStore", "UnknownCollection"], () => Effect.void),
    // A storage that is away, or a follower that fell behind, says nothing about the writer.
    Effect.retry(Schedule.spaced("100 millis"))
  )

/** Takes the store, gives signs of life, and does its work, until it is fenced. */
const write = Effect.fnUntraced(function*(name: string, detection: Duration.Duration) {
  const persist = yield* PersistClient.make()
  const { writer: signs } = yield* persist.createOrLoad("beats", beats)
  const { writer } = yield* persist.createOrLoad("orders", orders)
  let { upper: beat } = yield* persist.description("beats")
  const pause = Schedule.spaced(Duration.divideUnsafe(detection, 4))
  yield* Effect.forkScoped(Effect.repeat(Effect.suspend(() => signs.seal(++beat)), pause))
  yield* Console.log(`${name} writes`)
  for (let order = 1;; order++) {
    yield* writer.append([Update.insert(`${name} ${order}`, "placed", 1)])
    yield* Console.log(`${name} ${order}`)
    yield* Effect.sleep("20 millis")
  }
})

/** Stands by and writes, in turns. */
export const run = (name: string, detection: Duration.Duration): Effect.Effect<void, unknown, Log.Log | Blob.Blob> =>
  silence(detection).pipe(
    Effect.andThen(Effect.scoped(write(name, detection))),
    Effect.catchTag("Fenced", () => Console.log(`${name} is fenced`)),
    Effect.forever
  )

/** The first writer ends without a word, and the second goes on. */
const demonstration = Effect.gen(function*() {
  const store = MemoryStorage.layerOf(yield* MemoryStorage.make)
  const start = (name: string) => Effect.forkChild(Effect.provide(run(name, Duration.millis(200)), store))
  const first = yield* start("first")
  yield* Effect.sleep("300 millis")
  const second = yield* start("second")
  yield* Effect.sleep("300 millis")
  yield* Fiber.interrupt(first)
  yield* Effect.sleep("600 millis")
  yield* Fiber.interrupt(second)
})

if (process.argv[1] === import.meta.filename) await Effect.runPromise(demonstration)
