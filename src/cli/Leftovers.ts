/**
 * Rows that an interrupted ingest has left at unsealed times.
 *
 * Everything below the seal is stored: a time is sealed only when all its rows are. The multiplicity among the
 * leftovers says how often a row at or after the seal is stored. Each time such a row occurs in the input again, one of
 * its leftovers is used up, and the row is not written twice. Rows of other inputs are never touched.
 *
 * @internal
 */
import { Effect, type Schema, Stream } from "effect"
import type { CollectionWriter } from "../client/CollectionWriter.ts"
import { canonicalJson } from "../Codec.ts"
import { unsealed } from "../operators/Unsealed.ts"
import type * as Update from "../Update.ts"

type Json = Schema.Json

export interface Leftovers {
  /** How much of the update's diff is still to be written. */
  readonly remaining: (update: Update.Update<Json, Json>) => number
}

/** Reads the unsealed rows, consolidated. Memory follows their number. */
export const load = Effect.fnUntraced(function*(write: CollectionWriter<Json, Json>) {
  const { since, updates } = yield* unsealed(write)

  const diffs = new Map<string, number>()
  // Older versions advanced times below since to it, so that all are compared as if they had been advanced.
  const identify = ({ key, time, value }: Update.Update<Json, Json>): string =>
    `${Math.max(time, since)} ${canonicalJson([key, value])}`
  yield* Stream.runForEach(updates, (update) =>
    Effect.sync(() => {
      const id = identify(update)
      diffs.set(id, (diffs.get(id) ?? 0) + update.diff)
    }))

  const remaining = (update: Update.Update<Json, Json>): number => {
    if (diffs.size === 0) return update.diff
    const id = identify(update)
    const left = diffs.get(id) ?? 0
    if (left * update.diff <= 0) return update.diff
    const used = Math.sign(left) * Math.min(Math.abs(left), Math.abs(update.diff))
    if (left === used) diffs.delete(id)
    else diffs.set(id, left - used)
    return update.diff - used
  }
  return { remaining } satisfies Leftovers
})
