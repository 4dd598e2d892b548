/**
 * Reading one key: a look at the rows in memory by their keys, and the one block of each batch part that may hold it.
 *
 * @internal
 */
import { Effect } from "effect"
import * as BatchFile from "../batch/BatchFile.ts"
import * as Columns from "../batch/Columns.ts"
import * as Compare from "../batch/Compare.ts"
import { DiffSum, fits } from "../batch/DiffSum.ts"
import * as Hash from "../batch/Hash.ts"
import type { Batch, Part } from "../engine/Batch.ts"
import type { ReadView } from "../engine/ReadView.ts"
import type { HoldExpired, StorageError } from "../PersistError.ts"
import { compute } from "../Pure.ts"
import type { BatchStore } from "../runtime/BatchStore.ts"
import type * as Runs from "./Runs.ts"

type Batches = BatchStore<StorageError | HoldExpired>

/** A row by reference, with its effective time and diff. Copying each row would cost more than finding it. */
interface Found {
  readonly columns: Columns.Columns
  readonly row: number
  readonly time: number
  diff: number
}

/** Which rows count, and the time that earlier ones count as. */
export interface Window {
  readonly toTime: number
  readonly since: number
}

/** Where blocks and footers are looked for. */
type Sources = Pick<Batches, "cachedBlock" | "cachedFooter">

/** What must be fetched before a search can go on: a footer, or a block of a part whose footer is known. */
interface Lack {
  readonly part: Part
  readonly block?: { readonly footer: BatchFile.Footer; readonly index: number }
}

/**
 * The rows of a key, consolidated, if all that may hold them is in memory. It runs synchronously, so that no blob can
 * be deleted meanwhile and it needs no lease.
 */
export const inMemory = (
  batches: Batches,
  runs: Runs.Runs,
  view: ReadView,
  key: Uint8Array,
  window: Window
): Columns.Columns | undefined => {
  const found: Array<Found> = []
  return search(found, batches, runs, view, key, window) === undefined ? columnsOf(found, window) : undefined
}

/** The rows of a key, consolidated. Missing footers and blocks are fetched, and then the search is repeated. */
export const rows = Effect.fnUntraced(
  function*(batches: Batches, runs: Runs.Runs, view: ReadView, key: Uint8Array, window: Window) {
    // Fetched footers and blocks are kept here, even if the cache evicts them.
    const footers = new Map<string, BatchFile.Footer>()
    const blocks = new Map<string, Columns.Columns>()
    const sources: Sources = {
      cachedFooter: (part) => footers.get(part.key) ?? batches.cachedFooter(part),
      cachedBlock: (part, index) => blocks.get(`${part.key}#${index}`) ?? batches.cachedBlock(part, index)
    }
    while (true) {
      const found: Array<Found> = []
      const lack = yield* compute(() => search(found, sources, runs, view, key, window))
      if (lack === undefined) return yield* compute(() => columnsOf(found, window))
      const { block, part } = lack
      if (block === undefined) footers.set(part.key, yield* batches.footer(part))
      else blocks.set(`${part.key}#${block.index}`, yield* batches.block(part, block.footer, block.index))
    }
  }
)

/** Adds the rows of the key, or returns what must be fetched first. */
const search = (
  found: Array<Found>,
  sources: Sources,
  runs: Runs.Runs,
  view: ReadView,
  key: Uint8Array,
  window: Window
): Lack | undefined => {
  collectInMemory(found, runs, view, key, window)
  for (const batch of view.spills) {
    const lack = searchBatch(found, sources, batch, key, view.traceUpper, window)
    if (lack !== undefined) return lack
  }
  for (const batch of view.trace) {
    const lack = searchBatch(found, sources, batch, key, 0, window)
    if (lack !== undefined) return lack
  }
  return undefined
}

const searchBatch = (
  found: Array<Found>,
  sources: Sources,
  batch: Batch,
  key: Uint8Array,
  fromTime: number,
  window: Window
): Lack | undefined => {
  for (const part of batch.parts) {
    const isOutside = part.minTime >= window.toTime || part.maxTime < fromTime ||
      Compare.compareBytes(key, part.minKey) < 0 || Compare.compareBytes(key, part.maxKey) > 0
    if (isOutside) continue
    const footer = sources.cachedFooter(part)
    if (footer === undefined) return { part }
    for (const index of BatchFile.findBlocks(footer, { minKey: key, maxKey: key })) {
      const columns = sources.cachedBlock(part, index)
      if (columns === undefined) return { part, block: { footer, index } }
      collect(found, columns, key, fromTime, window)
    }
  }
  return undefined
}

/**
 * Finds the rows of the key in memory. Rows that are equal once advanced to `since` are combined, however many versions
 * there are.
 */
const collectInMemory = (
  found: Array<Found>,
  runs: Runs.Runs,
  view: ReadView,
  key: Uint8Array,
  { since, toTime }: Window
): void => {
  /** By hash, once there are more than a few. */
  let many: Map<number, Array<Found>> | undefined
  runs.keys.find(view.chunks, key, { fromTime: view.traceUpper, toTime, since }, (columns, row) => {
    const diff = columns.diffs[row]!
    if (diff === 0) return
    const next: Found = { columns, row, time: Math.max(columns.times[row]!, since), diff }
    if (many !== undefined) return combine(placeIn(many, next), next)
    combine(found, next)
    if (found.length <= fewRows) return
    many = new Map()
    for (const each of found.splice(0)) placeIn(many, each).push(each)
  })
  for (const alike of many?.values() ?? []) for (const each of alike) found.push(each)
}

/** So many rows are compared one by one: a value and what takes it back mostly follow each other. */
const fewRows = 8

/** Adds a row to the one that is equal to it, if there is one. Two that cancel out are dropped. */
const combine = (rows: Array<Found>, next: Found): void => {
  for (let i = rows.length - 1; i >= 0; i--) {
    const each = rows[i]!
    if (each.time !== next.time || !fits(each.diff, next.diff)) continue
    if (!Compare.isSameValue(each.columns, each.row, next.columns, next.row)) continue
    each.diff += next.diff
    if (each.diff === 0) rows.splice(i, 1)
    return
  }
  rows.push(next)
}

const placeIn = (rows: Map<number, Array<Found>>, { columns, row, time }: Found): Array<Found> => {
  const hash = valueHash(columns, row) ^ time
  const alike = rows.get(hash)
  if (alike !== undefined) return alike
  const made: Array<Found> = []
  rows.set(hash, made)
  return made
}

/** Bytes of a value that its hash is made of, from either end. */
const hashedBytes = 32

const valueHash = ({ valueData, valueOffsets }: Columns.Columns, row: number): number => {
  const start = valueOffsets[row]!
  const end = valueOffsets[row + 1]!
  const head = Math.min(end, start + hashedBytes)
  return Hash.add(Hash.add(end - start, valueData, start, head), valueData, Math.max(head, end - hashedBytes), end)
}

/**
 * Finds the rows of the key in sorted columns. Rows that are equal once advanced to `since` are adjacent, and are
 * combined.
 */
const collect = (
  found: Array<Found>,
  columns: Columns.Columns,
  key: Uint8Array,
  fromTime: number,
  { since, toTime }: Window
): void => {
  let last: Found | undefined
  for (let row = Compare.lowerBound(columns, key); row < columns.length; row++) {
    if (Compare.compareKeyTo(columns, row, key) !== 0) break
    if (columns.times[row]! < fromTime || columns.times[row]! >= toTime) continue
    const time = Math.max(columns.times[row]!, since)
    const diff = columns.diffs[row]!
    const isSame = last !== undefined && last.time === time && fits(last.diff, diff) &&
      Compare.compareValues(columns, last.row, columns, row) === 0
    if (last !== undefined && isSame) last.diff += diff
    else {
      if (last !== undefined && last.diff !== 0) found.push(last)
      last = { columns, row, time, diff }
    }
  }
  if (last !== undefined && last.diff !== 0) found.push(last)
}

const byValueAndTime = (a: Found, b: Found): number =>
  Compare.compareValues(a.columns, a.row, b.columns, b.row) || a.time - b.time

/** Sums the diffs of equal values at equal times. With an empty `since` every row is dropped. */
const consolidated = (found: Array<Found>, { since }: Window): ReadonlyArray<Found> => {
  if (since === Infinity) return []
  if (found.length < 2) return found
  const sorted = found.toSorted(byValueAndTime)
  const kept: Array<Found> = []
  const sum = new DiffSum()
  for (let start = 0, end = 0; start < sorted.length; start = end) {
    const first = sorted[start]!
    sum.set(first.diff)
    for (end = start + 1; end < sorted.length && byValueAndTime(first, sorted[end]!) === 0; end++) {
      sum.add(sorted[end]!.diff)
    }
    const diff = sum.value()
    if (diff !== 0) kept.push({ ...first, diff })
  }
  return kept
}

const columnsOf = (found: Array<Found>, window: Window): Columns.Columns => {
  const kept = consolidated(found, window)
  if (kept.length === 0) return Columns.empty
  if (kept.length === 1) {
    const { columns, diff, row, time } = kept[0]!
    return { ...Columns.slice(columns, row, row + 1), times: Float64Array.of(time), diffs: Float64Array.of(diff) }
  }
  const builder = new Columns.Builder(kept.length)
  for (const { columns, diff, row, time } of kept) builder.push(columns, row, time, diff)
  return builder.view()
}
