/**
 * Cells: a collection with one value a key, whose changes are read-modify-write, all or none.
 *
 * A change is one `compareAndAppend`, which seals the time of the change. If another writer was first, the change is
 * recomputed from the new contents. History is compacted regularly, so that the size of the collection follows that of
 * the live data.
 *
 * @internal
 */
import { Effect, Semaphore, Stream } from "effect"
import type { OpenViewError } from "../client/CollectionReader.ts"
import type { WriteError } from "../client/CollectionWriter.ts"
import { PersistClient, type RegisterError } from "../client/PersistClient.ts"
import type { ReadError } from "../client/Snapshot.ts"
import * as Codec from "../Codec.ts"
import { UpperMismatch } from "../PersistError.ts"
import * as Update from "../Update.ts"

export type CellsError = OpenViewError | ReadError | WriteError | RegisterError | UpperMismatch

/** Keys and their new values; `undefined` removes. Each key occurs once. */
export type Change<V> = ReadonlyMap<string, V | undefined>

export interface Cells<V> {
  readonly get: (key: string) => Effect.Effect<V | undefined, CellsError>
  /** The keys that begin with the prefix, and their values, in the order of the keys' UTF-8 bytes. */
  readonly withPrefix: (prefix: string) => Stream.Stream<readonly [key: string, value: V], CellsError>
  /** Applies the change that `decide` computes from what it reads; changes come one after the other. */
  readonly change: <A, E, R>(
    decide: Effect.Effect<readonly [change: Change<V>, result: A], E, R>
  ) => Effect.Effect<A, CellsError | E, R>
}

/** After this many changes the earlier history is compacted. */
const compactEvery = 1024

export const make = Effect.fnUntraced(function*<V>(
  collection: string,
  value: Codec.Codec<V>
): Effect.fn.Return<Cells<V>, CellsError, PersistClient> {
  const client = yield* PersistClient
  const { reader, writer } = yield* client.createOrLoad(collection, { key: Codec.string, value })
  let { upper } = yield* client.description(collection)
  const oneAtATime = Semaphore.makeUnsafe(1)

  const get = (key: string) => Effect.map(reader.get(key), ([found]) => found?.[0])

  const updatesOf = Effect.fnUntraced(function*(change: Change<V>, time: number) {
    const updates: Array<Update.Update<string, V>> = []
    for (const [key, after] of change) {
      const before = yield* get(key)
      if (before !== undefined) updates.push(Update.retract(key, before, time))
      if (after !== undefined) updates.push(Update.insert(key, after, time))
    }
    return updates
  })
  const compact = Effect.suspend(() => upper % compactEvery === 0 ? writer.allowCompaction(upper - 1) : Effect.void)

  const attempt = <A, E, R>(decide: Effect.Effect<readonly [Change<V>, A], E, R>) =>
    Effect.gen(function*() {
      const time = upper
      const [change, result] = yield* decide
      if (change.size === 0) return result
      const updates = yield* updatesOf(change, time)
      yield* writer.compareAndAppend(updates, { expected: time, upper: time + 1 })
      upper = time + 1
      yield* Effect.ignore(compact)
      return result
    })
  const first: Cells<V>["change"] = (decide) =>
    attempt(decide).pipe(
      Effect.catchIf(
        (error): error is UpperMismatch => error instanceof UpperMismatch && error.collection === collection,
        ({ actual }) => {
          upper = actual
          return first(decide)
        }
      )
    )

  return {
    get,
    withPrefix: (prefix) => Stream.map(reader.range({ prefix }), ([key, found]) => [key, found] as const),
    change: (decide) => oneAtATime.withPermit(first(decide))
  }
})
