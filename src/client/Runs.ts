/**
 * Sorted runs over the rows in memory, made by the first read and kept for later ones.
 *
 * Most reads are of the present: to them all times of the rows in memory are alike. Their runs are those of what is
 * present, in which rows that take each other back have been dropped before anything was sorted. Reads that distinguish
 * times have runs of all rows, at the times they have.
 *
 * @internal
 */
import { Cancellation, type Window } from "../batch/Cancellation.ts"
import * as Columns from "../batch/Columns.ts"
import * as Consolidate from "../batch/Consolidate.ts"
import type { MemoryChunks } from "../engine/ReadView.ts"
import { ValueOutOfRange } from "../PersistError.ts"
import { KeyIndex } from "./KeyIndex.ts"
import { RunList } from "./RunList.ts"

export interface Runs {
  /** Sorted runs that together hold exactly the rows of the chunks: a collection's chunks from the first on. */
  readonly of: (chunks: MemoryChunks) => ReadonlyArray<Columns.Columns>
  /**
   * Sorted runs of what is left of the rows at or after `lower` if all of these times are alike: in each run a key and
   * value once, at `lower`. `undefined` where only `of` can tell: for fewer chunks than an earlier read had, and where a
   * sum of diffs cannot be stored.
   */
  readonly present: (chunks: MemoryChunks, lower: number) => ReadonlyArray<Columns.Columns> | undefined
  /** The rows of one key, found without sorting. */
  readonly keys: KeyIndex
}

export const make = (): Runs => {
  const exact = new RunList(sorted)
  let present = { lower: 0, list: new RunList(collapsed(0)) }
  return {
    keys: new KeyIndex(),
    of: (chunks) => exact.of(chunks),
    present: (chunks, lower) => {
      if (present.lower !== lower) present = { lower, list: new RunList(collapsed(lower)) }
      return present.list.isExtendedBy(chunks) ? ifStorable(() => present.list.of(chunks)) : undefined
    }
  }
}

/** One sorted, consolidated run of the rows, at the times they have. */
export const sorted = (columns: ReadonlyArray<Columns.Columns>): Columns.Columns =>
  Consolidate.consolidate(Columns.concat(columns), { since: 0 })

/** A run of what is left of the rows at or after `lower` if all times are alike. */
const collapsed = (lower: number) => (parts: ReadonlyArray<Columns.Columns>): Columns.Columns => {
  const window = { lower, upper: Infinity, since: Number.MAX_SAFE_INTEGER }
  const left = mayCancel(parts) ? uncancelled(parts, window) : Columns.concat(parts)
  const run = Consolidate.consolidate(left, window)
  run.times.fill(lower)
  return run
}

/** Looking for rows that cancel out pays where at least one row of so many takes back another. */
const retractionShare = 8

const mayCancel = (parts: ReadonlyArray<Columns.Columns>): boolean => {
  let rows = 0
  let retractions = 0
  for (const { diffs, length } of parts) {
    rows += length
    for (let row = 0; row < length; row++) if (diffs[row]! < 0) retractions++
  }
  return retractionShare * retractions > rows
}

/** The rows that no other one takes back. */
const uncancelled = (parts: ReadonlyArray<Columns.Columns>, window: Window): Columns.Columns => {
  const cancellation = new Cancellation(parts, window)
  cancellation.step(Infinity)
  return Columns.copyStretches(cancellation.stretches().flat())
}

/** The result, unless a sum of diffs cannot be stored: with those of other inputs, it may be possible. */
const ifStorable = <A>(result: () => A): A | undefined => {
  try {
    return result()
  } catch (error) {
    if (error instanceof ValueOutOfRange) return undefined
    throw error
  }
}
