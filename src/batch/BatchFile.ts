/**
 * The batch file: sorted, consolidated rows that can be read by range.
 *
 * A header, then blocks of rows, each compressed on its own, then a footer that says where each block is and which keys
 * and times it holds, then a trailer that says where the footer is. Every byte is under a checksum. `docs/format.md` is
 * the specification.
 *
 * @internal
 */
import { ByteReader } from "../ByteReader.ts"
import { ByteWriter } from "../ByteWriter.ts"
import { Corrupt, UnsupportedFormat } from "../PersistError.ts"
import * as Platform from "../Platform.ts"
import * as Block from "./Block.ts"
import * as Checksum from "./Checksum.ts"
import * as Columns from "./Columns.ts"
import { compareBytes } from "./Compare.ts"

/** "TDMKBTCH" as little-endian words: the file begins and ends with it. */
const magic = [0x4b4d4454, 0x48435442] as const

export const version = 1
export const headerBytes = 16
export const trailerBytes = 32

/** Target size of a block, in bytes of rows. */
export const targetBlockBytes = 128 * 1024

/** No block decodes to more bytes or more rows, so that a damaged file cannot make its reader allocate more. */
const maxBlockBytes = 64 * 1024 * 1024
const maxBlockRows = 1024 * 1024

const encodings = ["raw", "zstd"] as const

/** The times that a batch covers, and the time that earlier ones were advanced to. */
export interface Description {
  readonly lower: number
  readonly upper: number
  readonly since: number
}

export interface BlockInfo {
  readonly offset: number
  /** Bytes stored. */
  readonly length: number
  /** Bytes when decompressed. */
  readonly rawLength: number
  readonly encoding: typeof encodings[number]
  /** CRC of the bytes stored. */
  readonly crc: number
  readonly rows: number
  readonly minKey: Uint8Array
  readonly maxKey: Uint8Array
  readonly minTime: number
  readonly maxTime: number
}

export interface Footer {
  readonly description: Description
  readonly rows: number
  readonly checksum: bigint
  readonly blocks: ReadonlyArray<BlockInfo>
}

/** What a store's state keeps of a file. */
export interface Meta {
  readonly bytes: number
  readonly rows: number
  readonly checksum: bigint
  readonly minKey: Uint8Array
  readonly maxKey: Uint8Array
  readonly minTime: number
  readonly maxTime: number
  /** What is known of a file that was written in this process. It is not stored. */
  readonly content?: Content | undefined
}

/** What a rewrite of a file may reclaim. */
export interface Content {
  /** Rows at the batch's since. */
  readonly advanced: number
  /** Those of them that are retractions. */
  readonly retractions: number
}

/** Builds one file in memory, block by block. */
export class Writer {
  /** Rows added. */
  rows = 0
  private readonly description: Description
  private readonly out = new ByteWriter(targetBlockBytes)
  private readonly block = new ByteWriter(2 * targetBlockBytes)
  private readonly checksum = new Checksum.Accumulator()
  private retractions = 0
  private advanced = 0
  private readonly blocks: Array<BlockInfo> = []

  constructor(description: Description) {
    this.description = description
    this.out.u32(magic[0])
    this.out.u32(magic[1])
    this.out.u32(version)
    this.out.u32(Platform.crc32(this.out.view8()))
  }

  /** Bytes of the file so far, without its footer. */
  get bytes(): number {
    return this.out.length
  }

  /**
   * Adds a block of about `targetBlockBytes`: sorted, consolidated rows, at least one, that follow all rows added before.
   */
  add(columns: Columns.Columns): void {
    this.block.clear()
    Block.encode(columns, this.block)
    const raw = this.block.view8()
    const compressed = Platform.compress(raw)
    const isSmaller = compressed !== undefined && compressed.length < raw.length
    const stored = isSmaller ? compressed : raw
    const [minTime, maxTime] = timeRange(columns)
    this.blocks.push({
      offset: this.out.length,
      length: stored.length,
      rawLength: raw.length,
      encoding: isSmaller ? "zstd" : "raw",
      crc: Platform.crc32(stored),
      rows: columns.length,
      minKey: Columns.keyAt(columns, 0).slice(),
      maxKey: Columns.keyAt(columns, columns.length - 1).slice(),
      minTime,
      maxTime
    })
    this.out.raw(stored)
    this.checksum.add(columns)
    this.rows += columns.length
    for (let i = 0; i < columns.length; i++) {
      if (columns.times[i]! > this.description.since) continue
      this.advanced++
      if (columns.diffs[i]! < 0) this.retractions++
    }
  }

  /** Ends the file, which has at least one block. */
  finish(): { readonly bytes: Uint8Array; readonly meta: Meta } {
    const { blocks, out, rows } = this
    const checksum = this.checksum.value()
    const footerOffset = out.length
    encodeFooter({ description: this.description, rows, checksum, blocks }, out)
    const footerLength = out.length - footerOffset
    const footerCrc = Platform.crc32(out.bytes.subarray(footerOffset, out.length))
    const trailer = out.length
    out.u64(footerOffset)
    out.u32(footerLength)
    out.u32(footerCrc)
    out.u32(version)
    out.u32(Platform.crc32(out.bytes.subarray(trailer, out.length)))
    out.u32(magic[0])
    out.u32(magic[1])
    const meta: Meta = {
      bytes: out.length,
      rows,
      checksum,
      minKey: blocks[0]!.minKey,
      maxKey: blocks.at(-1)!.maxKey,
      minTime: blocks.reduce((least, block) => Math.min(least, block.minTime), Infinity),
      maxTime: blocks.reduce((most, block) => Math.max(most, block.maxTime), 0),
      content: { retractions: this.retractions, advanced: this.advanced }
    }
    return { bytes: out.view8(), meta }
  }
}

/** The least and the greatest time of rows. */
export const timeRange = ({ times }: Columns.Columns): readonly [number, number] => {
  let least = Infinity
  let most = 0
  for (const time of times) {
    if (time < least) least = time
    if (time > most) most = time
  }
  return [least, most]
}

const encodeFooter = (footer: Footer, writer: ByteWriter): void => {
  writer.frontier(footer.description.lower)
  writer.frontier(footer.description.upper)
  writer.frontier(footer.description.since)
  writer.u64(footer.rows)
  writer.bits64(footer.checksum)
  writer.u32(footer.blocks.length)
  for (const block of footer.blocks) {
    writer.u64(block.offset)
    writer.u32(block.length)
    writer.u32(block.rawLength)
    writer.u32(encodings.indexOf(block.encoding))
    writer.u32(block.crc)
    writer.u32(block.rows)
    writer.u64(block.minTime)
    writer.u64(block.maxTime)
    writer.blob(block.minKey)
    writer.blob(block.maxKey)
  }
}

/** Where the footer is, from the last `trailerBytes` or more bytes of the file. */
export const readTrailer = (
  tail: Uint8Array,
  fileLength: number,
  location: string
): { readonly footerOffset: number; readonly footerLength: number; readonly footerCrc: number } => {
  const start = Math.max(0, tail.length - trailerBytes)
  const trailer = tail.subarray(start)
  const reader = new ByteReader(trailer, location, fileLength - trailer.length)
  reader.need(trailerBytes)
  reader.offset = trailerBytes - 12
  const crc = reader.u32()
  if (crc !== Platform.crc32(trailer.subarray(0, 20)) || reader.u32() !== magic[0] || reader.u32() !== magic[1]) {
    reader.offset = 0
    reader.fail("the trailer is damaged")
  }
  reader.offset = 0
  const footerOffset = reader.u64()
  const footerLength = reader.u32()
  const footerCrc = reader.u32()
  checkVersion(reader)
  reader.offset = 0
  if (footerOffset < headerBytes || footerOffset + footerLength + trailerBytes !== fileLength) {
    reader.fail("the trailer does not fit the length of the file")
  }
  return { footerOffset, footerLength, footerCrc }
}

const checkVersion = (reader: ByteReader): void => {
  const found = reader.u32()
  if (found === 0) reader.fail("there is no format version 0")
  if (found > version) throw new UnsupportedFormat({ location: reader.location, found, supported: version })
}

/** The footer, from its bytes and the trailer. */
export const readFooter = (
  bytes: Uint8Array,
  trailer: { readonly footerOffset: number; readonly footerCrc: number },
  location: string
): Footer => {
  const reader = new ByteReader(bytes, location, trailer.footerOffset)
  if (Platform.crc32(bytes) !== trailer.footerCrc) reader.fail("the checksum of the footer does not match")
  const description = { lower: reader.frontier(), upper: reader.frontier(), since: reader.frontier() }
  const rows = reader.u64()
  const checksum = reader.bits64()
  const blocks: Array<BlockInfo> = []
  let end = headerBytes
  for (let count = reader.count(52); count > 0; count--) {
    const block = readBlockInfo(reader)
    if (block.offset !== end) reader.fail("blocks do not follow each other")
    end = block.offset + block.length
    blocks.push(block)
  }
  if (blocks.length === 0) reader.fail("the file has no blocks")
  if (end !== trailer.footerOffset) reader.fail("the blocks do not reach up to the footer")
  reader.end()
  return { description, rows, checksum, blocks }
}

const readBlockInfo = (reader: ByteReader): BlockInfo => {
  const offset = reader.u64()
  const length = reader.u32()
  const rawLength = reader.u32()
  const encoding = encodings[reader.u32()] ?? reader.fail("a block has an unknown encoding")
  if (rawLength > maxBlockBytes) reader.fail("a block is larger than any that is written")
  if (encoding === "raw" && rawLength !== length) reader.fail("a raw block has another length than its bytes")
  const crc = reader.u32()
  const rows = reader.u32()
  if (rows > maxBlockRows) reader.fail("a block has more rows than any that is written")
  return {
    offset,
    length,
    rawLength,
    encoding,
    crc,
    rows,
    minTime: reader.u64(),
    maxTime: reader.u64(),
    minKey: reader.blob().slice(),
    maxKey: reader.blob().slice()
  }
}

/** The rows of one block, from its stored bytes. */
export const readBlock = (block: BlockInfo, bytes: Uint8Array, location: string): Columns.Columns => {
  const damaged = (detail: string): never => {
    throw new Corrupt({ location, offset: block.offset, detail })
  }
  if (bytes.length !== block.length || Platform.crc32(bytes) !== block.crc) {
    damaged("the checksum of a block does not match")
  }
  const raw = block.encoding === "raw" ? bytes : Platform.decompress(bytes, block.rawLength)
  if (raw === undefined) return damaged("a block does not decompress")
  const columns = decodeBlock(raw, block, location)
  if (columns.length !== block.rows) damaged("a block has another number of rows than the footer says")
  return columns
}

const decodeBlock = (raw: Uint8Array, { offset }: BlockInfo, location: string): Columns.Columns => {
  const reader = new BlockReader(raw, location, offset)
  const columns = Block.decode(reader)
  reader.end()
  return columns
}

/** Reads bytes that may have been decompressed, and have no offset in the file. Errors name the offset of the block. */
class BlockReader extends ByteReader {
  override fail(detail: string): never {
    const where = `${this.offset} bytes into the decoded block`
    throw new Corrupt({ location: this.location, offset: this.base, detail: `${detail}, ${where}` })
  }
}

/** Whether a block may hold rows with this key. */
export const mayHold = ({ maxKey, minKey }: BlockInfo, key: Uint8Array): boolean =>
  compareBytes(key, minKey) >= 0 && compareBytes(key, maxKey) <= 0

/** The blocks that may hold rows with these keys and times; `maxKey` and `maxTime` are included. */
export const findBlocks = (
  footer: Footer,
  wanted: {
    readonly minKey?: Uint8Array | undefined
    readonly maxKey?: Uint8Array | undefined
    readonly minTime?: number | undefined
    readonly maxTime?: number | undefined
  }
): ReadonlyArray<number> => {
  const { maxKey, maxTime = Infinity, minKey, minTime = 0 } = wanted
  const found: Array<number> = []
  for (let i = minKey === undefined ? 0 : firstBlock(footer, minKey); i < footer.blocks.length; i++) {
    const block = footer.blocks[i]!
    if (maxKey !== undefined && compareBytes(block.minKey, maxKey) > 0) break
    if (block.maxTime >= minTime && block.minTime <= maxTime) found.push(i)
  }
  return found
}

/** The first block whose greatest key is at or above `key`. */
const firstBlock = ({ blocks }: Footer, key: Uint8Array): number => {
  let low = 0
  let high = blocks.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareBytes(blocks[middle]!.maxKey, key) >= 0) high = middle
    else low = middle + 1
  }
  return low
}

/** Checks the header, from the first `headerBytes` of the file. */
export const checkHeader = (bytes: Uint8Array, location: string): void => {
  const reader = new ByteReader(bytes.subarray(0, headerBytes), location)
  if (reader.u32() !== magic[0] || reader.u32() !== magic[1]) {
    reader.offset = 0
    reader.fail("this is no batch file")
  }
  reader.offset = 12
  if (Platform.crc32(bytes.subarray(0, 12)) !== reader.u32()) {
    reader.offset = 0
    reader.fail("the checksum of the header does not match")
  }
  reader.offset = 8
  checkVersion(reader)
}
