/**
 * The runner storage of Effect's cluster, on a table: which runners there are, their machine ids, and which of them has
 * which shards.
 *
 * All runners have to be in the process that writes to the store. Runners of several machines need a storage that all
 * of them can reach.
 *
 * @since 0.1.0
 */
import { Clock, Duration, Effect, Layer, Option, Stream } from "effect"
import { PersistenceError } from "effect/cluster/ClusterError"
import * as Effects from "effect/cluster/RunnerStorage"
import { ShardingConfig } from "effect/cluster/ShardingConfig"
import type { PersistClient } from "../client/PersistClient.ts"
import * as Codec from "../Codec.ts"
import * as Table from "../tables/Table.ts"
import * as Backing from "./Backing.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The table's name. Default `"cluster-runners"`. */
  readonly table?: string | undefined
}

/** A runner, by its address. */
interface Runner {
  readonly runner: string
  readonly isHealthy: boolean
  readonly machine: number
}

/** The lock of a shard, by the shard: its runner, and the millisecond of its last heartbeat. */
interface Lock {
  readonly address: string
  readonly at: number
}

type Key = readonly [kind: "runner" | "shard" | "machines", id: string]
type Row = Runner | Lock | { readonly last: number }

const declaration: Table.Options<Key, Row, {}> = {
  key: Codec.tuple([Codec.literals(["runner", "shard", "machines"]), Codec.string]),
  value: Codec.json as unknown as Codec.Codec<Row>,
  history: "latest"
}

const atomically = <A>(effect: Effect.Effect<A, Backing.BackingError>): Effect.Effect<A, PersistenceError> =>
  Effect.mapError(Table.transaction(effect), (cause) => new PersistenceError({ cause }))

/** The rows of one kind. */
const rowsOf = <R extends Row>(table: Table.Table<Key, Row>, kind: Key[0]) => ({
  get: (id: string) => Effect.map(table.get([kind, id]), (row) => Option.getOrUndefined(row) as R | undefined),
  set: (id: string, row: R) => table.set([kind, id], row),
  remove: (id: string) => table.remove([kind, id]),
  all: Effect.map(
    Stream.runCollect(table.range({ prefix: [kind] })),
    (found) => found.map(([[, id], row]) => [id, row as R] as const)
  )
})

const registering = (table: Table.Table<Key, Row>) => {
  const runners = rowsOf<Runner>(table, "runner")
  const machines = rowsOf<{ readonly last: number }>(table, "machines")
  /** Ids count up, so that none is given twice. */
  const nextMachine = Effect.gen(function*() {
    const last = (yield* machines.get(""))?.last ?? 0
    yield* machines.set("", { last: last + 1 })
    return last + 1
  })
  return {
    getRunners: atomically(
      Effect.map(runners.all, (found) => found.map(([, { isHealthy, runner }]) => [runner, isHealthy] as const))
    ),
    register: (address: string, runner: string, isHealthy: boolean) =>
      atomically(Effect.gen(function*() {
        const known = yield* runners.get(address)
        const machine = known === undefined ? yield* nextMachine : known.machine
        yield* runners.set(address, { runner, isHealthy, machine })
        return machine
      })),
    unregister: (address: string) => Effect.asVoid(atomically(runners.remove(address))),
    setRunnerHealth: (address: string, isHealthy: boolean) =>
      atomically(Effect.gen(function*() {
        const known = yield* runners.get(address)
        if (known !== undefined) yield* runners.set(address, { ...known, isHealthy })
      }))
  }
}

const locking = (table: Table.Table<Key, Row>, expirationMillis: number) => {
  const locks = rowsOf<Lock>(table, "shard")
  /** Takes the locks that may be taken, and returns their shards. */
  const lock = (
    address: string,
    shards: ReadonlyArray<string>,
    mayTake: (known: Lock | undefined, now: number) => boolean
  ) =>
    atomically(Effect.gen(function*() {
      const now = yield* Clock.currentTimeMillis
      const taken: Array<string> = []
      for (const shard of shards) {
        if (!mayTake(yield* locks.get(shard), now)) continue
        yield* locks.set(shard, { address, at: now })
        taken.push(shard)
      }
      return taken
    }))
  const releaseIf = (address: string, shard: string) =>
    Effect.flatMap(
      locks.get(shard),
      (known) => known?.address === address ? locks.remove(shard) : Effect.succeed(false)
    )
  return {
    acquire: (address: string, shards: ReadonlyArray<string>) =>
      lock(
        address,
        shards,
        (known, now) => known === undefined || known.address === address || known.at < now - expirationMillis
      ),
    refresh: (address: string, shards: ReadonlyArray<string>) =>
      lock(address, shards, (known) => known?.address === address),
    release: (address: string, shard: string) => Effect.asVoid(atomically(releaseIf(address, shard))),
    releaseAll: (address: string) =>
      atomically(Effect.flatMap(locks.all, Effect.forEach(([shard]) => releaseIf(address, shard), { discard: true })))
  }
}

/**
 * Makes the storage on a table, which is created if absent. A lock expires as `ShardingConfig.shardLockExpiration` says.
 *
 * @see {@link layer}
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*({ table: name = "cluster-runners" }: Options = {}) {
  const { table } = yield* Backing.open(name, declaration)
  const { shardLockExpiration } = yield* ShardingConfig
  const expirationMillis = Duration.toMillis(Duration.fromInputUnsafe(shardLockExpiration))
  return Effects.makeEncoded({ ...registering(table), ...locking(table, expirationMillis) })
})

/**
 * The runner storage of Effect's cluster on a table of the store.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options?: Options
): Layer.Layer<Effects.RunnerStorage, Table.OpenError, PersistClient | ShardingConfig> =>
  Layer.effect(Effects.RunnerStorage, make(options))
