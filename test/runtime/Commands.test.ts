import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Latch, Metric, Result } from "effect"
import { TestClock } from "effect/testing"
import type * as PersistClient from "../../src/client/PersistClient.ts"
import * as Metrics from "../../src/runtime/Metrics.ts"
import * as Update from "../../src/Update.ts"
import * as Faulty from "../utils/Faulty.ts"
import * as Store from "../utils/Store.ts"

const fresh = (options?: PersistClient.Options) =>
  Effect.gen(function*() {
    const { control, storage } = yield* Store.faulty
    const client = yield* Store.client(storage, options)
    return { control, storage, client, ...yield* client.createOrLoad("s", Store.text) }
  })

const put = (key: string, time = 0) => Update.insert(key, "", time)

const groupSize = Metric.withAttributes(Metrics.groupSize, { store: "memory", role: "writer" })

/** Holds appends back while it is closed. */
const gated = (control: Faulty.Control): Latch.Latch => {
  const gate = Latch.makeUnsafe(true)
  control.before = (operation) => operation === "append" ? gate.await : Effect.void
  return gate
}

const keys = (contents: ReadonlyArray<readonly [string, string, number]>) => contents.map(([key]) => key)

describe("group commit", () => {
  it.effect("what gathers while a flush is under way shares the next one", () =>
    Effect.gen(function*() {
      const { control, writer } = yield* fresh()
      const gate = gated(control)
      const before = Faulty.count(control, "append")
      const groups = yield* Metric.value(groupSize)
      gate.closeUnsafe()
      const writing = yield* Effect.forkChild(
        Effect.forEach(Array.from({ length: 100 }, (_, i) => `${i}`), (key) => writer.append([put(key)]), {
          concurrency: "unbounded"
        })
      )
      yield* Effect.yieldNow
      gate.openUnsafe()
      const seqNos = yield* Fiber.join(writing)
      assert.deepStrictEqual(seqNos, Array.from({ length: 100 }, (_, i) => i + 1))
      const flushes = Faulty.count(control, "append") - before
      assert.isAtMost(flushes, 2)
      const after = yield* Metric.value(groupSize)
      assert.strictEqual(after.count - groups.count, flushes)
      assert.strictEqual(after.sum - groups.sum, 100)
    }))

  it.effect("a group has a limit in bytes", () =>
    Effect.gen(function*() {
      const { client, control, reader, writer } = yield* fresh({ ...Store.quiet, groupBytes: 1_000 })
      const before = Faulty.count(control, "append")
      for (let i = 0; i < 10; i++) yield* writer.offer([Update.insert(`${i}`, "v".repeat(400), 0)])
      yield* client.sync
      assert.isAtLeast(Faulty.count(control, "append") - before, 3)
      assert.lengthOf(yield* Store.contents(reader), 10)
    }))

  it.effect("an idle store answers after one flush, without any time passing", () =>
    Effect.gen(function*() {
      const { control, writer } = yield* fresh()
      for (let i = 0; i < 5; i++) {
        const before = Faulty.count(control, "append")
        yield* writer.append([put("a")])
        assert.strictEqual(Faulty.count(control, "append") - before, 1)
      }
    }))

  it.effect("a commit has the size of the change, however large the store", () =>
    Effect.gen(function*() {
      const { writer } = yield* fresh()
      const sizes: Array<number> = []
      for (let i = 0; i < 300; i++) {
        const before = yield* Metrics.total(Metrics.commitBytes)
        yield* writer.append([put("key")])
        sizes.push((yield* Metrics.total(Metrics.commitBytes)) - before)
      }
      assert.strictEqual(sizes.at(-1), sizes[0])
    }))
})

describe("order", () => {
  it.effect("runtime: reads see every earlier command, and no later one", () =>
    Effect.gen(function*() {
      const { client, reader, writer } = yield* fresh()
      const seen: Array<Effect.Effect<ReadonlyArray<string>, unknown>> = []
      for (let i = 0; i < 8; i++) {
        yield* writer.offer([put(`${i}`)])
        const snapshot = yield* Effect.forkScoped(reader.snapshot(), { startImmediately: true })
        seen.push(Effect.map(Effect.flatMap(Fiber.join(snapshot), Store.rows), keys))
      }
      assert.deepStrictEqual(
        yield* Effect.all(seen),
        Array.from({ length: 8 }, (_, i) => Array.from({ length: i + 1 }, (_, j) => `${j}`))
      )
      yield* client.stop
      assert.propertyVal(yield* Effect.flip(client.createOrLoad("t", Store.text)), "_tag", "RuntimeShutdown")
      yield* client.stop
    }))

  it.effect("a description sees what was only offered", () =>
    Effect.gen(function*() {
      const { client, writer } = yield* fresh()
      yield* writer.offerSeal(7)
      assert.deepInclude(yield* client.description("s"), { upper: 7 })
    }))

  it.effect("regression_empty_unsealed_batch: an empty write succeeds, alone and among others, and stores nothing", () =>
    Effect.gen(function*() {
      const { control, reader, writer } = yield* fresh()
      const before = Faulty.count(control, "append", "put")
      assert.strictEqual(yield* writer.append([]), 1)
      assert.strictEqual(Faulty.count(control, "append", "put"), before)
      const acks = [yield* writer.offer([put("a")]), yield* writer.offer([]), yield* writer.offer([put("b")])]
      assert.deepStrictEqual(yield* Effect.forEach(acks, Deferred.await), [2, 3, 4])
      assert.deepStrictEqual(keys(yield* Store.contents(reader)), ["a", "b"])
    }))

  it.effect("regression_non_sequential_unsealed_batches: collections that are silent for a while keep all they have", () =>
    Effect.gen(function*() {
      const { client, storage, writer } = yield* fresh()
      yield* writer.append([put("a")])
      const late = yield* client.createOrLoad("late", Store.text)
      yield* writer.append([put("b")])
      yield* client.maintain
      yield* late.writer.append([put("c")])
      yield* writer.append([put("d")])
      yield* client.stop
      const again = yield* Store.client(storage)
      assert.deepStrictEqual(keys(yield* Store.contents((yield* again.load("s", Store.text)).reader)), ["a", "b", "d"])
      assert.deepStrictEqual(keys(yield* Store.contents((yield* again.load("late", Store.text)).reader)), ["c"])
    }))

  it.effect("try_set_meta_matches_storage: what changes nothing needs no storage", () =>
    Effect.gen(function*() {
      const { client, control, reader, writer } = yield* fresh()
      yield* writer.append([put("a")])
      yield* writer.seal(5)
      control.isDown = true
      assert.strictEqual(yield* writer.seal(5), 3)
      assert.strictEqual(yield* writer.allowCompaction(0), 4)
      assert.propertyVal(yield* Effect.flip(writer.append([put("b")])), "_tag", "InvalidRequest")
      yield* client.maintain
      yield* client.sync
      yield* client.createOrLoad("s", Store.text)
      assert.deepStrictEqual(keys(yield* Store.contents(reader)), ["a"])
    }))

  it.effect("concurrent: handles and clients share one order, and one that is done with leaves the others", () =>
    Effect.gen(function*() {
      const { client, reader, writer } = yield* fresh()
      yield* Effect.scoped(
        Effect.flatMap(client.createOrLoad("s", Store.text), (other) => other.writer.append([put("a")]))
      )
      const other = yield* client.createOrLoad("s", Store.text)
      yield* Effect.all([writer.append([put("b")]), other.writer.append([put("c")])], { concurrency: "unbounded" })
      assert.deepStrictEqual(keys(yield* Store.contents(reader)), ["a", "b", "c"])
    }))

  it.effect("restart: what was written by two runtimes is read by a third", () =>
    Effect.gen(function*() {
      const { storage } = yield* Store.faulty
      for (const key of ["a", "b"]) {
        yield* Store.inScope(Effect.gen(function*() {
          const client = yield* Store.client(storage)
          yield* (yield* client.createOrLoad("s", Store.text)).writer.append([put(key)])
        }))
      }
      const client = yield* Store.client(storage)
      assert.deepStrictEqual(keys(yield* Store.contents((yield* client.load("s", Store.text)).reader)), ["a", "b"])
    }))

  it.effect("test_destroy: true, then false, unknown fails, and a new one of the name begins empty, with its space given back", () =>
    Effect.gen(function*() {
      const { client, storage, writer } = yield* fresh({ ...Store.tiny, memoryBytes: 100 })
      for (let i = 0; i < 20; i++) yield* writer.append([put(`${i}`)])
      yield* client.maintain
      assert.isNotEmpty((yield* Store.storedKeys(storage)).filter((key) => key.startsWith("batch/")))
      assert.isTrue(yield* client.destroy("s"))
      assert.isFalse(yield* client.destroy("s"))
      assert.propertyVal(yield* Effect.flip(client.destroy("none")), "_tag", "UnknownCollection")
      assert.propertyVal(yield* Effect.flip(client.createOrLoad("s", Store.text)), "_tag", "CollectionDestroyed")
      assert.propertyVal(yield* Effect.flip(client.load("s", Store.text)), "_tag", "CollectionDestroyed")
      yield* client.maintain
      assert.deepStrictEqual((yield* Store.storedKeys(storage)).filter((key) => key.startsWith("batch/")), [])
      const again = yield* client.createOrLoad("s", { ...Store.text, recreate: true })
      assert.strictEqual(yield* again.reader.id, 1)
      assert.deepStrictEqual(yield* Store.contents(again.reader), [])
      assert.propertyVal(yield* Effect.flip(writer.append([put("x")])), "_tag", "InvalidRequest")
    }))

  it.effect("compare_and_append: of many writers that expect the same upper one succeeds, every time", () =>
    Effect.gen(function*() {
      const { client, reader } = yield* fresh()
      let wins = 0
      const writer = (name: string) =>
        Effect.gen(function*() {
          const { writer } = yield* client.createOrLoad("s", Store.text)
          let expected = 0
          while (expected < 20) {
            const upper = expected + 1
            const result = yield* Effect.result(writer.compareAndAppend([put(name, expected)], { expected, upper }))
            if (Result.isSuccess(result)) wins++
            else if (result.failure._tag === "UpperMismatch") assert.strictEqual(result.failure.expected, expected)
            else return yield* result.failure
            expected = Result.isSuccess(result)
              ? upper
              : result.failure._tag === "UpperMismatch"
              ? result.failure.actual
              : 0
            yield* Effect.yieldNow
          }
        })
      yield* Effect.forEach(["a", "b", "c", "d"], writer, { concurrency: "unbounded" })
      assert.strictEqual(wins, 20)
      const counts = (yield* Store.contents(reader)).map(([, , n]) => n)
      assert.strictEqual(counts.reduce((sum, n) => sum + n, 0), 20)
    }))

  it.effect("compare_and_append refuses times outside of what it seals", () =>
    Effect.gen(function*() {
      const { writer } = yield* fresh()
      for (const [time, expected, upper] of [[4, 0, 4], [1, 2, 4], [0, 4, 2]] as const) {
        const error = yield* Effect.flip(writer.compareAndAppend([put("a", time)], { expected, upper }))
        assert.propertyVal(error, "_tag", "ValueOutOfRange")
      }
    }))
})

describe("back-pressure", () => {
  it.effect("a full queue makes the next caller wait, and loses nothing", () =>
    Effect.gen(function*() {
      const { client, control, reader, writer } = yield* fresh({ ...Store.quiet, queueCapacity: 4 })
      const gate = gated(control)
      gate.closeUnsafe()
      let accepted = 0
      const offering = yield* Effect.forkChild(Effect.forEach(
        Array.from({ length: 30 }, (_, i) => `${i}`.padStart(2, "0")),
        (key) => Effect.tap(writer.offer([put(key)]), () => Effect.sync(() => accepted++))
      ))
      for (let i = 0; i < 20; i++) yield* Effect.yieldNow
      assert.isAtMost(accepted, 9, "one group under way, one queue full")
      assert.isAtLeast(accepted, 4)
      gate.openUnsafe()
      const acks = yield* Fiber.join(offering)
      assert.deepStrictEqual(yield* Effect.forEach(acks, Deferred.await), Array.from({ length: 30 }, (_, i) => i + 1))
      assert.lengthOf(yield* Store.contents(reader), 30)
      yield* client.stop
    }))

  it.effect("so do too many bytes of rows, in the order they came", () =>
    Effect.gen(function*() {
      const { control, writer } = yield* fresh({ ...Store.quiet, queueBytes: 256 * 1024 })
      const gate = gated(control)
      gate.closeUnsafe()
      let accepted = 0
      const large = "v".repeat(64 * 1024)
      const offering = yield* Effect.forkChild(Effect.forEach(
        Array.from({ length: 12 }, (_, i) => `${i}`),
        (key) => Effect.tap(writer.offer([Update.insert(key, large, 0)]), () => Effect.sync(() => accepted++))
      ))
      for (let i = 0; i < 20; i++) yield* Effect.yieldNow
      assert.isAtMost(accepted, 4)
      gate.openUnsafe()
      const acks = yield* Fiber.join(offering)
      assert.deepStrictEqual(yield* Effect.forEach(acks, Deferred.await), Array.from({ length: 12 }, (_, i) => i + 1))
      yield* writer.append([Update.insert("larger than the budget", "v".repeat(1024 * 1024), 0)])
    }))
})

describe("interruption", () => {
  it.effect("of a waiter does not cancel the write", () =>
    Effect.gen(function*() {
      const { client, control, reader, writer } = yield* fresh()
      const gate = gated(control)
      gate.closeUnsafe()
      const writing = yield* Effect.forkChild(writer.append([put("a")]))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(writing)
      gate.openUnsafe()
      yield* client.sync
      assert.deepStrictEqual(keys(yield* Store.contents(reader)), ["a"])
    }))

  it.effect("of a waiting snapshot leaves no blob held", () =>
    Effect.gen(function*() {
      const { client, control, reader, storage, writer } = yield* fresh()
      yield* writer.append([put("a", 1)])
      yield* writer.seal(2)
      yield* client.compact("s")
      const gate = gated(control)
      gate.closeUnsafe()
      yield* writer.offer([put("b", 2)])
      const reading = yield* Effect.forkChild(Effect.scoped(Effect.andThen(reader.snapshot(), Effect.never)))
      yield* Effect.yieldNow
      yield* Effect.forkChild(Fiber.interrupt(reading))
      yield* Effect.yieldNow
      gate.openUnsafe()
      yield* client.sync
      yield* Fiber.await(reading)
      yield* writer.seal(3)
      yield* client.compact("s")
      yield* client.maintain
      assert.deepStrictEqual(yield* Store.storedKeys(storage), yield* Store.referencedKeys(storage))
    }))

  it.effect("of a caller who waits for room takes nothing from the others", () =>
    Effect.gen(function*() {
      const { client, control, writer } = yield* fresh({ ...Store.quiet, queueCapacity: 2, queueBytes: 128 * 1024 })
      const gate = gated(control)
      const large = [Update.insert("k", "v".repeat(64 * 1024), 0)]
      for (let round = 0; round < 5; round++) {
        gate.closeUnsafe()
        const writing = yield* Effect.forEach([1, 2, 3, 4, 5, 6, 7, 8], () => Effect.forkChild(writer.append(large)))
        for (let i = 0; i < 5; i++) yield* Effect.yieldNow
        yield* Effect.forEach(writing, Fiber.interrupt, { discard: true })
        gate.openUnsafe()
        yield* client.sync
      }
      yield* Effect.all([writer.append(large), writer.append(large), writer.append(large)], {
        concurrency: "unbounded"
      })
    }))
})

describe("log / blob (unreliable)", () => {
  it.effect("each operation fails while storage is unavailable, and works after", () =>
    Effect.gen(function*() {
      const { client, control, reader, writer } = yield* fresh()
      yield* writer.append([put("a")])
      yield* writer.seal(1)
      control.isDown = true
      const failing: ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>> = [
        writer.allowCompaction(1),
        writer.append([put("b", 1)]),
        writer.compareAndAppend([], { expected: 1, upper: 3 }),
        writer.seal(3),
        client.createOrLoad("t", Store.text),
        client.compact("s"),
        client.destroy("s")
      ]
      for (const operation of failing) assert.propertyVal(yield* Effect.flip(operation), "_tag", "Unavailable")
      assert.deepStrictEqual(keys(yield* Store.contents(reader)), ["a"])
      control.isDown = false
      for (const operation of failing) yield* operation
    }))

  it.effect("a failure at any write loses nothing that was acknowledged, and keeps nothing that was refused", () =>
    Effect.gen(function*() {
      for (let writesLeft = 0; writesLeft < 40; writesLeft++) {
        const { client, control, storage, writer } = yield* fresh({ ...Store.tiny, memoryBytes: 300, logBytes: 600 })
        control.writesLeft = writesLeft
        const acknowledged: Array<string> = []
        for (let i = 0; i < 12; i++) {
          const key = `${i}`.padStart(2, "0")
          const result = yield* Effect.result(writer.append([Update.insert(key, "v".repeat(40), i)]))
          if (Result.isSuccess(result)) acknowledged.push(key)
          if (i % 3 === 2) {
            yield* Effect.ignore(writer.seal(i))
            yield* Effect.ignore(client.maintain)
          }
          if (i === 9) Object.assign(control, { isDown: false, writesLeft: Infinity })
        }
        assert.includeMembers(acknowledged, ["10", "11"], "it goes on once storage is there again")
        const again = yield* Store.client(storage, Store.tiny)
        const { reader } = yield* again.load("s", Store.text)
        assert.deepStrictEqual(keys(yield* Store.contents(reader)), acknowledged, `down after ${writesLeft} writes`)
        yield* again.maintain
        assert.deepStrictEqual(yield* Store.storedKeys(storage), yield* Store.referencedKeys(storage))
      }
    }))

  it.effect("one failure reaches no caller: what surely did not happen is tried again", () =>
    Effect.gen(function*() {
      const { storage, control } = yield* Store.faulty
      const { retry: _, ...options } = Store.quiet
      const client = yield* Store.client(storage, options)
      const { reader, writer } = yield* client.createOrLoad("s", Store.text)
      const retries = yield* Metrics.total(Metrics.storageRetries)
      control.isDown = true
      const writing = yield* Effect.forkChild(writer.append([put("a")]))
      yield* TestClock.adjust("20 millis")
      control.isDown = false
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(writing)
      assert.deepStrictEqual(keys(yield* Store.contents(reader)), ["a"])
      assert.isAbove((yield* Metrics.total(Metrics.storageRetries)) - retries, 0)
    }))

  it.effect("storage that keeps failing is asked once only, and the circuit shows it", () =>
    Effect.gen(function*() {
      const { storage, control } = yield* Store.faulty
      const { retry: _, ...options } = Store.quiet
      const client = yield* Store.client(storage, options)
      const { writer } = yield* client.createOrLoad("s", Store.text)
      control.isDown = true
      for (let i = 0; i < 3; i++) {
        const writing = yield* Effect.forkChild(Effect.flip(writer.append([put("a")])))
        yield* TestClock.adjust("5 seconds")
        assert.propertyVal(yield* Fiber.join(writing), "_tag", "Unavailable")
      }
      assert.strictEqual(yield* Metrics.total(Metrics.circuitOpen), 1)
      yield* Effect.flip(writer.append([put("a")]))
      control.isDown = false
      yield* writer.append([put("a")])
      assert.strictEqual(yield* Metrics.total(Metrics.circuitOpen), 0)
    }))
})
