/**
 * Stores in memory, and clients on them, with limits so tiny that everything that can happen happens soon.
 */
import { assert } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Metric, Schedule, Scope, Stream } from "effect"
import type { CollectionReader } from "../../src/client/CollectionReader.ts"
import * as PersistClient from "../../src/client/PersistClient.ts"
import type { Snapshot } from "../../src/client/Snapshot.ts"
import * as Codec from "../../src/Codec.ts"
import * as State from "../../src/engine/State.ts"
import * as Recovery from "../../src/runtime/Recovery.ts"
import { Blob } from "../../src/storage/Blob.ts"
import { Log } from "../../src/storage/Log.ts"
import * as MemoryStorage from "../../src/storage/MemoryStorage.ts"
import * as Faulty from "./Faulty.ts"

export const text = { key: Codec.string, value: Codec.string }

/** No maintenance but what is asked for, and no second try. */
export const quiet: PersistClient.Options = {
  maintenance: Schedule.recurs(0),
  retry: Schedule.recurs(0),
  grace: 0
}

export const tiny: PersistClient.Options = {
  ...quiet,
  memoryBytes: 2_000,
  logBytes: 4_000,
  inlineBytes: 500,
  reclaimBytes: 300,
  partBytes: 2_000,
  cacheBytes: 4_000,
  feedBytes: 500
}

/** The medium as the processes that open it see it. */
export const open = (store: MemoryStorage.Store): Effect.Effect<Faulty.Storage> =>
  Effect.scoped(Layer.build(MemoryStorage.layerOf(store)))

export const memory: Effect.Effect<Faulty.Storage> = Effect.flatMap(MemoryStorage.make, open)

export const faulty = Effect.map(memory, Faulty.make)

export const client = (storage: Faulty.Storage, options: PersistClient.Options = quiet) =>
  Effect.provide(PersistClient.make(options), storage)

export const follower = (storage: Faulty.Storage, options: PersistClient.Options = quiet) =>
  Effect.provide(PersistClient.makeReadOnly(options), storage)

/** Runs in a scope of its own, so that what it opens is closed when it is done. */
export const inScope = <A, E, R>(
  effect: Effect.Effect<A, E, R | Scope.Scope>
): Effect.Effect<A, E, Exclude<R, Scope.Scope>> =>
  Effect.acquireUseRelease(
    Scope.make(),
    (scope) => Scope.provide(effect, scope),
    (scope) => Scope.close(scope, Exit.void)
  )

export const rows = <K, V>(snapshot: Snapshot<K, V>) => Stream.runCollect(snapshot.contents)

/** The contents as of a time, or of everything. */
export const contents = <K, V>(read: CollectionReader<K, V>, asOf?: number) =>
  inScope(Effect.flatMap(read.snapshot({ asOf, wait: false }), rows))

export const updates = <K, V>(read: CollectionReader<K, V>) =>
  inScope(Effect.flatMap(read.snapshot(), (snapshot) => Stream.runCollect(snapshot.updates)))

/** What a process that opened the store now would find. */
export const recovered = (storage: Faulty.Storage): Effect.Effect<State.State, unknown> =>
  Effect.map(Recovery.load(Context.get(storage, Log), Context.get(storage, Blob)), ({ state }) => {
    const sizes = [...state.collections.values()].map(({ memoryBytes }) => memoryBytes)
    assert.strictEqual(state.memoryBytes, sizes.reduce((sum, each) => sum + each, 0))
    return state
  })

export const storedKeys = (storage: Faulty.Storage): Effect.Effect<Array<string>, unknown> =>
  Effect.map(Stream.runCollect(Context.get(storage, Blob).list("")), (infos) => infos.map(({ key }) => key).toSorted())

export const referencedKeys = (storage: Faulty.Storage): Effect.Effect<Array<string>, unknown> =>
  Effect.map(recovered(storage), (state) => [...State.blobKeys(state)].toSorted())

/** Lets other fibers run until it holds. */
export const until = (holds: () => boolean): Effect.Effect<void> =>
  Effect.gen(function*() {
    for (let round = 0; round < 10_000; round++) {
      if (holds()) return
      yield* Effect.yieldNow
    }
    return yield* Effect.die(new Error("it never came about"))
  })

/** Runs the effect, and says how many fibers that it started are still running. */
export const leftRunning = Effect.fnUntraced(function*<A, E, R>(effect: Effect.Effect<A, E, R>) {
  let running = 0
  const counting: Metric.FiberRuntimeMetricsService = {
    recordFiberStart: () => void running++,
    recordFiberEnd: () => void running--
  }
  const fiber = yield* Effect.forkChild(Effect.provideService(effect, Metric.FiberRuntimeMetrics, counting))
  yield* Fiber.join(fiber)
  return running
})
