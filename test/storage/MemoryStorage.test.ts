import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Stream } from "effect"
import { Blob } from "../../src/storage/Blob.ts"
import { Log } from "../../src/storage/Log.ts"
import * as MemoryStorage from "../../src/storage/MemoryStorage.ts"
import * as Simulation from "../../src/testing/simulation/Simulation.ts"
import * as BlobContract from "../../src/testing/storage/BlobContract.ts"
import * as LogContract from "../../src/testing/storage/LogContract.ts"

const makeStore = Effect.map(MemoryStorage.make, MemoryStorage.layerOf)

describe("log_impl_test: memory", () => {
  for (const { name, run } of LogContract.tests(makeStore)) it.effect(name, () => run)
})

describe("blob_impl_test: memory", () => {
  for (const { name, run } of BlobContract.tests(makeStore)) it.effect(name, () => run)
})

const entry = new Uint8Array([1])

it.effect("another opener takes the store over without asking, and its entries stay apart from the zombie's", () =>
  Effect.gen(function*() {
    const layer = yield* makeStore
    const [first, second] = [yield* Layer.build(layer), yield* Layer.build(Layer.fresh(layer))]
    const zombie = yield* Context.get(first, Log).acquire
    const writer = yield* Context.get(second, Log).acquire
    const error = yield* Effect.flip(zombie.append(0, [entry]))
    assert.strictEqual(error._tag, "Fenced")
    assert.strictEqual((yield* Effect.flip(zombie.truncate(0)))._tag, "Fenced")
    yield* writer.append(0, [entry])
    assert.deepStrictEqual(yield* Stream.runCollect(Context.get(first, Log).read(0)), [
      { position: 0, epoch: writer.epoch, bytes: entry }
    ])
  }))

it.effect("the layer is a store of its own each time it is built", () =>
  Effect.gen(function*() {
    const write = Effect.flatMap(Blob, (blobs) => blobs.put("key", entry))
    const listed = Effect.flatMap(Blob, (blobs) => Stream.runCollect(blobs.list("")))
    yield* Effect.provide(write, Layer.fresh(MemoryStorage.layer))
    assert.deepStrictEqual(yield* Effect.provide(listed, Layer.fresh(MemoryStorage.layer)), [])
    assert.strictEqual(
      (yield* Effect.provide(Effect.andThen(write, listed), Layer.fresh(MemoryStorage.layer))).length,
      1
    )
  }))

it.live("nothing arrives in the log after somebody else has acquired it, however the two interleave", () =>
  Effect.forEach(Array.from({ length: 40 }, (_, seed) => seed), (seed) =>
    Effect.gen(function*() {
      const program = Effect.scoped(Effect.gen(function*() {
        const log = yield* Log
        const zombie = yield* log.acquire
        let position = 0
        yield* Effect.forkScoped(Effect.forever(Effect.suspend(() => zombie.append(position++, [entry]))))
        yield* Effect.yieldNow
        const { bounds } = yield* log.acquire
        yield* Effect.sleep(1)
        assert.deepStrictEqual(yield* log.bounds, bounds)
      }))
      const { exit } = yield* Simulation.simulate({ seed, program })
      assert(Exit.isSuccess(exit), String(exit))
    })))
