import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Deferred, Duration, Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Deadlines from "../../src/runtime/Deadlines.ts"
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

  it.effect("share one timer, and each has its own deadline", () =>
    Effect.gen(function*() {
      const deadlines = yield* Deadlines.make(Duration.seconds(10), yield* Effect.context<never>())
      const waiting = (operation: Effect.Effect<string>) =>
        Effect.gen(function*() {
          const fiber = yield* Effect.forkDetach(operation)
          return yield* Effect.forkChild(deadlines.join(fiber, Effect.succeed("late")), { startImmediately: true })
        })
      const first = yield* waiting(Effect.never)
      yield* TestClock.adjust("4 seconds")
      const quick = yield* waiting(Effect.delay(Effect.succeed("in time"), "1 second"))
      const second = yield* waiting(Effect.never)
      const left = yield* waiting(Effect.never)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* Fiber.join(quick), "in time")
      yield* Fiber.interrupt(left)
      assert.isUndefined(first.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(first), "late")
      assert.isUndefined(second.pollUnsafe())
      yield* TestClock.adjust("4 seconds")
      assert.strictEqual(yield* Fiber.join(second), "late")
      // The timer has ended, and is there again for the next operation.
      const third = yield* waiting(Effect.never)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* Fiber.join(third), "late")
    }))

  it.effect("are watched after the store is closed, too, and leave no timer behind", () =>
    Effect.gen(function*() {
      const context = yield* Effect.context<never>()
      const clock = yield* Clock.Clock
      let timers = 0
      const counting: Clock.Clock = {
        ...clock,
        currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe(),
        sleep: (duration) =>
          Effect.acquireUseRelease(
            Effect.sync(() => timers++),
            () => clock.sleep(duration),
            () => Effect.sync(() => timers--)
          )
      }
      const scope = yield* Scope.make()
      const deadlines = yield* Deadlines.make(Duration.seconds(10), Context.add(context, Clock.Clock, counting)).pipe(
        Scope.provide(scope)
      )
      const begun = (operation: Effect.Effect<string>) =>
        Effect.flatMap(Effect.forkDetach(operation), (fiber) =>
          Effect.forkChild(deadlines.join(fiber, Effect.succeed("late")), { startImmediately: true }))
      yield* Fiber.join(yield* begun(Effect.succeed("done")))
      assert.strictEqual(timers, 1)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(timers, 0)
      const hanging = yield* begun(Effect.never)
      assert.strictEqual(timers, 1)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* Fiber.join(hanging), "late")
      yield* Fiber.join(yield* begun(Effect.succeed("done")))
      assert.strictEqual(timers, 0)
    }))
})
