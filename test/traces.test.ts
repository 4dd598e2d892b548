import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Result, type Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { join } from "node:path"
import type * as Collection from "../src/client/Collection.ts"
import type { CollectionEvent } from "../src/client/CollectionEvent.ts"
import type { CollectionReader } from "../src/client/CollectionReader.ts"
import type { Ack } from "../src/client/CollectionWriter.ts"
import * as MultiWriter from "../src/client/MultiWriter.ts"
import type * as PersistClient from "../src/client/PersistClient.ts"
import * as Codec from "../src/Codec.ts"
import type * as State from "../src/engine/State.ts"
import * as Update from "../src/Update.ts"
import { directory, layerOf } from "./node/Temporary.ts"
import * as Faulty from "./utils/Faulty.ts"
import * as Store from "./utils/Store.ts"

// The worked traces of the reference's commands, by their numbers. One stream `s`; commands that are offered one after the
// other share a commit, as those of one drain did.

interface Trace extends Collection.Collection<string, string> {
  readonly storage: Faulty.Storage
  readonly control: Faulty.Control
  readonly client: PersistClient.PersistClient["Service"]
}

const media: ReadonlyArray<readonly [name: string, storage: Effect.Effect<Faulty.Storage, never, Scope.Scope>]> = [
  ["memory", Store.memory],
  ["files", Effect.flatMap(directory, (path) => Layer.build(layerOf(join(path, "store"))))]
]

const a = (time: number) => Update.insert("a", "", time)
const b = (time: number) => Update.insert("b", "", time)

/** The sequence number, or the tag of the error with its own sequence number. */
const outcome = (ack: Ack) =>
  Effect.map(Effect.result(Deferred.await(ack)), (result) => {
    if (Result.isSuccess(result)) return result.success
    return result.failure._tag === "InvalidRequest"
      ? `${result.failure.reason} ${result.failure.seqNo}`
      : result.failure._tag
  })

/** What is delivered to a listener, as it comes. */
const delivery = Effect.fnUntraced(function*(read: CollectionReader<string, string>) {
  const { events } = yield* read.listen()
  const received: Array<string> = []
  yield* Effect.forkScoped(Stream.runForEach(events, (event) => Effect.sync(() => void received.push(show(event)))))
  return received
})

const show = (event: CollectionEvent<string, string>): string =>
  event._tag === "Progress"
    ? `sealed ${event.frontier}`
    : event.updates.map(({ diff, key, time }) => `${key}@${time}:${diff}`).join(" ")

const collection = (state: State.State, name = "s") => state.collections.get(state.names.get(name)!)!

for (const [medium, open] of media) {
  const trace = (
    name: string,
    run: (trace: Trace) => Effect.Effect<unknown, unknown, Scope.Scope>
  ): void =>
    it.effect(name, () =>
      Effect.gen(function*() {
        const { control, storage } = Faulty.make(yield* open)
        const client = yield* Store.client(storage)
        const handles = yield* client.createOrLoad("s", Store.text)
        return yield* run({ storage, control, client, ...handles })
      }))

  describe(`traces on ${medium}`, () => {
    trace("T1: a write below a seal that is not durable yet is refused in its place", (t) =>
      Effect.gen(function*() {
        const received = yield* delivery(t.reader)
        const appends = Faulty.count(t.control, "append")
        const first = yield* t.writer.offer([a(1)])
        const second = yield* t.writer.offerSeal(2)
        const third = yield* t.writer.offer([b(1)])
        assert.deepInclude(yield* t.client.description("s"), { lower: 0, upper: 2, since: 0 })
        assert.isTrue([first, second, third].every(Deferred.isDoneUnsafe), "answered before the description is")
        assert.deepStrictEqual([yield* outcome(first), yield* outcome(second), yield* outcome(third)], [
          1,
          2,
          "TimeSealed 3"
        ])
        assert.strictEqual(Faulty.count(t.control, "append") - appends, 1, "one commit")
        yield* Store.until(() => received.length >= 2)
        assert.deepStrictEqual(received, ["a@1:1", "sealed 2"])
      }))

    trace("T2: of several seals in one commit a listener receives the last", (t) =>
      Effect.gen(function*() {
        const received = yield* delivery(t.reader)
        const acks = [yield* t.writer.offerSeal(5), yield* t.writer.offerSeal(7), yield* t.writer.offerSeal(6)]
        const snapshot = yield* t.reader.snapshot()
        assert.deepInclude(snapshot, { seqNo: 3, upper: 7, since: 0 })
        assert.deepStrictEqual(yield* Effect.forEach(acks, outcome), [1, 2, "SealRegressed 3"])
        yield* t.client.sync
        yield* Store.until(() => received.length > 0)
        assert.deepStrictEqual(received, ["sealed 7"])
      }))

    trace("T3: an atomic write that is invalid in one stream is in none", (t) =>
      Effect.gen(function*() {
        const u = yield* t.client.createOrLoad("u", Store.text)
        yield* u.writer.seal(1)
        const both = yield* MultiWriter.make([t.writer, u.writer])
        const error = yield* Effect.flip(both.appendAtomic((add) => {
          add(t.writer, [Update.insert("x", "", 0)])
          add(u.writer, [Update.insert("y", "", 0)])
        }))
        assert.deepInclude(error, { _tag: "InvalidRequest", seqNo: 2, collection: "u", reason: "TimeSealed" } as object)
        assert.deepStrictEqual([yield* Store.contents(t.reader), yield* Store.contents(u.reader)], [[], []])
      }))

    trace(
      "T4: what storage refuses is not there, and its sequence number is given again",
      (t) =>
        Effect.gen(function*() {
          const received = yield* delivery(t.reader)
          t.control.isDown = true
          const ack = yield* t.writer.offer([a(0)])
          const snapshot = yield* Effect.flip(t.reader.snapshot())
          assert.strictEqual(yield* outcome(ack), "Unavailable")
          assert.strictEqual(snapshot._tag, "Unavailable")
          t.control.isDown = false
          assert.deepStrictEqual(yield* Store.contents(t.reader), [])
          assert.deepStrictEqual(received, [])
          assert.strictEqual(yield* t.writer.append([a(0)]), 1)
          assert.deepStrictEqual(yield* Store.contents(t.reader), [["a", "", 1]])
        })
    )

    trace("T5: what was invalid stays invalid when storage refuses the rest", (t) =>
      Effect.gen(function*() {
        yield* t.writer.seal(1)
        t.control.isDown = true
        const valid = yield* t.writer.offer([a(1)])
        const late = yield* t.writer.offer([a(0)])
        assert.strictEqual((yield* Effect.flip(t.reader.snapshot()))._tag, "Unavailable")
        assert.deepStrictEqual([yield* outcome(valid), yield* outcome(late)], ["Unavailable", "TimeSealed 3"])
        t.control.isDown = false
        assert.strictEqual(yield* t.writer.append([a(1)]), 2)
      }))

    trace("T6: the since may pass the seal, and advances what is read", (t) =>
      Effect.gen(function*() {
        assert.strictEqual(yield* t.writer.allowCompaction(3), 1)
        yield* t.writer.append([a(1)])
        const snapshot = yield* t.reader.snapshot()
        assert.deepInclude(snapshot, { since: 3, upper: 0, seqNo: 2 })
        assert.deepStrictEqual(yield* Stream.runCollect(snapshot.updates), [a(3)])
      }))

    trace("T7: the same codecs find the collection, others are refused in both handles", (t) =>
      Effect.gen(function*() {
        const again = yield* t.client.createOrLoad("s", Store.text)
        assert.strictEqual(yield* again.writer.id, yield* t.writer.id)
        const other = { key: Codec.string, value: Codec.bytes }
        const expected = {
          _tag: "CodecMismatch",
          collection: "s",
          part: "value",
          requested: Codec.bytes.name,
          stored: Codec.string.name
        } as object
        assert.deepInclude(yield* Effect.flip(t.client.createOrLoad("s", other)), expected)
        const bad = yield* t.client.createOrLoadLazily("s", other)
        assert.deepInclude(yield* Effect.flip(bad.writer.append([])), expected)
        assert.deepInclude(yield* Effect.flip(bad.reader.snapshot()), expected)
      }))

    trace(
      "T8: a destroyed collection is gone for its handles, and its name stays taken",
      (t) =>
        Effect.gen(function*() {
          assert.isTrue(yield* t.client.destroy("s"))
          assert.deepInclude(yield* Effect.flip(t.writer.append([a(0)])), {
            _tag: "InvalidRequest",
            reason: "CollectionDestroyed"
          } as object)
          assert.propertyVal(yield* Effect.flip(t.client.createOrLoad("s", Store.text)), "_tag", "CollectionDestroyed")
          assert.isFalse(yield* t.client.destroy("s"))
          assert.propertyVal(yield* Effect.flip(t.client.destroy("none")), "_tag", "UnknownCollection")
        })
    )

    trace("T9: writes of one commit are delivered as one, in order", (t) =>
      Effect.gen(function*() {
        const received = yield* delivery(t.reader)
        yield* t.writer.offer([a(0)])
        yield* t.writer.offer([b(0)])
        yield* t.client.sync
        yield* Store.until(() => received.length > 0)
        assert.deepStrictEqual(received, ["a@0:1 b@0:1"])
      }))

    trace("T10: what cancels out leaves no blob, only a frontier", (t) =>
      Effect.gen(function*() {
        yield* t.writer.offer([a(0)])
        yield* t.writer.offer([Update.retract("a", "", 0)])
        yield* t.writer.seal(1)
        yield* t.client.maintain
        yield* t.client.compact("s")
        assert.deepStrictEqual(yield* Store.contents(t.reader), [])
        const s = collection(yield* Store.recovered(t.storage))
        assert.deepInclude(s, { upper: 1, traceUpper: 1, trace: [], spills: [], chunks: [] })
        assert.deepStrictEqual(yield* Store.storedKeys(t.storage), yield* Store.referencedKeys(t.storage))
        assert.deepStrictEqual((yield* Store.storedKeys(t.storage)).filter((key) => key.startsWith("batch")), [])
      }))

    trace("T11: stop executes what was accepted", (t) =>
      Effect.gen(function*() {
        const acks = [yield* t.writer.offer([a(0)]), yield* t.writer.offer([b(0)]), yield* t.writer.offer([a(1)])]
        yield* t.client.stop
        assert.deepStrictEqual(yield* Effect.forEach(acks, outcome), [1, 2, 3])
        yield* t.client.stop
        assert.propertyVal(yield* Effect.flip(t.writer.append([a(2)])), "_tag", "RuntimeShutdown")
        const again = yield* Store.client(t.storage)
        const { reader } = yield* again.createOrLoad("s", Store.text)
        assert.deepStrictEqual(yield* Store.contents(reader), [["a", "", 2], ["b", "", 1]])
      }))

    trace("T12: a seal that passes no row makes no batch", (t) =>
      Effect.gen(function*() {
        yield* t.writer.append([a(10)])
        yield* t.writer.seal(5)
        for (let i = 0; i < 3; i++) yield* t.client.maintain
        const s = collection(yield* Store.recovered(t.storage))
        assert.deepInclude(s, { upper: 5, traceUpper: 0, trace: [], spills: [] })
        assert.deepStrictEqual(yield* Store.storedKeys(t.storage), [])
        assert.deepStrictEqual(yield* Store.contents(t.reader), [["a", "", 1]])
        assert.deepStrictEqual(yield* Store.contents(t.reader, 4), [])
      }))

    trace("T13: a write between the newest row and the seal is refused", (t) =>
      Effect.gen(function*() {
        yield* t.writer.append([a(3)])
        yield* t.writer.seal(5)
        yield* t.client.maintain
        yield* t.client.compact("s")
        const error = yield* Effect.flip(t.writer.append([b(4)]))
        assert.deepInclude(error, { _tag: "InvalidRequest", reason: "TimeSealed" } as object)
        yield* t.writer.append([b(5)])
      }))

    trace(
      "T14: a snapshot returns its rows though everything under it was compacted away",
      (t) =>
        Effect.gen(function*() {
          for (let time = 0; time < 4; time++) {
            yield* t.writer.append([Update.insert("k", `v${time}`, time), Update.retract("k", `v${time - 1}`, time)])
            yield* t.writer.seal(time + 1)
            yield* t.client.compact("s")
          }
          const snapshot = yield* t.reader.snapshot({ asOf: 2 })
          const everything = yield* t.reader.snapshot()
          const before = yield* Store.storedKeys(t.storage)
          yield* t.writer.seal(10)
          yield* t.writer.allowCompaction(9)
          yield* t.client.compact("s")
          yield* t.client.destroy("s")
          yield* t.client.maintain
          assert.includeMembers(yield* Store.storedKeys(t.storage), before.filter((key) => key.startsWith("batch")))
          assert.deepStrictEqual(yield* Store.rows(snapshot), [["k", "v-1", -1], ["k", "v2", 1]])
          assert.deepStrictEqual(yield* Store.rows(everything), [["k", "v-1", -1], ["k", "v3", 1]])
        })
    )

    trace("T15: an append of unknown outcome is found out: applied", (t) =>
      Effect.gen(function*() {
        const received = yield* delivery(t.reader)
        t.control.nextAppend = "applied"
        assert.strictEqual(yield* t.writer.append([a(0)]), 1)
        assert.strictEqual(yield* t.writer.append([b(0)]), 2)
        assert.deepStrictEqual(yield* Store.contents(t.reader), [["a", "", 1], ["b", "", 1]])
        yield* Store.until(() => received.length >= 2)
        assert.deepStrictEqual(received, ["a@0:1", "b@0:1"])
        assert.strictEqual((yield* Store.recovered(t.storage)).seqNo, 2)
      }))

    trace("T15: an append of unknown outcome is found out: lost", (t) =>
      Effect.gen(function*() {
        t.control.nextAppend = "lost"
        assert.propertyVal(yield* Effect.flip(t.writer.append([a(0)])), "_tag", "Unavailable")
        assert.deepStrictEqual(yield* Store.contents(t.reader), [])
        assert.strictEqual(yield* t.writer.append([b(0)]), 1)
        assert.deepStrictEqual(yield* Store.contents(t.reader), [["b", "", 1]])
      }))

    for (const truth of ["applied", "lost"] as const) {
      trace(
        `T15: while storage stays down the outcome is called unknown, and later known: ${truth}`,
        (t) =>
          Effect.gen(function*() {
            t.control.nextAppend = truth
            for (const operation of ["acquire", "read", "bounds"] as const) t.control.broken.add(operation)
            const writing = yield* Effect.forkChild(Effect.flip(t.writer.append([a(0)])))
            yield* waiting(writing)
            assert.propertyVal(yield* Fiber.join(writing), "_tag", "Indeterminate")

            const meanwhile = yield* Effect.forkChild(Effect.flip(t.writer.append([b(0)])))
            yield* waiting(meanwhile)
            assert.propertyVal(yield* Fiber.join(meanwhile), "_tag", "Unavailable")

            t.control.broken.clear()
            assert.strictEqual(yield* t.writer.append([b(0)]), truth === "applied" ? 2 : 1)
            const keys = (yield* Store.contents(t.reader)).map(([key]) => key)
            assert.deepStrictEqual(keys, truth === "applied" ? ["a", "b"] : ["b"])
          })
      )
    }
  })
}

/** Lets time pass until the fiber has ended. */
const waiting = <A, E>(fiber: Fiber.Fiber<A, E>): Effect.Effect<void> =>
  Effect.gen(function*() {
    while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("1 second")
  })
