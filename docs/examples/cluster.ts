/**
 * Many stores over many processes, with `effect/cluster`: each ledger is an entity with a store of its own, and the cluster
 * decides which runner has it. When a runner ends, its ledgers move to others.
 *
 * The cluster's locks say who should write a store. They can be wrong for a moment, when a runner was only slow. That does no
 * harm: opening a store takes it over, so that it has one writer whatever the cluster thinks, and the other one is fenced.
 */
import { type Duration, Effect, Layer, Schema, Stream } from "effect"
import { Entity, ShardingConfig, TestRunner } from "effect/cluster"
import { Rpc } from "effect/rpc"
import { type Blob, Codec, type Log, MemoryStorage, PersistClient, Update } from "tidemark"

export const Ledger = Entity.make("Ledger", [
  /** Books an amount under an id, once however often it is asked for. */
  Rpc.make("Book", { payload: { id: Schema.String, amount: Schema.Int } }),
  /** What is booked, by id. */
  Rpc.make("Entries", { success: Schema.Array(Schema.Tuple([Schema.String, Schema.Int])) })
])

const rows = { key: Codec.string, value: Codec.schema(Schema.Int) }

/** Opens the store of a ledger, for as long as it is here. */
const open = Effect.fnUntraced(function*<E>(storage: Layer.Layer<Log.Log | Blob.Blob, E>) {
  const context = yield* Layer.build(Layer.provide(PersistClient.layer(), storage))
  return yield* Effect.provide(
    Effect.flatMap(PersistClient.PersistClient, (persist) => persist.createOrLoad("entries", rows)),
    context
  )
})

/**
 * The ledgers of a runner. `storageOf` says where the store of a name is: the same for all runners. `lockExpiration` is that
 * of the cluster's shards.
 */
export const ledgers = <E>(
  storageOf: (name: string) => Layer.Layer<Log.Log | Blob.Blob, E>,
  lockExpiration: Duration.Input = ShardingConfig.defaults.shardLockExpiration
) =>
  Ledger.toLayer(Effect.gen(function*() {
    const { entityId } = yield* Entity.CurrentAddress
    const { reader, writer } = yield* Effect.orDie(open(storageOf(entityId)))

    /** An entity that dies is opened anew, and asked again. */
    const orDie = <A, E extends { readonly _tag: string }>(use: Effect.Effect<A, E>) =>
      use.pipe(
        // Another runner has taken the store. Taking it back at once would be a fight; if the shard has moved, the cluster
        // ends this entity before the lock could have expired.
        Effect.tapError(({ _tag }) => _tag === "Fenced" ? Effect.sleep(lockExpiration) : Effect.void),
        Effect.orDie
      )

    return Ledger.of({
      Book: Effect.fnUntraced(function*({ payload: { amount, id } }) {
        const known = yield* orDie(reader.get(id))
        if (known.length === 0) yield* orDie(writer.append([Update.insert(id, amount, 0)]))
      }),
      Entries: () =>
        Effect.gen(function*() {
          const { contents } = yield* reader.snapshot()
          const found = yield* Stream.runCollect(contents)
          return found.flatMap(([id, amount, times]) => Array.from({ length: times }, () => [id, amount] as const))
        }).pipe(Effect.scoped, orDie)
    })
  }))

/** One runner, in memory. With several, the layer is `NodeClusterSocket.layer`, and the storage Postgres, a bucket or both. */
const demonstration = Effect.gen(function*() {
  const clientOf = yield* Ledger.client
  for (const name of ["rent", "food", "rent"]) {
    yield* clientOf(name).Book({ id: "first", amount: 12 })
    yield* clientOf(name).Book({ id: `second of ${name}`, amount: 30 })
  }
  const entries = yield* clientOf("rent").Entries()
  if (entries.length !== 2) return yield* Effect.die(new Error("an amount is booked once"))
})

if (import.meta.main) {
  await Effect.runPromise(
    Effect.provide(demonstration, Layer.provideMerge(ledgers(() => MemoryStorage.layer), TestRunner.layer))
  )
}
