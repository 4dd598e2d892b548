import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber } from "effect"
import * as BlockCache from "../../src/runtime/BlockCache.ts"
import * as Feed from "../../src/runtime/Feed.ts"
import * as LogPins from "../../src/runtime/LogPins.ts"
import { columns } from "../engine/Fixtures.ts"

const makeCache = (maxBytes: number) => {
  const cache = BlockCache.make(maxBytes, Context.empty())
  let fetches = 0
  const get = (key: string, bytes = 10) =>
    cache.get(
      key,
      Effect.sync(() => {
        fetches++
        return { value: `value of ${key}`, bytes }
      })
    )
  return { cache, get, fetches: () => fetches }
}

describe("the block cache", () => {
  it.effect("keeps what was used last, within its bytes", () =>
    Effect.gen(function*() {
      const { cache, fetches, get } = makeCache(40)
      for (const key of ["a", "b", "c", "d"]) yield* get(key)
      assert.strictEqual(yield* get("a"), "value of a")
      assert.strictEqual(fetches(), 4)
      yield* get("e")
      assert.strictEqual(cache.bytes(), 40)
      yield* get("a")
      assert.strictEqual(fetches(), 5)
      yield* get("b")
      assert.strictEqual(fetches(), 6, "b was the one used longest ago")
    }))

  it.effect("does not let one thing push everything else out", () =>
    Effect.gen(function*() {
      const { cache, fetches, get } = makeCache(40)
      yield* get("a")
      yield* get("large", 11)
      yield* get("large", 11)
      yield* get("a")
      assert.strictEqual(fetches(), 3)
      assert.strictEqual(cache.bytes(), 10)
    }))

  it.effect("fetches once for all who ask meanwhile, also if the first of them is interrupted", () =>
    Effect.gen(function*() {
      const cache = BlockCache.make(1_000, Context.empty())
      const gate = yield* Deferred.make<void>()
      let fetches = 0
      const get = cache.get(
        "a",
        Effect.as(Effect.andThen(Effect.sync(() => fetches++), Deferred.await(gate)), {
          value: 1,
          bytes: 1
        })
      )
      const asking = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(get, { startImmediately: true }))
      const interrupting = yield* Effect.forkChild(Fiber.interrupt(asking[0]!))
      yield* Deferred.succeed(gate, undefined)
      assert.deepStrictEqual(yield* Effect.forEach(asking.slice(1), (fiber) => Fiber.join(fiber)), [1, 1])
      yield* Fiber.join(interrupting)
      assert.strictEqual(fetches, 1)
    }))

  it.effect("keeps no failure", () =>
    Effect.gen(function*() {
      const { cache, get } = makeCache(40)
      assert.strictEqual(yield* Effect.flip(cache.get("a", Effect.fail("no"))), "no")
      assert.strictEqual(yield* get("a"), "value of a")
    }))

  it.effect("forgets what was deleted", () =>
    Effect.gen(function*() {
      const { cache, fetches, get } = makeCache(40)
      yield* get("batch/1#0")
      yield* get("batch/10#0")
      cache.forget(["batch/1#"])
      assert.strictEqual(cache.bytes(), 10)
      yield* get("batch/10#0")
      assert.strictEqual(fetches(), 2)
    }))
})

describe("the feed", () => {
  const publish = (feed: Feed.Feed, from: number, to: number) => {
    for (let position = from; position < to; position++) {
      feed.publish({ position, changes: [{ _tag: "Write", collection: 0, columns: columns(position) }] })
    }
  }

  it("keeps the newest commits, within its bytes, and says when it cannot serve", () => {
    const feed = Feed.make(5, 300)
    assert.deepStrictEqual(feed.from(5), [])
    publish(feed, 5, 105)
    assert.strictEqual(feed.upper(), 105)
    const kept = feed.from(102)!
    assert.deepStrictEqual(kept.map(({ position }) => position), [102, 103, 104])
    assert.isUndefined(feed.from(5))
    assert.isDefined(feed.from(102))
  })

  it("keeps the newest commit even if it is larger than all it may keep", () => {
    const feed = Feed.make(0, 1)
    publish(feed, 0, 3)
    assert.lengthOf(feed.from(2)!, 1)
    assert.isUndefined(feed.from(1))
  })

  it("has nothing from before it was set to another position", () => {
    const feed = Feed.make(0, 1_000)
    publish(feed, 0, 3)
    feed.reset(10)
    assert.isUndefined(feed.from(2))
    assert.deepStrictEqual(feed.from(10), [])
  })

  it.effect("wakes up who waits, and lets them go when it closes", () =>
    Effect.gen(function*() {
      const feed = Feed.make(0, 1_000)
      const first = yield* Effect.forkChild(feed.await(0), { startImmediately: true })
      const third = yield* Effect.forkChild(feed.await(2), { startImmediately: true })
      publish(feed, 0, 2)
      assert.isTrue(yield* Fiber.join(first))
      feed.close()
      assert.isFalse(yield* Fiber.join(third))
      assert.isTrue(yield* feed.await(1), "what is there can still be had")
    }))
})

describe("holds on the log", () => {
  it("keep it from their position on, until they are given up or hold too much", () => {
    const holds = LogPins.make(100)
    assert.strictEqual(holds.lowest(), Infinity)
    const slow = holds.hold(3)
    const quick = holds.hold(5)
    holds.appended(60)
    quick.advance(9)
    assert.strictEqual(holds.lowest(), 3)
    holds.appended(60)
    assert.strictEqual(holds.lowest(), 9)
    assert.deepStrictEqual([slow.isExpired(), quick.isExpired()], [true, false])
    quick.release()
    slow.release()
    assert.strictEqual(holds.lowest(), Infinity)
  })
})
