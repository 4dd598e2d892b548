import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber, Latch, Result } from "effect"
import { TestClock } from "effect/testing"
import type * as PersistClient from "../../src/client/PersistClient.ts"
import { OutOfSpace } from "../../src/PersistError.ts"
import { Log } from "../../src/storage/Log.ts"
import * as MemoryStorage from "../../src/storage/MemoryStorage.ts"
import * as Update from "../../src/Update.ts"
import * as Faulty from "../utils/Faulty.ts"
import * as Store from "../utils/Store.ts"

const put = (key: string, time = 0) => Update.insert(key, "", time)

const two = (options?: PersistClient.Options) =>
  Effect.gen(function*() {
    const store = yield* MemoryStorage.make
    const { control, storage } = Faulty.make(yield* Store.open(store))
    const zombie = yield* Store.client(storage, options)
    const old = yield* zombie.createOrLoad("s", Store.text)
    const takeOver = Effect.gen(function*() {
      const next = Faulty.make(yield* Store.open(store))
      const client = yield* Store.client(next.storage, options)
      return { ...next, client, ...yield* client.createOrLoad("s", Store.text) }
    })
    return { control, storage, zombie, old, takeOver }
  })

describe("fencing", () => {
  it.effect("a writer that was taken over can commit nothing, for ever", () =>
    Effect.gen(function*() {
      const { old, takeOver, zombie } = yield* two()
      yield* old.writer.append([put("a")])
      const next = yield* takeOver
      assert.propertyVal(yield* Effect.flip(old.writer.append([put("late")])), "_tag", "Fenced")
      yield* next.writer.append([put("b")])
      assert.propertyVal(yield* Effect.flip(old.writer.seal(5)), "_tag", "Fenced")
      assert.propertyVal(yield* Effect.flip(zombie.compact("s")), "_tag", "Fenced")
      assert.propertyVal(yield* Effect.flip(zombie.createOrLoad("t", Store.text)), "_tag", "Fenced")
      assert.deepStrictEqual((yield* Store.contents(next.reader)).map(([key]) => key), ["a", "b"])
    }))

  it.effect("one that was taken over while it opened the store fails with `Fenced`, as what it has read is not its own", () =>
    Effect.gen(function*() {
      const { control, storage, takeOver } = yield* two()
      let isTaken = false
      control.before = (operation) => {
        if (operation !== "bounds" || isTaken) return Effect.void
        isTaken = true
        return Effect.ignore(Effect.scoped(Effect.flatMap(takeOver, ({ writer }) => writer.append([put("b")]))))
      }
      assert.propertyVal(yield* Effect.flip(Store.client(storage)), "_tag", "Fenced")
      assert.isTrue(isTaken)
      yield* Store.client(storage)
    }))

  it.effect("nor can it hold a state that is no longer the newest, whose blobs may be gone", () =>
    Effect.gen(function*() {
      const { old, takeOver, zombie } = yield* two()
      yield* old.writer.append([put("a")])
      yield* old.writer.seal(1)
      yield* zombie.compact("s")
      const next = yield* takeOver
      yield* next.writer.append([put("b", 1)])
      yield* next.writer.seal(2)
      yield* next.client.compact("s")
      yield* TestClock.adjust("1 hour")
      yield* next.client.maintain
      assert.propertyVal(
        yield* Effect.flip(Effect.scoped(zombie.hold("late", { lease: "1 minute" }))),
        "_tag",
        "Fenced"
      )
    }))

  it.effect("nor does it leave one that it has stored before it learns of its end", () =>
    Effect.gen(function*() {
      const { control, old, storage, takeOver, zombie } = yield* two()
      yield* old.writer.append([put("a")])
      let isTaken = false
      control.before = (operation, detail) => {
        if (operation !== "put" || !detail.startsWith("hold/") || isTaken) return Effect.void
        isTaken = true
        return Effect.ignore(Effect.scoped(Effect.flatMap(takeOver, ({ writer }) => writer.append([put("b")]))))
      }
      assert.propertyVal(yield* Effect.flip(Effect.scoped(zombie.hold("late", { lease: "1 day" }))), "_tag", "Fenced")
      assert.isTrue(isTaken)
      assert.deepStrictEqual((yield* Store.storedKeys(storage)).filter((key) => key.startsWith("hold/")), [])
    }))

  it.effect("nor does it delete what the writer after it has stored", () =>
    Effect.gen(function*() {
      const { control, old, takeOver, zombie } = yield* two({ ...Store.tiny, memoryBytes: 100 })
      // It has reason to sweep, and does not know yet that it was taken over.
      yield* old.writer.append([put("old")])
      control.broken.add("put")
      yield* Effect.flip(zombie.compact("s"))
      control.broken.clear()
      const next = yield* takeOver
      for (let i = 0; i < 50; i++) yield* next.writer.append([put(`${i}`.padStart(2, "0"), i)])
      yield* next.writer.seal(50)
      yield* next.client.maintain
      assert.propertyVal(yield* Effect.flip(zombie.maintain), "_tag", "Fenced")
      assert.propertyVal(yield* Effect.flip(zombie.compact("s")), "_tag", "Fenced")
      const deleted = Faulty.count(control, "delete")
      yield* TestClock.adjust("1 hour")
      yield* Effect.exit(zombie.maintain)
      yield* zombie.stop
      assert.strictEqual(Faulty.count(control, "delete"), deleted)
      assert.includeMembers(yield* Store.storedKeys(next.storage), yield* Store.referencedKeys(next.storage))
      assert.lengthOf(yield* Store.contents(next.reader), 51)
    }))

  it.effect("a writer that acquires the log again does not take its own epoch for another's", () =>
    Effect.gen(function*() {
      const { control, old, zombie } = yield* two()
      const latch = Latch.makeUnsafe(false)
      let isUnderWay = false
      control.before = (operation) => {
        if (operation !== "truncate") return Effect.void
        isUnderWay = true
        return latch.await
      }
      const confirming = yield* Effect.forkChild(Effect.flip(zombie.confirm))
      yield* Store.until(() => isUnderWay)
      control.nextAppend = "lost"
      assert.propertyVal(yield* Effect.flip(old.writer.append([put("a")])), "_tag", "Unavailable")
      yield* latch.open
      assert.propertyVal(yield* Fiber.join(confirming), "_tag", "Unavailable")
      yield* old.writer.append([put("b")])
      yield* zombie.confirm
    }))

  it.effect("an append of unknown outcome is answered as it was, also if somebody else has the log by then", () =>
    Effect.gen(function*() {
      for (const truth of ["applied", "lost"] as const) {
        const { control, old, takeOver } = yield* two()
        control.nextAppend = truth
        control.broken.add("acquire")
        const writing = yield* Effect.forkChild(Effect.result(old.writer.append([put("a")])))
        yield* Store.until(() => control.nextAppend === undefined)
        const next = yield* takeOver
        yield* next.writer.append([put("b")])
        control.broken.clear()
        while (writing.pollUnsafe() === undefined) yield* TestClock.adjust("1 second")
        const result = yield* Fiber.join(writing)
        if (truth === "applied") assert.isTrue(Result.isSuccess(result))
        else assert.propertyVal(Result.getOrThrow(Result.flip(result)), "_tag", "Fenced")
        const keys = (yield* Store.contents(next.reader)).map(([key]) => key)
        assert.deepStrictEqual(keys, truth === "applied" ? ["a", "b"] : ["b"])
        yield* next.writer.append([put("d")])
        yield* next.client.confirm
        const acquired = Faulty.count(control, "acquire")
        for (let i = 0; i < 3; i++) {
          assert.propertyVal(yield* Effect.flip(old.writer.append([put("c")])), "_tag", "Fenced")
        }
        assert.strictEqual(Faulty.count(control, "acquire"), acquired, "it leaves the log alone from then on")
      }
    }))

  it.effect("two writers that do not know about their appends do not end each other", () =>
    Effect.gen(function*() {
      const { control, old, takeOver } = yield* two()
      const next = yield* takeOver
      yield* next.writer.append([put("a")])
      for (const each of [control, next.control]) each.nextAppend = "lost"
      const lost = yield* Effect.all([
        Effect.flip(old.writer.append([put("b")])),
        Effect.flip(next.writer.append([put("c")]))
      ])
      assert.deepStrictEqual(lost.map(({ _tag }) => _tag), ["Fenced", "Unavailable"])
      yield* next.writer.append([put("d")])
      assert.deepStrictEqual((yield* Store.contents(next.reader)).map(([key]) => key), ["a", "d"])
    }))

  it.effect("or as unknown, if that one has truncated the log behind it", () =>
    Effect.gen(function*() {
      for (const truth of ["applied", "lost"] as const) {
        const { control, old, takeOver } = yield* two()
        control.nextAppend = truth
        control.broken.add("acquire")
        const writing = yield* Effect.forkChild(Effect.flip(old.writer.append([put("a")])))
        yield* Store.until(() => control.nextAppend === undefined)
        const next = yield* takeOver
        yield* next.writer.append([put("b")])
        yield* next.client.compact("s")
        control.broken.clear()
        while (writing.pollUnsafe() === undefined) yield* TestClock.adjust("1 second")
        assert.propertyVal(yield* Fiber.join(writing), "_tag", "Indeterminate")
        assert.propertyVal(yield* Effect.flip(old.writer.append([put("c")])), "_tag", "Fenced")
        yield* next.writer.append([put("d")])
      }
    }))

  it.effect("a writer that learns of its end from an append that was applied leaves the log whole", () =>
    Effect.gen(function*() {
      const { control, old, storage, takeOver, zombie } = yield* two()
      control.nextAppend = "applied"
      control.broken.add("acquire")
      const writing = yield* Effect.forkChild(old.writer.append([put("a")]))
      yield* Store.until(() => control.nextAppend === undefined)
      const next = yield* takeOver
      yield* next.writer.append([put("b")])
      control.broken.clear()
      while (writing.pollUnsafe() === undefined) yield* TestClock.adjust("1 second")
      const bounds = yield* Context.get(storage, Log).bounds
      assert.propertyVal(yield* Effect.flip(zombie.compact("s")), "_tag", "Fenced")
      assert.propertyVal(yield* Effect.flip(zombie.maintain), "_tag", "Fenced")
      assert.deepStrictEqual(yield* Context.get(storage, Log).bounds, bounds)
    }))

  it.effect("so it is if the writer learns of it only with its next command", () =>
    Effect.gen(function*() {
      const { control, old, takeOver } = yield* two()
      control.nextAppend = "lost"
      control.broken.add("acquire")
      const writing = yield* Effect.forkChild(Effect.flip(old.writer.append([put("a")])))
      while (writing.pollUnsafe() === undefined) yield* TestClock.adjust("1 second")
      assert.propertyVal(yield* Fiber.join(writing), "_tag", "Indeterminate")
      yield* (yield* takeOver).writer.append([put("b")])
      control.broken.clear()
      assert.propertyVal(yield* Effect.flip(old.writer.append([put("c")])), "_tag", "Fenced")
      const acquired = Faulty.count(control, "acquire")
      assert.propertyVal(yield* Effect.flip(old.writer.append([put("d")])), "_tag", "Fenced")
      assert.strictEqual(Faulty.count(control, "acquire"), acquired)
    }))
})

describe("unknown outcomes", () => {
  it.effect("stop the writes after them, also those of the same group, until they are known", () =>
    Effect.gen(function*() {
      // That an append was lost shows in the length of the log; what it is takes reading it.
      for (const [truth, broken] of [["applied", "read"], ["lost", "acquire"]] as const) {
        const { control, old } = yield* two({ ...Store.quiet, groupBytes: 1 })
        control.nextAppend = truth
        control.broken.add(broken)
        const first = yield* old.writer.offer([put("a")])
        const second = yield* old.writer.offer([put("b")])
        while (!Deferred.isDoneUnsafe(second)) yield* TestClock.adjust("1 second")
        assert.propertyVal(yield* Effect.flip(Deferred.await(first)), "_tag", "Indeterminate")
        assert.propertyVal(yield* Effect.flip(Deferred.await(second)), "_tag", "Unavailable")
        control.broken.clear()
        yield* old.writer.append([put("c")])
        const keys = (yield* Store.contents(old.reader)).map(([key]) => key)
        assert.deepStrictEqual(keys, truth === "applied" ? ["a", "c"] : ["c"])
      }
    }))

  it.effect("leave a writer that stops in order: what it has accepted is executed before it gives up the log", () =>
    Effect.gen(function*() {
      const { control, old, storage, zombie } = yield* two()
      control.nextAppend = "applied"
      yield* old.writer.append([put("a")])
      const accepted = yield* Effect.forEach(["b", "c"], (key) => old.writer.offer([put(key)]))
      yield* zombie.stop
      for (const reply of accepted) yield* Deferred.await(reply)
      const { reader } = yield* (yield* Store.client(storage)).createOrLoad("s", Store.text)
      assert.deepStrictEqual((yield* Store.contents(reader)).map(([key]) => key), ["a", "b", "c"])
    }))

  it.effect("are not taken for a failure because finding out about them fails in some other way", () =>
    Effect.gen(function*() {
      const { control, storage } = Faulty.make(yield* Store.memory)
      const log = Context.get(storage, Log)
      let isFull = false
      const full = Effect.suspend(() =>
        isFull ? Effect.fail(new OutOfSpace({ location: "here", detail: "no segment" })) : log.acquire
      )
      const client = yield* Store.client(Context.add(storage, Log, { ...log, acquire: full, acquireAfter: () => full }))
      const { reader, writer } = yield* client.createOrLoad("s", Store.text)
      control.nextAppend = "applied"
      isFull = true
      assert.propertyVal(yield* Effect.flip(writer.append([put("a")])), "_tag", "Indeterminate")
      isFull = false
      assert.deepStrictEqual((yield* Store.contents(reader)).map(([key]) => key), ["a"])
    }))
})
