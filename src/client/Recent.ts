/**
 * Recent results, for readers that mostly want the same at about the same time: the newest, up to a total weight.
 *
 * @internal
 */
import * as Columns from "../batch/Columns.ts"

/** Bytes of decoded rows that are kept for other readers, about: rows may be of any size. */
export const keptBytes = 1024 * 1024

/** Bytes that a decoded row takes beside its key and value, about. */
const rowBytes = 100

/** Bytes that these rows take once they are decoded, about. */
export const decodedBytes = (columns: Columns.Columns): number =>
  Columns.goodputBytes(columns) + rowBytes * columns.length

export interface Recent<K, V> {
  readonly get: (key: K) => V | undefined
  /** Keeps a result. Drops the oldest others as long as the total weight is above the limit. */
  readonly keep: (key: K, weight: number, value: V) => void
}

export const make = <K, V>(limit: number): Recent<K, V> => {
  const kept = new Map<K, { readonly weight: number; readonly value: V }>()
  let total = 0
  return {
    get: (key) => kept.get(key)?.value,
    keep: (key, weight, value) => {
      kept.set(key, { weight, value })
      total += weight
      for (const [oldest, { weight }] of kept) {
        if (total <= limit || oldest === key) break
        kept.delete(oldest)
        total -= weight
      }
    }
  }
}
