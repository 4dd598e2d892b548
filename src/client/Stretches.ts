/**
 * Short ranges of complete times, as events: read, sorted and decoded once for all subscribers of one handle, which
 * mostly wait for the same ranges. Complete times never change, so that subscribers can share the result.
 *
 * @internal
 */
import { Effect, Semaphore } from "effect"
import * as ReadView from "../engine/ReadView.ts"
import type { CollectionEvent } from "./CollectionEvent.ts"
import type { Query } from "./Merging.ts"
import * as Recent from "./Recent.ts"

export interface Stretches<K, V> {
  /** The events of a query over a view, from `read` or from an earlier call of it. */
  readonly of: <E>(
    query: Query,
    bytes: number,
    read: Effect.Effect<ReadonlyArray<CollectionEvent<K, V>>, E>
  ) => Effect.Effect<ReadonlyArray<CollectionEvent<K, V>>, E>
}

export const make = <K, V>(): Stretches<K, V> => {
  /** A subscriber that asks while another one reads waits for its result. */
  const one = Semaphore.makeUnsafe(1)
  const recent = Recent.make<string, ReadonlyArray<CollectionEvent<K, V>>>(Recent.keptBytes)
  return {
    of: ({ fromTime, toTime }, bytes, read) => {
      const name = `${fromTime} ${toTime}`
      const known = Effect.sync(() => recent.get(name))
      return Effect.flatMap(known, (events) =>
        events === undefined
          ? one.withPermit(Effect.flatMap(known, (events) =>
            events === undefined
              ? Effect.tap(read, (events) => Effect.sync(() => recent.keep(name, bytes, events)))
              : Effect.succeed(events)))
          : Effect.succeed(events))
    }
  }
}

/**
 * How many bytes the decoded rows of a query take, about, if all rows are in memory and the bytes are few. Each subscriber
 * reads larger ranges itself, piece by piece, as it has use for them.
 */
export const shortBytes = (view: ReadView.ReadView, { fromTime, toTime }: Query): number | undefined => {
  const isStored = [...view.spills, ...view.trace].some(({ parts }) =>
    parts.some(({ maxTime, minTime }) => maxTime >= fromTime && minTime < toTime)
  )
  if (isStored) return undefined
  const bytes = ReadView.chunksWhere(view, (chunk) => chunk.maxTime >= fromTime && chunk.minTime < toTime)
    .reduce((sum, { columns }) => sum + Recent.decodedBytes(columns), 0)
  return bytes <= Recent.keptBytes ? bytes : undefined
}
