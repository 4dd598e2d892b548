/**
 * Retention as a layer: the last ten sealed times stay readable, and what is before them is given up. Under `TestClock` an
 * hour of it takes no time.
 */
import { Console, Effect, Layer, Schedule } from "effect"
import { TestClock } from "effect/testing"
import { Codec, MemoryStorage, PersistClient, Retention, Update } from "tidemark"

const program = Effect.gen(function*() {
  const persist = yield* PersistClient.PersistClient
  const metrics = yield* persist.createOrLoad("metrics", { key: Codec.string, value: Codec.json })

  for (let minute = 0; minute < 60; minute++) {
    yield* metrics.append([Update.insert("load", minute, minute)])
    yield* metrics.seal(minute + 1)
    yield* TestClock.adjust("1 minute")
  }
  const { since, upper } = yield* persist.description("metrics")
  yield* Console.log(`readable as of ${since} to ${upper - 1}`)
})

const retention = Retention.layer({
  collections: { metrics: Retention.times(10) },
  schedule: Schedule.spaced("1 minute")
})

await program.pipe(
  Effect.provide(
    retention.pipe(
      Layer.provideMerge(PersistClient.layer()),
      Layer.provide(MemoryStorage.layer),
      Layer.provideMerge(TestClock.layer())
    )
  ),
  Effect.runPromise
)
