/**
 * Flows that are registered while they run, so that others see what is made of what, and how far behind it is.
 *
 * @since 0.1.0
 */
import { Effect, Stream } from "effect"
import type { PersistClient } from "../client/PersistClient.ts"
import * as RunningFlows from "../client/RunningFlows.ts"

/**
 * What a flow reads and writes. A handle of a collection has its name.
 *
 * @category models
 * @since 0.1.0
 */
export interface Registration {
  readonly name: string
  readonly from: ReadonlyArray<{ readonly name: string }>
  readonly to: { readonly name: string }
}

/**
 * Registers a flow with the store of a client while it runs. A server on the same client shows it, in `GET /store` and as
 * a graph in the inspector, with how far the collection that it writes is behind each one that it reads: by their seals,
 * so the collections must share their unit of time. A server in another process does not see it, because nothing is
 * stored. The flow itself is not changed.
 *
 * @example
 * ```ts
 * import { Effect, Layer, Stream } from "effect"
 * import { Codec, MemoryStorage, PersistClient } from "tidemark"
 * import { persist, registered, seal } from "tidemark/operators"
 *
 * const program = Effect.gen(function*() {
 *   const client = yield* PersistClient.PersistClient
 *   const text = { key: Codec.string, value: Codec.string }
 *   const orders = yield* client.createOrLoad("orders", text)
 *   const copy = yield* client.createOrLoad("copy", text)
 *   yield* orders.seal(Infinity)
 *   yield* orders.subscribe().pipe(
 *     persist(copy),
 *     seal(copy),
 *     registered(client, { name: "copying", from: [orders], to: copy }),
 *     Stream.runDrain
 *   )
 * }).pipe(Effect.provide(PersistClient.layer().pipe(Layer.provide(MemoryStorage.layer))))
 *
 * await Effect.runPromise(program)
 * ```
 *
 * @category operators
 * @since 0.1.0
 */
export const registered =
  (client: PersistClient["Service"], { from, name, to }: Registration) =>
  <A, E, R>(flow: Stream.Stream<A, E, R>): Stream.Stream<A, E, R> =>
    Stream.unwrap(
      Effect.as(
        RunningFlows.register(client, { name, from: from.map((each) => each.name), to: to.name }),
        flow
      )
    )
