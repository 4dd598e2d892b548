/**
 * Integer columns: safe integers in frame of reference encoding.
 *
 * A column is stored as its least value and, for each row, the difference from it in the fewest of 0, 1, 2 or 4 bytes
 * that fit all of them; a constant column takes no bytes a row. Where 4 bytes are not enough, each value is stored as
 * it is, in 8. Times, diffs and lengths are usually close together, so that this encoding is small, and it decodes at
 * the speed of memory. The encoding is from Goldstein, Ramakrishnan and Shaft, "Compressing Relations and Indexes"
 * (1998).
 *
 * Bytes, from a multiple of 8: base i64, width u32, 0 u32, then `length` values of `width` bytes, then zeros up to a
 * multiple of 8.
 *
 * @internal
 */
import type { ByteReader } from "../ByteReader.ts"
import type { ByteWriter } from "../ByteWriter.ts"

type Numbers = Float64Array | Uint32Array

/** A column that must take at least `leastWidth` bytes a row. */
export const encode = (writer: ByteWriter, values: Numbers, leastWidth: 0 | 1 = 0): void => {
  const length = values.length
  let least = length === 0 ? 0 : values[0]!
  let most = least
  for (let i = 1; i < length; i++) {
    const value = values[i]!
    if (value < least) least = value
    else if (value > most) most = value
  }
  const width = Math.max(leastWidth, widthOf(most - least))
  const base = width === 8 ? 0 : least
  writer.align(8)
  writer.i64(base)
  writer.u32(width)
  writer.u32(0)
  writer.reserve(length * width + 8)
  const { buffer } = writer.bytes
  const at = writer.bytes.byteOffset + writer.length
  if (width === 8) writeWide(new DataView(buffer, at), values)
  else if (width === 4) subtract(new Uint32Array(buffer, at, length), values, base)
  else if (width === 2) subtract(new Uint16Array(buffer, at, length), values, base)
  else if (width === 1) subtract(new Uint8Array(buffer, at, length), values, base)
  writer.length += length * width
  writer.align(8)
}

const widthOf = (range: number): 0 | 1 | 2 | 4 | 8 => {
  if (range === 0) return 0
  if (range <= 0xff) return 1
  if (range <= 0xffff) return 2
  return range <= 0xffff_ffff ? 4 : 8
}

const subtract = (to: Uint8Array | Uint16Array | Uint32Array, values: Numbers, base: number): void => {
  for (let i = 0; i < to.length; i++) to[i] = values[i]! - base
}

const twoTo32 = 4_294_967_296

const writeWide = (to: DataView, values: Numbers): void => {
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    to.setUint32(i * 8, value >>> 0, true)
    to.setInt32(i * 8 + 4, Math.floor(value / twoTo32), true)
  }
}

/** A column as it is stored: each value is the base and the difference of its row; without differences, the base. */
export interface Stored {
  readonly base: number
  readonly differences: Uint8Array | Uint16Array | Uint32Array | Float64Array | undefined
}

/**
 * Reads a column of `length` values, and copies none that are narrow. Throws `Corrupt` for bytes that are not a column, or
 * whose values are not safe integers.
 */
export const read = (reader: ByteReader, length: number, leastWidth: 0 | 1 = 0): Stored => {
  reader.align(8)
  const base = reader.i64()
  const width = reader.u32()
  if (reader.u32() !== 0) reader.fail("a reserved field of an integer column is not zero")
  if (width > 8 || (width & (width - 1)) !== 0) reader.fail(`an integer column has a width of ${width} bytes`)
  if (width < leastWidth) reader.fail("an integer column is narrower than its kind allows")
  if (width === 8 && base !== 0) reader.fail("a wide integer column has a base")
  const most = base + (width === 0 || width === 8 ? 0 : 2 ** (8 * width) - 1)
  const bytes = aligned(reader.raw(length * width), width)
  const differences = differencesOf(bytes, width, length)
  if (differences !== undefined && (width === 8 || !Number.isSafeInteger(most))) {
    for (const difference of differences) {
      if (!Number.isSafeInteger(base + difference)) reader.fail("a value of an integer column is beyond 2^53 - 1")
    }
  }
  reader.align(8)
  return { base, differences }
}

const differencesOf = (bytes: Uint8Array, width: number, length: number): Stored["differences"] => {
  switch (width) {
    case 0:
      return undefined
    case 1:
      return bytes
    case 2:
      return new Uint16Array(bytes.buffer, bytes.byteOffset, length)
    case 4:
      return new Uint32Array(bytes.buffer, bytes.byteOffset, length)
    default:
      return wide(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), length)
  }
}

/** The values of a column. Throws as `read` does. */
export const decode = (reader: ByteReader, length: number, leastWidth: 0 | 1 = 0): Float64Array => {
  const { base, differences } = read(reader, length, leastWidth)
  if (differences instanceof Float64Array) return differences
  const values = new Float64Array(length)
  if (differences === undefined) return values.fill(base)
  for (let i = 0; i < length; i++) values[i] = differences[i]! + base
  return values
}

/** The bytes at an address that views of this width can have. */
const aligned = (bytes: Uint8Array, width: number): Uint8Array =>
  width > 1 && bytes.byteOffset % width !== 0 ? bytes.slice() : bytes

const wide = (from: DataView, length: number): Float64Array => {
  const values = new Float64Array(length)
  for (let i = 0; i < length; i++) {
    values[i] = from.getUint32(i * 8, true) + from.getInt32(i * 8 + 4, true) * twoTo32
  }
  return values
}
