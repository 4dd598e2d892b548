/**
 * The bytes of the objects that make up a log: records, and anchors. `docs/s3.md` is the specification. This module
 * does no I/O.
 *
 * A record is a header, followed by the entries, each with its length. The header has its own checksum, so that a log
 * can be traversed by headers alone.
 *
 * @internal
 */
import { ByteReader } from "../ByteReader.ts"
import { ByteWriter } from "../ByteWriter.ts"
import { Corrupt, UnsupportedFormat } from "../PersistError.ts"
import * as Platform from "../Platform.ts"

export const formatVersion = 1
export const headerBytes = 56

const recordMagic = 0x524d_4454 // "TDMR"
const anchorMagic = 0x414d_4454 // "TDMA"

/** A record without its entries. A record that has no entries begins its epoch. */
export interface Header {
  readonly number: number
  readonly epoch: number
  /** The position of the first entry. */
  readonly position: number
  readonly count: number
  /** Identifies the opener that wrote it. */
  readonly opener: bigint
  readonly bodyChecksum: number
}

/** The record that the log begins with, and the position of its first entry. */
export interface Anchor {
  readonly number: number
  readonly position: number
}

export type Identity = Pick<Header, "number" | "epoch" | "position" | "opener">

export const encode = (identity: Identity, entries: ReadonlyArray<Uint8Array>): Uint8Array => {
  const bodyBytes = entries.reduce((sum, entry) => sum + 4 + entry.length, 0)
  const writer = new ByteWriter(headerBytes + bodyBytes)
  start(writer, recordMagic)
  writer.u64(identity.number)
  writer.u64(identity.epoch)
  writer.u64(identity.position)
  writer.bits64(identity.opener)
  writer.u32(entries.length)
  writer.u32(bodyBytes)
  const checksums = writer.length
  writer.u32(0)
  writer.u32(0)
  for (const entry of entries) writer.blob(entry)
  writer.patchU32(checksums, Platform.crc32(writer.bytes.subarray(headerBytes, writer.length)))
  writer.patchU32(checksums + 4, Platform.crc32(writer.bytes.subarray(0, headerBytes - 4)))
  return writer.view8()
}

/** The header of the record at this number. Throws `Corrupt` or `UnsupportedFormat` if it is invalid. */
export const decodeHeader = (bytes: Uint8Array, location: string, number: number): Header =>
  readHeader(new ByteReader(bytes, location), number).header

/** The entries of a record, whose header must be the one that the log is known to have there. */
export const decodeEntries = (bytes: Uint8Array, location: string, expected: Header): ReadonlyArray<Uint8Array> => {
  const reader = new ByteReader(bytes, location)
  const { bodyBytes, header } = readHeader(reader, expected.number)
  if (!isSame(header, expected)) reader.fail("the record is another one than the log had there")
  if (reader.remaining !== bodyBytes) reader.fail(`${bodyBytes} bytes of entries were expected`)
  if (Platform.crc32(bytes.subarray(headerBytes)) !== header.bodyChecksum) reader.fail("the checksum is wrong")
  const entries = Array.from({ length: header.count }, () => reader.blob())
  reader.end()
  return entries
}

export const isSame = (a: Header, b: Header): boolean =>
  a.number === b.number && a.epoch === b.epoch && a.position === b.position && a.count === b.count &&
  a.opener === b.opener && a.bodyChecksum === b.bodyChecksum

const readHeader = (reader: ByteReader, number: number) => {
  checkStart(reader, recordMagic, headerBytes)
  const header = {
    number: reader.u64(),
    epoch: reader.u64(),
    position: reader.u64(),
    opener: reader.bits64(),
    count: reader.u32()
  }
  const bodyBytes = reader.u32()
  const bodyChecksum = reader.u32()
  reader.u32()
  if (header.number !== number) reader.fail(`this is record ${header.number}, and not ${number}`)
  return { bodyBytes, header: { ...header, bodyChecksum } }
}

const anchorBytes = 28

export const encodeAnchor = ({ number, position }: Anchor): Uint8Array => {
  const writer = new ByteWriter(anchorBytes)
  start(writer, anchorMagic)
  writer.u64(number)
  writer.u64(position)
  writer.u32(Platform.crc32(writer.view8()))
  return writer.view8()
}

export const decodeAnchor = (bytes: Uint8Array, location: string): Anchor => {
  const reader = new ByteReader(bytes, location)
  checkStart(reader, anchorMagic, anchorBytes)
  return { number: reader.u64(), position: reader.u64() }
}

const start = (writer: ByteWriter, magic: number): void => {
  writer.u32(magic)
  writer.u32(formatVersion)
}

/** Reads magic and version, and verifies the checksum at the end of the first `size` bytes. */
const checkStart = (reader: ByteReader, magic: number, size: number): void => {
  reader.need(size)
  if (reader.u32() !== magic) corrupt(reader, "this is no object of a Tidemark log")
  const checksum = new ByteReader(reader.bytes.subarray(size - 4, size), reader.location).u32()
  if (Platform.crc32(reader.bytes.subarray(0, size - 4)) !== checksum) corrupt(reader, "the header's checksum is wrong")
  const found = reader.u32()
  if (found !== formatVersion) {
    throw new UnsupportedFormat({ location: reader.location, found, supported: formatVersion })
  }
}

const corrupt = ({ location }: ByteReader, detail: string): never => {
  throw new Corrupt({ location, offset: 0, detail })
}
