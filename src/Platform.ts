/**
 * The one module that names the platform's checksums, compression, conversions of text and small files, so that another platform can
 * bring its own. Everything here is synchronous and total.
 *
 * This is the platform of Node.js, Bun and Deno. The field `browser` of package.json has bundlers put `web/Platform.ts` in its
 * place, which exports the same.
 *
 * @internal
 */
import { Buffer } from "node:buffer"
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import * as zlib from "node:zlib"
import * as PortableText from "./PortableText.ts"

export { dateOf, writeAscii } from "./PortableText.ts"

// Importing a name that a module lacks would fail with a stack trace, before a clear message could be printed.
if (typeof zlib.zstdCompressSync !== "function" || typeof zlib.crc32 !== "function") {
  throw new Error(
    "Tidemark needs a runtime whose node:zlib has zstd and crc32, which this one has not: use Node.js 22.19 or later"
  )
}
const { constants, crc32: zlibCrc32, zstdCompressSync, zstdDecompressSync } = zlib

/** CRC-32 (IEEE 802.3), as an unsigned integer. Pass the previous value to go on with a running checksum. */
export const crc32 = (bytes: Uint8Array, previous = 0): number => zlibCrc32(bytes, previous) >>> 0

/** The text of a small file; undefined where it cannot be read. */
export const readText = (path: string): string | undefined => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return undefined
  }
}

/** SHA-256, in hexadecimal digits. */
export const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

/**
 * Output comes in pieces of up to so many bytes, which are put together: a block is one piece. Bytes that are worth
 * compressing need one of half their size.
 */
const zstdChunk = 128 * 1024 + 512

const zstdParams = { [constants.ZSTD_c_compressionLevel]: 1 }

/** A zstd frame of the bytes, at the level that keeps up with a disk; `undefined` on a platform that makes none. */
export const compress = (bytes: Uint8Array): Uint8Array | undefined =>
  zstdCompressSync(bytes, { params: zstdParams, chunkSize: Math.min(zstdChunk, 512 + (bytes.length >>> 1)) })

/**
 * The content of a zstd frame, or `undefined` where the bytes are not one or decode to more than `length` bytes: it
 * never takes more memory than the caller allows.
 */
export const decompress = (bytes: Uint8Array, length: number): Uint8Array | undefined => {
  try {
    const content = zstdDecompressSync(bytes, {
      maxOutputLength: Math.max(1, length),
      chunkSize: 64 + Math.min(zstdChunk, length, 16 * bytes.length)
    })
    return content.byteLength === length ? content : undefined
  } catch {
    return undefined
  }
}

/** Arrays of up to so many bytes live in the engine's own heap, at a tenth of the cost of others. */
const cheapBytes = 64

/** Memory whose content is undefined. */
export const allocate = (size: number): Uint8Array =>
  size <= cheapBytes ? new Uint8Array(size) : new Uint8Array(Buffer.allocUnsafeSlow(size).buffer)

/**
 * Memory whose content is undefined, for a thread of its own: what is not large shares the memory of Node's pool, which is
 * never handed to another thread.
 */
export const allocateShared = (size: number): Uint8Array => {
  if (size <= cheapBytes) return new Uint8Array(size)
  const { buffer, byteOffset } = Buffer.allocUnsafe(size)
  return new Uint8Array(buffer, byteOffset, size)
}

/** A copy of part of the bytes, in memory as of `allocateShared`. */
export const copyOf = (bytes: Uint8Array, start: number, end: number): Uint8Array => {
  const size = end - start
  // The `slice` of a `Buffer` would be no copy.
  if (size <= cheapBytes) return Uint8Array.prototype.slice.call(bytes, start, end)
  const copy = allocateShared(size)
  copy.set(bytes.subarray(start, end))
  return copy
}

/**
 * A function that writes text as UTF-8 into the bytes and returns how many it has written; there must be room for
 * `3 * text.length`. Making it costs more than a call, so that one is made for each buffer.
 */
export const utf8Writer = (bytes: Uint8Array): (text: string, offset: number) => number => {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return (text, offset) => buffer.write(text, offset, "utf8")
}

/** Longer texts are the platform's to make. */
const fewCodes = 48

/** Fewer bytes are compared faster here than by the platform. */
const fewBytes = 48

/** Whether two ranges have the same bytes. */
export const isSame = (
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number
): boolean => {
  if (aEnd - aStart <= fewBytes) return PortableText.isSame(a, aStart, aEnd, b, bStart, bEnd)
  return Buffer.compare(a.subarray(aStart, aEnd), b.subarray(bStart, bEnd)) === 0
}

/** A text with one character for each byte, for comparing bytes. It is not readable. */
export const latin1 = (bytes: Uint8Array, start: number, end: number): string => {
  if (end - start > fewCodes || last?.bytes === bytes) return readLatin1(bytes, start, end)
  let text = ""
  let at = start
  // Comparing texts that were put together from many pieces puts them together once more.
  for (; at + 4 <= end; at += 4) {
    text += String.fromCharCode(bytes[at]!, bytes[at + 1]!, bytes[at + 2]!, bytes[at + 3]!)
  }
  for (; at < end; at++) text += String.fromCharCode(bytes[at]!)
  return text
}

/** The bytes as text with one character each, whatever they are. */
export const readLatin1 = (bytes: Uint8Array, start: number, end: number): string =>
  bufferOver(bytes).toString("latin1", start, end)

/** The text of ASCII bytes, or `undefined` where not all are ASCII. */
export const readAscii = (bytes: Uint8Array, start: number, end: number): string | undefined => {
  const text = bufferOver(bytes).toString("utf8", start, end)
  // What is not ASCII is fewer characters than bytes, or is not valid.
  return text.length === end - start && !text.includes("\ufffd") ? text : undefined
}

/** The text of UTF-8 bytes, or `undefined` where they are not valid UTF-8. */
export const readUtf8 = (bytes: Uint8Array, start: number, end: number): string | undefined => {
  const text = bufferOver(bytes).toString("utf8", start, end)
  // What is not valid reads as U+FFFD, which may also stand there by right.
  return text.includes("\ufffd") ? PortableText.readUtf8(bytes, start, end) : text
}

export const toBase64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64")

/** The bytes of text that is known to be Base64. */
export const fromBase64 = (text: string): Uint8Array => Buffer.from(text, "base64")

/** The last bytes that were read from: rows are decoded one after the other from the same block. */
let last: { readonly bytes: Uint8Array; readonly buffer: Buffer } | undefined
const largestKept = 1024 * 1024

const bufferOver = (bytes: Uint8Array): Buffer => {
  if (last?.bytes === bytes) return last.buffer
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  last = bytes.buffer.byteLength > largestKept ? undefined : { bytes, buffer }
  return buffer
}
