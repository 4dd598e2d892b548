import { assert, describe, it } from "@effect/vitest"
import { Context, Duration, Effect, Exit, Logger, Metric, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Rollup from "../../src/engine/Rollup.ts"
import * as Hold from "../../src/runtime/Hold.ts"
import * as HoldFiles from "../../src/runtime/HoldFiles.ts"
import * as HoldWatch from "../../src/runtime/HoldWatch.ts"
import * as Metrics from "../../src/runtime/Metrics.ts"
import { Blob } from "../../src/storage/Blob.ts"
import * as Prng from "../../src/testing/Prng.ts"
import * as Update from "../../src/Update.ts"
import type * as Faulty from "../utils/Faulty.ts"
import * as Store from "../utils/Store.ts"

/** A store with a batch, and a way to take holds on it. */
const held = Effect.gen(function*() {
  const storage = yield* Store.memory
  const client = yield* Store.client(storage, Store.tiny)
  const { writer } = yield* client.createOrLoad("s", Store.text)
  for (let i = 0; i < 40; i++) yield* writer.append([Update.insert(`k${i}`, "v".repeat(40), i)])
  yield* client.compact("s")
  const keys = (yield* Store.referencedKeys(storage)).filter((key) => key.startsWith("batch/"))
  const blob = Context.get(storage, Blob)
  const take = (name: string, lease: Duration.Input) =>
    Hold.take({ name, lease }, blob, Effect.orDie(Store.recovered(storage)))
  return { storage, blob, keys, take }
})

const stored = (storage: Faulty.Storage, name: string) =>
  Effect.map(HoldFiles.list(Context.get(storage, Blob), name), (found) => found.length > 0)

/** What a hold is that a later version has taken. */
const ofLaterVersion = (storage: Faulty.Storage) =>
  Effect.map(Store.recovered(storage), (state) => {
    const bytes = Rollup.encode(state, state.position)
    bytes[8] = 99
    return bytes
  })

describe("the watch over holds", () => {
  it.effect.each([1, 2, 3, 4, 5, 6, 7, 8])(
    "seed %i: those that live stay, however the writer looks; the others go",
    (seed) =>
      Effect.gen(function*() {
        const { keys, storage, take } = yield* held
        const random = Prng.make(seed)
        const watch = HoldWatch.make(Context.get(storage, Blob))
        const living = new Map<string, Scope.Closeable>()
        /** By name: its lease, and how long it has given no sign of life, as it was and as the writer may count it. */
        const silent = new Map<string, { readonly leaseMillis: number; millis: number; seenFor: number }>()
        for (let step = 0; step < 120; step++) {
          const name = `h${random.int(4)}`
          const scope = living.get(name)
          if (random.int(6) === 0) {
            const leaseMillis = 1_000 * (1 + random.int(20))
            if (scope !== undefined) {
              yield* Scope.close(scope, Exit.void)
              living.delete(name)
              const [found] = yield* HoldFiles.list(Context.get(storage, Blob), name)
              silent.set(name, { leaseMillis: found!.leaseMillis, millis: 0, seenFor: 0 })
            } else if (!silent.has(name)) {
              const opened = yield* Scope.make()
              yield* Scope.provide(take(name, leaseMillis), opened)
              living.set(name, opened)
            }
          }
          // From many looks in one quarter of a lease to a writer that sleeps over all of them.
          const passed = random.int(10) === 0 ? 100_000 : random.int(1_500)
          yield* TestClock.adjust(passed)
          const found = yield* watch.held(random.int(2) === 0 ? keys : [...keys, "batch/other"])
          for (const [name] of living) assert.isTrue(yield* stored(storage, name), `${name} lives`)
          for (const [name, each] of silent) {
            each.millis += passed
            each.seenFor += Math.min(passed, each.leaseMillis * HoldWatch.share)
            const isThere = yield* stored(storage, name)
            if (!isThere) {
              // Its last sign of life came up to a quarter before its end.
              assert.isAtLeast(each.millis, each.leaseMillis * (1 - HoldWatch.share), `${name} has had its lease`)
              silent.delete(name)
            } else assert.isBelow(each.seenFor, each.leaseMillis * 2, `${name} is gone in the end`)
          }
          if (living.size + silent.size > 0) assert.isTrue(keys.every((key) => found.has(key)))
          else assert.strictEqual(found.size, 0)
        }
        for (const scope of living.values()) yield* Scope.close(scope, Exit.void)
      })
  )

  it.effect("a writer that has slept gives everybody time to show that they live", () =>
    Effect.gen(function*() {
      const { blob, keys, storage, take } = yield* held
      yield* Store.inScope(take("a", "1 minute"))
      const watch = HoldWatch.make(blob)
      yield* watch.held(keys)
      for (let night = 0; night < 3; night++) {
        yield* TestClock.adjust("1 day")
        assert.isTrue((yield* watch.held(keys)).has(keys[0]!))
      }
      yield* TestClock.adjust("1 day")
      assert.strictEqual((yield* watch.held(keys)).size, 0)
      assert.isFalse(yield* stored(storage, "a"))
    }))

  it.effect("the next process that opens the store begins to count anew", () =>
    Effect.gen(function*() {
      const { blob, keys, take } = yield* held
      yield* Store.inScope(take("a", "1 minute"))
      for (let writer = 0; writer < 10; writer++) {
        const watch = HoldWatch.make(blob)
        for (let look = 0; look < 3; look++) {
          yield* TestClock.adjust("15 seconds")
          assert.isTrue((yield* watch.held(keys)).has(keys[0]!))
        }
      }
    }))

  it.effect("looks seldom while all that it is asked for is held, and each time otherwise", () =>
    Effect.gen(function*() {
      const { blob, keys, take } = yield* held
      yield* take("a", "1 minute")
      let lists = 0
      const counting = HoldWatch.make({ ...blob, list: (prefix) => (lists++, blob.list(prefix)) })
      for (let second = 0; second < 60; second++) {
        yield* counting.held(keys)
        yield* TestClock.adjust("1 second")
      }
      assert.isAtMost(lists, 5)
      lists = 0
      for (let time = 0; time < 5; time++) yield* counting.held([...keys, "batch/other"])
      assert.strictEqual(lists, 5)
    }))

  it.effect("what is left of one that was given up, or never taken to its end, goes", () =>
    Effect.gen(function*() {
      const { blob, keys, storage } = yield* held
      const hold = yield* HoldFiles.make("cut.short", 5_000)
      yield* blob.put(yield* HoldFiles.newBeat(hold), new Uint8Array(0))
      const watch = HoldWatch.make(blob)
      assert.strictEqual((yield* watch.held(keys)).size, 0)
      assert.deepStrictEqual(yield* Store.storedKeys(storage), yield* Store.referencedKeys(storage))
    }))

  it.effect("a hold that cannot be read keeps everything until its lease can have expired, and is logged and counted", () =>
    Effect.gen(function*() {
      const { blob, keys, storage } = yield* held
      const bad = yield* HoldFiles.make("bad", 5_000)
      const counted = Metrics.total(Metrics.unreadableHolds)
      for (const bytes of [new Uint8Array(50), yield* ofLaterVersion(storage)]) {
        yield* blob.put(HoldFiles.stateOf(bad), bytes)
        const before = yield* counted
        const logged: Array<string> = []
        const logger = Logger.make<unknown, void>(({ logLevel, message }) => void logged.push(`${logLevel} ${message}`))
        const watch = HoldWatch.make(blob)
        yield* Effect.gen(function*() {
          for (let look = 0; look < 5; look++) {
            assert.strictEqual((yield* watch.held([...keys, "batch/other"])).size, keys.length + 1)
            assert.isTrue((yield* HoldFiles.keeping(blob))("batch/other"))
            if (look < 4) yield* TestClock.adjust("1 second")
          }
        }).pipe(Effect.provide(Logger.layer([logger])))
        assert.match(logged[0]!, /^Warn .*hold "bad"/)
        assert.isAbove(yield* counted, before)
        for (let look = 0; look < 4; look++) {
          yield* TestClock.adjust("1 second")
          yield* watch.held(keys)
        }
        assert.strictEqual((yield* watch.held(keys)).size, 0)
        assert.isFalse(yield* stored(storage, "bad"))
      }
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())))
})

describe("the names of holds", () => {
  it.effect("are distinguished, also where one begins like the other", () =>
    Effect.gen(function*() {
      const { blob, take } = yield* held
      const names = ["a", "a.b", "a.1000", "a-b", `a.1000.${"0".repeat(14)}`, `a.1000.${"0".repeat(14)}.state`, "0"]
      for (const name of names) yield* take(name, "1 second")
      for (const name of names) {
        const found = yield* HoldFiles.list(blob, name)
        assert.deepStrictEqual(
          found.map(({ beats, hasState, leaseMillis, name }) => [name, leaseMillis, hasState, beats.length]),
          [
            [name, 1_000, true, 1]
          ]
        )
      }
      assert.sameMembers((yield* HoldFiles.list(blob)).map(({ name }) => name), names)
    }))

  it.effect("and their leases are checked", () =>
    Effect.gen(function*() {
      const { take } = yield* held
      for (const name of ["", "A", ".a", "a/b", "ä", "a".repeat(101)]) {
        assert.propertyVal(yield* Effect.flip(take(name, "1 second")), "_tag", "ValueOutOfRange")
      }
      for (const lease of [0, 999, 1_000.5, "366 days", Duration.infinity] as const) {
        assert.propertyVal(yield* Effect.flip(take("a", lease)), "_tag", "ValueOutOfRange")
      }
    }))
})
