/**
 * The bytes of a log segment: names, headers, frames. `docs/format.md` is the specification. Nothing here does I/O.
 *
 * A frame is what one append wrote. Its checksum continues that of its segment, which covers a salt. A frame is
 * therefore never mistaken for one of another segment, even if a payload contains a copy of a log.
 *
 * @internal
 */
import { ByteReader } from "../ByteReader.ts"
import { ByteWriter } from "../ByteWriter.ts"
import { Corrupt, UnsupportedFormat } from "../PersistError.ts"
import * as Platform from "../Platform.ts"
import * as Checksums from "./Checksums.ts"

export const formatVersion = 1
export const headerBytes = 32
/** A frame begins with its checksum, which covers the rest of it. */
const checksumBytes = 4
export const frameHeaderBytes = 24
/**
 * The least space behind the frames of a segment without an end: more than an end frame, so that the two can be
 * distinguished.
 */
export const openBytes = frameHeaderBytes + 8

const segmentMagic = 0x474d_4454 // "TDMG"

/** The kinds of frames: entries, the end of a segment that another one follows, the end of a cleanly closed log. */
export type Kind = "data" | "continued" | "closed"

const kindOf = new Map<number, Kind>([
  [0x444d_4454, "data"], // "TDMD"
  [0x4e4d_4454, "continued"], // "TDMN"
  [0x434d_4454, "closed"] // "TDMC"
])
const magicOf = new Map([...kindOf].map(([magic, kind]) => [kind, magic]))

export interface Header {
  /** The position of the segment's first entry. */
  readonly base: number
  readonly epoch: number
  readonly salt: number
  /** The header's checksum, which the checksums of its frames continue. */
  readonly seed: number
}

export interface Frame {
  readonly kind: Kind
  /** Its offset in the file. */
  readonly offset: number
  /** Its size with the padding at its end. */
  readonly size: number
  readonly position: number
  readonly count: number
  readonly payload: Uint8Array
}

const pad = (value: number): string => String(value).padStart(16, "0")

export const fileName = (base: number, epoch: number): string => `${pad(base)}-${pad(epoch)}.seg`

export const parseName = (name: string): { readonly base: number; readonly epoch: number } | undefined => {
  const match = /^(\d{16})-(\d{16})\.seg$/.exec(name)
  return match === null ? undefined : { base: Number(match[1]), epoch: Number(match[2]) }
}

export const encodeHeader = (header: Omit<Header, "seed">): Uint8Array => {
  const writer = new ByteWriter(headerBytes)
  writer.u32(segmentMagic)
  writer.u32(formatVersion)
  writer.u64(header.base)
  writer.u64(header.epoch)
  writer.u32(header.salt)
  writer.u32(Platform.crc32(writer.view8()))
  return writer.finish()
}

/** Throws `Corrupt` if the bytes are no header of a segment of this name, and `UnsupportedFormat` if it is newer. */
export const decodeHeader = (bytes: Uint8Array, path: string, base: number, epoch: number): Header => {
  const corrupt = (detail: string) => new Corrupt({ location: path, offset: 0, detail })
  const reader = new ByteReader(bytes, path)
  const magic = reader.u32()
  const found = reader.u32()
  const header = { base: reader.bits64(), epoch: reader.bits64(), salt: reader.u32() }
  const seed = reader.u32()
  if (magic !== segmentMagic) throw corrupt("this is no segment header")
  if (seed !== Platform.crc32(bytes.subarray(0, headerBytes - 4))) throw corrupt("the header's checksum is wrong")
  if (found !== formatVersion) throw new UnsupportedFormat({ location: path, found, supported: formatVersion })
  if (header.base !== BigInt(base) || header.epoch !== BigInt(epoch)) {
    throw corrupt(`the header is that of ${fileName(Number(header.base), Number(header.epoch))}`)
  }
  return { base, epoch, salt: header.salt, seed }
}

/** The size of a frame that holds the entries. */
export const dataSize = (entries: ReadonlyArray<Uint8Array>): number => {
  let size = frameHeaderBytes
  for (const entry of entries) size += 4 + entry.length
  return aligned(size)
}

const aligned = (size: number): number => Math.ceil(size / 8) * 8

/** Makes the frame of one append the content of the buffer. */
export const encodeData = (
  writer: ByteWriter,
  seed: number,
  position: number,
  entries: ReadonlyArray<Uint8Array>
): void => {
  writer.clear()
  writer.reserve(dataSize(entries))
  frameHeader(writer, "data", position, entries.length)
  for (const entry of entries) writer.blob(entry)
  writer.patchU32(8, writer.length - frameHeaderBytes)
  writer.align(8)
  checksum(writer, seed)
}

/** A frame without entries: one that says how the segment ends. */
export const encodeEnd = (kind: "continued" | "closed", seed: number, position: number): Uint8Array => {
  const writer = new ByteWriter(frameHeaderBytes)
  frameHeader(writer, kind, position, 0)
  checksum(writer, seed)
  return writer.finish()
}

const frameHeader = (writer: ByteWriter, kind: Kind, position: number, count: number): void => {
  writer.u32(0)
  writer.u32(magicOf.get(kind)!)
  writer.u32(0)
  writer.u32(count)
  writer.u64(position)
}

const checksum = (writer: ByteWriter, seed: number): void =>
  writer.patchU32(0, Platform.crc32(writer.bytes.subarray(4, writer.length), seed))

/** Part of a segment file in memory. */
export interface Page {
  readonly bytes: Uint8Array
  readonly view: DataView
  /** Its offset in the file. */
  readonly offset: number
}

export const page = (bytes: Uint8Array, offset: number): Page => ({
  bytes,
  offset,
  view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
})

/** The fields of the frame header at `at` of the page, unverified, or `undefined` if there is no whole frame header. */
export const claimAt = (
  { bytes, view }: Page,
  at: number
): { readonly kind: Kind; readonly size: number; readonly position: number } | undefined => {
  if (at + frameHeaderBytes > bytes.length) return undefined
  const kind = kindOf.get(view.getUint32(at + 4, true))
  if (kind === undefined) return undefined
  const position = view.getUint32(at + 16, true) + view.getUint32(at + 20, true) * 4_294_967_296
  return { kind, position, size: frameHeaderBytes + aligned(view.getUint32(at + 8, true)) }
}

/** The valid frame at `at` of the page, if there is one and all of it is in the page. */
export const frameAt = (source: Page, at: number, seed: number): Frame | undefined => {
  const claim = claimAt(source, at)
  if (claim === undefined || at + claim.size > source.bytes.length) return undefined
  const { bytes, view } = source
  if (view.getUint32(at, true) !== Platform.crc32(bytes.subarray(at + 4, at + claim.size), seed)) return undefined
  const begin = at + frameHeaderBytes
  return {
    ...claim,
    offset: source.offset + at,
    count: view.getUint32(at + 12, true),
    payload: bytes.subarray(begin, begin + view.getUint32(at + 8, true))
  }
}

/**
 * The first valid frame of the page whose position is beyond `position`.
 *
 * Bytes that look like a frame header may be anything, also bytes of a user that imitate one, and each may claim all
 * bytes that follow. The claims are therefore not checksummed one by one. Every byte is checksummed at most once, and
 * the checksums of the claims are computed from those of the pieces between their ends.
 */
export const frameBeyond = (
  source: Page,
  seed: number,
  position: number,
  crc32 = Platform.crc32
): Frame | undefined => {
  const claims = claimsBeyond(source, position)
  const sums = Checksums.make(
    source.bytes,
    claims.flatMap(({ at, size }) => [at + checksumBytes, at + size]),
    crc32
  )
  const found = claims.find(({ at, size }) =>
    source.view.getUint32(at, true) === Checksums.of(sums, at + checksumBytes, at + size, seed)
  )
  return found === undefined ? undefined : frameAt(source, found.at, seed)
}

const claimsBeyond = (source: Page, position: number): Array<{ readonly at: number; readonly size: number }> => {
  const claims: Array<{ readonly at: number; readonly size: number }> = []
  for (let at = 0; at + frameHeaderBytes <= source.bytes.length; at += 8) {
    const claim = claimAt(source, at)
    if (claim === undefined || claim.position <= position || at + claim.size > source.bytes.length) continue
    claims.push({ at, size: claim.size })
  }
  return claims
}

/** The entries of a data frame, as views of it. Throws `Corrupt` if their lengths do not add up. */
export const entriesOf = (frame: Frame, path: string): Array<Uint8Array> => {
  const reader = new ByteReader(frame.payload, path, frame.offset + frameHeaderBytes)
  const entries: Array<Uint8Array> = []
  for (let i = 0; i < frame.count; i++) entries.push(reader.blob())
  reader.end()
  return entries
}
