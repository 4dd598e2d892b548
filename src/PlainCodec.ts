/**
 * Text and bytes as they are: codecs of keys and of values.
 *
 * @since 0.1.0
 */
import { ByteWriter } from "./ByteWriter.ts"
import { readUtf8 } from "./CanonicalJson.ts"
import type { Bounds, Decode, OrderedCodec } from "./CodecModel.ts"
import * as Platform from "./Platform.ts"
import { refuse } from "./Refusal.ts"
import { encodeText } from "./TextCodec.ts"

/**
 * So many bytes are decoded at once where texts are next to each other. A part of a text keeps all of it in memory, so that
 * this is also what a short text may cost.
 */
const windowBytes = 1024

/** Decodes texts together while they are ASCII, and one by one otherwise. */
const decodeText = (one: (bytes: Uint8Array, start: number, end: number) => string): Decode<string> =>
  Object.assign((bytes: Uint8Array, start: number, end: number) => one(bytes, start, end), {
    many: (bytes: Uint8Array) => {
      let window: string | undefined = ""
      let windowStart = 0
      let windowEnd = 0
      return (start: number, end: number): string => {
        if (start < windowStart || end > windowEnd) {
          windowStart = start
          windowEnd = Math.min(bytes.length, Math.max(end, start + windowBytes))
          window = Platform.readAscii(bytes, windowStart, windowEnd)
        }
        return window === undefined ? one(bytes, start, end) : window.substring(start - windowStart, end - windowStart)
      }
    }
  })

/**
 * Text as UTF-8. Text with lone surrogates has no UTF-8, and is rejected. Encoded strings sort by code point.
 *
 * @category codecs
 * @since 0.1.0
 */
export const string: OrderedCodec<string> = {
  name: "string",
  document: undefined,
  fingerprint: undefined,
  encode: encodeText(
    "string",
    (value: unknown) => typeof value === "string" ? value : refuse("string", "it is not a string")
  ),
  decode: decodeText((bytes, start, end) => readAscii(bytes, start, end) ?? readUtf8("string", bytes, start, end)),
  // No UTF-8 has this byte, so that all texts that begin so are before it.
  prefixed: (prefix) => boundsBelow(0xff, (into) => string.encode(prefix as string, into)),
  ordered: "string"
}

/**
 * Bytes as they are. Decoding copies, so that the result is the caller's own; the `buffer` below it may be shared with
 * others, as that of a small `Buffer` is.
 *
 * @category codecs
 * @since 0.1.0
 */
export const bytes: OrderedCodec<Uint8Array> = {
  name: "bytes",
  document: undefined,
  fingerprint: undefined,
  encode(value: unknown, into) {
    if (!(value instanceof Uint8Array)) return refuse("bytes", "it is not a Uint8Array")
    into.raw(value)
  },
  decode: Platform.copyOf,
  prefixed(prefix: unknown) {
    if (!(prefix instanceof Uint8Array)) return refuse("bytes", "its prefixes are Uint8Arrays")
    const last = prefix.findLastIndex((byte) => byte !== 0xff)
    const to = last < 0 ? undefined : prefix.slice(0, last + 1)
    if (to !== undefined) to[last]! += 1
    return { from: prefix.slice(), to }
  },
  ordered: "bytes"
}

/** @internal From an encoding up to where this byte follows it. */
export const boundsBelow = (last: number, encode: (into: ByteWriter) => void): Bounds => {
  const writer = new ByteWriter(64)
  encode(writer)
  const from = writer.finish()
  writer.u8(last)
  return { from, to: writer.finish() }
}

/** Up to this length, a loop over ASCII characters beats the platform's conversion (measured on Node 24). */
const shortDecode = 16

/** The text, if it is short and all ASCII. */
const readAscii = (bytes: Uint8Array, start: number, end: number): string | undefined => {
  if (end - start > shortDecode) return undefined
  const codes: Array<number> = []
  for (let i = start; i < end; i++) {
    const code = bytes[i]!
    if (code > 0x7f) return undefined
    codes.push(code)
  }
  return String.fromCharCode(...codes)
}
