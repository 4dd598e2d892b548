/**
 * A collection as its definition says: a list of updates, and sums over it. Brute force, to judge everything else.
 */
import type { Update } from "../../src/Update.ts"

export type Row = Update<string, string>

export type Counted = readonly [key: string, value: string, multiplicity: number]

export interface Model {
  readonly updates: Array<Row>
  upper: number
  since: number
}

export const make = (): Model => ({ updates: [], upper: 0, since: 0 })

/** Sums of diffs by key and value, without zeros, sorted. */
export const count = (rows: Iterable<Row>): Array<Counted> => {
  const sums = new Map<string, [string, string, number]>()
  for (const { diff, key, value } of rows) {
    const id = `${key}\0${value}`
    const known = sums.get(id)
    if (known === undefined) sums.set(id, [key, value, diff])
    else known[2] += diff
  }
  return [...sums.values()].filter(([, , sum]) => sum !== 0).toSorted(byKeyAndValue)
}

const byKeyAndValue = (a: Counted, b: Counted): number => compare(a[0], b[0]) || compare(a[1], b[1])

const compare = (a: string, b: string): number => a < b ? -1 : a > b ? 1 : 0

/** Sums of diffs by key, value and time, without zeros, sorted by time, then key, then value. */
export const consolidate = (rows: Iterable<Row>, since = 0): Array<Row> => {
  const byTime = new Map<number, Array<Row>>()
  for (const row of rows) {
    const time = Math.max(row.time, since)
    byTime.set(time, [...byTime.get(time) ?? [], row])
  }
  return [...byTime].toSorted(([a], [b]) => a - b).flatMap(([time, atTime]) =>
    count(atTime).map(([key, value, diff]) => ({ key, value, time, diff }))
  )
}

/** The contents as of a time, or of everything. */
export const contents = (self: Model, asOf = Infinity): Array<Counted> =>
  self.since === Infinity ? [] : count(self.updates.filter(({ time }) => time <= asOf))

/** The updates of one key that are left, by time. */
export const history = (self: Model, key: string): Array<Row> =>
  consolidate(self.updates.filter((row) => row.key === key), self.since)

/** What changes between the contents as of two times. */
export const changes = (self: Model, from: number, to: number): Array<Counted> =>
  count(self.updates.filter(({ time }) => time > from && time <= to))
