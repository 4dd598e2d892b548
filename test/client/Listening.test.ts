import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope, Stream } from "effect"
import type { CollectionEvent } from "../../src/client/CollectionEvent.ts"
import type * as PersistClient from "../../src/client/PersistClient.ts"
import type * as Subscription from "../../src/client/Subscription.ts"
import * as Codec from "../../src/Codec.ts"
import { DecodeError } from "../../src/PersistError.ts"
import * as Metrics from "../../src/runtime/Metrics.ts"
import * as Update from "../../src/Update.ts"
import type * as Model from "../utils/Model.ts"
import * as Store from "../utils/Store.ts"

const fresh = (options?: PersistClient.Options) =>
  Effect.gen(function*() {
    const client = yield* Effect.flatMap(Store.memory, (storage) => Store.client(storage, options))
    return { client, ...yield* client.createOrLoad("s", Store.text) }
  })

const a = (time: number) => Update.insert("a", "", time)

const records = (events: ReadonlyArray<CollectionEvent<string, string>>) =>
  events.flatMap((event) => event._tag === "Updates" ? event.updates : [])

describe("listeners", () => {
  it.effect("regression_8606_snapshot_listener_atomicity", () =>
    Effect.gen(function*() {
      const { client, reader, writer } = yield* fresh()
      for (let round = 0; round < 30; round++) {
        const writing = yield* Effect.forkChild(Effect.gen(function*() {
          for (let wait = 0; wait < round % 7; wait++) yield* Effect.yieldNow
          yield* writer.append([
            Update.make("k", `${round}`, round, 1),
            Update.make("k", `${round}`, round + 1_000, -1)
          ])
          yield* writer.seal(round + 1)
        }))
        const delivered = yield* Effect.scoped(Effect.gen(function*() {
          const { events, snapshot } = yield* reader.listen()
          const start = yield* Stream.runCollect(snapshot.updates)
          if (snapshot.upper > round) return start
          const received = yield* Stream.runCollect(
            Stream.takeUntil(events, (event) => event._tag === "Progress" && event.frontier > round)
          )
          return [...start, ...records(received)]
        }))
        yield* Fiber.join(writing)
        assert.strictEqual(delivered.length, 2 * (round + 1), "every update once")
        assert.strictEqual(delivered.reduce((sum, { diff }) => sum + diff, 0), 0)
      }
      yield* client.stop
    }))

  it.effect("stand between the commands of one commit: each write is in the snapshot or in the events", () =>
    Effect.gen(function*() {
      const { client, reader, writer } = yield* fresh()
      const listening: Array<
        Fiber.Fiber<readonly [start: ReadonlyArray<string>, received: ReadonlyArray<string>], unknown>
      > = []
      const keys = ["0", "1", "2", "3", "4", "5"]
      for (const key of keys) {
        yield* writer.offer([Update.insert(key, "", 1)])
        const listener = Effect.gen(function*() {
          const { events, snapshot } = yield* reader.listen()
          const start = (yield* Store.rows(snapshot)).map(([each]) => each)
          return [start, records(yield* Stream.runCollect(events)).map((row) => row.key)] as const
        })
        listening.push(yield* Effect.forkChild(Effect.scoped(listener), { startImmediately: true }))
      }
      yield* client.sync
      yield* client.stop
      for (const [i, fiber] of listening.entries()) {
        assert.deepStrictEqual(yield* Fiber.join(fiber), [keys.slice(0, i + 1), keys.slice(i + 1)])
      }
    }))

  it.effect("are answered before they are delivered, and hear nothing that is not durable", () =>
    Effect.gen(function*() {
      const { reader, writer } = yield* fresh()
      const order: Array<string> = []
      const { events } = yield* reader.listen()
      yield* Effect.forkScoped(Stream.runForEach(events, () => Effect.sync(() => order.push("received"))))
      yield* Effect.yieldNow
      const writing = yield* Effect.forkChild(
        Effect.tap(writer.append([a(1)]), () => Effect.sync(() => order.push("answered")))
      )
      yield* Fiber.join(writing)
      yield* Store.until(() => order.length === 2)
      assert.deepStrictEqual(order, ["answered", "received"])
    }))

  it.effect("receive what was written before the collection was destroyed, and then that it was", () =>
    Effect.gen(function*() {
      const { client, reader, writer } = yield* fresh()
      const { events } = yield* reader.listen()
      yield* writer.append([a(1)])
      yield* writer.seal(2)
      yield* client.destroy("s")
      yield* Effect.yieldNow
      const received: Array<CollectionEvent<string, string>> = []
      const error = yield* Effect.flip(
        Stream.runForEach(events, (event) => Effect.sync(() => void received.push(event)))
      )
      assert.propertyVal(error, "_tag", "CollectionDestroyed")
      assert.deepStrictEqual(received.map(({ _tag }) => _tag), ["Updates", "Progress"])
    }))

  it.effect("end when the store stops, after the last event", () =>
    Effect.gen(function*() {
      const { client, reader, writer } = yield* fresh()
      const { events } = yield* reader.listen()
      const listening = yield* Effect.forkChild(Stream.runCollect(events))
      yield* writer.offer([a(1)])
      yield* client.stop
      assert.deepStrictEqual(records(yield* Fiber.join(listening)), [a(1)])
    }))

  it.effect("unsubscribe with their scope", () =>
    Effect.gen(function*() {
      const { reader } = yield* fresh()
      const before = yield* Metrics.total(Metrics.listeners)
      const scope = yield* Scope.make()
      for (let i = 0; i < 3; i++) yield* Scope.provide(reader.listen(), scope)
      assert.strictEqual((yield* Metrics.total(Metrics.listeners)) - before, 3)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* Metrics.total(Metrics.listeners), before)
    }))

  it.effect("keep a bounded number of decoded bytes for each other, whatever the size of a row", () =>
    Effect.gen(function*() {
      const { client } = yield* fresh()
      let decoded = 0
      const counting: Codec.Codec<string> = {
        ...Codec.string,
        decode: (bytes, start, end) => {
          decoded++
          return Codec.string.decode(bytes, start, end)
        }
      }
      const { reader, writer } = yield* client.createOrLoad("large", { key: Codec.string, value: counting })
      const count = 24
      const received = (events: Stream.Stream<CollectionEvent<string, string>, unknown>) =>
        Stream.runDrain(Stream.take(events, count))
      const [first, second] = [yield* reader.listen(), yield* reader.listen()]
      for (let time = 0; time < count; time++) {
        yield* writer.append([Update.insert(`k${time}`, "v".repeat(256 * 1024), time)])
      }
      yield* received(first.events)
      assert.strictEqual(decoded, count)
      yield* received(second.events)
      assert.isAtLeast(decoded, 2 * count - 4, "all but the newest had been dropped")
    }))

  it.effect("of one handle decode a commit once, each for itself what it quarantines", () =>
    Effect.gen(function*() {
      const client = yield* Effect.flatMap(Store.memory, (storage) => Store.client(storage))
      let decoded = 0
      const counting = {
        ...Codec.string,
        decode: (bytes: Uint8Array, start: number, end: number) => {
          decoded++
          const text = Codec.string.decode(bytes, start, end)
          if (text === "bad") throw new DecodeError({ codec: "string", detail: "it is bad" })
          return text
        }
      }
      const { writer } = yield* client.createOrLoad("s", Store.text)
      const delivered: Array<string> = []
      const quarantine = ({ name }: { readonly name: string }) => () => Effect.sync(() => void delivered.push(name))
      for (const undecodable of ["skip", { quarantine: quarantine({ name: "bad" }) }] as const) {
        const { reader } = yield* client.createOrLoad("s", { key: counting, value: Codec.string, undecodable })
        const listening = []
        for (let i = 0; i < 3; i++) {
          const { events } = yield* reader.listen()
          listening.push(yield* Effect.forkChild(Stream.runCollect(Stream.take(events, 2))))
        }
        decoded = 0
        yield* writer.append([a(1), Update.insert("bad", "", 1), a(2)])
        yield* writer.append([a(3)])
        for (const listener of listening) {
          assert.deepStrictEqual(records(yield* Fiber.join(listener)), [a(1), a(2), a(3)])
        }
        assert.strictEqual(decoded, undecodable === "skip" ? 4 : 12)
      }
      assert.lengthOf(delivered, 3)
    }))

  it.effect("that are slow read the log again, across its truncation, and miss nothing", () =>
    Effect.gen(function*() {
      const { client, reader, writer } = yield* fresh(Store.tiny)
      const rereads = yield* Metrics.total(Metrics.listenerRereads)
      const { events, snapshot } = yield* reader.listen()
      assert.deepStrictEqual(yield* Store.rows(snapshot), [])
      const written: Array<Model.Row> = []
      for (let i = 0; i < 200; i++) {
        const update = Update.insert(`k${i}`, "v".repeat(50), i)
        written.push(update)
        yield* writer.append([update])
        if (i % 20 === 0) yield* client.maintain
      }
      yield* writer.seal(200)
      const received = yield* Stream.runCollect(Stream.takeUntil(events, ({ _tag }) => _tag === "Progress"))
      assert.deepStrictEqual(records(received), written)
      assert.isAbove((yield* Metrics.total(Metrics.listenerRereads)) - rereads, 0)
    }))

  it.effect("that are too slow fail", () =>
    Effect.gen(function*() {
      const { client, reader, writer } = yield* fresh({ ...Store.tiny, heldLogBytes: 5_000 })
      const { events } = yield* reader.listen()
      for (let i = 0; i < 200; i++) {
        yield* writer.append([Update.insert(`k${i}`, "v".repeat(50), i)])
        if (i % 20 === 0) yield* client.maintain
      }
      assert.propertyVal(yield* Effect.flip(Stream.runDrain(events)), "_tag", "HoldExpired")
    }))
})

describe("subscriptions", () => {
  it.effect("tell a time only when it is sealed, and resume where they ended", () =>
    Effect.gen(function*() {
      const { reader, writer } = yield* fresh()
      const first = yield* Effect.forkChild(Stream.runCollect(Stream.take(reader.subscribe({}), 2)))
      yield* writer.append([a(0), a(5)])
      yield* Effect.yieldNow
      assert.isUndefined(first.pollUnsafe())
      yield* writer.seal(3)
      assert.deepStrictEqual(yield* Fiber.join(first), [
        { _tag: "Updates", updates: [a(0)] },
        { _tag: "Progress", frontier: 3 }
      ])
      yield* writer.append([a(3)])
      yield* writer.seal(6)
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(reader.subscribe({ from: 3 }), 2)), [
        { _tag: "Updates", updates: [a(3), a(5)] },
        { _tag: "Progress", frontier: 6 }
      ])
    }))

  it.effect("get large values piece by piece, not all that are complete at once", () =>
    Effect.gen(function*() {
      const client = yield* Effect.flatMap(Store.memory, (storage) => Store.client(storage))
      let decoded = 0
      const value: Codec.Codec<string> = {
        ...Codec.string,
        decode: (bytes, start, end) => {
          decoded++
          return Codec.string.decode(bytes, start, end)
        }
      }
      const { reader, writer } = yield* client.createOrLoad("s", { key: Codec.string, value })
      for (let time = 0; time < 40; time++) {
        yield* writer.append([Update.insert(`k${time}`, "v".repeat(200_000), time)])
      }
      yield* writer.seal(40)
      yield* Stream.runDrain(Stream.take(reader.subscribe(), 1))
      assert.isBelow(decoded, 20)
    }))

  it.effect("of one handle decode a complete time once, however many there are", () =>
    Effect.gen(function*() {
      const client = yield* Effect.flatMap(Store.memory, (storage) => Store.client(storage))
      let decoded = 0
      const value: Codec.Codec<string> = {
        ...Codec.string,
        decode: (bytes, start, end) => {
          decoded++
          return Codec.string.decode(bytes, start, end)
        }
      }
      const { reader, writer } = yield* client.createOrLoad("s", { key: Codec.string, value })
      const all = yield* Effect.forEach(Array.from({ length: 10 }), () =>
        Effect.forkChild(Stream.runCollect(reader.subscribe({ until: 3 })), { startImmediately: true }))
      for (let time = 0; time < 3; time++) {
        yield* writer.append(Array.from({ length: 50 }, (_, i) =>
          Update.insert(`k${i}`, `${time}`, time)))
        yield* writer.seal(time + 1)
        // Subscribers that are late read several times as one stretch, which is another one.
        yield* Effect.yieldNow
      }
      const delivered = yield* Effect.forEach(all, Fiber.join)
      for (const events of delivered) assert.lengthOf(records(events), 150)
      assert.isAtMost(decoded, 300)
    }))

  it.effect("end at the frontier that they were to reach, and go on there without a seam", () =>
    Effect.gen(function*() {
      const { reader, writer } = yield* fresh()
      yield* writer.append([a(1), a(4), a(7)])
      yield* writer.seal(8)
      const delivered = (options: Subscription.SubscribeOptions) => Stream.runCollect(reader.subscribe(options))
      assert.deepStrictEqual(yield* delivered({ until: 5 }), [
        { _tag: "Updates", updates: [a(1), a(4)] },
        { _tag: "Progress", frontier: 5 }
      ])
      assert.deepStrictEqual(yield* delivered({ from: 5, until: 8 }), [
        { _tag: "Updates", updates: [a(7)] },
        { _tag: "Progress", frontier: 8 }
      ])
      assert.deepStrictEqual(yield* delivered({ from: 5, until: 5 }), [])
      yield* writer.allowCompaction(6)
      assert.deepStrictEqual(yield* delivered({ until: 6 }), [])
      assert.deepStrictEqual(yield* delivered({ from: 3, until: 3 }), [], "there is nothing left to deliver")
      const waiting = yield* Effect.forkChild(delivered({ from: 8, until: 9 }))
      yield* writer.append([a(8), a(9)])
      yield* writer.seal(10)
      assert.deepStrictEqual(yield* Fiber.join(waiting), [
        { _tag: "Updates", updates: [a(8)] },
        { _tag: "Progress", frontier: 9 }
      ])
    }))

  it.effect("whose place has been compacted away fail, at their start and on the way", () =>
    Effect.gen(function*() {
      const { reader, writer } = yield* fresh()
      yield* writer.seal(10)
      yield* writer.allowCompaction(5)
      assert.propertyVal(yield* Effect.flip(Stream.runDrain(reader.subscribe({ asOf: 4 }))), "_tag", "AsOfBeforeSince")
      assert.propertyVal(yield* Effect.flip(Stream.runDrain(reader.subscribe({ from: 4 }))), "_tag", "AsOfBeforeSince")
      const onTheWay = yield* Effect.forkChild(Effect.flip(Stream.runDrain(reader.subscribe({ from: 10 }))))
      yield* Effect.yieldNow
      yield* writer.allowCompaction(20)
      assert.propertyVal(yield* Fiber.join(onTheWay), "_tag", "AsOfBeforeSince")
    }))

  // The contents as of `since` stand at `since`: a subscriber that has received what lies before it would receive that again.
  it.effect("cannot resume at `since`, where what they have received lies as well, but right after it", () =>
    Effect.gen(function*() {
      const { client, reader, writer } = yield* fresh()
      yield* writer.append([a(1), a(4)])
      yield* writer.seal(5)
      const first = Stream.runCollect(Stream.take(reader.subscribe({}), 2))
      assert.deepStrictEqual(yield* first, [{ _tag: "Updates", updates: [a(1), a(4)] }, {
        _tag: "Progress",
        frontier: 5
      }])
      yield* writer.append([a(5), a(6)])
      yield* writer.seal(7)
      yield* writer.allowCompaction(5)
      for (const compact of [Effect.void, client.compact("s")]) {
        yield* compact
        const atSince = yield* Effect.flip(Stream.runDrain(reader.subscribe({ from: 5, until: 7 })))
        assert.propertyVal(atSince, "_tag", "AsOfBeforeSince")
        assert.deepStrictEqual(yield* Stream.runCollect(reader.subscribe({ from: 6, until: 7 })), [
          { _tag: "Updates", updates: [a(6)] },
          { _tag: "Progress", frontier: 7 }
        ])
      }
    }))

  it.effect("end with the store, and with the last time", () =>
    Effect.gen(function*() {
      const { client, reader, writer } = yield* fresh()
      const waiting = yield* Effect.forkChild(Stream.runCollect(reader.subscribe({})))
      yield* writer.seal(1)
      yield* client.stop
      assert.deepStrictEqual(yield* Fiber.join(waiting), [{ _tag: "Progress", frontier: 1 }])
    }))
})
