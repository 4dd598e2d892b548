/**
 * The platform of browsers: what `src/Platform.ts` exports, without Node.js.
 *
 * Browsers have neither synchronous checksums nor zstd. Blocks are therefore written uncompressed here, which every platform
 * reads, and what another platform has compressed is read here.
 *
 * @internal
 */
import { sha256 as digest } from "@noble/hashes/sha2.js"
import { bytesToHex } from "@noble/hashes/utils.js"
import { Decompress } from "fzstd"
import * as PortableText from "../PortableText.ts"

export { dateOf, isSame, readUtf8, writeAscii } from "../PortableText.ts"

/** The remainders of all bytes, and of those with one to three zero bytes behind them: four bytes are one step. */
const crcTables = Array.from({ length: 4 }, () => new Int32Array(256))
for (let byte = 0; byte < 256; byte++) {
  let remainder = byte
  for (let bit = 0; bit < 8; bit++) remainder = remainder & 1 ? remainder >>> 1 ^ 0xedb88320 : remainder >>> 1
  crcTables[0]![byte] = remainder
}
for (let byte = 0; byte < 256; byte++) {
  for (let zeros = 1; zeros < 4; zeros++) {
    const before = crcTables[zeros - 1]![byte]!
    crcTables[zeros]![byte] = before >>> 8 ^ crcTables[0]![before & 0xff]!
  }
}

/** CRC-32 (IEEE 802.3), as an unsigned integer. Pass the previous value to go on with a running checksum. */
export const crc32 = (bytes: Uint8Array, previous = 0): number => {
  const [last, third, second, first] = crcTables as [Int32Array, Int32Array, Int32Array, Int32Array]
  let crc = ~previous
  let i = 0
  for (; i + 4 <= bytes.length; i += 4) {
    crc ^= bytes[i]! | bytes[i + 1]! << 8 | bytes[i + 2]! << 16 | bytes[i + 3]! << 24
    crc = first[crc & 0xff]! ^ second[crc >>> 8 & 0xff]! ^ third[crc >>> 16 & 0xff]! ^ last[crc >>> 24]!
  }
  for (; i < bytes.length; i++) crc = crc >>> 8 ^ last[(crc ^ bytes[i]!) & 0xff]!
  return ~crc >>> 0
}

/** There are no files. */
export const readText = (_path: string): string | undefined => undefined

/** SHA-256, in hexadecimal digits. */
export const sha256 = (bytes: Uint8Array): string => bytesToHex(digest(bytes))

/** No frame: browsers do not make any. */
export const compress = (_bytes: Uint8Array): Uint8Array | undefined => undefined

/** The window that every decoder should support, says the specification of zstd. */
const windowBytes = 8 * 1024 * 1024

/** How much memory the header of a frame has its decoder take: its window, or its content where it is a single segment. */
const memoryOf = (frame: Uint8Array): number => {
  const descriptor = frame[4] ?? 0
  const isSingle = (descriptor & 0x20) !== 0
  if (!isSingle) {
    const window = frame[5] ?? 0
    const base = 2 ** (10 + (window >> 3))
    return base + base / 8 * (window & 7)
  }
  const sizeBytes = 1 << (descriptor >> 6)
  const at = 5 + [0, 1, 2, 4][descriptor & 3]!
  let content = sizeBytes === 2 ? 256 : 0
  for (let i = 0; i < sizeBytes; i++) content += (frame[at + i] ?? 0) * 2 ** (8 * i)
  return content
}

/**
 * The content of a zstd frame, or `undefined` where the bytes are not one or decode to other than `length` bytes. It takes
 * little more memory than twice what the caller allows, and the window that every decoder should support.
 */
export const decompress = (bytes: Uint8Array, length: number): Uint8Array | undefined => {
  if (memoryOf(bytes) > Math.max(length, windowBytes)) return undefined
  const content = new Uint8Array(length)
  let written = 0
  try {
    // A part that is beyond the end throws.
    const decoder = new Decompress((part) => {
      content.set(part, written)
      written += part.length
    })
    decoder.push(bytes, true)
  } catch {
    return undefined
  }
  return written === length ? content : undefined
}

/** Memory, for the caller to fill. */
export const allocate = (size: number): Uint8Array => new Uint8Array(size)

/** The same: here no memory is shared. */
export const allocateShared = allocate

/** A copy of part of the bytes. */
export const copyOf = (bytes: Uint8Array, start: number, end: number): Uint8Array => bytes.slice(start, end)

/**
 * A function that writes text as UTF-8 into the bytes and returns how many it has written; there must be room for
 * `3 * text.length`.
 */
export const utf8Writer = (bytes: Uint8Array): (text: string, offset: number) => number => (text, offset) =>
  PortableText.writeUtf8(text, bytes.subarray(offset))

/** So many characters are made at once: a call takes only so many arguments. */
const codesAtOnce = 4_096

/** The bytes as text with one character each, whatever they are. A decoder for `latin1` would read windows-1252. */
export const readLatin1 = (bytes: Uint8Array, start: number, end: number): string => {
  let text = ""
  for (let at = start; at < end; at += codesAtOnce) {
    text += String.fromCharCode(...bytes.subarray(at, Math.min(end, at + codesAtOnce)))
  }
  return text
}

/** The text of ASCII bytes, or `undefined` where not all are ASCII. */
export const readAscii = (bytes: Uint8Array, start: number, end: number): string | undefined => {
  for (let i = start; i < end; i++) if (bytes[i]! > 0x7f) return undefined
  return readLatin1(bytes, start, end)
}

/** A text with one character for each byte, for comparing bytes. It is not readable. */
export const latin1: typeof readLatin1 = readLatin1

export const toBase64 = (bytes: Uint8Array): string => btoa(readLatin1(bytes, 0, bytes.length))

/** The bytes of text that is known to be Base64. */
export const fromBase64 = (text: string): Uint8Array => Uint8Array.from(atob(text), (code) => code.charCodeAt(0))
