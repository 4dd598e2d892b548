import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { spawn } from "node:child_process"
import { join } from "node:path"
import type { CollectionEvent } from "../../src/client/CollectionEvent.ts"
import { Blob } from "../../src/storage/Blob.ts"
import * as MemoryStorage from "../../src/storage/MemoryStorage.ts"
import * as Prng from "../../src/testing/Prng.ts"
import * as Update from "../../src/Update.ts"
import { directory, layerOf } from "../node/Temporary.ts"
import * as Faulty from "../utils/Faulty.ts"
import * as Model from "../utils/Model.ts"
import * as Store from "../utils/Store.ts"

const put = (key: string, time = 0) => Update.insert(key, "", time)

const pair = Effect.gen(function*() {
  const store = yield* MemoryStorage.make
  const storage = yield* Store.open(store)
  const writingClient = yield* Store.client(storage, Store.tiny)
  const { writer } = yield* writingClient.createOrLoad("s", Store.text)
  const followed = Faulty.make(storage)
  const follower = yield* Store.follower(followed.storage, Store.tiny)
  const { reader } = yield* follower.load("s", Store.text)
  return { ...followed, writingClient, follower, writer, reader }
})

const records = (events: ReadonlyArray<CollectionEvent<string, string>>) =>
  events.flatMap((event) => event._tag === "Updates" ? event.updates : [])

const deliveredOf = (events: ReadonlyArray<CollectionEvent<string, string>>) =>
  events.flatMap((event) => event._tag === "Updates" ? event.updates : [])

describe("read-only clients", () => {
  it.effect("see what was durable before they look, and refuse to write", () =>
    Effect.gen(function*() {
      const { follower, reader, writer, writingClient } = yield* pair
      const { writer: own } = yield* follower.load("s", Store.text)
      for (let i = 0; i < 20; i++) {
        yield* writer.append([put(`${i}`, i)])
        yield* writer.seal(i)
        assert.lengthOf(yield* Store.contents(reader), i + 1)
        assert.deepInclude(yield* follower.description("s"), { upper: i })
      }
      yield* writingClient.createOrLoad("t", Store.text)
      assert.lengthOf(yield* follower.descriptions, 2)
      const refused: ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>> = [
        own.append([put("a")]),
        own.seal(100),
        own.allowCompaction(1),
        follower.destroy("s"),
        follower.compact("s"),
        follower.maintain
      ]
      for (const each of refused) assert.propertyVal(yield* Effect.flip(each), "_tag", "ReadOnly")
      assert.propertyVal(yield* Effect.flip(follower.load("none", Store.text)), "_tag", "UnknownCollection")
      yield* writingClient.destroy("s")
      assert.propertyVal(yield* Effect.flip(Store.contents(reader)), "_tag", "CollectionDestroyed")
    }))

  it.effect("follow a live writer across its rollups and truncations, without loss or duplication", () =>
    Effect.gen(function*() {
      const { reader, writer, writingClient } = yield* pair
      const random = Prng.make(3)
      const model = Model.make()
      const { events, snapshot } = yield* reader.listen()
      assert.deepStrictEqual(yield* Store.rows(snapshot), [])
      const listening = yield* Effect.forkChild(
        Stream.runCollect(Stream.takeUntil(events, (event) => event._tag === "Progress" && event.frontier === 300))
      )
      const subscribed = yield* Effect.forkChild(
        Stream.runCollect(
          Stream.takeUntil(reader.subscribe({}), (event) => event._tag === "Progress" && event.frontier === 300)
        )
      )
      for (let time = 0; time < 300; time++) {
        const updates = [Update.insert(`k${random.int(20)}`, "v".repeat(random.int(60)), time)]
        yield* writer.append(updates)
        model.updates.push(...updates)
        yield* writer.seal(time + 1)
        if (time % 10 === 0) yield* writingClient.maintain
        if (time % 40 === 0) assert.deepStrictEqual(yield* Store.contents(reader), Model.contents(model))
      }
      assert.deepStrictEqual(records(yield* Fiber.join(listening)), model.updates)
      assert.deepStrictEqual(
        Model.consolidate(deliveredOf(yield* Fiber.join(subscribed))),
        Model.consolidate(model.updates)
      )
    }))

  it.effect("that were left behind start again from the newest rollup; their listeners fail, subscriptions go on", () =>
    Effect.gen(function*() {
      const { control, follower, reader, writer, writingClient } = yield* pair
      const { events } = yield* reader.listen()
      const listening = yield* Effect.forkChild(Effect.flip(Stream.runDrain(events)))
      const subscribed = yield* Effect.forkChild(
        Stream.runCollect(
          Stream.takeUntil(reader.subscribe({}), (event) => event._tag === "Progress" && event.frontier === 101)
        )
      )
      yield* Effect.yieldNow
      control.isDown = true
      for (let i = 0; i < 100; i++) {
        yield* writer.append([Update.insert(`k${i}`, "v".repeat(50), i)])
        yield* writer.seal(i)
        if (i % 10 === 0) yield* writingClient.compact("s")
      }
      yield* writingClient.compact("s")
      control.isDown = false
      yield* writer.seal(101)
      yield* follower.sync
      assert.propertyVal(yield* Fiber.join(listening), "_tag", "HoldExpired")
      assert.lengthOf(deliveredOf(yield* Fiber.join(subscribed)), 100)
      assert.lengthOf(yield* Store.contents(reader), 100)
    }))

  it.effect("get over a hiccup of storage without another write", () =>
    Effect.gen(function*() {
      const { control, reader, writer } = yield* pair
      const { events } = yield* reader.listen()
      const listening = yield* Effect.forkChild(Stream.runCollect(Stream.take(events, 1)))
      yield* Effect.yieldNow
      control.broken.add("read")
      yield* writer.append([put("a")])
      for (let i = 0; i < 10; i++) yield* Effect.yieldNow
      control.broken.clear()
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(records(yield* Fiber.join(listening)), [put("a")])
    }))

  it.effect("open a store whose writer rolls up and truncates at that moment", () =>
    Effect.gen(function*() {
      const store = yield* MemoryStorage.make
      const writingClient = yield* Store.client(yield* Store.open(store), Store.tiny)
      const { writer } = yield* writingClient.createOrLoad("s", Store.text)
      for (let i = 0; i < 50; i++) yield* writer.append([Update.insert(`k${i}`, "v".repeat(50), i)])
      yield* writingClient.compact("s")
      const { control, storage } = Faulty.make(yield* Store.open(store))
      let rounds = 0
      control.before = (operation, detail) =>
        operation === "get" && detail.startsWith("rollup/") && rounds++ < 2
          ? Effect.ignore(Effect.andThen(writer.append([put(`x${rounds}`, 50)]), writingClient.compact("s")))
          : Effect.void
      const opening = yield* Effect.forkChild(Store.follower(storage, { ...Store.tiny, retry: undefined }))
      while (opening.pollUnsafe() === undefined) yield* TestClock.adjust("100 millis")
      const follower = yield* Fiber.join(opening)
      assert.lengthOf(yield* Store.contents((yield* follower.load("s", Store.text)).reader), 52)
      assert.isAtLeast(rounds, 2)
    }))

  it.effect("end their listeners when they stop, and leave the writer alone", () =>
    Effect.gen(function*() {
      const { follower, reader, writer } = yield* pair
      const { events } = yield* reader.listen()
      const listening = yield* Effect.forkChild(Stream.runCollect(events))
      yield* follower.stop
      yield* Fiber.join(listening)
      yield* writer.append([put("a")])
    }))

  it.live("follow a writer in another process, whatever it does to its log", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      const script = join(import.meta.dirname, "../utils/Writer.ts")
      const child = yield* Effect.acquireRelease(
        Effect.sync(() =>
          spawn(process.execPath, ["--conditions=tidemark-source", script, path], {
            stdio: ["ignore", "pipe", "inherit"]
          })
        ),
        (child) => Effect.sync(() => child.kill("SIGKILL"))
      )
      yield* Effect.callback<void>((resume) => void child.stdout.once("data", () => resume(Effect.void)))
      const storage = yield* Layer.build(layerOf(path))
      const follower = yield* Store.follower(storage)
      const { reader } = yield* follower.load("s", Store.text)
      const events = yield* Stream.runCollect(
        Stream.takeUntil(reader.subscribe({}), (event) => event._tag === "Progress" && event.frontier === 400)
      )
      const delivered = deliveredOf(events)
      assert.deepStrictEqual(
        Model.consolidate(delivered).map(({ diff, key, time }) => `${key}@${time} ${diff}`),
        Array.from({ length: 400 }, (_, i) => `k${i}@${i} 1`)
      )
      assert.isAbove(events.length, 4, "it came while it was written")
    }))
})

describe("leases", () => {
  it.effect("keep what a snapshot reads, until its scope closes", () =>
    Effect.gen(function*() {
      const storage = yield* Store.memory
      const client = yield* Store.client(storage, Store.tiny)
      const { reader, writer } = yield* client.createOrLoad("s", Store.text)
      for (let i = 0; i < 40; i++) yield* writer.append([Update.insert(`k${i % 4}`, `v${i}`, i)])
      yield* writer.seal(40)
      yield* client.compact("s")
      const scope = yield* Scope.make()
      const snapshot = yield* Scope.provide(reader.snapshot({ asOf: 20 }), scope)
      const half = yield* Stream.toPull(snapshot.contents)
      yield* writer.allowCompaction(39)
      yield* client.compact("s")
      yield* client.maintain
      assert.lengthOf(yield* half, 21)
      assert.lengthOf(yield* Store.rows(snapshot), 21)
      yield* Scope.close(scope, Exit.void)
      yield* client.maintain
      assert.deepStrictEqual(yield* Store.storedKeys(storage), yield* Store.referencedKeys(storage))
      assert.isDefined(Context.get(storage, Blob))
    }))

  it.effect("do not bind other processes: a snapshot whose batches are gone says so, and is no damage", () =>
    Effect.gen(function*() {
      const { reader, storage, writer, writingClient } = yield* pair
      for (let i = 0; i < 40; i++) yield* writer.append([Update.insert(`k${i % 4}`, `v${i}`, i)])
      yield* writingClient.compact("s")
      const scope = yield* Scope.make()
      const snapshot = yield* Scope.provide(reader.snapshot(), scope)
      yield* writer.append([put("more", 50)])
      yield* writingClient.compact("s")
      yield* writingClient.maintain
      assert.propertyVal(yield* Effect.flip(Store.rows(snapshot)), "_tag", "Unavailable")
      assert.lengthOf(yield* Store.contents(reader), 41, "a new one can be had")

      const batches = (yield* Store.referencedKeys(storage)).filter((key) => key.startsWith("batch/"))
      yield* Effect.forEach(batches, (key) => Context.get(storage, Blob).delete(key))
      yield* writer.append([put("yet more", 50)])
      assert.propertyVal(yield* Effect.flip(Store.contents(reader)), "_tag", "Corrupt")
    }))
})
