/**
 * The columnar form of updates, used from the first call to the stored block.
 *
 * Row `i` has the key `keyData[keyOffsets[i] .. keyOffsets[i + 1]]`, the value likewise, the time `times[i]` and the diff
 * `diffs[i]`. Offsets are absolute in their data and never decrease; the first one need not be 0, so that a slice of
 * rows is a set of views and copies nothing. Rows have no order, may repeat, and may have diff 0.
 *
 * @internal
 */
import { ByteWriter } from "../ByteWriter.ts"
import * as Platform from "../Platform.ts"

export interface Columns {
  readonly length: number
  readonly keyData: Uint8Array
  /** `length + 1` entries. */
  readonly keyOffsets: Uint32Array
  readonly valueData: Uint8Array
  /** `length + 1` entries. */
  readonly valueOffsets: Uint32Array
  /** Non-negative safe integers. */
  readonly times: Float64Array
  /** Safe integers. */
  readonly diffs: Float64Array
}

/** The most bytes that the key and the value of one row may have together. */
export const maxRowBytes = 16 * 1024 * 1024

/** The most bytes of keys, or of values, of one `Columns`. It fits the 32-bit offsets with a margin. */
export const maxColumnBytes = 1024 * 1024 * 1024

export const empty: Columns = {
  length: 0,
  keyData: new Uint8Array(0),
  keyOffsets: new Uint32Array(1),
  valueData: new Uint8Array(0),
  valueOffsets: new Uint32Array(1),
  times: new Float64Array(0),
  diffs: new Float64Array(0)
}

export const keyBytes = (self: Columns): number => self.keyOffsets[self.length]! - self.keyOffsets[0]!

export const valueBytes = (self: Columns): number => self.valueOffsets[self.length]! - self.valueOffsets[0]!

/** Bytes of user data by the field's usual measure: keys, values, and 16 bytes of time and diff a row. */
export const goodputBytes = (self: Columns): number => keyBytes(self) + valueBytes(self) + 16 * self.length

export const keyAt = (self: Columns, row: number): Uint8Array =>
  self.keyData.subarray(self.keyOffsets[row]!, self.keyOffsets[row + 1]!)

export const valueAt = (self: Columns, row: number): Uint8Array =>
  self.valueData.subarray(self.valueOffsets[row]!, self.valueOffsets[row + 1]!)

/** Rows `start` to `end` as views of the same memory. */
export const slice = (self: Columns, start: number, end: number): Columns => ({
  length: end - start,
  keyData: self.keyData,
  keyOffsets: self.keyOffsets.subarray(start, end + 1),
  valueData: self.valueData,
  valueOffsets: self.valueOffsets.subarray(start, end + 1),
  times: self.times.subarray(start, end),
  diffs: self.diffs.subarray(start, end)
})

/** The end of the rows from `start` on that have so many bytes, at 16 a row beside its data: as few as that takes, or all. */
export const endOf = ({ keyOffsets, length, valueOffsets }: Columns, start: number, bytes: number): number => {
  const before = (row: number): number => keyOffsets[row]! + valueOffsets[row]! + 16 * row
  const enough = before(start) + bytes
  let low = Math.min(length, start + 1)
  let high = length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (before(middle) >= enough) high = middle
    else low = middle + 1
  }
  return low
}

/** The rows that have this key. */
export const rowsOf = (self: Columns, key: Uint8Array): Array<number> => {
  const rows: Array<number> = []
  for (let row = 0; row < self.length; row++) if (hasKey(self, row, key)) rows.push(row)
  return rows
}

const hasKey = ({ keyData, keyOffsets }: Columns, row: number, key: Uint8Array): boolean => {
  const start = keyOffsets[row]!
  if (keyOffsets[row + 1]! - start !== key.length) return false
  for (let i = 0; i < key.length; i++) if (keyData[start + i] !== key[i]) return false
  return true
}

/** All rows but these, which stand in ascending order, in memory of their own. */
export const without = (self: Columns, rows: ReadonlyArray<number>): Columns => {
  const rest = new Builder(self.length, keyBytes(self), valueBytes(self))
  let from = 0
  for (const row of [...rows, self.length]) {
    if (row > from) rest.append(slice(self, from, row))
    from = row + 1
  }
  return rest.finish()
}

/**
 * Collects rows into columns that grow as needed.
 *
 * A row is added in three steps, so that codecs write straight into the columns: encode the key into `keys`, the value
 * into `values`, then `commit(time, diff)`; or `rollback()` to discard the bytes of an unfinished row.
 */
export class Builder {
  length = 0
  readonly keys: ByteWriter
  readonly values: ByteWriter
  private keyOffsets: Uint32Array
  private valueOffsets: Uint32Array
  private times: Float64Array
  private diffs: Float64Array

  constructor(rows = 16, keyBytes = 256, valueBytes = 256) {
    this.keys = new ByteWriter(keyBytes)
    this.values = new ByteWriter(valueBytes)
    this.keyOffsets = new Uint32Array(rows + 1)
    this.valueOffsets = new Uint32Array(rows + 1)
    this.times = new Float64Array(rows)
    this.diffs = new Float64Array(rows)
  }

  /** Bytes of keys and values, an unfinished row included. */
  get dataBytes(): number {
    return this.keys.length + this.values.length
  }

  /** Bytes of the unfinished row. */
  get pendingBytes(): number {
    return this.dataBytes - this.keyOffsets[this.length]! - this.valueOffsets[this.length]!
  }

  commit(time: number, diff: number): void {
    const row = this.length
    if (row === this.times.length) this.grow(row + 1)
    this.times[row] = time
    this.diffs[row] = diff
    this.length = row + 1
    this.keyOffsets[row + 1] = this.keys.length
    this.valueOffsets[row + 1] = this.values.length
  }

  rollback(): void {
    this.cut(this.length)
  }

  /** Gives rows `start` to `end` another time. */
  setTimes(start: number, end: number, time: number): void {
    this.times.fill(time, start, end)
  }

  /** Where the key of a row begins in `keys`. That of the next row is where it ends. */
  keyStart(row: number): number {
    return this.keyOffsets[row]!
  }

  /** Discards the rows from `length` on, and the unfinished one. */
  cut(length: number): void {
    this.length = length
    this.keys.length = this.keyOffsets[length]!
    this.values.length = this.valueOffsets[length]!
  }

  /** Adds a row. */
  add(key: Uint8Array, value: Uint8Array, time: number, diff: number): void {
    copyInto(this.keys, key, 0, key.length)
    copyInto(this.values, value, 0, value.length)
    this.commit(time, diff)
  }

  /** Copies one row of other columns, at a time and with a diff of its own. */
  push(from: Columns, row: number, time: number, diff: number): void {
    const keyStart = from.keyOffsets[row]!
    const valueStart = from.valueOffsets[row]!
    copyInto(this.keys, from.keyData, keyStart, from.keyOffsets[row + 1]!)
    copyInto(this.values, from.valueData, valueStart, from.valueOffsets[row + 1]!)
    this.commit(time, diff)
  }

  /** Copies all rows of other columns. */
  append(from: Columns): void {
    this.values.raw(from.valueData.subarray(from.valueOffsets[0]!, from.valueOffsets[from.length]!))
    this.appendRest(from)
  }

  /** The same, where the values were added to `values` already. */
  appendRest(from: Columns): void {
    const rows = from.length
    if (this.length + rows > this.times.length) this.grow(this.length + rows)
    const keyShift = this.keys.length - from.keyOffsets[0]!
    const valueShift = this.values.length - from.valueOffsets[rows]!
    this.keys.raw(from.keyData.subarray(from.keyOffsets[0]!, from.keyOffsets[rows]!))
    this.times.set(from.times, this.length)
    this.diffs.set(from.diffs, this.length)
    for (let i = 1; i <= rows; i++) {
      this.keyOffsets[this.length + i] = from.keyOffsets[i]! + keyShift
      this.valueOffsets[this.length + i] = from.valueOffsets[i]! + valueShift
    }
    this.length += rows
  }

  /** Copies rows `start` to `end` of other columns, with times before `since` as `since`. */
  appendRange(from: Columns, start: number, end: number, since: number): void {
    if (end - start === 1) return this.push(from, start, Math.max(since, from.times[start]!), from.diffs[start]!)
    const first = this.length
    this.append(slice(from, start, end))
    for (let row = first; row < this.length; row++) if (this.times[row]! < since) this.times[row] = since
  }

  /** Rows without a view of each of their columns: valid until the builder is cleared or grows. */
  stretch(start: number, end: number): Stretch {
    const { diffs, keyOffsets, keys, length, times, valueOffsets, values } = this
    const from = { length, keyData: keys.bytes, keyOffsets, valueData: values.bytes, valueOffsets, times, diffs }
    return { from, start, end }
  }

  /** The rows so far, as views: valid until the builder is cleared or grows. */
  view(): Columns {
    return {
      length: this.length,
      keyData: this.keys.bytes.subarray(0, this.keyOffsets[this.length]!),
      keyOffsets: this.keyOffsets.subarray(0, this.length + 1),
      valueData: this.values.bytes.subarray(0, this.valueOffsets[this.length]!),
      valueOffsets: this.valueOffsets.subarray(0, this.length + 1),
      times: this.times.subarray(0, this.length),
      diffs: this.diffs.subarray(0, this.length)
    }
  }

  /** The rows so far, as a copy of exactly their size. */
  finish(): Columns {
    const view = this.view()
    return {
      length: view.length,
      keyData: view.keyData.slice(),
      keyOffsets: view.keyOffsets.slice(),
      valueData: view.valueData.slice(),
      valueOffsets: view.valueOffsets.slice(),
      times: view.times.slice(),
      diffs: view.diffs.slice()
    }
  }

  /** The rows so far, without a copy where little memory is left over. The builder must not be used any more. */
  take(): Columns {
    const capacity = this.keys.bytes.length + this.values.bytes.length + 24 * this.times.length
    return 2 * (this.dataBytes + 24 * this.length) >= capacity ? this.view() : this.finish()
  }

  clear(): void {
    this.length = 0
    this.keys.clear()
    this.values.clear()
  }

  private grow(rows: number): void {
    const capacity = Math.max(rows, this.times.length * 2, 16)
    this.keyOffsets = resize(this.keyOffsets, new Uint32Array(capacity + 1))
    this.valueOffsets = resize(this.valueOffsets, new Uint32Array(capacity + 1))
    this.times = resize(this.times, new Float64Array(capacity))
    this.diffs = resize(this.diffs, new Float64Array(capacity))
  }
}

/** The rows of several columns, one after the other. */
export const concat = (parts: ReadonlyArray<Columns>): Columns => parts.length === 1 ? parts[0]! : copy(parts)

/** The same in memory of its own. */
export const copy = (parts: ReadonlyArray<Columns>): Columns =>
  copyStretches(parts.map((from) => ({ from, start: 0, end: from.length })))

/** Rows `start` to `end` of columns, which may have more memory than rows. */
export interface Stretch {
  readonly from: Columns
  readonly start: number
  readonly end: number
}

/** The rows of the stretches in one piece of memory of its own: each piece costs more than a small row. */
export const copyStretches = (parts: ReadonlyArray<Stretch>): Columns => {
  let [length, keys, values] = [0, 0, 0]
  for (const { end, from: { keyOffsets, valueOffsets }, start } of parts) {
    length += end - start
    keys += keyOffsets[end]! - keyOffsets[start]!
    values += valueOffsets[end]! - valueOffsets[start]!
  }
  const numbers = 24 * length + 8
  const { buffer } = Platform.allocate(numbers + keys + values)
  const to: Columns = {
    length,
    keyData: new Uint8Array(buffer, numbers, keys),
    keyOffsets: new Uint32Array(buffer, 16 * length, length + 1),
    valueData: new Uint8Array(buffer, numbers + keys, values),
    valueOffsets: new Uint32Array(buffer, 20 * length + 4, length + 1),
    times: new Float64Array(buffer, 0, length),
    diffs: new Float64Array(buffer, 8 * length, length)
  }
  to.keyOffsets[0] = 0
  to.valueOffsets[0] = 0
  let row = 0
  for (const part of parts) {
    copyStretch(part, to, row)
    row += part.end - part.start
  }
  return to
}

/** Copies rows into others, from row `at` on: those before it are there already. */
const copyStretch = ({ end, from, start }: Stretch, to: Columns, at: number): void => {
  const { diffs, keyOffsets, times, valueOffsets } = from
  const keyShift = to.keyOffsets[at]! - keyOffsets[start]!
  const valueShift = to.valueOffsets[at]! - valueOffsets[start]!
  setBytes(to.keyData, to.keyOffsets[at]!, from.keyData, keyOffsets[start]!, keyOffsets[end]!)
  setBytes(to.valueData, to.valueOffsets[at]!, from.valueData, valueOffsets[start]!, valueOffsets[end]!)
  for (let row = start, into = at; row < end; row++, into++) {
    to.times[into] = times[row]!
    to.diffs[into] = diffs[row]!
    to.keyOffsets[into + 1] = keyOffsets[row + 1]! + keyShift
    to.valueOffsets[into + 1] = valueOffsets[row + 1]! + valueShift
  }
}

const total = (parts: ReadonlyArray<Columns>, size: (columns: Columns) => number): number => {
  let sum = 0
  for (const each of parts) sum += size(each)
  return sum
}

const builderFor = (parts: ReadonlyArray<Columns>): Builder =>
  new Builder(total(parts, (each) => each.length), total(parts, keyBytes), total(parts, valueBytes))

/** A `copy` that is made in steps, so that large values do not hold up other work. */
export class Copying {
  private readonly parts: ReadonlyArray<Columns>
  private readonly builder: Builder
  private part = 0
  /** Bytes of values of the present part that are copied. */
  private copied = 0

  constructor(parts: ReadonlyArray<Columns>) {
    this.parts = parts
    this.builder = builderFor(parts)
  }

  /** Copies about so many bytes of values. True if nothing is left. */
  step(bytes: number): boolean {
    for (let left = bytes; left > 0 && this.part < this.parts.length;) {
      const from = this.parts[this.part]!
      const start = from.valueOffsets[0]! + this.copied
      const end = Math.min(from.valueOffsets[from.length]!, start + left)
      this.builder.values.raw(from.valueData.subarray(start, end))
      this.copied += end - start
      left -= end - start
      if (end < from.valueOffsets[from.length]!) break
      this.builder.appendRest(from)
      this.part++
      this.copied = 0
    }
    return this.part === this.parts.length
  }

  /** The rows, once all of them are copied. */
  columns(): Columns {
    return this.builder.view()
  }
}

const resize = <A extends Uint32Array | Float64Array>(from: A, to: A): A => {
  to.set(from)
  return to
}

const copyInto = (to: ByteWriter, from: Uint8Array, start: number, end: number): void => {
  to.reserve(end - start)
  setBytes(to.bytes, to.length, from, start, end)
  to.length += end - start
}

/** Copies `from[start .. end]`. A loop beats `set(subarray)` for the short keys and values that rows usually have. */
const setBytes = (to: Uint8Array, at: number, from: Uint8Array, start: number, end: number): void => {
  if (end - start > 40) to.set(from.subarray(start, end), at)
  else for (let i = start; i < end; i++) to[at + i - start] = from[i]!
}
