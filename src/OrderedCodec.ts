/**
 * Codecs whose encodings sort as the values do.
 *
 * @since 0.1.0
 */
import { ByteWriter } from "./ByteWriter.ts"
import { readUtf8 } from "./CanonicalJson.ts"
import type { Bounds, Codec, Decode, OrderedCodec } from "./CodecModel.ts"
import * as Ordered from "./Ordered.ts"
import * as OrderedName from "./OrderedName.ts"
import * as Platform from "./Platform.ts"
import { refuse, reject } from "./Refusal.ts"
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
  ordered: Ordered.string
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
  ordered: Ordered.bytes
}

const alone = <A>(ordered: Ordered.Ordered<A>): OrderedCodec<A> => ({
  name: ordered.name,
  document: undefined,
  fingerprint: undefined,
  encode: ordered.encode,
  decode: (bytes, start, end) => wholly(ordered.name, { bytes, offset: start, end }, ordered.decode),
  ordered
})

/** What is decoded from all of the bytes. */
const wholly = <A>(codec: string, from: Ordered.Input, decode: (from: Ordered.Input) => A): A => {
  const value = decode(from)
  return from.offset === from.end ? value : reject(codec, `${from.end - from.offset} bytes are left over`)
}

/**
 * Numbers, in bytes that sort as they do: nine of them. Infinities are numbers; `-0` is stored as `0`, as the two are
 * equal; `NaN` is not ordered, and is rejected.
 *
 * @category ordered codecs
 * @since 0.1.0
 */
export const number: OrderedCodec<number> = alone(Ordered.number)

/**
 * Dates, in bytes that sort as they do. An invalid date is rejected.
 *
 * @category ordered codecs
 * @since 0.1.0
 */
export const date: OrderedCodec<Date> = alone(Ordered.date)

/**
 * `false` before `true`, in one byte.
 *
 * @category ordered codecs
 * @since 0.1.0
 */
export const boolean: OrderedCodec<boolean> = alone(Ordered.boolean)

/**
 * One of some values: `null` sorts first, then texts, numbers and booleans, each among themselves as ever. Throws
 * `ValueOutOfRange` for no literals at all, and for numbers that are not finite.
 *
 * @category ordered codecs
 * @since 0.1.0
 */
export const literals = <const A extends string | number | boolean | null>(
  values: ReadonlyArray<A>
): OrderedCodec<A> => alone(Ordered.literals(values))

/**
 * `null`, which sorts first, or a value of another ordered codec.
 *
 * @category ordered codecs
 * @since 0.1.0
 */
export const nullOr = <A>(of: OrderedCodec<A>): OrderedCodec<A | null> => alone(Ordered.nullOr(of.ordered))

/**
 * Keys of several parts, which sort by the first part, then by the second, and so on: texts by code point, numbers and
 * dates by size. Parts are `string`, `bytes`, `number`, `date`, `boolean`, `literals`, `nullOr`, and tuples again. The
 * name of the codec lists its parts, so that opening a collection with other parts fails with `CodecMismatch`, and
 * tools can print keys without the program.
 *
 * @example
 * ```ts run
 * import { Effect, Stream } from "effect"
 * import { Codec, MemoryStorage, PersistClient, Update } from "tidemark"
 *
 * const program = Effect.gen(function*() {
 *   const persist = yield* PersistClient.make()
 *   const steps = yield* persist.createOrLoad("steps", {
 *     key: Codec.tuple([Codec.string, Codec.number]),
 *     value: Codec.string
 *   })
 *   yield* steps.append([
 *     Update.insert(["session-1", 10], "pay", 1),
 *     Update.insert(["session-1", 9], "look", 1),
 *     Update.insert(["session-2", 1], "look", 1)
 *   ])
 *   const rows = yield* Stream.runCollect(steps.range({ prefix: ["session-1"] }))
 *   if (rows.map(([, value]) => value).join() !== "look,pay") throw new Error("in the order of numbers")
 * })
 * await Effect.runPromise(Effect.scoped(Effect.provide(program, MemoryStorage.layer)))
 * ```
 *
 * @category ordered codecs
 * @since 0.1.0
 */
export const tuple = <A extends ReadonlyArray<unknown> | []>(
  parts: { readonly [I in keyof A]: OrderedCodec<A[I]> }
): OrderedCodec<Readonly<A>> => {
  const ordered = Ordered.tuple((parts as ReadonlyArray<OrderedCodec<unknown>>).map((part) => part.ordered))
  return ofTuple(ordered) as Codec<unknown> as OrderedCodec<Readonly<A>>
}

const ofTuple = (ordered: Ordered.Tuple<ReadonlyArray<unknown>>): OrderedCodec<ReadonlyArray<unknown>> => ({
  name: ordered.name,
  document: undefined,
  fingerprint: undefined,
  encode: (value, into) => ordered.encodeParts(ordered.check(value), into),
  decode: (bytes, start, end) => wholly(ordered.name, { bytes, offset: start, end }, ordered.decodeParts),
  // No part begins with this byte, but one that follows a zero byte inside a text does.
  prefixed: (prefix) => boundsBelow(0xff, (into) => ordered.encodeParts(prefix, into)),
  ordered
})

/** From an encoding up to where this byte follows it. */
const boundsBelow = (last: number, encode: (into: ByteWriter) => void): Bounds => {
  const writer = new ByteWriter(64)
  encode(writer)
  const from = writer.finish()
  writer.u8(last)
  return { from, to: writer.finish() }
}

/** @internal The codec of a name, or `undefined` if it is of no ordered one. */
export const orderedByName = (name: string): OrderedCodec<unknown> | undefined => {
  if (name === "string") return string as Codec<unknown> as OrderedCodec<unknown>
  if (name === "bytes") return bytes as Codec<unknown> as OrderedCodec<unknown>
  const ordered = OrderedName.parse(name)
  if (ordered === undefined) return undefined
  return Ordered.isTuple(ordered) ? ofTuple(ordered) as Codec<unknown> as OrderedCodec<unknown> : alone(ordered)
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
