/**
 * The one module that names the platform's checksum, compression and text conversion, so that another platform can
 * bring its own. Everything here is synchronous and total.
 *
 * @internal
 */
import { Buffer } from "node:buffer"
import { constants, crc32 as zlibCrc32, zstdCompressSync, zstdDecompressSync } from "node:zlib"

/** CRC-32 (IEEE 802.3), as an unsigned integer. Pass the previous value to go on with a running checksum. */
export const crc32 = (bytes: Uint8Array, previous = 0): number => zlibCrc32(bytes, previous) >>> 0

const zstdOptions = { params: { [constants.ZSTD_c_compressionLevel]: 1 } }

/** A zstd frame of the bytes, at the level that keeps up with a disk. */
export const compress = (bytes: Uint8Array): Uint8Array => zstdCompressSync(bytes, zstdOptions)

/**
 * The content of a zstd frame, or `undefined` where the bytes are not one or decode to more than `length` bytes: never
 * more memory than the caller has agreed to.
 */
export const decompress = (bytes: Uint8Array, length: number): Uint8Array | undefined => {
  try {
    const content = zstdDecompressSync(bytes, { maxOutputLength: Math.max(1, length) })
    return content.byteLength === length ? content : undefined
  } catch {
    return undefined
  }
}

/** Writes the text as UTF-8 at `offset`; the target must have room for `3 * text.length` bytes. Returns the bytes written. */
export const writeUtf8 = (text: string, target: Uint8Array, offset: number): number =>
  asBuffer(target).write(text, offset, "utf8")

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** The text of UTF-8 bytes, or `undefined` where they are not valid UTF-8. */
export const readUtf8 = (bytes: Uint8Array, start: number, end: number): string | undefined => {
  const slice = bytes.subarray(start, end)
  try {
    return strict.decode(slice)
  } catch {
    return undefined
  }
}

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
