import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Latch, Layer, Result, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { join } from "node:path"
import * as PersistClient from "../../src/client/PersistClient.ts"
import * as FileStorage from "../../src/node/FileStorage.ts"
import * as Update from "../../src/Update.ts"
import { directory } from "../node/Temporary.ts"
import type * as Faulty from "../utils/Faulty.ts"
import * as Store from "../utils/Store.ts"

const put = (key: string, time = 0) => Update.insert(key, "", time)

/** A client in a scope of its own, and the scope. */
const opened = (storage: Faulty.Storage, options?: PersistClient.Options) =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    const client = yield* Scope.provide(Store.client(storage, options), scope)
    return { client, scope, ...yield* client.createOrLoad("s", Store.text) }
  })

describe("stop", () => {
  it.effect("answers everybody: what was accepted is executed, what comes after is refused, in every way to stop", () =>
    Effect.gen(function*() {
      for (const way of ["stop", "scope", "interruption"] as const) {
        const { control, storage } = yield* Store.faulty
        const gate = Latch.makeUnsafe(true)
        control.before = (operation) => operation === "append" ? gate.await : Effect.void
        const scope = yield* Scope.make()
        const ready = yield* Deferred.make<PersistClient.PersistClient["Service"]>()
        const holding = Effect.gen(function*() {
          const client = yield* Store.client(storage, { ...Store.quiet, queueCapacity: 5 })
          yield* Deferred.succeed(ready, client)
          return yield* Effect.never
        })
        const holder = yield* Effect.forkChild(
          Effect.ensuring(Scope.provide(holding, scope), Effect.suspend(() => Scope.close(scope, Exit.void)))
        )
        const client = yield* Deferred.await(ready)
        const { reader, writer } = yield* client.createOrLoad("s", Store.text)
        gate.closeUnsafe()
        const writers = yield* Effect.forEach(
          Array.from({ length: 30 }, (_, i) => `${i}`),
          (key) => Effect.forkChild(Effect.result(writer.append([put(key)])), { startImmediately: true })
        )
        const waiting = yield* Effect.forkChild(Effect.exit(Effect.scoped(reader.snapshot({ asOf: 7 }))))
        const subscribed = yield* Effect.forkChild(Effect.exit(Stream.runDrain(reader.subscribe({}))))
        const stopping = yield* Effect.forkChild(
          way === "stop" ? client.stop : way === "scope" ? Scope.close(scope, Exit.void) : Fiber.interrupt(holder)
        )
        yield* Effect.yieldNow
        gate.openUnsafe()
        yield* Fiber.join(stopping)
        const results = yield* Effect.forEach(writers, (writer) => Fiber.join(writer))
        yield* Fiber.join(waiting)
        yield* Fiber.join(subscribed)
        const succeeded = results.filter(Result.isSuccess).length
        assert.isAtLeast(succeeded, 5, way)
        for (const result of results) {
          if (Result.isFailure(result)) assert.propertyVal(result.failure, "_tag", "RuntimeShutdown")
        }
        const late: ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>> = [
          writer.append([put("late")]),
          writer.seal(9),
          client.sync,
          client.destroy("s")
        ]
        for (const each of late) {
          assert.propertyVal(yield* Effect.flip(each), "_tag", "RuntimeShutdown")
        }
        yield* client.stop
        const again = yield* opened(storage)
        assert.lengthOf(yield* Store.contents(again.reader), succeeded, "what was answered is what is there")
        yield* again.client.stop
      }
    }))

  it.effect("every stop returns when it is given up, the first and the second", () =>
    Effect.gen(function*() {
      for (const way of ["stop", "scope"] as const) {
        const { control, storage } = yield* Store.faulty
        const gate = Latch.makeUnsafe(true)
        control.before = (operation) => operation === "append" ? gate.await : Effect.void
        const { client, scope, writer } = yield* opened(storage)
        gate.closeUnsafe()
        yield* writer.offer([put("k")])
        const first = yield* Effect.forkChild(client.stop, { startImmediately: true })
        const second = yield* Effect.forkChild(way === "stop" ? client.stop : Scope.close(scope, Exit.void))
        for (let round = 0; round < 100; round++) yield* Effect.yieldNow
        assert.isUndefined(first.pollUnsafe())
        assert.isUndefined(second.pollUnsafe(), way)
        gate.openUnsafe()
        yield* Fiber.join(first)
        yield* Fiber.join(second)
      }
    }))

  it.effect("leaves no fiber running", () =>
    Effect.gen(function*() {
      for (const way of ["stop", "scope"] as const) {
        const storage = yield* Store.memory
        const running = yield* Store.leftRunning(Effect.gen(function*() {
          const { client, reader, scope, writer } = yield* opened(storage, { retry: Store.quiet.retry })
          const { events } = yield* Scope.provide(reader.listen(), scope)
          const listening = yield* Effect.forkChild(Stream.runDrain(events))
          for (let i = 0; i < 20; i++) yield* writer.append([put(`${i}`, i)])
          yield* writer.seal(20)
          yield* client.compact("s")
          yield* TestClock.adjust("1 minute")
          const follower = yield* Scope.make()
          yield* Scope.provide(Store.follower(storage), follower)
          yield* Scope.close(follower, Exit.void)
          if (way === "stop") yield* client.stop
          else yield* Scope.close(scope, Exit.void)
          yield* Fiber.join(listening)
        }))
        assert.strictEqual(running, 0, way)
      }
    }))

  it.effect("deletes what is not needed, and gives up when storage is down", () =>
    Effect.gen(function*() {
      const { control, storage } = yield* Store.faulty
      const { client, reader, writer } = yield* opened(storage, { ...Store.tiny, memoryBytes: 100, grace: "1 hour" })
      for (let i = 0; i < 50; i++) yield* writer.append([put("k", i)])
      yield* writer.seal(50)
      yield* writer.allowCompaction(49)
      yield* client.compact("s")
      assert.notDeepEqual(
        yield* Store.storedKeys(storage),
        yield* Store.referencedKeys(storage),
        "kept for the grace time"
      )
      assert.deepStrictEqual(yield* Store.contents(reader), [["k", "", 50]])
      yield* client.stop
      assert.deepStrictEqual(yield* Store.storedKeys(storage), yield* Store.referencedKeys(storage))

      const again = yield* opened(storage)
      yield* again.writer.append([put("l", 50)])
      control.isDown = true
      yield* again.client.stop
    }))

  it.effect("many times over, each time with the whole content, on files with the lock free again", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      for (let round = 0; round < 12; round++) {
        yield* Effect.gen(function*() {
          const client = yield* PersistClient.PersistClient
          const { reader, writer } = yield* client.createOrLoad("s", Store.text)
          assert.lengthOf(yield* Store.contents(reader), round)
          yield* writer.offer([put(`${round}`)])
          if (round % 2 === 0) yield* client.stop
        }).pipe(
          Effect.provide(PersistClient.layer(Store.quiet).pipe(Layer.provide(FileStorage.layer({ directory: path }))))
        )
      }
      const { storage } = yield* Store.faulty
      for (let round = 0; round < 100; round++) {
        const { reader, scope, writer } = yield* opened(storage)
        assert.lengthOf(yield* Store.contents(reader), round)
        yield* writer.offer([put(`${round}`)])
        yield* Scope.close(scope, Exit.void)
      }
    }))

  it.effect("an opening that fails gives the log up again", () =>
    Effect.gen(function*() {
      const { control, storage } = yield* Store.faulty
      yield* Store.inScope(Effect.flatMap(opened(storage), ({ client }) => client.stop))
      control.broken.add("read")
      assert.propertyVal(yield* Effect.flip(Store.inScope(Store.client(storage))), "_tag", "Unavailable")
      control.broken.clear()
      yield* Store.inScope(Effect.flatMap(Store.client(storage), (client) => client.load("s", Store.text)))
    }))
})
