/**
 * Updates: the rows of a collection's history.
 *
 * A collection is a multiset that changes over time. An update `(key, value, time, diff)` says that at `time` the
 * multiplicity of `(key, value)` changed by `diff`; the contents as of `t` are the sums of `diff` over all updates with
 * `time <= t`. The form comes from differential dataflow.
 *
 * @since 0.1.0
 */
import type { Timestamp } from "./Frontier.ts"

/**
 * One change of one row's multiplicity. `diff` is a safe integer, usually 1 or -1.
 *
 * @category models
 * @since 0.1.0
 */
export interface Update<out K, out V> {
  readonly key: K
  readonly value: V
  readonly time: Timestamp
  readonly diff: number
}

/**
 * @category constructors
 * @since 0.1.0
 */
export const make = <K, V>(key: K, value: V, time: Timestamp, diff: number): Update<K, V> => ({
  key,
  value,
  time,
  diff
})

/**
 * One more of `(key, value)` from `time` on.
 *
 * @example
 * ```ts
 * import { Update } from "tidemark"
 *
 * Update.insert("o-1", "shipped", 7) // { key: "o-1", value: "shipped", time: 7, diff: 1 }
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const insert = <K, V>(key: K, value: V, time: Timestamp): Update<K, V> => ({ key, value, time, diff: 1 })

/**
 * One less of `(key, value)` from `time` on.
 *
 * @category constructors
 * @since 0.1.0
 */
export const retract = <K, V>(key: K, value: V, time: Timestamp): Update<K, V> => ({ key, value, time, diff: -1 })

/**
 * The two updates that replace one value of a key by another.
 *
 * @example
 * ```ts
 * import { Update } from "tidemark"
 *
 * Update.replace("o-1", "ordered", "shipped", 7)
 * // [{ key: "o-1", value: "ordered", time: 7, diff: -1 }, { key: "o-1", value: "shipped", time: 7, diff: 1 }]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const replace = <K, V>(key: K, from: V, to: V, time: Timestamp): readonly [Update<K, V>, Update<K, V>] => [
  retract(key, from, time),
  insert(key, to, time)
]

/**
 * Updates as columns: row `i` is the update `(keys[i], values[i], times[i], diffs[i])`. Whatever takes updates takes
 * columns as well. Rows that come as columns, from an Arrow table or a Parquet file, then need no object each.
 *
 * A single number stands for the same time, or the same diff, in all rows; without `diffs` it is 1. Arrays of different
 * lengths are a `ValueOutOfRange`. They are read when the append begins, and not kept.
 *
 * @example
 * ```ts
 * import type { CollectionWriter } from "tidemark"
 *
 * const ingest = (
 *   readings: CollectionWriter.CollectionWriter<string, number>,
 *   sensors: ReadonlyArray<string>,
 *   degrees: Float64Array
 * ) =>
 *   readings.append({ keys: sensors, values: degrees, times: 7 })
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export interface Columns<out K, out V> {
  readonly keys: ArrayLike<K>
  readonly values: ArrayLike<V>
  readonly times: Timestamp | ArrayLike<Timestamp>
  readonly diffs?: number | ArrayLike<number> | undefined
}

/**
 * Updates, row by row or as columns.
 *
 * @category models
 * @since 0.1.0
 */
export type Updates<K, V> = Iterable<Update<K, V>> | Columns<K, V>

/**
 * Updates as an array of rows, however they were given: for code that stands between a caller and an append.
 *
 * @category conversions
 * @since 0.1.0
 */
export const toArray = <K, V>(updates: Updates<K, V>): ReadonlyArray<Update<K, V>> => {
  if (Symbol.iterator in updates) return Array.isArray(updates) ? updates : [...updates]
  const { diffs = 1, times, values } = updates
  return Array.from(updates.keys, (key, row) => make(key, values[row]!, at(times, row), at(diffs, row)))
}

/**
 * One row of a column that may be one number for all.
 *
 * @internal
 */
export const at = (column: number | ArrayLike<number>, row: number): number =>
  typeof column === "number" ? column : column[row]!
