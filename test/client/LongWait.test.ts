import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Logger, Metric, type Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import type { CollectionReader } from "../../src/client/CollectionReader.ts"
import type * as PersistClient from "../../src/client/PersistClient.ts"
import * as Metrics from "../../src/runtime/Metrics.ts"
import * as Update from "../../src/Update.ts"
import * as Store from "../utils/Store.ts"

type Reader = CollectionReader<string, string>

const opened = (options: PersistClient.Options = {}) =>
  Effect.gen(function*() {
    const storage = yield* Store.memory
    const client = yield* Store.client(storage, { ...Store.quiet, ...options })
    const handles = yield* client.createOrLoad("orders", Store.text)
    yield* handles.writer.append([Update.insert("a", "", 3)])
    yield* handles.writer.seal(2)
    return { storage, client, ...handles }
  })

/** What is logged, and how often it was counted. */
const observing = <A, E>(effect: (lines: ReadonlyArray<string>) => Effect.Effect<A, E, Scope.Scope>) => {
  const lines: Array<string> = []
  const logger = Logger.make(({ logLevel, message }) => void lines.push(`${logLevel} ${String(message)}`))
  return effect(lines).pipe(
    Effect.provide(Logger.layer([logger])),
    Effect.provideService(Metric.MetricRegistry, new Map())
  )
}

/** Lets the reads that were begun come to where they wait. */
const begun = Effect.repeat(Effect.yieldNow, { times: 50 })

const counted = Metrics.total(Metrics.longWaits)

const reads: ReadonlyArray<readonly [string, (reader: Reader) => Effect.Effect<unknown, unknown, Scope.Scope>]> = [
  ["a snapshot", (reader) => reader.snapshot({ asOf: 3 })],
  ["a get", (reader) => reader.get("a", { asOf: 3 })],
  ["a range", (reader) => Stream.runDrain(reader.range({ asOf: 3 }))],
  ["changes", (reader) => Stream.runDrain(reader.changes({ from: 1, to: 3 }))],
  ["a subscription as of it", (reader) => Stream.runDrain(reader.subscribe({ asOf: 3, until: 4 }))],
  ["a subscription from beyond it", (reader) => Stream.runDrain(reader.subscribe({ from: 4, until: 5 }))]
]

describe("a read that waits for a time to be sealed", () => {
  it.effect.each(reads)(
    "warns once after a while, and goes on: %s",
    ([, read]) =>
      observing((lines) =>
        Effect.gen(function*() {
          const { reader, writer } = yield* opened()
          const reading = yield* Effect.forkChild(read(reader))
          yield* begun
          yield* TestClock.adjust("9 seconds")
          assert.deepStrictEqual(lines, [])
          yield* writer.append([Update.insert("b", "", 3)])
          yield* TestClock.adjust("1 second")
          assert.lengthOf(lines, 1)
          assert.match(
            lines[0]!,
            /^Warn a (read|subscription) of "orders" has waited 10s for the time 3.* sealed up to 2 only/
          )
          yield* TestClock.adjust("1 hour")
          assert.lengthOf(lines, 1)
          assert.strictEqual(yield* counted, 1)
          yield* writer.seal(5)
          yield* Fiber.join(reading)
        })
      )
  )

  it.effect("a subscription to a collection that was never sealed warns, too", () =>
    observing((lines) =>
      Effect.gen(function*() {
        const { client } = yield* opened()
        const { reader } = yield* client.createOrLoad("other", Store.text)
        yield* Effect.forkChild(Stream.runDrain(reader.subscribe()))
        yield* begun
        yield* TestClock.adjust("10 seconds")
        assert.lengthOf(lines, 1)
        assert.include(lines[0], "\"other\" has waited 10s for the time 0")
      })
    ))

  it.effect("what is sealed in time does not warn, nor what waits for news, fails or is interrupted", () =>
    observing((lines) =>
      Effect.gen(function*() {
        const { client, reader, writer } = yield* opened()
        const sealed = yield* Effect.forkChild(reader.get("a", { asOf: 3 }))
        const live = yield* Effect.forkChild(Stream.runDrain(reader.subscribe()))
        const resumed = yield* Effect.forkChild(Stream.runDrain(reader.subscribe({ from: 2 })))
        const interrupted = yield* Effect.forkChild(reader.get("a", { asOf: 9 }))
        yield* Effect.flip(reader.get("a", { asOf: 9, wait: false }))
        yield* begun
        yield* TestClock.adjust("9 seconds")
        yield* writer.seal(4)
        yield* Fiber.join(sealed)
        yield* Fiber.interrupt(interrupted)
        yield* TestClock.adjust("1 hour")
        assert.isUndefined(live.pollUnsafe())
        assert.isUndefined(resumed.pollUnsafe())
        const destroyed = yield* Effect.forkChild(Effect.flip(reader.get("a", { asOf: 9 })))
        yield* begun
        yield* TestClock.adjust("1 second")
        yield* client.destroy("orders")
        assert.propertyVal(yield* Fiber.join(destroyed), "_tag", "CollectionDestroyed")
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(lines, [])
        assert.strictEqual(yield* counted, 0)
      })
    ))

  it.effect("the option `patience` changes the while, or ends the warnings, in followers as well", () =>
    observing((lines) =>
      Effect.gen(function*() {
        const { reader, storage } = yield* opened({ patience: "1 minute" })
        const follower = yield* Store.follower(storage, { ...Store.quiet, patience: Infinity })
        const followed = yield* follower.load("orders", Store.text)
        yield* Effect.forkChild(reader.get("a", { asOf: 9 }))
        yield* Effect.forkChild(followed.get("a", { asOf: 9 }))
        yield* begun
        yield* TestClock.adjust("59 seconds")
        assert.deepStrictEqual(lines, [])
        yield* TestClock.adjust("1 second")
        assert.lengthOf(lines, 1)
        assert.include(lines[0], "has waited 1m for the time 9")
        yield* TestClock.adjust("365 days")
        assert.lengthOf(lines, 1)
      })
    ))
})
