/**
 * Pages of contents: some rows, and the key at which the next page begins.
 *
 * @internal
 */
import { Effect, type Schema, Stream } from "effect"
import type { Row } from "../client/Snapshot.ts"

type Json = Schema.Json

export interface RowJson {
  readonly key: Json
  readonly value: Json
  readonly diff: number
}

/** A row of contents, as it is on the wire. */
export const rowJson = ([key, value, diff]: Row<Json, Json>): RowJson => ({ key, value, diff })

export interface Page {
  readonly rows: ReadonlyArray<RowJson>
  readonly next?: Json
}

/** Whether a row begins a key after the first `limit` rows. All values of a key are on one page. */
const isBeyond = (limit: number) => {
  let count = 0
  let previous: string | undefined
  return ([key]: Row<Json, Json>): boolean => {
    const text = JSON.stringify(key)
    const isNew = text !== previous
    previous = text
    return ++count > limit && isNew
  }
}

/** The first page of rows that are in the order of their keys. */
export const first = <E>(rows: Stream.Stream<Row<Json, Json>, E>, limit: number): Effect.Effect<Page, E> =>
  Effect.map(Effect.suspend(() => Stream.runCollect(Stream.takeUntil(rows, isBeyond(limit)))), (found) => {
    const isLast = !found.some(isBeyond(limit))
    const kept = isLast ? found : found.slice(0, -1)
    return {
      rows: kept.map(rowJson),
      ...(!isLast && { next: found.at(-1)![0] })
    }
  })
