/**
 * What Effect's own tests demand of a store of its rate limiter, in this project's words, of Effect's store in memory as
 * well; and random uses of which both have to say the same.
 */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer } from "effect"
import { RateLimiter } from "effect/persistence"
import { TestClock } from "effect/testing"
import * as Durable from "../../src/services/RateLimiter.ts"
import * as Prng from "../../src/testing/Prng.ts"
import * as Services from "./Services.ts"

type Store = RateLimiter.RateLimiterStore["Service"]

const durable = Durable.layerStore().pipe(Layer.provide(Services.onFresh))

const layers: ReadonlyArray<readonly [string, Layer.Layer<RateLimiter.RateLimiterStore, unknown>]> = [
  ["of Effect, in memory", RateLimiter.layerStoreMemory],
  ["on a table", durable]
]

const five = { limit: 5, window: "1 minute", tokens: 1, key: "a" } as const

/** The delays of so many uses, in milliseconds. */
const delays = (limiter: RateLimiter.RateLimiter, count: number, algorithm: "fixed-window" | "token-bucket") =>
  Effect.forEach(Array.from({ length: count }), () =>
    Effect.map(
      limiter.consume({ ...five, algorithm, onExceeded: "delay" }),
      ({ delay }) => Duration.toMillis(delay)
    ))

const refusal = (limiter: RateLimiter.RateLimiter, algorithm: "fixed-window" | "token-bucket") =>
  Effect.map(
    Effect.flip(limiter.consume({ ...five, algorithm, onExceeded: "fail" })),
    ({ reason }) => reason._tag === "RateLimitExceeded" ? Duration.toMillis(reason.retryAfter) : reason
  )

const adaptive = { key: "a", tokens: 1, fallbackLimit: 5, fallbackWindow: Duration.minutes(1) }

const consume = (store: Store, tokens = 1, key = "a") =>
  Effect.map(
    store.adaptiveConsume({ ...adaptive, key, tokens }),
    ({ delay, epoch, phase }) => [phase, epoch, Duration.toMillis(delay)] as const
  )

const refused = (store: Store, epoch: number, retryAfter: Duration.Duration | undefined, tokens = 1, status = 429) =>
  store.adaptiveFeedback({ key: "a", epoch, tokens, status, retryAfter })

describe.each(layers)("RateLimiter %s", (_, store) => {
  const test = <A, E>(
    title: string,
    body: (limiter: RateLimiter.RateLimiter, store: Store) => Effect.Effect<A, E>
  ) =>
    it.effect(title, () =>
      Effect.gen(function*() {
        return yield* body(yield* RateLimiter.make, yield* RateLimiter.RateLimiterStore)
      }).pipe(Effect.provide(Layer.fresh(store))))

  test("a window that is exceeded delays by whole windows", (limiter) =>
    Effect.gen(function*() {
      const [none, minute] = [0, 60_000]
      assert.deepStrictEqual(yield* delays(limiter, 5, "fixed-window"), [none, none, none, none, none])
      assert.deepStrictEqual(yield* delays(limiter, 6, "fixed-window"), [
        minute,
        minute,
        minute,
        minute,
        minute,
        2 * minute
      ])
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(yield* delays(limiter, 1, "fixed-window"), [90_000])
      yield* TestClock.adjust("45 seconds")
      assert.deepStrictEqual(yield* delays(limiter, 1, "fixed-window"), [45_000])
    }))

  test("a window that is exceeded refuses until it is over", (limiter) =>
    Effect.gen(function*() {
      yield* delays(limiter, 5, "fixed-window")
      assert.strictEqual(yield* refusal(limiter, "fixed-window"), 60_000)
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* refusal(limiter, "fixed-window"), 30_000)
      yield* TestClock.adjust("30 seconds")
      const { delay, remaining } = yield* limiter.consume({ ...five, algorithm: "fixed-window", onExceeded: "fail" })
      assert.deepStrictEqual([Duration.toMillis(delay), remaining], [0, 4])
    }))

  test("a bucket delays or refuses until enough tokens are there", (limiter) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* delays(limiter, 7, "token-bucket"), [0, 0, 0, 0, 0, 12_000, 24_000])
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* delays(limiter, 3, "token-bucket"), [0, 0, 0])
      assert.strictEqual(yield* refusal(limiter, "token-bucket"), 12_000)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* refusal(limiter, "token-bucket"), 7_000)
    }))

  test("an adaptive limit is idle until a refusal says when to try again", (_limiter, store) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* consume(store), ["inactive", 0, 0])
      yield* refused(store, 0, Duration.seconds(1), 1, 200)
      yield* refused(store, 0, undefined)
      assert.deepStrictEqual(yield* consume(store), ["inactive", 0, 0])
      yield* refused(store, 0, Duration.seconds(5))
      assert.deepStrictEqual(yield* consume(store), ["cooldown", 0, 5_000])
      yield* refused(store, 0, Duration.seconds(3))
      assert.deepStrictEqual(yield* consume(store), ["cooldown", 0, 5_000], "it is only prolonged")
      assert.deepStrictEqual(yield* consume(store, 1, "b"), ["inactive", 0, 0])
    }))

  test("it learns how much was accepted in which time", (_limiter, store) =>
    Effect.gen(function*() {
      yield* refused(store, 0, Duration.seconds(1))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* consume(store, 2), ["learning", 1, 0])
      yield* refused(store, 0, Duration.seconds(10))
      yield* TestClock.adjust("4 seconds")
      assert.deepStrictEqual(yield* consume(store, 3), ["learning", 1, 0], "a refusal of an earlier epoch is ignored")
      yield* refused(store, 1, Duration.seconds(6), 3)
      yield* refused(store, 1, Duration.seconds(30), 3)
      yield* TestClock.adjust("6 seconds")
      assert.deepStrictEqual(yield* consume(store), ["learned", 2, 0])
      assert.deepStrictEqual(yield* consume(store), ["learned", 2, 0])
      assert.deepStrictEqual(yield* consume(store), ["learned", 2, 10_000])
      yield* refused(store, 2, Duration.seconds(7))
      assert.deepStrictEqual(yield* consume(store), ["cooldown", 2, 7_000])
    }))

  test(
    "it learns nothing if nothing was accepted, and forgets what it has learned",
    (_limiter, store) =>
      Effect.gen(function*() {
        yield* refused(store, 0, Duration.zero)
        assert.deepStrictEqual(yield* consume(store), ["cooldown", 0, 1])
        yield* TestClock.adjust("1 second")
        yield* consume(store, 2)
        yield* refused(store, 1, Duration.seconds(5), 2)
        assert.deepStrictEqual(yield* consume(store), ["cooldown", 1, 5_000])
        yield* TestClock.adjust("5 seconds")
        yield* consume(store)
        yield* consume(store)
        yield* refused(store, 2, Duration.hours(2))
        assert.deepStrictEqual(yield* consume(store), ["learned", 3, 3_600_000])
        yield* TestClock.adjust("61 minutes")
        assert.deepStrictEqual(yield* consume(store), ["inactive", 0, 0])
      })
  )
})

describe("RateLimiter on a table", () => {
  it.effect("seed 1: says what Effect's store says, whatever the clock and the rules", () =>
    Effect.gen(function*() {
      const random = Prng.make(1)
      const both = yield* Effect.forEach([RateLimiter.layerStoreMemory, Layer.fresh(durable)], (layer) =>
        Effect.map(Layer.build(layer), (context) => Effect.provide(RateLimiter.RateLimiterStore, context)))
      const stores = yield* Effect.all(both)
      const rules = [1, 250, 1000].flatMap((refillMillis) =>
        [1, 3, 5].map((limit) => ({ refillMillis, limit, key: `${refillMillis} ${limit}` }))
      )
      let epoch = 0
      for (let i = 0; i < 800; i++) {
        const use = random.int(5)
        const tokens = random.pick([0.5, 1, 1, 2, 7])
        const { key, limit, refillMillis } = random.pick(rules)
        const refillRate = Duration.millis(refillMillis)
        const allowOverflow = random.int(2) === 0
        const status = random.pick([200, 429, 429])
        const retryAfter = random.pick([undefined, Duration.zero, Duration.seconds(2), Duration.hours(3)])
        const step = (store: Store): Effect.Effect<unknown, unknown> => {
          if (use === 0) {
            return store.fixedWindow({ key, tokens, refillRate, limit: allowOverflow ? undefined : limit })
          }
          if (use === 1) {
            return store.tokenBucket({ key, tokens, limit, refillRate, allowOverflow })
          }
          if (use === 2) {
            return store.adaptiveFeedback({ key, epoch, tokens, status, retryAfter })
          }
          return Effect.tap(
            store.adaptiveConsume({ ...adaptive, key, tokens }),
            (found) =>
              Effect.sync(() => void (epoch = found.epoch))
          )
        }
        const [theirs, ours] = yield* Effect.forEach(stores, step)
        assert.deepStrictEqual(JSON.stringify(ours), JSON.stringify(theirs), `use ${i}, of kind ${use}`)
        yield* TestClock.adjust(random.pick([0, 1, 333, 1000, 61_000, 3_600_000]))
      }
    }))

  it.effect("uses at once are all counted", () =>
    Effect.gen(function*() {
      const store = yield* RateLimiter.RateLimiterStore
      const counts = yield* Effect.forEach(
        Array.from({ length: 40 }),
        () =>
          Effect.map(
            store.fixedWindow({ key: "a", tokens: 1, refillRate: Duration.seconds(1), limit: undefined }),
            ([count]) => count
          ),
        { concurrency: "unbounded" }
      )
      assert.sameMembers([...counts], Array.from({ length: 40 }, (_, i) => i + 1))
    }).pipe(Effect.provide(durable)))

  it.effect("limits hold in the next process, and are removed when they have expired", () =>
    Effect.gen(function*() {
      const { process } = yield* Services.medium
      const use = Effect.flatMap(RateLimiter.make, (limiter) => delays(limiter, 3, "token-bucket"))
      const first = yield* process(Durable.layerStore())
      assert.deepStrictEqual(yield* first(use), [0, 0, 0])
      const second = yield* process(Durable.layerStore())
      assert.deepStrictEqual(yield* second(use), [0, 0, 12_000])
    }))

  it.effect("a clock that is set back prolongs no limit", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(2 * 86_400_000)
      const limiter = yield* RateLimiter.make
      yield* delays(limiter, 5, "fixed-window")
      yield* delays(limiter, 5, "token-bucket")
      yield* TestClock.setTime(86_400_000)
      assert.strictEqual(yield* refusal(limiter, "fixed-window"), 60_000)
      assert.strictEqual(yield* refusal(limiter, "token-bucket"), 12_000)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* delays(limiter, 1, "token-bucket"), [0])
    }).pipe(Effect.provide(durable)))
})
