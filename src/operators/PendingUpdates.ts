/**
 * Updates that wait for a frontier to pass their times.
 *
 * @internal
 */
import * as Frontier from "../Frontier.ts"

interface Timed {
  readonly time: Frontier.Timestamp
}

interface Batch<A> {
  /** In order of arrival, and in order of time once some of them were taken. */
  rows: ReadonlyArray<A>
  /** The first row that is still pending. */
  next: number
  /** The time of the earliest row that is still pending. */
  earliest: Frontier.Timestamp
  readonly latest: Frontier.Timestamp
}

export interface PendingUpdates<A extends Timed> {
  readonly add: (rows: ReadonlyArray<A>) => void
  /**
   * Takes the rows before the frontier, batch by batch in the order of arrival. These are mostly whole batches, which
   * are not copied.
   */
  readonly take: (frontier: Frontier.Frontier) => ReadonlyArray<ReadonlyArray<A>>
}

export const make = <A extends Timed>(): PendingUpdates<A> => {
  let batches: Array<Batch<A>> = []
  return {
    add: (rows) => {
      if (rows.length > 0) batches.push(batchOf(rows))
    },
    take: (frontier) => {
      const taken: Array<ReadonlyArray<A>> = []
      const left: Array<Batch<A>> = []
      for (const batch of batches) {
        if (batch.earliest < frontier) taken.push(takeFrom(batch, frontier))
        if (batch.next < batch.rows.length) left.push(batch)
      }
      batches = left
      return taken
    }
  }
}

const batchOf = <A extends Timed>(rows: ReadonlyArray<A>): Batch<A> => {
  let earliest: number = Frontier.empty
  let latest = 0
  for (const { time } of rows) {
    if (time < earliest) earliest = time
    if (time > latest) latest = time
  }
  return { rows, next: 0, earliest, latest }
}

const takeFrom = <A extends Timed>(batch: Batch<A>, frontier: Frontier.Frontier): ReadonlyArray<A> => {
  const { next } = batch
  if (next === 0) {
    if (batch.latest < frontier) {
      batch.next = batch.rows.length
      return batch.rows
    }
    batch.rows = byTime(batch.rows)
  }
  const { rows } = batch
  while (batch.next < rows.length && rows[batch.next]!.time < frontier) batch.next++
  batch.earliest = rows[batch.next]?.time ?? Frontier.empty
  return rows.slice(next, batch.next)
}

/** The rows in the order of their times. Rows of one time stay in the order of arrival. */
export const byTime = <A extends Timed>(rows: ReadonlyArray<A>): ReadonlyArray<A> => {
  for (let i = 1; i < rows.length; i++) {
    if (rows[i - 1]!.time > rows[i]!.time) return rows.toSorted((a, b) => a.time - b.time)
  }
  return rows
}
