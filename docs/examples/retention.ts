/**
 * Retention as a `Schedule`: a fiber moves `since` so that a fixed span of history stays readable. Under `TestClock` an
 * hour of it takes no time.
 */
import { Console, Effect, Layer, Schedule } from "effect"
import { TestClock } from "effect/testing"
import { Codec, MemoryStorage, PersistClient, Update } from "tidemark"

/** How many times of history stay. */
const kept = 10

const program = Effect.gen(function*() {
  const persist = yield* PersistClient.PersistClient
  const { write } = yield* persist.createOrLoad("metrics", { key: Codec.string, value: Codec.json })

  const retain = Effect.gen(function*() {
    const { upper } = yield* persist.description("metrics")
    if (upper > kept) yield* write.allowCompaction(upper - kept)
  })
  yield* Effect.forkChild(Effect.repeat(retain, Schedule.spaced("1 minute")))

  for (let minute = 0; minute < 60; minute++) {
    yield* write.write([Update.insert("load", minute, minute)])
    yield* write.seal(minute + 1)
    yield* TestClock.adjust("1 minute")
  }
  const { since, upper } = yield* persist.description("metrics")
  yield* Console.log(`readable as of ${since} to ${upper - 1}`)
})

await program.pipe(
  Effect.provide(PersistClient.layer().pipe(Layer.provide(MemoryStorage.layer), Layer.provideMerge(TestClock.layer()))),
  Effect.runPromise
)
