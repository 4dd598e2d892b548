import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as MultiWriter from "../../src/client/MultiWriter.ts"
import * as Codec from "../../src/Codec.ts"
import * as Update from "../../src/Update.ts"
import * as Store from "../utils/Store.ts"

const fresh = Effect.gen(function*() {
  const client = yield* Effect.flatMap(Store.memory, (storage) => Store.client(storage))
  const s = yield* client.createOrLoad("s", Store.text)
  const n = yield* client.createOrLoad("n", { key: Codec.string, value: Codec.json })
  return { client, s, n }
})

describe("multi_write_handle", () => {
  it.effect("needs a stream, and all of one runtime, and none whose registration failed", () =>
    Effect.gen(function*() {
      const { client, s } = yield* fresh
      assert.propertyVal(yield* Effect.flip(MultiWriter.make([])), "_tag", "InvalidHandle")
      const other = yield* fresh
      const mixed = yield* Effect.flip(MultiWriter.make([s.writer, other.n.writer]))
      assert.propertyVal(mixed, "_tag", "InvalidHandle")
      assert.include(mixed.message, "\"s\" and \"n\"")
      const bad = yield* client.createOrLoadLazily("s", { key: Codec.bytes, value: Codec.bytes })
      assert.propertyVal(yield* Effect.flip(MultiWriter.make([s.writer, bad.writer])), "_tag", "CodecMismatch")
    }))

  it.effect("writes to streams of different types in one step, to one of them also several times", () =>
    Effect.gen(function*() {
      const { n, s } = yield* fresh
      const both = yield* MultiWriter.make([s.writer, n.writer, s.writer])
      const seqNo = yield* both.appendAtomic((add) => {
        add(s.writer, [Update.insert("a", "1", 0)])
        add(n.writer, [Update.insert("b", { two: 2 }, 0)])
        add(s.writer, [Update.insert("c", "3", 1)])
      })
      assert.strictEqual(seqNo, 1)
      assert.deepStrictEqual(yield* Store.contents(s.reader), [["a", "1", 1], ["c", "3", 1]])
      assert.deepStrictEqual(yield* Store.contents(n.reader), [["b", { two: 2 }, 1]])
      assert.strictEqual(yield* both.appendAtomic(() => {}), 2)
    }))

  it.effect("seals and compacts all of its streams, or those given, or none", () =>
    Effect.gen(function*() {
      const { client, n, s } = yield* fresh
      const both = yield* MultiWriter.make([s.writer, n.writer])
      assert.strictEqual(yield* both.seal(5), 1)
      for (const { writer } of [s, n]) {
        const error = yield* Effect.flip(writer.seal(4))
        assert.deepInclude(error, { _tag: "InvalidRequest", reason: "SealRegressed" } as object)
      }
      yield* both.seal(7, [n.writer])
      const refused = yield* Effect.flip(both.seal(6))
      assert.deepInclude(refused, { collection: "n", reason: "SealRegressed" } as object)
      assert.deepInclude(yield* client.description("s"), { upper: 5 })

      yield* both.allowCompaction(3)
      yield* both.allowCompaction(4, [s.writer, s.writer])
      const regressed = yield* Effect.flip(both.allowCompaction(3))
      assert.deepInclude(regressed, { collection: "s", reason: "SinceRegressed" } as object)
      assert.deepInclude(yield* client.description("s"), { since: 4 })
      assert.deepInclude(yield* client.description("n"), { since: 3 })
    }))

  it.effect("refuses streams outside of it, also one of another runtime with the id of a member, and applies nothing", () =>
    Effect.gen(function*() {
      const { n, s } = yield* fresh
      const other = yield* fresh
      const handle = yield* MultiWriter.make([s.writer])
      for (const stranger of [n.writer, other.s.writer]) {
        const refused: ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>> = [
          handle.appendAtomic((add) => {
            add(s.writer, [Update.insert("a", "", 0)])
            add(stranger, [])
          }),
          handle.seal(3, [stranger]),
          handle.allowCompaction(3, [stranger])
        ]
        for (const each of refused) assert.propertyVal(yield* Effect.flip(each), "_tag", "InvalidHandle")
      }
      assert.deepStrictEqual(yield* Store.contents(s.reader), [])
    }))

  it.effect("is refused as a whole for one bad row, one stream that is sealed, or one that is gone", () =>
    Effect.gen(function*() {
      const { client, n, s } = yield* fresh
      const both = yield* MultiWriter.make([s.writer, n.writer])
      const write = (time: number) =>
        both.appendAtomic((add) => {
          add(s.writer, [Update.insert("a", "", 0)])
          add(n.writer, [Update.insert("b", 1, time)])
        })
      assert.propertyVal(yield* Effect.flip(write(-1)), "_tag", "ValueOutOfRange")
      yield* n.writer.seal(1)
      assert.deepInclude(yield* Effect.flip(write(0)), { reason: "TimeSealed" } as object)
      yield* client.destroy("n")
      assert.deepInclude(yield* Effect.flip(write(1)), { reason: "CollectionDestroyed" } as object)
      assert.deepInclude(yield* Effect.flip(both.seal(9)), { reason: "CollectionDestroyed" } as object)
      assert.deepStrictEqual(yield* Store.contents(s.reader), [])
      assert.deepInclude(yield* client.description("s"), { upper: 0 })
    }))

  it.effect("compares and appends to all of its collections in one step, each with an expected upper of its own", () =>
    Effect.gen(function*() {
      const { client, n, s } = yield* fresh
      yield* n.seal(10)
      const both = yield* MultiWriter.make([s.writer, n.writer])
      const book = (expected: { readonly s: number; readonly n: number }) =>
        both.compareAndAppend((add) => {
          add(s.writer, [Update.insert("a", "1", expected.s)], { expected: expected.s, upper: expected.s + 1 })
          add(n.writer, [Update.insert("b", 2, expected.n)], { expected: expected.n, upper: expected.n + 5 })
        })
      assert.strictEqual(yield* book({ s: 0, n: 10 }), 2)
      assert.deepInclude(yield* client.description("s"), { upper: 1 })
      assert.deepInclude(yield* client.description("n"), { upper: 15 })
      assert.deepStrictEqual(yield* Store.contents(s.reader), [["a", "1", 1]])
      assert.deepStrictEqual(yield* Store.contents(n.reader), [["b", 2, 1]])

      const late = yield* Effect.flip(book({ s: 1, n: 10 }))
      assert.deepInclude(late, { _tag: "UpperMismatch", collection: "n", expected: 10, actual: 15 } as object)
      const early = yield* Effect.flip(book({ s: 0, n: 15 }))
      assert.deepInclude(early, { _tag: "UpperMismatch", collection: "s", expected: 0, actual: 1 } as object)
      assert.deepInclude(yield* client.description("s"), { upper: 1 })
      assert.deepInclude(yield* client.description("n"), { upper: 15 })
      assert.deepStrictEqual(yield* Store.contents(s.reader), [["a", "1", 1]])
      assert.deepStrictEqual(yield* Store.contents(n.reader), [["b", 2, 1]])
      assert.strictEqual(yield* both.compareAndAppend(() => {}), 3)
    }))

  it.effect("of several fibers that compare and append at once, one succeeds", () =>
    Effect.gen(function*() {
      const { n, s } = yield* fresh
      const both = yield* MultiWriter.make([s.writer, n.writer])
      const attempts = yield* Effect.all(
        Array.from({ length: 8 }, (_, i) =>
          Effect.exit(both.compareAndAppend((add) => {
            add(n.writer, [Update.insert(`${i}`, i, 0)], { expected: 0, upper: 1 })
            add(s.writer, [Update.insert(`${i}`, "", 0)], { expected: 0, upper: 1 })
          }))),
        { concurrency: "unbounded" }
      )
      assert.lengthOf(attempts.filter((exit) => exit._tag === "Success"), 1)
      assert.deepStrictEqual(
        (yield* Store.contents(s.reader)).map(([key]) => key),
        (yield* Store.contents(n.reader)).map(([key]) => key)
      )
    }))

  it.effect("refuses to compare and append outside of the given times, to strangers, and twice to one collection", () =>
    Effect.gen(function*() {
      const { n, s } = yield* fresh
      const other = yield* fresh
      const frontiers = { expected: 0, upper: 2 }
      const handle = yield* MultiWriter.make([s.writer, n.writer])
      const tag = (build: Parameters<typeof handle.compareAndAppend>[0]) =>
        Effect.map(Effect.flip(handle.compareAndAppend(build)), (error) => error._tag)
      const outside = tag((add) => {
        add(s.writer, [Update.insert("a", "", 0)], frontiers)
        add(n.writer, [Update.insert("b", 1, 2)], frontiers)
      })
      assert.strictEqual(yield* outside, "ValueOutOfRange")
      assert.strictEqual(yield* tag((add) => add(s.writer, [], { expected: 2, upper: 1 })), "ValueOutOfRange")
      assert.strictEqual(yield* tag((add) => add(s.writer, [], { expected: 0, upper: 0.5 })), "ValueOutOfRange")
      assert.strictEqual(yield* tag((add) => add(other.s.writer, [], frontiers)), "InvalidHandle")
      const twice = tag((add) => {
        add(s.writer, [], { expected: 0, upper: 1 })
        add(s.writer, [], { expected: 1, upper: 2 })
      })
      assert.strictEqual(yield* twice, "InvalidHandle")
      assert.deepStrictEqual(yield* Store.contents(s.reader), [])
    }))
})
