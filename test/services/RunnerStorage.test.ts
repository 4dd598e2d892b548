/** What Effect's own tests demand of a storage of runners, in this project's words, and what its interface says. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Runner, RunnerAddress, RunnerStorage, ShardId, ShardingConfig } from "effect/cluster"
import { TestClock } from "effect/testing"
import * as Durable from "../../src/services/RunnerStorage.ts"
import * as Services from "./Services.ts"

const durable = Durable.layer().pipe(Layer.provide(ShardingConfig.layer({ shardLockExpiration: "35 seconds" })))

const [ada, bob] = [RunnerAddress.make("localhost", 1), RunnerAddress.make("localhost", 2)]

const runnerAt = (address: RunnerAddress.RunnerAddress) => Runner.make({ address, groups: ["default"], weight: 1 })

const shards = (...ids: ReadonlyArray<number>) => ids.map((id) => ShardId.make("default", id))

const ids = Effect.map((found: ReadonlyArray<ShardId.ShardId>) => found.map(({ id }) => id))

describe("RunnerStorage", () => {
  const test = <A, E>(title: string, body: (storage: RunnerStorage.RunnerStorage["Service"]) => Effect.Effect<A, E>) =>
    it.effect(title, () =>
      Effect.flatMap(RunnerStorage.RunnerStorage, body).pipe(
        Effect.provide(Layer.fresh(durable).pipe(Layer.provide(Services.onFresh)))
      ))

  test("registers runners, with their health, each with a machine id of its own that it keeps", (storage) =>
    Effect.gen(function*() {
      assert.strictEqual(yield* storage.register(runnerAt(ada), true), 1)
      assert.strictEqual(yield* storage.register(runnerAt(bob), true), 2)
      assert.strictEqual(yield* storage.register(runnerAt(ada), true), 1)
      yield* storage.setRunnerHealth(bob, false)
      yield* storage.setRunnerHealth(RunnerAddress.make("nowhere", 1), true)
      assert.deepStrictEqual(yield* storage.getRunners, [[runnerAt(ada), true], [runnerAt(bob), false]])
      yield* storage.unregister(ada)
      assert.deepStrictEqual(yield* storage.getRunners, [[runnerAt(bob), false]])
      assert.strictEqual(yield* storage.register(runnerAt(ada), true), 3, "an id is not given to another runner")
    }))

  test("a shard has one runner, until it is released or its lock has expired", (storage) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* ids(storage.acquire(ada, shards(1, 2, 3))), [1, 2, 3])
      assert.deepStrictEqual(yield* ids(storage.acquire(ada, shards(1, 2, 3))), [1, 2, 3])
      assert.deepStrictEqual(yield* ids(storage.acquire(bob, shards(3, 4))), [4])
      yield* storage.release(ada, shards(2)[0]!)
      yield* storage.release(bob, shards(1)[0]!)
      assert.deepStrictEqual(yield* ids(storage.acquire(bob, shards(1, 2))), [2])
      assert.deepStrictEqual(yield* ids(storage.refresh(ada, shards(1, 2, 3))), [1, 3])
      yield* TestClock.adjust("30 seconds")
      yield* storage.refresh(ada, shards(1))
      yield* TestClock.adjust("6 seconds")
      assert.deepStrictEqual(yield* ids(storage.acquire(bob, shards(1, 3))), [3])
      yield* storage.releaseAll(bob)
      assert.deepStrictEqual(yield* ids(storage.acquire(ada, shards(1, 2, 3, 4))), [1, 2, 3, 4])
      assert.deepStrictEqual(yield* storage.acquire(ada, []), [])
    }))

  test("runners that want the same shards at once share them", (storage) =>
    Effect.gen(function*() {
      const wanted = shards(...Array.from({ length: 20 }, (_, i) => i + 1))
      const found = yield* Effect.forEach([ada, bob, ada, bob], (each) =>
        Effect.map(storage.acquire(each, wanted), (got) => got.map(({ id }) => `${id} ${each.port}`)), {
        concurrency: "unbounded"
      })
      const holders = new Set(found.flat())
      assert.strictEqual(holders.size, wanted.length)
    }))

  it.effect("a restart keeps machine ids and locks", () =>
    Effect.gen(function*() {
      const { process } = yield* Services.medium
      const use = Effect.flatMap(RunnerStorage.RunnerStorage, (storage) =>
        Effect.all([storage.register(runnerAt(ada), true), ids(storage.acquire(ada, shards(1)))]))
      const first = yield* process(durable)
      assert.deepStrictEqual(yield* first(use), [1, [1]] as never)
      const second = yield* process(durable)
      const taken = Effect.flatMap(RunnerStorage.RunnerStorage, (storage) =>
        Effect.all([storage.register(runnerAt(bob), true), ids(storage.acquire(bob, shards(1)))]))
      assert.deepStrictEqual(yield* second(taken), [2, []] as never)
      assert.deepStrictEqual(yield* second(use), [1, [1]] as never)
    }))
})
