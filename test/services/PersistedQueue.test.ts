/**
 * What Effect's own tests demand of a store of its persisted queue, in this project's words, of Effect's store in memory
 * as well. Then what only a durable store can promise.
 */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber, Layer, Option, Schedule, Schema } from "effect"
import { PersistedQueue } from "effect/persistence"
import { TestClock } from "effect/testing"
import * as PersistClient from "../../src/client/PersistClient.ts"
import * as Durable from "../../src/services/PersistedQueue.ts"
import * as Table from "../../src/tables/Table.ts"
import * as Services from "./Services.ts"

const Item = Schema.Struct({ n: Schema.BigInt })

const queue = (name = "items", options: { readonly maxAttempts?: number } = {}) =>
  PersistedQueue.make({ name, schema: Item, retrySchedule: Schedule.spaced("10 seconds"), ...options })

type Queue = Effect.Success<ReturnType<typeof queue>>

const offer = (to: Queue, ...numbers: ReadonlyArray<number>) =>
  Effect.forEach(numbers, (n) => to.offer({ n: BigInt(n) }, { id: String(n) }))

const take = (from: Queue) => from.take(({ n }, { attempts }) => Effect.succeed([Number(n), attempts]))

/** A fiber that takes, once it has done what it can. */
const taking = (from: Queue) => Effect.tap(Effect.forkChild(take(from)), () => Services.settle)

const assertWaits = (fiber: Fiber.Fiber<unknown, unknown>) => assert.isUndefined(fiber.pollUnsafe())

/** Takes an element, and has it until it is interrupted. */
const holding = Effect.fnUntraced(function*(from: Queue) {
  const taken = yield* Deferred.make<number>()
  const fiber = yield* Effect.forkChild(
    from.take((_, { attempts }) => Effect.andThen(Deferred.succeed(taken, attempts), Effect.never))
  )
  return { fiber, attempts: yield* Deferred.await(taken) }
})

const layers: ReadonlyArray<readonly [string, Layer.Layer<PersistedQueue.PersistedQueueStore, unknown>]> = [
  ["of Effect, in memory", PersistedQueue.layerStoreMemory],
  ["on a table", Durable.layerStore().pipe(Layer.provide(Services.onFresh))]
]

describe.each(layers)("PersistedQueue %s", (_, store) => {
  const layer = PersistedQueue.layer.pipe(Layer.provideMerge(Layer.fresh(store)))
  const test = <A, E>(
    title: string,
    body: Effect.Effect<A, E, PersistedQueue.PersistedQueueFactory | PersistedQueue.PersistedQueueStore>
  ) => it.effect(title, () => Effect.provide(body, layer))

  test(
    "delivers what was offered, in order, each queue its own",
    Effect.gen(function*() {
      const [one, other] = [yield* queue("one"), yield* queue("other")]
      yield* offer(one, 1, 2)
      yield* offer(other, 1)
      assert.deepStrictEqual(yield* take(one), [1, 1])
      assert.deepStrictEqual(yield* take(one), [2, 1])
      assert.deepStrictEqual(yield* take(other), [1, 1])
      const waits = yield* taking(one)
      assertWaits(waits)
      yield* offer(one, 3)
      assert.deepStrictEqual(yield* Fiber.join(waits), [3, 1])
    })
  )

  test(
    "accepts an id once, also after it was processed",
    Effect.gen(function*() {
      const items = yield* queue()
      yield* offer(items, 1, 1)
      assert.deepStrictEqual(yield* take(items), [1, 1])
      yield* offer(items, 1)
      assertWaits(yield* taking(items))
    })
  )

  test(
    "does not deliver what is being processed, and delivers it again after an interruption, which is no attempt",
    Effect.gen(function*() {
      const items = yield* queue()
      yield* offer(items, 1)
      const { fiber } = yield* holding(items)
      const second = yield* taking(items)
      yield* TestClock.adjust("1 hour")
      yield* Services.settle
      assertWaits(second)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* Fiber.join(second), [1, 1])
      assertWaits(yield* taking(items))
    })
  )

  test(
    "delivers again by the schedule after a failure, until no attempts are left",
    Effect.gen(function*() {
      const items = yield* queue("items", { maxAttempts: 2 })
      yield* offer(items, 1)
      const fails = items.take((_, { attempts }) => Effect.fail(attempts))
      assert.strictEqual(yield* Effect.flip(fails), 1)
      const second = yield* Effect.tap(Effect.forkChild(Effect.flip(fails)), () => Services.settle)
      yield* TestClock.adjust("9 seconds")
      yield* Services.settle
      assertWaits(second)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(second), 2)
      const third = yield* taking(items)
      yield* TestClock.adjust("1 day")
      yield* Services.settle
      assertWaits(third)
    })
  )

  test(
    "passes over what cannot be decoded",
    Effect.gen(function*() {
      const items = yield* queue()
      const { offer: offerRaw } = yield* PersistedQueue.PersistedQueueStore
      yield* offerRaw({ name: "items", id: "bad", element: { n: null }, isCustomId: true })
      yield* offer(items, 1)
      assert.deepStrictEqual(yield* take(items), [1, 1])
      assertWaits(yield* taking(items))
    })
  )

  test(
    "delivers nothing before its delay, and then what was due first",
    Effect.gen(function*() {
      const items = yield* queue()
      yield* items.offer({ n: 3n }, { delay: "3 seconds" })
      yield* items.offer({ n: 2n }, { delay: "2 seconds" })
      yield* items.offer({ n: 9n }, { delay: Duration.infinity })
      const first = yield* taking(items)
      yield* TestClock.adjust("1999 millis")
      yield* Services.settle
      assertWaits(first)
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* Fiber.join(first), [2, 1])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* take(items), [3, 1])
    })
  )

  test(
    "forgets ids when it is cleaned up, and those that have failed only when asked to",
    Effect.gen(function*() {
      const items = yield* queue("items", { maxAttempts: 1 })
      const { cleanup } = yield* PersistedQueue.PersistedQueueStore
      const clean = (failedTimeToLive?: Duration.Duration) =>
        cleanup({ timeToLive: Duration.minutes(1), failedTimeToLive })
      yield* offer(items, 1, 2)
      assert.deepStrictEqual(yield* take(items), [1, 1])
      yield* Effect.flip(items.take(() => Effect.fail("no")))
      yield* TestClock.adjust("59 seconds")
      yield* clean()
      yield* offer(items, 1, 2)
      yield* TestClock.adjust("1 second")
      yield* clean()
      yield* offer(items, 1, 2)
      assert.deepStrictEqual(yield* take(items), [1, 1])
      const waits = yield* taking(items)
      assertWaits(waits)
      yield* clean(Duration.minutes(1))
      yield* offer(items, 2)
      assert.deepStrictEqual(yield* Fiber.join(waits), [2, 1])
    })
  )
})

class Orders extends Table.Service<Orders>()("orders", { key: Schema.String, value: Schema.Int }) {}

const durable = PersistedQueue.layer.pipe(Layer.provideMerge(Layer.mergeAll(Durable.layerStore(), Orders.layer)))

describe("PersistedQueue on a table", () => {
  const onFresh = Effect.provide(Layer.fresh(durable).pipe(Layer.provide(Services.onFresh)))

  it.effect("what was offered is there in the next process, and what was processed is not", () =>
    Effect.gen(function*() {
      const { process } = yield* Services.medium
      const first = yield* process(durable)
      yield* first(Effect.flatMap(queue(), (items) => Effect.andThen(offer(items, 1, 2, 3), take(items))))
      const second = yield* process(durable)
      yield* second(Effect.gen(function*() {
        const items = yield* queue()
        yield* offer(items, 1, 2, 3)
        assert.deepStrictEqual(yield* Effect.all([take(items), take(items)]), [[2, 1], [3, 1]])
        assertWaits(yield* taking(items))
      }))
    }))

  it.effect("a process that ends while it has an element has used an attempt, and the element is delivered again", () =>
    Effect.gen(function*() {
      const { process } = yield* Services.medium
      for (const attempt of [1, 2]) {
        const inProcess = yield* process(durable)
        yield* inProcess(Effect.gen(function*() {
          const items = yield* queue("items", { maxAttempts: 2 })
          if (attempt === 1) yield* offer(items, 1)
          assert.strictEqual((yield* holding(items)).attempts, attempt)
        }))
      }
      const last = yield* process(durable)
      yield* last(Effect.gen(function*() {
        const items = yield* queue("items", { maxAttempts: 2 })
        const waits = yield* taking(items)
        assertWaits(waits)
        yield* offer(items, 1, 2)
        assert.deepStrictEqual(yield* Fiber.join(waits), [2, 1], "the first one has failed")
      }))
    }))

  it.effect("an offer in a transaction is part of it", () =>
    Effect.gen(function*() {
      const items = yield* queue()
      const orders = yield* Orders
      const waits = yield* taking(items)
      const order = Effect.andThen(orders.set("o", 1), offer(items, 1))
      yield* Effect.flip(Table.transaction(Effect.andThen(order, Effect.fail("no"))))
      yield* Services.settle
      assertWaits(waits)
      yield* Table.transaction(Effect.andThen(order, Services.settle))
      assert.deepStrictEqual(yield* Fiber.join(waits), [1, 1])
      assert.deepStrictEqual(yield* orders.get("o"), Option.some(1))
    }).pipe(onFresh))

  it.effect("a clock that is set back by a day delays nothing that was offered without delay", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(2 * 86_400_000)
      const items = yield* queue()
      yield* offer(items, 1)
      yield* TestClock.setTime(86_400_000)
      assert.deepStrictEqual(yield* take(items), [1, 1])
      yield* offer(items, 2)
      assert.deepStrictEqual(yield* take(items), [2, 1])
    }).pipe(onFresh))

  it.effect("many that take, through two layers, get every element once", () =>
    Effect.gen(function*() {
      const client = yield* Services.fresh
      const layer = Layer.fresh(durable).pipe(Layer.provide(Layer.succeed(PersistClient.PersistClient, client)))
      const both = yield* Effect.all([Layer.build(layer), Layer.build(layer)])
      const numbers = Array.from({ length: 60 }, (_, i) => i)
      const seen: Array<number> = []
      const taker = Effect.flatMap(queue(), (items) =>
        items.take(({ n }) => Effect.andThen(Effect.yieldNow, Effect.sync(() => seen.push(Number(n))))))
      const takers = yield* Effect.forkChild(Effect.forEach(
        numbers,
        (i) =>
          Effect.provide(taker, both[i % 2]!),
        { concurrency: 16 }
      ))
      yield* Effect.provide(Effect.flatMap(queue(), (items) => offer(items, ...numbers)), both[0])
      yield* Fiber.join(takers)
      assert.sameMembers(seen, numbers)
      assert.lengthOf(seen, numbers.length)
    }))

  it.effect("a store that is closed fails with its own error", () =>
    Effect.gen(function*() {
      const { process } = yield* Services.medium
      const first = yield* process(durable)
      const items = yield* first(queue())
      const second = yield* process(durable)
      yield* second(Effect.flatMap(queue(), (others) => offer(others, 1)))
      const error = yield* Effect.flip(first(offer(items, 2)))
      assert.propertyVal(error, "_tag", "PersistedQueueError")
    }))
})
