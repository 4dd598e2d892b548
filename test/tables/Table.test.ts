import { assert, describe, it } from "@effect/vitest"
import { Context, DateTime, Deferred, Effect, Fiber, Layer, Option, Schedule, Schema, type Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as PersistClient from "../../src/client/PersistClient.ts"
import * as Codec from "../../src/Codec.ts"
import * as Table from "../../src/tables/Table.ts"
import * as Update from "../../src/Update.ts"
import * as Faulty from "../utils/Faulty.ts"
import * as Store from "../utils/Store.ts"

const Session = Schema.Struct({ owner: Schema.String, title: Schema.String, seq: Schema.Int })

class Sessions extends Table.Service<Sessions>()("sessions", {
  key: Schema.String,
  value: Session,
  history: "all",
  indexes: {
    byOwner: (session) => session.owner,
    byOwnerAndSeq: ({ owner, seq }) => [owner, seq] as const
  }
}) {}

class Counters extends Table.Service<Counters>()("counters", { key: Schema.String, value: Schema.Int }) {}

class Steps extends Table.Service<Steps>()("steps", {
  key: Schema.Tuple([Schema.String, Schema.Int]),
  value: Schema.String
}) {}

const session = (owner: string, title: string, seq = 0) => ({ owner, title, seq })

const layers = Layer.mergeAll(Sessions.layer, Counters.layer, Steps.layer)

/** Runs with the tables of a store that this opens. */
const opened = (storage: Faulty.Storage, options: PersistClient.Options = Store.quiet) =>
  layers.pipe(Layer.provideMerge(PersistClient.layer(options)), Layer.provide(Layer.succeedContext(storage)))

const test = <A, E>(
  name: string,
  program: Effect.Effect<A, E, Sessions | Counters | Steps | PersistClient.PersistClient | Scope.Scope>
) => it.effect(name, () => Effect.flatMap(Store.memory, (storage) => Effect.provide(program, opened(storage))))

const collect = <A, E, R>(stream: Stream.Stream<A, E, R>) => Stream.runCollect(stream)

describe("a table", () => {
  test(
    "sets, reads, changes and removes, and travels in time",
    Effect.gen(function*() {
      const sessions = yield* Sessions
      const first = yield* sessions.set("s-1", session("ada", "one"))
      yield* TestClock.adjust("1 hour")
      const then = yield* DateTime.now
      yield* TestClock.adjust("1 hour")
      const renamed = yield* sessions.modify("s-1", Option.map((each) => ({ ...each, title: "two" })))
      assert.deepStrictEqual(renamed, Option.some(session("ada", "two")))
      assert.deepStrictEqual(yield* sessions.get("s-1"), renamed)
      assert.deepStrictEqual(yield* sessions.at(first).get("s-1"), Option.some(session("ada", "one")))
      assert.deepStrictEqual(yield* sessions.at(then).get("s-1"), Option.some(session("ada", "one")))
      assert.deepStrictEqual(yield* sessions.at(first - 1).get("s-1"), Option.none())
      assert.isTrue(yield* sessions.remove("s-1"))
      assert.isFalse(yield* sessions.remove("s-1"))
      assert.deepStrictEqual(yield* sessions.get("s-1"), Option.none())
      const past = yield* collect(sessions.history("s-1"))
      assert.deepStrictEqual(past.map(({ value }) => Option.map(value, ({ title }) => title)), [
        Option.some("one"),
        Option.some("two"),
        Option.none()
      ])
      assert.strictEqual(past[0]!.time, first)
      assert.strictEqual(past[2]!.time, yield* sessions.now)
      const within = yield* Table.transaction(Effect.andThen(sessions.set("s-2", session("ada", "")), sessions.now))
      assert.strictEqual(past[2]!.time, within)
      assert.isAbove(yield* sessions.now, within)
    })
  )

  test(
    "has one value a key, whatever is written how often and at once",
    Effect.gen(function*() {
      const counters = yield* Counters
      yield* Effect.forEach(
        Array.from({ length: 20 }, (_, i) => i),
        (i) =>
          i % 2 === 0
            ? Effect.asVoid(counters.modify("n", (n) => Option.some(Option.getOrElse(n, () => 0) + 1)))
            : Effect.asVoid(counters.set("m", i)),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(yield* counters.get("n"), Option.some(10))
      assert.strictEqual((yield* collect(counters.range())).length, 2)
    })
  )

  test(
    "orders keys as they are, numbers by size, and finds prefixes",
    Effect.gen(function*() {
      const steps = yield* Steps
      for (const n of [10, 9, 2, 11]) yield* steps.set(["s-1", n], "")
      yield* steps.set(["s-2", 1], "")
      const keys = yield* collect(Stream.map(steps.range({ prefix: ["s-1"] }), ([[, n]]) => n))
      assert.deepStrictEqual(keys, [2, 9, 10, 11])
    })
  )

  test(
    "is watched: the value now, and each one after it",
    Effect.gen(function*() {
      const counters = yield* Counters
      yield* counters.set("a", 1)
      const watching = yield* Effect.forkChild(collect(Stream.take(counters.watch("a"), 4)), { startImmediately: true })
      yield* Effect.yieldNow
      yield* counters.set("b", 9)
      for (const n of [2, 3]) yield* counters.set("a", n)
      yield* counters.remove("a")
      assert.deepStrictEqual(yield* Fiber.join(watching), [
        Option.some(1),
        Option.some(2),
        Option.some(3),
        Option.none()
      ])
    })
  )

  test(
    "delivers changes that resume at a frontier, nothing skipped and nothing twice",
    Effect.gen(function*() {
      const counters = yield* Counters
      yield* counters.set("a", 1)
      const firstTimes = yield* collect(Stream.takeUntil(counters.changes(), ({ _tag }) => _tag === "Progress"))
      const progress = firstTimes.at(-1)!
      assert.strictEqual(progress._tag, "Progress")
      yield* counters.set("a", 2)
      yield* counters.remove("a")
      const from = progress._tag === "Progress" ? progress.frontier : 0
      const delivered = yield* collect(Stream.takeUntil(counters.changes({ from }), ({ _tag }) => _tag === "Progress"))
      assert.deepStrictEqual(
        delivered.flatMap((event) =>
          event._tag === "Changes" ? event.changes.map(({ after, before }) => [before, after]) : []
        ),
        [[Option.some(1), Option.some(2)], [Option.some(2), Option.none()]]
      )
    })
  )

  test(
    "is found by its indexes, now, then, and by the first parts of a key",
    Effect.gen(function*() {
      const sessions = yield* Sessions
      yield* sessions.set("s-1", session("ada", "", 10))
      const before = yield* sessions.set("s-2", session("ada", "", 9))
      yield* sessions.set("s-1", session("bob", "", 10))
      const keysOf = (rows: Stream.Stream<readonly [string, unknown], Table.TableError>) =>
        collect(Stream.map(rows, ([key]) => key))
      assert.deepStrictEqual(yield* keysOf(sessions.byOwner("ada")), ["s-2"])
      assert.deepStrictEqual(yield* keysOf(sessions.at(before).byOwner("ada")), ["s-1", "s-2"])
      assert.deepStrictEqual(yield* keysOf(sessions.at(before).byOwnerAndSeq(["ada"])), ["s-2", "s-1"])
      assert.deepStrictEqual(yield* keysOf(sessions.byOwnerAndSeq(["bob", 10])), ["s-1"])
      yield* sessions.remove("s-1")
      assert.deepStrictEqual(yield* keysOf(sessions.byOwner()), ["s-2"])
    })
  )

  test(
    "answers as of now at once, for ever alike, and refuses the future",
    Effect.gen(function*() {
      const counters = yield* Counters
      yield* counters.set("a", 1)
      yield* TestClock.adjust("1 minute")
      const now = yield* DateTime.now
      assert.deepStrictEqual(yield* counters.at(now).get("a"), Option.some(1))
      const later = yield* counters.set("a", 2)
      assert.isAbove(later, 1_000 * now.epochMilliseconds)
      assert.deepStrictEqual(yield* counters.at(now).get("a"), Option.some(1))
      const future = DateTime.add(now, { minutes: 1 })
      assert.propertyVal(yield* Effect.flip(counters.at(future).get("a")), "_tag", "AsOfNotSealed")
    })
  )

  it.effect("is there again after a restart, and for a reader that follows", () =>
    Effect.gen(function*() {
      const storage = yield* Store.memory
      yield* Effect.provide(
        Effect.flatMap(Sessions, (sessions) => sessions.set("a", session("ada", ""))),
        opened(storage)
      )
      yield* Effect.gen(function*() {
        const sessions = yield* Sessions
        assert.deepStrictEqual(yield* sessions.get("a"), Option.some(session("ada", "")))
        assert.strictEqual((yield* collect(sessions.byOwner("ada"))).length, 1)
        const following = Layer.fresh(Sessions.layer).pipe(
          Layer.provide(PersistClient.layerReadOnly()),
          Layer.provide(Layer.succeedContext(storage))
        )
        const follower = Context.get(yield* Layer.build(following), Sessions)
        assert.deepStrictEqual(yield* follower.get("a"), Option.some(session("ada", "")))
        assert.propertyVal(yield* Effect.flip(follower.set("a", session("", ""))), "_tag", "ReadOnly")
      }).pipe(Effect.provide(opened(storage)))
    }))
})

it.effect("reads one key of a batch that no cache has, by its footer and one block", () =>
  Effect.gen(function*() {
    const { control, storage } = yield* Store.faulty
    class Big extends Table.Service<Big>()("big", { key: Schema.Int, value: Schema.String, cacheBytes: 0 }) {}
    const withBig = <A, E>(program: Effect.Effect<A, E, Big | PersistClient.PersistClient>) =>
      Effect.provide(
        program,
        Layer.fresh(Big.layer).pipe(
          Layer.provideMerge(PersistClient.layer({ ...Store.quiet, memoryBytes: 0, cacheBytes: 0 })),
          Layer.provide(Layer.succeedContext(storage))
        )
      )
    const valueOf = (n: number) => `${n} `.repeat(200)
    yield* withBig(Effect.gen(function*() {
      const big = yield* Big
      const all = Array.from({ length: 400 }, (_, n) => n)
      yield* Table.transaction(Effect.forEach(all, (n) => big.set(n, valueOf(n)), { discard: true }))
      yield* (yield* PersistClient.PersistClient).compact("big")
    }))
    yield* withBig(Effect.gen(function*() {
      const big = yield* Big
      for (const n of [7, 399, 200]) {
        const before = Faulty.count(control, "get")
        assert.deepStrictEqual(yield* big.get(n), Option.some(valueOf(n)))
        assert.isAtMost(Faulty.count(control, "get") - before, 2)
        assert.isAbove(Faulty.count(control, "get"), before)
      }
      assert.deepStrictEqual(yield* big.get(400), Option.none())
    }))
  }))

describe("a transaction", () => {
  test(
    "reads its own writes over several tables, and is all or nothing",
    Effect.gen(function*() {
      const sessions = yield* Sessions
      const counters = yield* Counters
      yield* counters.set("a", 1)
      const count = yield* Table.transaction(Effect.gen(function*() {
        yield* counters.set("b", 2)
        yield* counters.remove("a")
        yield* sessions.set("s-1", session("ada", "new"))
        assert.deepStrictEqual(yield* counters.get("b"), Option.some(2))
        assert.deepStrictEqual(yield* collect(counters.range()), [["b", 2]])
        assert.strictEqual((yield* collect(sessions.byOwner("ada"))).length, 1)
        return 7
      }))
      assert.strictEqual(count, 7)
      const failed = yield* Effect.flip(Table.transaction(Effect.gen(function*() {
        yield* counters.set("b", 3)
        yield* sessions.remove("s-1")
        return yield* Effect.fail("no" as const)
      })))
      assert.strictEqual(failed, "no")
      assert.deepStrictEqual(yield* collect(counters.range()), [["b", 2]])
      assert.strictEqual((yield* collect(sessions.range())).length, 1)
    })
  )

  test(
    "loses to what was written meanwhile, and runs again",
    Effect.gen(function*() {
      const counters = yield* Counters
      yield* counters.set("a", 1)
      const read = yield* Deferred.make<void>()
      const go = yield* Deferred.make<void>()
      let attempts = 0
      const adding = yield* Effect.forkChild(Table.transaction(Effect.gen(function*() {
        attempts++
        const sum = (yield* collect(counters.range())).reduce((total, [, n]) => total + n, 0)
        yield* Deferred.succeed(read, undefined)
        yield* Deferred.await(go)
        yield* counters.set("sum", sum)
      })))
      yield* Deferred.await(read)
      yield* counters.set("b", 5)
      yield* Deferred.succeed(go, undefined)
      yield* Fiber.join(adding)
      assert.strictEqual(attempts, 2)
      assert.deepStrictEqual(yield* counters.get("sum"), Option.some(6))
    })
  )

  test(
    "that loses for longer than its schedule allows is a Conflict, and one that never ends a TransactionTimeout",
    Effect.gen(function*() {
      const counters = yield* Counters
      const losing = Table.transaction(
        Effect.gen(function*() {
          yield* counters.get("a")
          yield* Effect.provide(elsewhere(counters), Context.empty())
          yield* counters.set("b", 1)
        }),
        { retry: Schedule.recurs(2) }
      )
      assert.deepInclude(yield* Effect.flip(losing), { _tag: "Conflict", table: "counters" } as object)
      const endless = yield* Effect.forkChild(
        Effect.flip(Table.transaction(Effect.andThen(counters.set("c", 1), Effect.never))),
        { startImmediately: true }
      )
      yield* TestClock.adjust("1 minute")
      assert.propertyVal(yield* Fiber.join(endless), "_tag", "TransactionTimeout")
      assert.deepStrictEqual(yield* collect(Stream.map(counters.range(), ([key]) => key)), ["a"])
    })
  )
})

/** Writes outside the transaction that it is called in. */
const elsewhere = (counters: Counters["Service"]) =>
  Effect.promise(() => Effect.runPromise(counters.modify("a", (n) => Option.some(Option.getOrElse(n, () => 0) + 1))))

describe("what is refused, with nothing half done", () => {
  class Bad extends Table.Service<Bad>()("bad", {
    key: Schema.String,
    value: Schema.Int,
    indexes: {
      byValue: (n: number) => {
        if (n === 13) throw new Error("unlucky")
        return n
      }
    }
  }) {}

  class Again extends Table.Service<Again>()("counters", { key: Schema.String, value: Schema.Int }) {}

  class Other extends Table.Service<Other>()("counters", { key: Schema.String, value: Schema.String }) {}

  test(
    "values that do not fit, keys that cannot be stored, and index functions that throw",
    Effect.gen(function*() {
      const counters = yield* Counters
      assert.propertyVal(yield* Effect.flip(counters.set("a", 1.5)), "_tag", "ValueOutOfRange")
      assert.propertyVal(yield* Effect.flip(counters.set("\ud800", 1)), "_tag", "ValueOutOfRange")
      const bad = Context.get(yield* Layer.build(Bad.layer), Bad)
      const error = yield* Effect.flip(Table.transaction(Effect.andThen(bad.set("a", 1), bad.set("b", 13))))
      assert.include(error.message, "byValue")
      assert.notInclude(error.message, "13")
      assert.deepStrictEqual(yield* collect(bad.range()), [])
    })
  )

  test(
    "keys and rows that are too large, and with them all of their transaction",
    Effect.gen(function*() {
      class Texts extends Table.Service<Texts>()("texts", { key: Schema.String, value: Schema.String }) {}
      const texts = Context.get(yield* Layer.build(Texts.layer), Texts)
      const large = "x".repeat(16 * 1024 * 1024)
      for (const [key, value] of [[large, ""], ["k", large]] as const) {
        const error = yield* Effect.flip(Table.transaction(Effect.andThen(texts.set("a", "1"), texts.set(key, value))))
        assert.propertyVal(error, "_tag", "ValueOutOfRange")
        assert.isBelow(error.message.length, 500, "it has nothing of the data")
        assert.deepStrictEqual(yield* collect(texts.range()), [])
      }
    })
  )

  test(
    "a clock that jumps back by a day, or ahead: times go on, and nothing is lost",
    Effect.gen(function*() {
      const day = 86_400_000
      const counters = yield* Counters
      yield* TestClock.setTime(2 * day)
      const first = yield* counters.set("a", 1)
      yield* TestClock.setTime(day)
      const second = yield* counters.set("a", 2)
      assert.isAbove(second, first)
      assert.deepStrictEqual(yield* counters.at(first).get("a"), Option.some(1))
      yield* TestClock.setTime(367 * day)
      const third = yield* counters.set("a", 3)
      assert.isAtLeast(third, 1_000 * 367 * day)
      yield* TestClock.setTime(2 * day)
      assert.isAbove(yield* counters.set("a", 4), third)
      assert.deepStrictEqual(yield* counters.get("a"), Option.some(4))
      assert.deepStrictEqual(yield* counters.at(second).get("a"), Option.some(2))
    })
  )

  test(
    "two declarations of a table, and another schema",
    Effect.gen(function*() {
      assert.propertyVal(yield* Effect.flip(Layer.build(Again.layer)), "_tag", "TableMismatch")
      assert.propertyVal(yield* Effect.flip(Layer.build(Other.layer)), "_tag", "TableMismatch")
    })
  )

  it.effect("a collection of the same name, and writes past the table", () =>
    Effect.gen(function*() {
      const storage = yield* Store.memory
      const client = yield* Store.client(storage)
      yield* client.createOrLoad("bad", Store.text)
      const provided = Layer.provide(Bad.layer, Layer.succeed(PersistClient.PersistClient, client))
      assert.propertyVal(yield* Effect.flip(Layer.build(provided)), "_tag", "CodecMismatch")
      const services = Layer.provide(Counters.layer, Layer.succeed(PersistClient.PersistClient, client))
      yield* Layer.build(services)
      const counters = yield* client.load("counters", { key: Store.text.key, value: Codec.schema(Schema.Int) })
      assert.propertyVal(yield* Effect.flip(counters.append([Update.insert("a", 1, 9)])), "reason", "OnTimeline")
    }))
})
