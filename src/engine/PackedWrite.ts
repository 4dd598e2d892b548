/**
 * Packed writes: the rows of a commit as one compressed block, where that pays.
 *
 * A value that is rewritten stands twice in its commit, as it was and as it is, and the two mostly have the same text.
 * Compressed, the log takes a fraction of the bytes. Small rows and small commits are written as they are: a commit must
 * not wait for what saves little.
 *
 * @internal
 */
import * as Block from "../batch/Block.ts"
import * as Columns from "../batch/Columns.ts"
import { ByteReader } from "../ByteReader.ts"
import { ByteWriter } from "../ByteWriter.ts"
import * as Platform from "../Platform.ts"

/** Blocks of other sizes are not compressed. The largest ones take a few milliseconds. */
const leastBytes = 2 * 1024
const mostBytes = 1024 * 1024

/** Rows that are smaller on average are not compressed. */
const leastRowBytes = 256

/** A block is written compressed if that makes it at least this much smaller. */
const worthwhile = 0.75

export interface Packed {
  /** The size of the block. */
  readonly length: number
  /** A zstd frame of the block. */
  readonly frame: Uint8Array
}

const scratch = new ByteWriter(4 * 1024)

/** The rows as a compressed block, or `undefined` where they are better written as they are. */
export const pack = (columns: Columns.Columns): Packed | undefined => {
  const bytes = Columns.goodputBytes(columns)
  if (bytes < leastBytes || bytes > mostBytes || bytes < leastRowBytes * columns.length) return undefined
  scratch.clear()
  Block.encode(columns, scratch)
  const block = scratch.view8()
  const frame = Platform.compress(block)
  return frame !== undefined && frame.length <= worthwhile * block.length ? { length: block.length, frame } : undefined
}

/** Writes what `pack` has made. */
export const encode = ({ frame, length }: Packed, writer: ByteWriter): void => {
  writer.u32(length)
  writer.blob(frame)
}

/** The rows of a packed write. Throws `Corrupt` for bytes that are none. */
export const decode = (reader: ByteReader): Columns.Columns => {
  const length = reader.u32()
  if (length > 2 * mostBytes) reader.fail("a packed write is larger than any that is written")
  const block = Platform.decompress(reader.blob(), length)
  if (block === undefined) return reader.fail("a packed write does not decompress")
  const inner = new ByteReader(block, reader.location)
  const columns = Block.decode(inner)
  inner.end()
  return columns
}
