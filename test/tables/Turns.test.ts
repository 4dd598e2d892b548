import { assert, it } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber, Layer, Option, Schedule, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as PersistClient from "../../src/client/PersistClient.ts"
import * as MemoryStorage from "../../src/storage/MemoryStorage.ts"
import * as Table from "../../src/tables/Table.ts"
import { Turns } from "../../src/tables/Turns.ts"
import * as Store from "../utils/Store.ts"

class Counters extends Table.Service<Counters>()("counters", { key: Schema.String, value: Schema.Int }) {}

const withCounters = <A, E>(program: Effect.Effect<A, E, Counters>) =>
  Effect.flatMap(Store.memory, (storage) =>
    Effect.provide(
      program,
      Counters.layer.pipe(
        Layer.provide(PersistClient.layer(Store.quiet)),
        Layer.provide(Layer.succeedContext(storage))
      )
    ))

it.effect("many transactions on one key run few times each, and none waits for long", () =>
  withCounters(Effect.gen(function*() {
    const counters = yield* Counters
    const [fibers, each] = [32, 10]
    let attempts = 0
    const order: Array<number> = []
    const increment = (fiber: number) =>
      Effect.tap(
        Table.transaction(Effect.gen(function*() {
          attempts++
          const before = Option.getOrElse(yield* counters.get("hot"), () => 0)
          yield* counters.set("hot", before + 1)
          yield* counters.set(`own-${fiber}`, before)
        })),
        () => Effect.sync(() => order.push(fiber))
      )
    yield* Effect.forEach(
      Array.from({ length: fibers }, (_, fiber) => fiber),
      (fiber) => Effect.repeat(increment(fiber), Schedule.recurs(each - 1)),
      { concurrency: "unbounded" }
    )
    assert.deepStrictEqual(yield* counters.get("hot"), Option.some(fibers * each))
    assert.isBelow(attempts, 2 * fibers * each)
    // Between two commits of one of them, each of the others has its turn: twice at most.
    for (let fiber = 0; fiber < fibers; fiber++) {
      const places = order.flatMap((other, place) => other === fiber ? [place] : [])
      for (let i = 1; i < places.length; i++) assert.isAtMost(places[i]! - places[i - 1]!, 2 * fibers)
    }
  })))

class Owned extends Table.Service<Owned>()("owned", {
  key: Schema.Int,
  value: Schema.Struct({ owner: Schema.String, n: Schema.Int }),
  indexes: { byOwner: ({ owner }) => owner }
}) {}

/** Fibers that sum up rows and write the sum, while others write these rows all the time: how often one has to run. */
const summing = (
  rows: (owned: Owned["Service"]) => Stream.Stream<readonly [number, { readonly n: number }], Table.TableError>
) =>
  Effect.gen(function*() {
    const owned = yield* Owned
    const [fibers, each] = [8, 10]
    let attempts = 0
    const sum = (fiber: number) =>
      Table.transaction(Effect.gen(function*() {
        attempts++
        const before = yield* Stream.runFold(rows(owned), () => 0, (total, [, { n }]) => total + n)
        // Others commit meanwhile.
        for (let i = 0; i < 50; i++) yield* Effect.yieldNow
        yield* owned.set(1_000 + fiber, { owner: "sums", n: before })
      }))
    let step = 0
    const write = (key: number) => Effect.suspend(() => owned.set(key, { owner: "ada", n: step++ }))
    const others = yield* Effect.forkChild(
      Effect.forEach([1, 2, 3, 4, 5, 6, 7, 8], (key) => Effect.forever(write(key)), { concurrency: "unbounded" })
    )
    yield* Effect.forEach(
      Array.from({ length: fibers }, (_, fiber) => fiber),
      (fiber) => Effect.repeat(sum(fiber), Schedule.recurs(each - 1)),
      { concurrency: "unbounded" }
    )
    yield* Fiber.interrupt(others)
    return attempts / (fibers * each)
  }).pipe(Effect.provide(
    Owned.layer.pipe(Layer.provide(PersistClient.layer(Store.quiet)), Layer.provide(MemoryStorage.layer))
  ))

it.effect("a transaction over a range runs few times, however many others write into the range", () =>
  Effect.gen(function*() {
    assert.isBelow(yield* summing((owned) => owned.range({ to: 1_000 })), 2.2)
  }))

it.effect("and so does one over rows of an index", () =>
  Effect.gen(function*() {
    assert.isBelow(yield* summing((owned) => owned.byOwner("ada")), 2.2)
  }))

it.effect("a transaction that has its turn loses to nobody who comes later", () =>
  withCounters(Effect.gen(function*() {
    const counters = yield* Counters
    const read = yield* Deferred.make<void>()
    const go = yield* Deferred.make<void>()
    let attempts = 0
    const slow = yield* Effect.forkChild(Table.transaction(Effect.gen(function*() {
      attempts++
      const before = Option.getOrElse(yield* counters.get("hot"), () => 0)
      yield* Deferred.succeed(read, undefined)
      yield* Effect.sleep("100 millis")
      yield* Deferred.await(go)
      yield* counters.set("hot", before + 1)
    })))
    yield* Deferred.await(read)
    yield* counters.set("hot", 10)
    yield* Deferred.succeed(go, undefined)
    yield* TestClock.adjust("150 millis")
    const writing = yield* Effect.forkChild(counters.set("hot", 20), { startImmediately: true })
    yield* TestClock.adjust("100 millis")
    yield* Fiber.join(slow)
    yield* Fiber.join(writing)
    assert.strictEqual(attempts, 2)
    assert.deepStrictEqual(yield* counters.get("hot"), Option.some(20))
  })))

it.effect("one that waits for its own turn goes on without it", () =>
  withCounters(Effect.gen(function*() {
    const counters = yield* Counters
    const increment = counters.modify("hot", (n) => Option.some(Option.getOrElse(n, () => 0) + 1))
    const outside = Effect.provideContext(increment, Context.empty())
    const losing = Table.transaction(
      Effect.gen(function*() {
        yield* counters.get("hot")
        yield* Effect.promise(() => Effect.runPromise(outside))
        yield* counters.set("other", 1)
      }),
      { retry: Schedule.recurs(1) }
    )
    assert.propertyVal(yield* Effect.flip(losing), "_tag", "Conflict")
  })), 10_000)

it.effect.each([0, 1, 3])(
  "a transaction that always loses is retried as often as its schedule says: %i times",
  (times) =>
    withCounters(Effect.gen(function*() {
      const counters = yield* Counters
      let attempts = 0
      const losing = Table.transaction(
        Effect.gen(function*() {
          attempts++
          const before = Option.getOrElse(yield* counters.get("hot"), () => 0)
          // Its first read is of another key: it does not wait for a turn.
          yield* Table.outside(
            Table.transaction(Effect.andThen(counters.get("other"), counters.set("hot", before + 1)))
          )
          yield* counters.set("other", before)
        }),
        { retry: Schedule.recurs(times) }
      )
      assert.propertyVal(yield* Effect.flip(losing), "_tag", "Conflict")
      assert.strictEqual(attempts, 1 + times)
    })),
  10_000
)

it.effect("turns are handed on in order, past those who gave up or were interrupted", () =>
  Effect.gen(function*() {
    const turns = new Turns()
    const had: Array<string> = []
    const place = { bytes: Uint8Array.of(1), id: "k" }
    const take = (name: string) => Effect.suspend(() => turns.ofKey("k").take(() => had.push(name)))
    yield* take("first")
    assert.isDefined(turns.over(place))
    const impatient = yield* Effect.forkChild(take("impatient"), { startImmediately: true })
    yield* TestClock.adjust("1 second")
    yield* Fiber.join(impatient)
    const interrupted = yield* Effect.forkChild(take("interrupted"), { startImmediately: true })
    const second = yield* Effect.forkChild(take("second"), { startImmediately: true })
    yield* Fiber.interrupt(interrupted)
    turns.over(place)?.release()
    yield* Fiber.join(second)
    assert.deepStrictEqual(had, ["first", "second"])
    turns.over(place)?.release()
    assert.isUndefined(turns.over(place))
  }))

it.effect("ranges that overlap have one turn, which covers both", () =>
  Effect.gen(function*() {
    const turns = new Turns()
    const range = (from: number | undefined, to: number | undefined) => ({
      from: from === undefined ? undefined : Uint8Array.of(from),
      to: to === undefined ? undefined : Uint8Array.of(to)
    })
    const at = (key: number) => ({ bytes: Uint8Array.of(key), id: String(key) })
    const first = turns.ofRange(range(10, 20))
    yield* first.take(() => undefined)
    assert.strictEqual(turns.over(at(10)), first)
    assert.isUndefined(turns.over(at(20)))
    assert.strictEqual(turns.ofRange(range(15, 30)), first)
    assert.strictEqual(turns.over(at(20)), first)
    assert.isUndefined(turns.overRange(range(30, undefined)))
    assert.strictEqual(turns.overRange(range(undefined, undefined)), first)
    const other = turns.ofRange(range(40, undefined))
    yield* other.take(() => undefined)
    assert.strictEqual(turns.over(at(200)), other)
    first.release()
    assert.isUndefined(turns.over(at(15)))
    other.release()
    assert.isUndefined(turns.overRange(range(undefined, undefined)))
  }))
