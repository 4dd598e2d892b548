/** Programs to be simulated. */
import { assert } from "@effect/vitest"
import { Effect, Random, Schedule, Stream } from "effect"
import * as PersistClient from "../../../src/client/PersistClient.ts"
import * as Codec from "../../../src/Codec.ts"
import { Log } from "../../../src/storage/Log.ts"
import * as Simulation from "../../../src/testing/simulation/Simulation.ts"
import * as Faults from "../../../src/testing/storage/Faults.ts"
import * as Update from "../../../src/Update.ts"

const text = { key: Codec.string, value: Codec.string }

/** Tries again whatever failed without being applied. */
const untilItWorks = {
  schedule: Schedule.spaced("1 second").pipe(Schedule.upTo({ times: 100 })),
  while: (error: { readonly _tag: string }) => ["Unavailable", "OutOfSpace"].includes(error._tag)
}

/** Writers and readers at the same time, over an hour. */
export const store = Effect.gen(function*() {
  const persist = yield* PersistClient.PersistClient
  const { reader, writer } = yield* Effect.retry(persist.createOrLoad("a", text), untilItWorks)
  for (let time = 0; time < 6; time++) {
    const writing = (key: string) =>
      Effect.flatMap(Random.nextIntBetween(0, 9), (value) => writer.append([Update.insert(key, `v${value}`, time)]))
    const reading = Effect.scoped(Effect.flatMap(reader.snapshot(), (snapshot) => Stream.runDrain(snapshot.contents)))
    yield* Effect.all([writing("x"), writing("y"), reading].map((each) => Effect.ignore(each)), {
      concurrency: "unbounded"
    })
    yield* Effect.sleep("10 minutes")
    yield* Effect.ignore(writer.seal(time + 1))
  }
}).pipe(Effect.provide(PersistClient.layer({ maintenance: Schedule.spaced("1 minute") })), Effect.exit)

/** Opens the store whatever happens. */
const opening = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.retry(
    Effect.provide(effect, PersistClient.layer()),
    Schedule.spaced("20 millis").pipe(Schedule.upTo({ times: 1000 }))
  )

/**
 * A writer that dies again and again, with a kill or in a power failure; what was acknowledged to it is there at the end,
 * and everything that is there was written.
 */
export const crashes = Effect.gen(function*() {
  const acknowledged = new Set<string>()
  const attempted = new Set<string>()
  let next = 0
  for (let life = 0; life < 4; life++) {
    const writer = yield* Simulation.spawn(opening(Effect.gen(function*() {
      const persist = yield* PersistClient.PersistClient
      const { writer } = yield* persist.createOrLoad("a", text)
      return yield* Effect.forever(Effect.gen(function*() {
        const key = `k${next++}`
        attempted.add(key)
        yield* writer.append([Update.insert(key, "", 0)])
        acknowledged.add(key)
        yield* Effect.sleep("10 millis")
      }))
    })))
    yield* Effect.sleep(yield* Random.nextIntBetween(1, 500))
    yield* (yield* Random.nextBoolean) ? writer.kill : Simulation.crash
  }
  const injector = yield* Faults.Injector
  injector.pause(true)
  const found = yield* opening(Effect.gen(function*() {
    const persist = yield* PersistClient.PersistClient
    const { reader } = yield* persist.createOrLoad("a", text)
    const snapshot = yield* reader.snapshot()
    return yield* Stream.runCollect(snapshot.contents)
  })).pipe(Effect.scoped)
  const keys = found.map(([key]) => key)
  for (const key of acknowledged) assert.include(keys, key)
  for (const key of keys) assert.isTrue(attempted.has(key))
  assert.strictEqual(new Set(keys).size, keys.length)
  return acknowledged.size
})

/** Two fibers add to a number that they read before: one of them may write over what the other has written. */
export const lostUpdate = Effect.gen(function*() {
  let shared = 0
  const increment = Effect.gen(function*() {
    const before = yield* Effect.sync(() => shared)
    yield* Effect.sync(() => void (shared = before + 1))
  })
  yield* Effect.all([increment, increment], { concurrency: "unbounded" })
  if (shared !== 2) return yield* Effect.die(new Error("an update was lost"))
})

/** Takes it for granted that an append whose outcome is unknown was applied. */
export const trustsTheLast = Effect.gen(function*() {
  const log = yield* Log
  let trusted = 0
  const append = Effect.scoped(Effect.gen(function*() {
    const writer = yield* log.acquire
    yield* Effect.ignore(writer.append(writer.bounds.upper, [new Uint8Array(1)]))
    trusted++
  }))
  for (let i = 0; i < 20; i++) yield* Simulation.step(append)
  const { upper } = yield* log.bounds
  if (upper !== trusted) return yield* Effect.die(new Error("an entry is missing"))
})
