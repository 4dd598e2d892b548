/**
 * Snapshots: a collection after one command, or as of one time.
 *
 * @since 0.1.0
 */
import { Effect, Stream } from "effect"
import * as Columns from "../batch/Columns.ts"
import type { Batch, Part } from "../engine/Batch.ts"
import * as ReadView from "../engine/ReadView.ts"
import type { Frontier, Timestamp } from "../Frontier.ts"
import type { DecodeError, HoldExpired, StorageError, ValueOutOfRange } from "../PersistError.ts"
import type { BatchStore } from "../runtime/BatchStore.ts"
import type { Update } from "../Update.ts"
import * as Merging from "./Merging.ts"
import * as Rows from "./Rows.ts"
import type { Runs } from "./Runs.ts"

/**
 * What reading rows may fail with.
 *
 * @category errors
 * @since 0.1.0
 */
export type ReadError = StorageError | DecodeError | ValueOutOfRange | HoldExpired

/**
 * A row of consolidated contents: key, value, multiplicity. The multiplicity is never 0.
 *
 * @category models
 * @since 0.1.0
 */
export type Row<K, V> = readonly [key: K, value: V, multiplicity: number]

/**
 * A fixed view of a collection. It can be read any number of times while its scope is open. The scope keeps the stored
 * batches that it refers to from being deleted.
 *
 * @category models
 * @since 0.1.0
 */
export interface Snapshot<out K, out V> {
  readonly name: string
  /** Every command up to this one is reflected. */
  readonly seqNo: number
  readonly since: Frontier
  readonly upper: Frontier
  /** The time that it was taken as of, if any. */
  readonly asOf: Timestamp | undefined
  /**
   * The updates, at times advanced to `since`, in no order and not consolidated: the same update may occur several
   * times, and updates may cancel out.
   */
  readonly updates: Stream.Stream<Update<K, V>, ReadError>
  /** The consolidated contents, in the order of the encoded keys and values. */
  readonly contents: Stream.Stream<Row<K, V>, ReadError>
  /** `updates` in `n` streams of about the same size, to be read in parallel. */
  readonly parts: (n: number) => ReadonlyArray<Stream.Stream<Update<K, V>, ReadError>>
  /** Releases the stored batches before the scope ends. The snapshot cannot be read any more. */
  readonly release: Effect.Effect<void>
}

/** What reading a opened collection needs. */
export interface Source<K, V> {
  readonly batches: BatchStore<StorageError | HoldExpired>
  readonly runs: Runs
  readonly codecs: Rows.Codecs<K, V>
  readonly policy: Rows.DecodePolicy
  readonly view: ReadView.ReadView
}

/** @internal */
export const make = <K, V>(
  source: Source<K, V>,
  asOf: Timestamp | undefined,
  release: () => void
): Snapshot<K, V> => {
  const { name, seqNo, since, upper } = source.view
  return {
    name: name,
    seqNo,
    since,
    upper,
    asOf,
    updates: updatesOf(source, units(source.view), asOf),
    contents: contents(source, asOf === undefined ? everything : { ...everything, toTime: asOf + 1, since: asOf }),
    parts: (n) => deal(units(source.view), n).map((dealt) => updatesOf(source, dealt, asOf)),
    release: Effect.sync(release)
  }
}

/** All rows, whatever their times. */
const everything: Merging.Query = { fromTime: 0, toTime: Infinity, since: Number.MAX_SAFE_INTEGER }

/** @internal Consolidated rows of a query. */
export const contents = <K, V>(source: Source<K, V>, query: Merging.Query): Stream.Stream<Row<K, V>, ReadError> =>
  rows(source, query, (key, value, _, diff): Row<K, V> => [key, value, diff])

/** @internal Rows of a query, each made by `make`. */
export const rows = <K, V, A>(
  source: Source<K, V>,
  query: Merging.Query,
  make: (key: K, value: V, time: number, diff: number) => A
): Stream.Stream<A, ReadError> =>
  Stream.suspend(() => {
    const pull = Merging.pull(source.batches, source.runs, source.view, query)
    return Stream.fromPull(Effect.succeed(pulled(Effect.flatMap(pull, (columns) => decode(source, columns, make)))))
  })

const decode = <K, V, A>(
  source: Source<K, V>,
  columns: Columns.Columns,
  make: (key: K, value: V, time: number, diff: number) => A
) => Rows.decode(source.view.name, source.codecs, source.policy, columns, make)

/** Skips chunks of which no row is left. */
const pulled = <A, E>(pull: Effect.Effect<Array<A>, E>): Effect.Effect<readonly [A, ...Array<A>], E> =>
  Effect.flatMap(pull, (rows) => isNonEmpty(rows) ? Effect.succeed(rows) : pulled(pull))

const isNonEmpty = <A>(rows: Array<A>): rows is [A, ...Array<A>] => rows.length > 0

/** What a snapshot can be split into: blocks in memory, and parts of batches. */
type Unit =
  | { readonly bytes: number; readonly columns: Columns.Columns }
  | { readonly bytes: number; readonly batch: Batch; readonly part: Part; readonly isUnsealed: boolean }

const units = (view: ReadView.ReadView): Array<Unit> => [
  ...ReadView.chunksWhere(view, () => true).map(({ bytes, columns }) => ({ bytes, columns })),
  ...view.spills.flatMap((batch) => batch.parts.map((part) => ({ bytes: part.bytes, batch, part, isUnsealed: true }))),
  ...view.trace.flatMap((batch) => batch.parts.map((part) => ({ bytes: part.bytes, batch, part, isUnsealed: false })))
]

/**
 * Distributes units over `n` groups: the largest first, each to the smallest group so far (Graham's LPT rule, 1969).
 */
const deal = (units: ReadonlyArray<Unit>, n: number): ReadonlyArray<ReadonlyArray<Unit>> => {
  const hands = Array.from({ length: Math.max(1, n) }, () => ({ bytes: 0, units: [] as Array<Unit> }))
  for (const unit of units.toSorted((a, b) => b.bytes - a.bytes)) {
    const hand = hands.reduce((least, each) => each.bytes < least.bytes ? each : least)
    hand.bytes += unit.bytes
    hand.units.push(unit)
  }
  return hands.map((hand) => hand.units)
}

const updatesOf = <K, V>(
  source: Source<K, V>,
  units: ReadonlyArray<Unit>,
  asOf: Timestamp | undefined
): Stream.Stream<Update<K, V>, ReadError> =>
  Stream.fromIterable(units).pipe(Stream.flatMap((unit) => unitUpdates(source, unit, asOf)))

const unitUpdates = <K, V>(
  source: Source<K, V>,
  unit: Unit,
  asOf: Timestamp | undefined
): Stream.Stream<Update<K, V>, ReadError> => {
  const { since, traceUpper } = source.view
  const until = asOf ?? Infinity
  const update = (key: K, value: V, time: number, diff: number): Update<K, V> => ({
    key,
    value,
    time: Math.max(time, since),
    diff
  })
  const kept = (columns: Columns.Columns, from: number) => decode(source, between(columns, from, until), update)
  if ("columns" in unit) return Stream.unwrap(Effect.map(kept(unit.columns, traceUpper), Stream.fromArray))
  return Stream.suspend(() => {
    const scan = source.batches.scan({ ...unit.batch, parts: [unit.part] }, {})
    const from = unit.isUnsealed ? traceUpper : 0
    return Stream.fromPull(Effect.succeed(pulled(Effect.flatMap(Merging.next(scan), (columns) => kept(columns, from)))))
  })
}

/** The rows at times from `from` to `until`, both included. */
const between = (columns: Columns.Columns, from: number, until: number): Columns.Columns => {
  if (columns.times.every((time) => time >= from && time <= until)) return columns
  const builder = new Columns.Builder()
  for (let row = 0; row < columns.length; row++) {
    const time = columns.times[row]!
    if (time >= from && time <= until) builder.push(columns, row, time, columns.diffs[row]!)
  }
  return builder.view()
}
