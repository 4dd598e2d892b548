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
