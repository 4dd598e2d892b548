import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as Update from "../../src/Update.ts"
import * as Store from "../utils/Store.ts"

const put = (key: string) => Update.insert(key, "", 0)
const options = { ...Store.quiet, timeout: "10 seconds" } as const
const keys = (rows: ReadonlyArray<readonly [string, ...ReadonlyArray<unknown>]>) => rows.map(([key]) => key)

describe("operations of storage that take too long", () => {
  it.effect("an append has an unknown outcome, and the next command finds out", () =>
    Effect.gen(function*() {
      const { control, storage } = yield* Store.faulty
      const client = yield* Store.client(storage, options)
      const { reader, writer } = yield* client.createOrLoad("s", Store.text)
      const isAwake = yield* Deferred.make<void>()
      control.before = (operation) =>
        operation === "append" || operation === "acquire" ? Deferred.await(isAwake) : Effect.void
      const first = yield* Effect.forkChild(Effect.flip(writer.append([put("a")])))
      yield* TestClock.adjust("9 seconds")
      assert.isUndefined(first.pollUnsafe(), "it is patient")
      yield* TestClock.adjust("1 minute")
      assert.propertyVal(yield* Fiber.join(first), "_tag", "Indeterminate")
      const second = yield* Effect.forkChild(Effect.flip(writer.append([put("b")])))
      yield* TestClock.adjust("1 minute")
      assert.propertyVal(
        yield* Fiber.join(second),
        "_tag",
        "Unavailable",
        "nothing follows an append of unknown outcome"
      )
      yield* Deferred.succeed(isAwake, undefined)
      yield* writer.append([put("c")])
      const there = keys(yield* Store.contents(reader))
      assert.include(there, "c")
      assert.notInclude(there, "b")
      yield* client.stop
      const again = yield* Store.client(storage, options)
      assert.deepStrictEqual(keys(yield* Store.contents((yield* again.load("s", Store.text)).reader)), there)
    }))

  it.effect("a put is tried again, as the same blob", () =>
    Effect.gen(function*() {
      const { control, storage } = yield* Store.faulty
      const { retry: _, ...patient } = { ...Store.tiny, ...options, memoryBytes: 1, inlineBytes: 1 }
      const client = yield* Store.client(storage, patient)
      const { reader, writer } = yield* client.createOrLoad("s", Store.text)
      yield* writer.append([put("a")])
      yield* writer.seal(1)
      const tried: Array<string> = []
      control.before = (operation, key) =>
        Effect.suspend(() => {
          if (operation !== "put") return Effect.void
          tried.push(key)
          return tried.length === 1 ? Effect.never : Effect.void
        })
      const maintaining = yield* Effect.forkChild(client.maintain)
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(maintaining)
      assert.isAbove(tried.length, 1)
      assert.strictEqual(tried[1], tried[0])
      assert.deepStrictEqual(keys(yield* Store.contents(reader)), ["a"])
    }))

  it.effect("a read that never ends is a failure", () =>
    Effect.gen(function*() {
      const { control, storage } = yield* Store.faulty
      const client = yield* Store.client(storage, { ...Store.tiny, ...options, memoryBytes: 1, inlineBytes: 1 })
      const { reader, writer } = yield* client.createOrLoad("s", Store.text)
      yield* writer.append([put("a")])
      yield* writer.seal(1)
      yield* client.maintain
      control.before = (operation) => operation === "get" ? Effect.never : Effect.void
      const reading = yield* Effect.forkChild(Effect.flip(Store.contents(reader)))
      yield* TestClock.adjust("1 minute")
      assert.propertyVal(yield* Fiber.join(reading), "_tag", "Unavailable")
    }))
})
