/**
 * Updates that wait for a frontier to pass their times.
 *
 * @internal
 */
import type { Frontier, Timestamp } from "../Frontier.ts"

interface Batch<A> {
  /** In the order of their times. */
  readonly rows: ReadonlyArray<A>
  /** The first row that is still held. */
  next: number
}

export interface Held<A extends { readonly time: Timestamp }> {
  readonly add: (rows: ReadonlyArray<A>) => void
  /** Lets go of the rows before the frontier, in the order of their times; those of one time as they came. */
  readonly take: (frontier: Frontier) => ReadonlyArray<A>
}

export const make = <A extends { readonly time: Timestamp }>(): Held<A> => {
  let batches: Array<Batch<A>> = []
  return {
    add: (rows) => {
      if (rows.length > 0) batches.push({ rows: byTime(rows), next: 0 })
    },
    take: (frontier) => {
      const taken: Array<A> = []
      for (const batch of batches) {
        const { rows } = batch
        while (batch.next < rows.length && rows[batch.next]!.time < frontier) taken.push(rows[batch.next++]!)
      }
      batches = batches.filter(({ next, rows }) => next < rows.length)
      return byTime(taken)
    }
  }
}

const byTime = <A extends { readonly time: Timestamp }>(rows: ReadonlyArray<A>): ReadonlyArray<A> => {
  for (let i = 1; i < rows.length; i++) {
    if (rows[i - 1]!.time > rows[i]!.time) return rows.toSorted((a, b) => a.time - b.time)
  }
  return rows
}
