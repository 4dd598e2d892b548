/**
 * Blocks: columns as bytes, in log entries and in batch files alike.
 *
 * Bytes, from a multiple of 8: row count u32, 0 u32, four integer columns (times, diffs, key lengths, value lengths),
 * the key bytes, zeros up to a multiple of 8, the value bytes, zeros up to a multiple of 8. The diffs take at least a
 * byte a row, so that no block claims more rows than it has bytes. There is no checksum inside: the file or entry that
 * contains the block has one.
 *
 * @internal
 */
import type { ByteReader } from "../ByteReader.ts"
import type { ByteWriter } from "../ByteWriter.ts"
import * as Columns from "./Columns.ts"
import * as IntColumn from "./IntColumn.ts"

/** What headers and padding of a block take, at most. */
const paddedBytes = 160

export const encode = (columns: Columns.Columns, writer: ByteWriter): void => {
  const { diffs, keyData, keyOffsets, length, times, valueData, valueOffsets } = columns
  // A writer that doubles again for the last bytes of a large value would copy the value once more.
  writer.reserve(Columns.keyBytes(columns) + Columns.valueBytes(columns) + 32 * length + paddedBytes)
  writer.align(8)
  writer.u32(length)
  writer.u32(0)
  IntColumn.encode(writer, times)
  IntColumn.encode(writer, diffs, 1)
  IntColumn.encode(writer, lengthsOf(keyOffsets, length))
  IntColumn.encode(writer, lengthsOf(valueOffsets, length))
  writer.raw(keyData.subarray(keyOffsets[0]!, keyOffsets[length]!))
  writer.align(8)
  writer.raw(valueData.subarray(valueOffsets[0]!, valueOffsets[length]!))
  writer.align(8)
}

const lengthsOf = (offsets: Uint32Array, length: number): Uint32Array => {
  const lengths = new Uint32Array(length)
  for (let i = 0; i < length; i++) lengths[i] = offsets[i + 1]! - offsets[i]!
  return lengths
}

/**
 * The columns, whose keys and values are views of the reader's bytes. Throws `Corrupt` for bytes that are not a block.
 */
export const decode = (reader: ByteReader): Columns.Columns => {
  reader.align(8)
  const length = reader.count(1)
  if (reader.u32() !== 0) reader.fail("a reserved field of a block is not zero")
  const times = IntColumn.decode(reader, length)
  const diffs = IntColumn.decode(reader, length, 1)
  const keyOffsets = offsetsOf(reader, IntColumn.read(reader, length), length)
  const valueOffsets = offsetsOf(reader, IntColumn.read(reader, length), length)
  if (times.some((time) => time < 0)) reader.fail("a time is negative")
  const keyData = reader.raw(keyOffsets[length]!)
  reader.align(8)
  const valueData = reader.raw(valueOffsets[length]!)
  reader.align(8)
  return { length, keyData, keyOffsets, valueData, valueOffsets, times, diffs }
}

const offsetsOf = (reader: ByteReader, { base, differences }: IntColumn.Stored, rows: number): Uint32Array => {
  const offsets = new Uint32Array(rows + 1)
  let end = 0
  for (let i = 0; i < rows; i++) {
    const length = differences === undefined ? base : base + differences[i]!
    if (length < 0) reader.fail("a length is negative")
    end += length
    if (end > reader.remaining) reader.fail("keys or values are longer than the block")
    offsets[i + 1] = end
  }
  return offsets
}
