import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Option, Stream } from "effect"
import * as MultiWriter from "../../src/client/MultiWriter.ts"
import * as Codec from "../../src/Codec.ts"
import * as Frontier from "../../src/Frontier.ts"
import * as Prng from "../../src/testing/Prng.ts"
import * as Update from "../../src/Update.ts"
import * as Store from "../utils/Store.ts"

const fresh = Effect.gen(function*() {
  const client = yield* Effect.flatMap(Store.memory, (storage) => Store.client(storage))
  return { client, ...yield* client.createOrLoad("s", Store.text) }
})

const a = (time: number) => Update.insert("a", "", time)

describe("the values of a key", () => {
  it.effect("are those of a snapshot, however many there are in memory, and in whatever order they came", () =>
    Effect.gen(function*() {
      const prng = Prng.make(51)
      for (let round = 0; round < 60; round++) {
        const { reader, writer } = yield* fresh
        const values = 1 + prng.int(30)
        for (let time = 0; time < 30; time++) {
          yield* writer.append(
            Array.from(
              { length: 1 + prng.int(4) },
              () => Update.make(prng.pick(["k", "l"]), `value ${prng.int(values)}`, time, prng.pick([1, -1, 2]))
            )
          )
        }
        yield* writer.seal(30)
        for (const asOf of [prng.int(30), 29]) {
          const rows = yield* Store.contents(reader, asOf)
          const expected = rows.filter(([key]) => key === "k").map(([, value, n]) => [value, n] as const)
          assert.deepStrictEqual(yield* reader.get("k", { asOf }), expected)
        }
      }
    }))
})

describe("the beginning of a range", () => {
  it.effect("is read without the rest", () =>
    Effect.gen(function*() {
      let decoded = 0
      const key: Codec.Codec<string> = {
        ...Codec.string,
        decode: (bytes, start, end) => {
          decoded++
          return Codec.string.decode(bytes, start, end)
        }
      }
      const client = yield* Effect.flatMap(Store.memory, (storage) => Store.client(storage))
      const { reader, writer } = yield* client.createOrLoad("s", { key, value: Codec.string })
      const rows = 10_000
      for (let time = 0; time < 10; time++) {
        yield* writer.append(
          Array.from({ length: rows / 10 }, (_, i) => Update.insert(`key ${10 * i + time}`, "v".repeat(80), time))
        )
      }
      yield* writer.seal(10)
      for (const asOf of [0, 9]) {
        decoded = 0
        const first = yield* Stream.runCollect(Stream.take(reader.range({ asOf }), 10))
        assert.strictEqual(first.length, 10)
        assert.isBelow(decoded, 500)
      }
      assert.strictEqual((yield* Stream.runCollect(reader.range({ asOf: 9 }))).length, rows)
    }))
})

describe("get_description", () => {
  it.effect("seal_get_description_roundtrip", () =>
    Effect.gen(function*() {
      const { client, writer } = yield* fresh
      assert.deepInclude(yield* client.description("s"), { upper: 0 })
      yield* writer.offerSeal(100)
      assert.deepInclude(yield* client.description("s"), { upper: 100 })
    }))

  it.effect("allow_compaction_get_description_roundtrip", () =>
    Effect.gen(function*() {
      const { client, writer } = yield* fresh
      assert.deepInclude(yield* client.description("s"), { since: 0 })
      yield* writer.seal(100)
      yield* writer.allowCompaction(42)
      assert.deepInclude(yield* client.description("s"), { upper: 100, since: 42 })
    }))

  it.effect("get_description_lower", () =>
    Effect.gen(function*() {
      const { client, writer } = yield* fresh
      yield* writer.seal(100)
      yield* writer.allowCompaction(100)
      assert.deepInclude(yield* client.description("s"), { lower: 0 })
      assert.propertyVal(yield* Effect.flip(client.description("none")), "_tag", "UnknownCollection")
    }))

  it.effect("lists all live collections in the order of their ids, which are never used again", () =>
    Effect.gen(function*() {
      const { client } = yield* fresh
      yield* client.createOrLoad("b", Store.text)
      yield* client.createOrLoad("a", { key: Codec.bytes, value: Codec.unit })
      yield* client.destroy("s")
      yield* client.createOrLoad("s", { ...Store.text, recreate: true })
      const found = (yield* client.descriptions).map(({ id, key, name, value }) => [id, name, key.name, value.name])
      assert.deepStrictEqual(found, [
        [1, "b", Codec.string.name, Codec.string.name],
        [2, "a", Codec.bytes.name, Codec.unit.name],
        [3, "s", Codec.string.name, Codec.string.name]
      ])
    }))
})

describe("codec_mismatch", () => {
  it.effect("the key is checked before the value, by createOrLoad and by load", () =>
    Effect.gen(function*() {
      const { client } = yield* fresh
      yield* client.load("s", Store.text)
      for (const open of [client.createOrLoad, client.load]) {
        const key = yield* Effect.flip(open("s", { key: Codec.bytes, value: Codec.bytes }))
        assert.deepInclude(key, { _tag: "CodecMismatch", part: "key" } as object)
        const value = yield* Effect.flip(open("s", { key: Codec.string, value: Codec.bytes }))
        assert.deepInclude(value, { _tag: "CodecMismatch", part: "value" } as object)
      }
      assert.propertyVal(yield* Effect.flip(client.load("none", Store.text)), "_tag", "UnknownCollection")
    }))
})

describe("getOne", () => {
  it.effect("is the value of a key, or nothing", () =>
    Effect.gen(function*() {
      const { reader, writer } = yield* fresh
      yield* writer.append([Update.insert("a", "1", 1), Update.retract("a", "1", 2), Update.insert("a", "2", 2)])
      yield* writer.seal(3)
      assert.deepStrictEqual(yield* reader.getOne("a"), Option.some("2"))
      assert.deepStrictEqual(yield* reader.getOne("a", { asOf: 1 }), Option.some("1"))
      assert.deepStrictEqual(yield* reader.getOne("b"), Option.none())
    }))

  it.effect("refuses a key whose multiplicities are no set", () =>
    Effect.gen(function*() {
      const wrong = [
        [[Update.insert("a", "secret", 1), Update.insert("a", "2", 1)], "a key has 2 values"],
        [[Update.make("a", "secret", 1, 2)], "a value is there 2 times"],
        [[Update.retract("a", "secret", 1)], "a value is there -1 times"],
        [[Update.retract("a", "stale", 1), Update.insert("a", "secret", 1)], "a key has 2 values"]
      ] as const
      for (const [updates, detail] of wrong) {
        const { reader, writer } = yield* fresh
        yield* writer.append([...updates, Update.insert("b", "fine", 1)])
        const error = yield* Effect.flip(reader.getOne("a"))
        assert.deepInclude(error, { _tag: "NotKeyed", collection: "s", detail } as object)
        assert.deepStrictEqual(yield* reader.getOne("b"), Option.some("fine"))
      }
    }))
})

describe("snapshots", () => {
  it.effect("as of a time that is not sealed wait for it, or fail at once", () =>
    Effect.gen(function*() {
      const { reader, writer } = yield* fresh
      yield* writer.append([a(3)])
      assert.deepInclude(yield* Effect.flip(reader.snapshot({ asOf: 3, wait: false })), {
        _tag: "AsOfNotSealed",
        asOf: 3,
        upper: 0
      } as object)
      const waiting = yield* Effect.forkChild(Effect.flatMap(reader.snapshot({ asOf: 3 }), Store.rows))
      yield* writer.seal(3)
      yield* Effect.yieldNow
      assert.isUndefined(waiting.pollUnsafe())
      yield* writer.seal(4)
      assert.deepStrictEqual(yield* Fiber.join(waiting), [["a", "", 1]])
    }))

  it.effect("that wait fail when the store stops, or the collection is destroyed, or the time is given up", () =>
    Effect.gen(function*() {
      const { client, reader, writer } = yield* fresh
      const waiting = yield* Effect.forkChild(Effect.flip(reader.snapshot({ asOf: 3 })))
      yield* writer.allowCompaction(4)
      assert.propertyVal(yield* Fiber.join(waiting), "_tag", "AsOfBeforeSince")
      const destroyed = yield* Effect.forkChild(Effect.flip(reader.snapshot({ asOf: 5 })))
      yield* Effect.yieldNow
      yield* client.destroy("s")
      assert.propertyVal(yield* Fiber.join(destroyed), "_tag", "CollectionDestroyed")
      const other = yield* client.createOrLoad("other", Store.text)
      const stopped = yield* Effect.forkChild(Effect.flip(other.reader.snapshot({ asOf: 5 })))
      yield* Effect.yieldNow
      yield* client.stop
      assert.propertyVal(yield* Fiber.join(stopped), "_tag", "RuntimeShutdown")
    }))

  it.effect("are refused below the since, and for what is no time", () =>
    Effect.gen(function*() {
      const { reader, writer } = yield* fresh
      yield* writer.seal(10)
      yield* writer.allowCompaction(5)
      assert.deepInclude(yield* Effect.flip(reader.snapshot({ asOf: 4 })), {
        _tag: "AsOfBeforeSince",
        asOf: 4,
        since: 5
      } as object)
      for (const asOf of [-1, 0.5, Infinity, 2 ** 53]) {
        assert.propertyVal(yield* Effect.flip(reader.snapshot({ asOf })), "_tag", "ValueOutOfRange")
        assert.propertyVal(yield* Effect.flip(reader.get("a", { asOf })), "_tag", "ValueOutOfRange")
        assert.propertyVal(yield* Effect.flip(Stream.runDrain(reader.subscribe({ asOf }))), "_tag", "ValueOutOfRange")
      }
      assert.propertyVal(
        yield* Effect.flip(Stream.runDrain(reader.changes({ from: 4, to: 6 }))),
        "_tag",
        "AsOfBeforeSince"
      )
    }))

  it.effect("regression_8303_snapshot_advance_since", () =>
    Effect.gen(function*() {
      const { reader, writer } = yield* fresh
      yield* writer.append([a(1), a(2), a(7)])
      yield* writer.seal(5)
      yield* writer.allowCompaction(4)
      const updates = yield* Store.updates(reader)
      assert.deepStrictEqual(updates.map(({ time }) => time).toSorted(), [4, 4, 7])
    }))

  it.effect("unsealed_snapshot: every window of time has its rows, in memory and in batches", () =>
    Effect.gen(function*() {
      const { client, reader, writer } = yield* fresh
      const times = [2, 3, 3, 5, 8, 13]
      yield* writer.append(times.map((time, i) => Update.insert(`${i}`, "", time)))
      yield* writer.seal(16)
      for (const place of ["memory", "trace"]) {
        for (let from = 0; from < 16; from++) {
          for (let to = from; to < 16; to++) {
            const expected = times.flatMap((time, i) => time > from && time <= to ? [[`${i}`, "", 1]] : [])
            assert.deepStrictEqual(
              (yield* Stream.runCollect(reader.changes({ from, to }))).map((row) => [...row]),
              expected,
              `${place}: ${from} to ${to}`
            )
            assert.deepStrictEqual(
              (yield* Stream.runCollect(reader.changes({ from: to, to: from }))).map((row) => [...row]),
              expected.map(([key, value]) => [key, value, -1]),
              `${place}: ${to} back to ${from}`
            )
          }
        }
        yield* client.compact("s")
      }
    }))

  it.effect("come in parts that together are the whole, of about the same size", () =>
    Effect.gen(function*() {
      const client = yield* Effect.flatMap(Store.memory, (storage) => Store.client(storage, Store.tiny))
      const { reader, writer } = yield* client.createOrLoad("s", Store.text)
      const random = Prng.make(1)
      const value = () => Buffer.from(random.bytes(20)).toString("hex")
      for (let i = 0; i < 200; i++) yield* writer.append([Update.insert(`k${i}`, value(), i)])
      yield* client.maintain
      const snapshot = yield* reader.snapshot()
      for (const n of [1, 2, 3, 7, 1_000]) {
        const parts = yield* Effect.forEach(snapshot.parts(n), (part) => Stream.runCollect(part))
        assert.strictEqual(parts.length, n)
        const keys = parts.flat().map(({ key }) => key)
        assert.sameMembers(keys, Array.from({ length: 200 }, (_, i) => `k${i}`))
        if (n < 4) assert.isBelow(Math.max(...parts.map((part) => part.length)), 200 / n * 1.75)
      }
    }))

  it.effect("of a finished collection whose history is given up are empty, and a subscription to it ends", () =>
    Effect.gen(function*() {
      const { reader, writer } = yield* fresh
      yield* writer.append([a(1)])
      yield* writer.seal(Frontier.empty)
      const delivered = yield* Stream.runCollect(reader.subscribe({}))
      assert.deepStrictEqual(delivered.map((event) => event._tag), ["Updates", "Progress"])
      yield* writer.allowCompaction(Frontier.empty)
      assert.deepStrictEqual(yield* Store.contents(reader), [])
      assert.deepStrictEqual(yield* reader.history("a"), [])
      assert.deepStrictEqual(yield* Stream.runCollect(reader.subscribe({})), [])
    }))
})

describe("sums that cannot be stored", () => {
  const most = 2 ** 52 - 1
  const huge = Update.make("a", "", 1, most)

  it.effect("are refused where one write would come to them", () =>
    Effect.gen(function*() {
      const { client, reader, writer } = yield* fresh
      const other = yield* client.createOrLoad("other", Store.text)
      const both = yield* MultiWriter.make([writer, other.writer])
      const over = Update.make("b", "", 1, -1)
      const writes: Record<string, Effect.Effect<unknown, { readonly _tag: string }>> = {
        append: writer.append([huge, over]),
        offer: writer.offer([Update.make("b", "", 1, -(2 ** 52))]),
        compareAndAppend: writer.compareAndAppend([huge, over], { expected: 0, upper: 2 }),
        appendAtomic: both.appendAtomic((add) => add(writer, [huge, over]))
      }
      for (const [name, write] of Object.entries(writes)) {
        assert.propertyVal(yield* Effect.flip(write), "_tag", "ValueOutOfRange", name)
      }
      assert.deepStrictEqual(yield* Store.updates(reader), [])
      yield* both.appendAtomic((add) => {
        add(writer, [huge])
        add(other.writer, [huge])
      })
      assert.deepStrictEqual(yield* Store.updates(reader), [huge])
    }))

  it.effect("fail the read, whatever reads, until they can be", () =>
    Effect.gen(function*() {
      const { client, reader, writer } = yield* fresh
      for (let i = 0; i < 3; i++) yield* writer.append([huge])
      const reads: Record<string, Effect.Effect<unknown, { readonly _tag: string }>> = {
        snapshot: Effect.scoped(Effect.flatMap(reader.snapshot(), ({ contents }) => Stream.runDrain(contents))),
        get: reader.get("a"),
        history: reader.history("a"),
        range: Stream.runDrain(reader.range({})),
        compact: client.compact("s")
      }
      for (const [name, run] of Object.entries(reads)) {
        assert.propertyVal(yield* Effect.flip(run), "_tag", "ValueOutOfRange", name)
      }
      const sealed = yield* client.createOrLoad("sealed", Store.text)
      for (let i = 0; i < 3; i++) yield* sealed.writer.append([huge])
      yield* sealed.writer.seal(2)
      const subscribed = Stream.runDrain(Stream.take(sealed.reader.subscribe({}), 1))
      assert.propertyVal(yield* Effect.flip(subscribed), "_tag", "ValueOutOfRange")
      yield* writer.append([Update.make("a", "", 1, -most)])
      for (const [name, run] of Object.entries(reads)) assert.isTrue(Exit.isSuccess(yield* Effect.exit(run)), name)
      assert.deepStrictEqual(yield* reader.get("a"), [["", 2 * most]])
    }))
})
