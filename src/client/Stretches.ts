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

export interface Stretches<K, V> {
  /** The events of a query over a view, from `read` or from an earlier call of it. */
  readonly of: <E>(
    query: Query,
    rows: number,
    read: Effect.Effect<ReadonlyArray<CollectionEvent<K, V>>, E>
  ) => Effect.Effect<ReadonlyArray<CollectionEvent<K, V>>, E>
}

/** Rows of recent stretches that are kept decoded, about. Each subscriber reads longer ranges itself. */
const keptRows = 10_000

interface Decoded<K, V> {
  readonly rows: number
  readonly events: ReadonlyArray<CollectionEvent<K, V>>
}

export const make = <K, V>(): Stretches<K, V> => {
  /** A subscriber that asks while another one reads waits for its result. */
  const one = Semaphore.makeUnsafe(1)
  const recent = new Map<string, Decoded<K, V>>()
  let kept = 0
  const keep = (name: string, added: Decoded<K, V>) => {
    recent.set(name, added)
    kept += added.rows
    for (const [oldest, { rows }] of recent) {
      if (kept <= keptRows || oldest === name) break
      recent.delete(oldest)
      kept -= rows
    }
  }
  return {
    of: ({ fromTime, toTime }, rows, read) => {
      const name = `${fromTime} ${toTime}`
      const known = Effect.sync(() => recent.get(name)?.events)
      return Effect.flatMap(known, (events) =>
        events === undefined
          ? one.withPermit(Effect.flatMap(known, (events) =>
            events === undefined
              ? Effect.tap(read, (events) => Effect.sync(() => keep(name, { rows, events })))
              : Effect.succeed(events)))
          : Effect.succeed(events))
    }
  }
}

/** How many rows a query can have at most, if all of them are in memory and few. */
export const shortRows = (view: ReadView.ReadView, { fromTime, toTime }: Query): number | undefined => {
  const isStored = [...view.spills, ...view.trace].some(({ parts }) =>
    parts.some(({ maxTime, minTime }) => maxTime >= fromTime && minTime < toTime)
  )
  if (isStored) return undefined
  const rows = ReadView.chunksWhere(view, (chunk) => chunk.maxTime >= fromTime && chunk.minTime < toTime)
    .reduce((sum, { columns }) => sum + columns.length, 0)
  return rows <= keptRows ? rows : undefined
}
