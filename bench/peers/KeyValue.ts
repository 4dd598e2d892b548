/**
 * How rows lie in a key-value store:
 *
 * - `log`: time, row -> diff, key, value. In the order of arrival; a snapshot scans, and consolidates by hash.
 * - `keyed`: key, time, row -> diff, value. In the order of keys; a snapshot scans, and consolidates key by key.
 * - `upsert`: key -> value. The last write wins, and there is no history at all.
 */
import { type Batch, keyBytes, updateBytes, valueBytes } from "../Data.ts"

export type Layout = "log" | "keyed" | "upsert"

/** Hands out the entries of a batch, of which the first row is the `start`th of the store. */
export const encode = (
  layout: Layout,
  batch: Batch,
  start: number,
  put: (key: Buffer, value: Buffer) => void
): void => {
  if (layout === "upsert") {
    for (let row = 0; row < batch.length; row++) if (batch.diffs[row]! > 0) put(batch.key(row), batch.value(row))
    return
  }
  const prefix = layout === "keyed" ? keyBytes : 0
  const keySize = prefix + 12
  const valueSize = 8 + (layout === "log" ? updateBytes : valueBytes)
  const keys = Buffer.allocUnsafeSlow(batch.length * keySize)
  const values = Buffer.allocUnsafeSlow(batch.length * valueSize)
  for (let row = 0; row < batch.length; row++) {
    const key = row * keySize
    const value = row * valueSize
    if (layout === "keyed") batch.keys.copy(keys, key, row * keyBytes, (row + 1) * keyBytes)
    else batch.keys.copy(values, value + 8, row * keyBytes, (row + 1) * keyBytes)
    batch.values.copy(values, value + valueSize - valueBytes, row * valueBytes, (row + 1) * valueBytes)
    writeTime(keys, key + prefix, batch.time)
    keys.writeUInt32BE(start + row, key + prefix + 8)
    values.writeDoubleLE(batch.diffs[row]!, value)
  }
  for (let row = 0; row < batch.length; row++) {
    put(keys.subarray(row * keySize, (row + 1) * keySize), values.subarray(row * valueSize, (row + 1) * valueSize))
  }
}

const writeTime = (into: Buffer, at: number, time: number): void => {
  into.writeUInt32BE(Math.floor(time / 2 ** 32), at)
  into.writeUInt32BE(time >>> 0, at + 4)
}

export const diffOf = (value: Buffer): number => value.readDoubleLE(0)

/** The time in a key, which is at its begin or behind the row's key. */
export const timeOf = (key: Buffer, at: number): number => key.readUInt32BE(at) * 2 ** 32 + key.readUInt32BE(at + 4)

/** The least key of a time in a log. */
export const timeKey = (time: number): Buffer => {
  const key = Buffer.alloc(8)
  writeTime(key, 0, time)
  return key
}
