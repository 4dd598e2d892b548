import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Schedule, Stream } from "effect"
import { TestClock } from "effect/testing"
import type * as PersistClient from "../../src/client/PersistClient.ts"
import { Blob } from "../../src/storage/Blob.ts"
import { Log } from "../../src/storage/Log.ts"
import * as Prng from "../../src/testing/Prng.ts"
import * as Update from "../../src/Update.ts"
import * as Faulty from "../utils/Faulty.ts"
import * as Store from "../utils/Store.ts"

const everySecond: PersistClient.Options = { ...Store.tiny, maintenance: Schedule.spaced("1 second") }

const fresh = (options: PersistClient.Options) =>
  Effect.gen(function*() {
    const { control, storage } = yield* Store.faulty
    const client = yield* Store.client(storage, options)
    return { control, storage, client, ...yield* client.createOrLoad("s", Store.text) }
  })

const row = (i: number, time = i) => Update.insert(`k${i}`, "v".repeat(40), time)

/** Two of them can be summed, three cannot. */
const huge = Update.make("k", "", 0, 2 ** 52 - 100)

const logBytes = (storage: Faulty.Storage) =>
  Effect.gen(function*() {
    const log = Context.get(storage, Log)
    const entries = yield* Stream.runCollect(log.read((yield* log.bounds).lower))
    return entries.reduce((sum, { bytes }) => sum + bytes.length, 0)
  })

/** How often a schedule has been asked when to look again. */
const counted = () => {
  const ticks = { count: 0 }
  const schedule = Schedule.tap(Schedule.spaced("1 second"), () => Effect.sync(() => void ticks.count++))
  return { schedule, ticks }
}

describe("maintenance", () => {
  it.effect(
    "an idle store schedules nothing, and one that gets work is looked after as before",
    () =>
      Effect.gen(function*() {
        const { schedule, ticks } = counted()
        const { client, storage, writer } = yield* fresh({ ...Store.tiny, maintenance: schedule, grace: "1 minute" })
        yield* TestClock.adjust("1 hour")
        assert.isBelow(ticks.count, 10)
        for (let i = 0; i < 100; i++) yield* writer.append([row(i)])
        yield* writer.seal(100)
        yield* writer.allowCompaction(90)
        yield* Effect.repeat(TestClock.adjust("1 second"), { times: 30 })
        yield* TestClock.adjust("10 minutes")
        yield* client.sync
        assert.deepStrictEqual(yield* Store.storedKeys(storage), yield* Store.referencedKeys(storage))
        const before = ticks.count
        assert.isAbove(before, 10, "garbage was waiting for its grace time")
        yield* TestClock.adjust("10 days")
        assert.isBelow(ticks.count - before, 10)
        yield* writer.append([row(100)])
        yield* TestClock.adjust("10 seconds")
        assert.isAbove(ticks.count, before)
      }),
    60_000
  )

  it.effect("an idle hour writes nothing", () =>
    Effect.gen(function*() {
      const { control, writer } = yield* fresh(everySecond)
      for (let i = 0; i < 100; i++) yield* writer.append([row(i)])
      yield* writer.seal(100)
      yield* writer.allowCompaction(90)
      yield* TestClock.adjust("1 minute")
      const before = Faulty.writes(control)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(Faulty.writes(control), before)
    }))

  it.effect("a store that rests takes no more than its rows, without a compaction that was asked for", () =>
    Effect.gen(function*() {
      const { client, reader, storage, writer } = yield* fresh(everySecond)
      const value = (i: number) => Update.insert(`k${i % 10}`, `${i} `.repeat(20), i)
      for (let i = 0; i < 200; i++) {
        const before = i < 10 ? [] : [{ ...value(i - 10), time: i, diff: -1 }]
        yield* writer.append([...before, value(i)])
        yield* writer.seal(i + 1)
        yield* writer.allowCompaction(i)
      }
      for (let i = 0; i < 10; i++) yield* TestClock.adjust("1 second")
      yield* client.sync
      assert.isBelow(yield* logBytes(storage), 1_000)
      const stored = yield* Store.storedKeys(storage)
      assert.lengthOf(stored.filter((key) => key.startsWith("batch/")), 1)
      assert.lengthOf(stored, 2)
      assert.lengthOf(yield* Store.contents(reader), 10)
    }))

  it.effect("a collection that is never sealed does not pin the log, nor memory", () =>
    Effect.gen(function*() {
      const { client, reader, storage, writer } = yield* fresh(Store.tiny)
      const other = yield* client.createOrLoad("other", Store.text)
      for (let i = 0; i < 300; i++) {
        yield* other.writer.append([row(i)])
        yield* writer.append([row(i)])
        yield* writer.seal(i)
        if (i % 10 === 9) yield* client.maintain
      }
      assert.isBelow(yield* logBytes(storage), 4 * Store.tiny.logBytes!)
      const state = yield* Store.recovered(storage)
      const memory = [...state.collections.values()].reduce((sum, { memoryBytes }) => sum + memoryBytes, 0)
      assert.isAtMost(memory, Store.tiny.memoryBytes! + 2_000)
      assert.lengthOf(yield* Store.contents(other.reader), 300)
      assert.lengthOf(yield* Store.contents(reader), 300)
    }))

  it.effect("a failure never fails acknowledged writes, and is made good without traffic", () =>
    Effect.gen(function*() {
      const { client, control, reader, storage, writer } = yield* fresh(everySecond)
      control.broken.add("put")
      for (let i = 0; i < 60; i++) yield* writer.append([row(i)])
      yield* writer.seal(60)
      yield* TestClock.adjust("10 seconds")
      assert.lengthOf(yield* Store.contents(reader), 60)
      assert.deepStrictEqual(yield* Store.storedKeys(storage), [])
      control.broken.clear()
      // Time does not wait for a merge that is under way.
      yield* Effect.repeat(TestClock.adjust("1 second"), { times: 60 })
      assert.isNotEmpty(yield* Store.storedKeys(storage))
      assert.isBelow(yield* logBytes(storage), Store.tiny.logBytes! * 1.5)
      assert.lengthOf(yield* Store.contents(reader), 60)
      yield* client.maintain
      assert.deepStrictEqual(yield* Store.storedKeys(storage), yield* Store.referencedKeys(storage))
    }))

  it.effect(
    "without memory for rows, each write is flushed before the next, and none waits for ever",
    () =>
      Effect.gen(function*() {
        const { reader, storage, writer } = yield* fresh({ ...Store.quiet, memoryBytes: 0 })
        yield* writer.append([])
        yield* writer.seal(1)
        for (let i = 1; i <= 20; i++) {
          yield* writer.append([row(i)])
          yield* writer.seal(i + 1)
        }
        assert.lengthOf(yield* Store.contents(reader), 20)
        assert.isNotEmpty(yield* Store.storedKeys(storage))
      }),
    20_000
  )

  it.effect("trace_compaction: an outdated result is dropped, and its blobs with it", () =>
    Effect.gen(function*() {
      const { client, control, reader, storage, writer } = yield* fresh(Store.tiny)
      for (let i = 0; i < 60; i++) yield* writer.append([row(i)])
      yield* writer.seal(60)
      yield* client.maintain
      const destroyed = { done: false }
      control.before = (operation, detail) =>
        operation !== "put" || !detail.startsWith("batch/") || destroyed.done
          ? Effect.void
          : Effect.suspend(() => {
            destroyed.done = true
            return Effect.ignore(client.destroy("s"))
          })
      yield* writer.append([row(60)])
      yield* client.compact("s")
      assert.isTrue(destroyed.done, "it was destroyed while it was compacted")
      yield* client.maintain
      assert.deepStrictEqual(yield* Store.storedKeys(storage), yield* Store.referencedKeys(storage))
      assert.propertyVal(yield* Effect.flip(Effect.scoped(reader.snapshot())), "_tag", "CollectionDestroyed")
    }))

  it.effect("blobs are deleted after the commit that unnames them, never before", () =>
    Effect.gen(function*() {
      const { client, control, storage, writer } = yield* fresh(Store.tiny)
      control.before = (operation, detail) =>
        operation !== "delete"
          ? Effect.void
          : Effect.orDie(Effect.map(Store.referencedKeys(storage), (keys) => assert.notInclude(keys, detail)))
      for (let i = 0; i < 200; i++) {
        yield* writer.append([row(i % 20, i)])
        if (i % 10 === 0) {
          yield* writer.seal(i)
          yield* writer.allowCompaction(i)
          yield* client.maintain
        }
      }
      assert.isAbove(Faulty.count(control, "delete"), 5)
    }))

  it.effect("what a writer before this one left behind is swept, once the grace time has passed", () =>
    Effect.gen(function*() {
      const { storage, control } = yield* Store.faulty
      yield* Store.inScope(Effect.gen(function*() {
        const client = yield* Store.client(storage, { ...Store.tiny, memoryBytes: 100 })
        const { writer } = yield* client.createOrLoad("s", Store.text)
        control.broken.add("delete")
        for (let i = 0; i < 50; i++) yield* writer.append([row(i)])
        yield* client.maintain
        control.broken.add("append")
        yield* Effect.ignore(client.compact("s"))
      }))
      control.broken.clear()
      assert.notDeepEqual(yield* Store.storedKeys(storage), yield* Store.referencedKeys(storage))
      const client = yield* Store.client(storage, { ...everySecond, grace: "10 seconds" })
      yield* TestClock.adjust("5 seconds")
      assert.notDeepEqual(yield* Store.storedKeys(storage), yield* Store.referencedKeys(storage))
      yield* TestClock.adjust("10 seconds")
      yield* client.sync
      assert.deepStrictEqual(yield* Store.storedKeys(storage), yield* Store.referencedKeys(storage))
    }))

  it.effect("a sweep that fails is tried again", () =>
    Effect.gen(function*() {
      const { client, control, storage } = yield* fresh(Store.tiny)
      yield* Context.get(storage, Blob).put("batch/00000000000000-00000001", new Uint8Array(10))
      for (const operation of ["list", "truncate"] as const) {
        control.broken.add(operation)
        assert.propertyVal(yield* Effect.flip(client.maintain), "_tag", "Unavailable")
        control.broken.clear()
      }
      yield* client.maintain
      assert.deepStrictEqual(yield* Store.storedKeys(storage), yield* Store.referencedKeys(storage))
    }))

  it.effect("so is what an append of unknown outcome has named, or not", () =>
    Effect.gen(function*() {
      for (const [truth, broken] of [["applied", "read"], ["lost", "acquire"]] as const) {
        const { client, control, reader, storage, writer } = yield* fresh(Store.tiny)
        for (let i = 0; i < 20; i++) yield* writer.append([row(i)])
        yield* writer.seal(20)
        control.nextAppend = truth
        control.broken.add(broken)
        const compacting = yield* Effect.forkChild(Effect.flip(client.compact("s")))
        while (compacting.pollUnsafe() === undefined) yield* TestClock.adjust("1 second")
        assert.propertyVal(yield* Fiber.join(compacting), "_tag", "Indeterminate")
        control.broken.clear()
        yield* client.maintain
        yield* client.maintain
        assert.deepStrictEqual(yield* Store.storedKeys(storage), yield* Store.referencedKeys(storage), truth)
        assert.lengthOf(yield* Store.contents(reader), 20)
      }
    }))

  it.effect("a collection whose rows cannot be merged does not hold up the others", () =>
    Effect.gen(function*() {
      const { client, storage, writer } = yield* fresh(Store.tiny)
      const other = yield* client.createOrLoad("other", Store.text)
      for (let i = 0; i < 3; i++) yield* writer.append([huge, ...Array.from({ length: 40 }, (_, i) => row(i))])
      for (let i = 0; i < 60; i++) yield* other.writer.append([row(i)])
      yield* Effect.exit(client.maintain)
      assert.propertyVal(yield* Effect.flip(client.compact("s")), "_tag", "ValueOutOfRange")
      const state = yield* Store.recovered(storage)
      assert.isBelow(state.collections.get(1)!.memoryBytes, Store.tiny.memoryBytes!)
      assert.lengthOf(yield* Store.contents(other.reader), 60)
    }))

  it.effect("rows that can only overflow together leave memory and the log, and are merged once they no longer do", () =>
    Effect.gen(function*() {
      const { client, control, reader, storage, writer } = yield* fresh(Store.tiny)
      const padding = Array.from({ length: 40 }, (_, i) => row(i, i + 1))
      for (let i = 0; i < 9; i++) {
        yield* writer.append([{ ...huge, time: i < 7 ? 0 : 1 }, ...padding])
        if (i === 6) yield* writer.seal(1)
        yield* Effect.exit(client.maintain)
        const { collections } = yield* Store.recovered(storage)
        assert.isBelow(collections.get(0)!.memoryBytes, 2 * Store.tiny.memoryBytes!, `${i}`)
        assert.isBelow(yield* logBytes(storage), 2 * Store.tiny.logBytes!, `${i}`)
      }
      assert.propertyVal(yield* Effect.flip(Store.contents(reader)), "_tag", "ValueOutOfRange")
      // Runs without a write between them: the second trims the log.
      for (let i = 0; i < 3; i++) yield* Effect.exit(client.maintain)
      const written = Faulty.count(control, "put", "get")
      yield* client.maintain
      assert.strictEqual(Faulty.count(control, "put", "get"), written, "what cannot be merged is left alone")

      for (let i = 0; i < 7; i++) yield* writer.append([{ ...huge, time: 1, diff: -huge.diff }])
      yield* writer.seal(50)
      yield* writer.allowCompaction(45)
      yield* Effect.exit(client.maintain)
      yield* client.maintain
      yield* client.compact("s")
      assert.lengthOf(yield* Store.contents(reader), 41)
      assert.deepStrictEqual(yield* reader.get("k"), [["", 2 * huge.diff]])
      const { collections } = yield* Store.recovered(storage)
      assert.deepInclude(collections.get(0)!, { spills: [], chunks: [] })
      assert.lengthOf(collections.get(0)!.trace, 1)
    }))

  it.effect("space follows the live rows, not the history", () =>
    Effect.gen(function*() {
      const { client, reader, storage, writer } = yield* fresh(Store.tiny)
      const random = Prng.make(5)
      const live = new Map<string, string>()
      for (let time = 0; time < 400; time++) {
        const key = `k${random.int(10)}`
        const before = live.get(key)
        const value = `v${random.int(1_000_000)}`
        live.set(key, value)
        yield* writer.append([
          ...(before === undefined ? [] : [Update.retract(key, before, time)]),
          Update.insert(key, value, time)
        ])
        yield* writer.seal(time + 1)
        yield* writer.allowCompaction(time)
        if (time % 20 === 19) yield* client.maintain
      }
      yield* client.compact("s")
      const { collections } = yield* Store.recovered(storage)
      const rows = collections.get(0)!.trace.flatMap(({ parts }) => parts).reduce((sum, part) => sum + part.rows, 0)
      assert.strictEqual(rows, live.size)
      assert.isBelow((yield* Store.storedKeys(storage)).length, 5)
      assert.deepStrictEqual(
        (yield* Store.contents(reader)).map(([key, value]) => [key, value]),
        [...live].toSorted(([a], [b]) => a < b ? -1 : 1)
      )
    }))
})
