import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Effect, Layer, Option, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as PersistClient from "../../src/client/PersistClient.ts"
import * as Table from "../../src/tables/Table.ts"
import * as Store from "../utils/Store.ts"

const value = Schema.Struct({ owner: Schema.String, until: Schema.Int })

class Plain extends Table.Service<Plain>()("t", { key: Schema.String, value }) {}

class Indexed extends Table.Service<Indexed>()("t", {
  key: Schema.String,
  value,
  indexes: { byOwner: ({ owner }) => owner }
}) {}

class Expiring extends Table.Service<Expiring>()("t", { key: Schema.String, value, expire: ({ until }) => until }) {}

const client = Effect.flatMap(Store.memory, (storage) => Store.client(storage))

/** Opens a table in a client for as long as the effect runs. */
const using = <S, E, A, E2, R>(
  persist: PersistClient.PersistClient["Service"],
  layer: Layer.Layer<S, E, PersistClient.PersistClient>,
  program: Effect.Effect<A, E2, R | S>
) =>
  Effect.provide(program, Layer.fresh(layer).pipe(Layer.provide(Layer.succeed(PersistClient.PersistClient, persist))))

const since = (persist: PersistClient.PersistClient["Service"]) =>
  Effect.map(persist.description("t"), (description) => description.since)

describe("an index that is declared later", () => {
  it.effect("is built from what is there, is destroyed when it is not declared, and is built anew", () =>
    Effect.gen(function*() {
      const persist = yield* client
      const owners = Effect.flatMap(
        Indexed,
        (table) => Effect.forEach(["ada", "bob"], (owner) => Stream.runCount(table.byOwner(owner)))
      )
      yield* using(
        persist,
        Plain.layer,
        Effect.flatMap(Plain, (table) =>
          Table.transaction(Effect.forEach(
            Array.from({ length: 2_300 }, (_, i) => i),
            (i) => table.set(`k${i}`, { owner: i % 2 === 0 ? "ada" : "bob", until: 0 }),
            { discard: true }
          )))
      )
      assert.deepStrictEqual(yield* using(persist, Indexed.layer, owners), [1_150, 1_150])
      yield* using(persist, Plain.layer, Effect.flatMap(Plain, (table) => table.remove("k0")))
      assert.deepStrictEqual(yield* using(persist, Indexed.layer, owners), [1_149, 1_150])
      yield* using(persist, Indexed.layer, Effect.flatMap(Indexed, (table) => table.remove("k1")))
      assert.deepStrictEqual(yield* using(persist, Indexed.layer, owners), [1_149, 1_149])
    }))
})

describe("rows that expire", () => {
  it.effect("are removed by the clock, as updates that a watcher sees, and not if they were put off", () =>
    Effect.gen(function*() {
      const persist = yield* client
      yield* using(
        persist,
        Expiring.layer,
        Effect.gen(function*() {
          const table = yield* Expiring
          yield* table.set("a", { owner: "", until: 1_000 })
          yield* table.set("b", { owner: "", until: 2_000 })
          yield* table.set("b", { owner: "", until: 5_000 })
          const keys = Effect.map(Stream.runCollect(table.range()), (rows) => rows.map(([key]) => key))
          yield* TestClock.adjust(999)
          assert.deepStrictEqual(yield* keys, ["a", "b"])
          yield* TestClock.adjust(1)
          for (let i = 0; i < 200; i++) yield* Effect.yieldNow
          assert.deepStrictEqual(yield* keys, ["b"])
          yield* TestClock.adjust(10_000)
          for (let i = 0; i < 200; i++) yield* Effect.yieldNow
          assert.deepStrictEqual(yield* keys, [])
          const past = yield* Stream.runCollect(table.history("a"))
          assert.deepStrictEqual(past.map((each) => Option.isSome(each.value)), [true, false])
        })
      )
    }))
})

describe("history", () => {
  const kept = (history: Table.History) => {
    class Kept extends Table.Service<Kept>()("t", { key: Schema.String, value: Schema.Int, history }) {}
    return Kept
  }
  /** Sets a key every three seconds, forty times, and says how much of it can be read. */
  const steps = (history: Table.History) =>
    Effect.gen(function*() {
      const persist = yield* client
      const Kept = kept(history)
      const table = Context.get(
        yield* Layer.build(Kept.layer.pipe(Layer.provide(Layer.succeed(PersistClient.PersistClient, persist)))),
        Kept
      )
      for (let step = 0; step < 40; step++) {
        yield* table.set("a", step)
        yield* TestClock.adjust("3 seconds")
      }
      return { persist, table, versions: yield* Stream.runCount(table.history("a")) }
    })

  it.effect("is a span of time, a number of commits, the latest state, or everything", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* steps("all")).versions, 40)
      assert.strictEqual((yield* steps(5)).versions, 5)
      assert.strictEqual((yield* steps("latest")).versions, 1)
      const { versions } = yield* steps("1 minute")
      assert.isAtLeast(versions, 20)
      assert.isAtMost(versions, 25)
    }))

  it.effect.each<Table.History>(["all", 5, "latest", "1 day"])(
    "kept as %j costs no ticks while nothing changes, for ten days",
    (history) =>
      Effect.gen(function*() {
        const clock = yield* Clock.Clock
        let ticks = 0
        const counting: Clock.Clock = {
          ...clock,
          sleep: (duration) =>
            Effect.suspend(() => {
              ticks++
              return clock.sleep(duration)
            })
        }
        const idle = Effect.gen(function*() {
          yield* TestClock.adjust("2 days")
          const before = ticks
          yield* TestClock.adjust("10 days")
          return ticks - before
        })
        yield* Effect.gen(function*() {
          const { persist, table } = yield* steps(history)
          assert.strictEqual(yield* idle, 0)
          const last = yield* table.set("a", -1)
          assert.strictEqual(yield* idle, 0)
          if (history === "latest" || history === "1 day") assert.isAtLeast(yield* since(persist), last)
        }).pipe(Effect.provideService(Clock.Clock, counting))
      })
  )

  it.effect("is not given up for a clock that jumps ahead by a year", () =>
    Effect.gen(function*() {
      const clock = yield* Clock.Clock
      let ahead = 0
      const shifted: Clock.Clock = {
        ...clock,
        currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + ahead,
        currentTimeMillis: Effect.sync(() => clock.currentTimeMillisUnsafe() + ahead),
        currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe() + 1_000_000n * BigInt(ahead),
        currentTimeNanos: Effect.sync(() => clock.currentTimeNanosUnsafe() + 1_000_000n * BigInt(ahead))
      }
      yield* Effect.gen(function*() {
        const { persist, table } = yield* steps("1 minute")
        const before = yield* since(persist)
        assert.isAbove(before, 0)
        ahead = 365 * 24 * 3_600_000
        assert.isAbove(yield* table.set("a", -1), 1_000 * ahead)
        yield* TestClock.adjust("30 seconds")
        assert.isAtMost(yield* since(persist), before + 40_000_000)
        ahead = 0
        const last = yield* table.set("a", -2)
        assert.isAbove(last, 365 * 24 * 3_600_000_000)
      }).pipe(Effect.provideService(Clock.Clock, shifted))
    }))
})
