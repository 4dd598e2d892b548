/** Services of Effect on stores in memory, which can be opened again. */
import { Effect, Layer, type Scope } from "effect"
import * as PersistClient from "../../src/client/PersistClient.ts"
import * as MemoryStorage from "../../src/storage/MemoryStorage.ts"
import * as Store from "../utils/Store.ts"

/** A client on a new store, as long as the test runs. */
export const fresh = Effect.flatMap(Store.memory, (storage) => Store.client(storage))

export const onFresh: Layer.Layer<PersistClient.PersistClient> = Layer.effect(
  PersistClient.PersistClient,
  Effect.orDie(fresh)
)

/** A store that processes open one after the other. Opening it ends the process before, which may not notice it. */
export const medium = Effect.map(MemoryStorage.make, (store) => ({
  /** A process with the services. Its scope is that of the test. */
  process: <S, E>(
    layer: Layer.Layer<S, E, PersistClient.PersistClient>
  ): Effect.Effect<
    <A, E2, R>(effect: Effect.Effect<A, E2, R>) => Effect.Effect<A, E2, Exclude<R, S>>,
    E,
    Scope.Scope
  > =>
    Effect.gen(function*() {
      const client = yield* Effect.orDie(Effect.flatMap(Store.open(store), (storage) => Store.client(storage)))
      const services = yield* Layer.build(
        Layer.fresh(layer).pipe(Layer.provide(Layer.succeed(PersistClient.PersistClient, client)))
      )
      return <A, E2, R>(effect: Effect.Effect<A, E2, R>) => Effect.provide(effect, services)
    })
}))

/** Lets other fibers run until they wait for something. */
export const settle = Effect.forEach(Array.from({ length: 300 }), () => Effect.yieldNow, { discard: true })
