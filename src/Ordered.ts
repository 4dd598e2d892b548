/**
 * Ordered encodings: bytes that sort as the values do, for the parts of keys.
 *
 * Each value begins with a byte for its kind, and marks its own end, so that several can follow each other and the
 * order is that of the first, then of the second, and so on. The encoding is that of FoundationDB's tuple layer, with
 * two differences: a nested tuple has no end of its own, as its number of parts is known, and dates are a kind.
 *
 * @internal
 */
import { Predicate, type Schema } from "effect"
import * as BytesJson from "./BytesJson.ts"
import type { ByteWriter } from "./ByteWriter.ts"
import * as Platform from "./Platform.ts"
import { refuse, reject } from "./Refusal.ts"
import { writeText } from "./TextCodec.ts"

/** What is left of an encoding. */
export interface Input {
  readonly bytes: Uint8Array
  readonly end: number
  offset: number
}

/** How the values of one type are written in order. */
export interface Ordered<in out A> {
  /** Its kind and structure, which `OrderedName` reads back. */
  readonly name: string
  /** Throws `ValueOutOfRange`. */
  readonly encode: (value: A, into: ByteWriter) => void
  /** Throws `DecodeError`. */
  readonly decode: (from: Input) => A
  readonly toJson: (value: A) => Schema.Json
  /** Throws `ValueOutOfRange` for JSON that `toJson` does not return. */
  readonly fromJson: (json: Schema.Json) => A
}

/** The first byte of each kind. The order of kinds is that of FoundationDB; dates are of its kinds for applications. */
const kind = { null: 0x00, bytes: 0x01, string: 0x02, tuple: 0x05, number: 0x21, false: 0x26, true: 0x27, date: 0x40 }

const expectKind = (codec: string, from: Input, expected: number): void => {
  if (from.offset >= from.end) reject(codec, "the bytes end too early")
  if (from.bytes[from.offset] !== expected) reject(codec, "the next part is of another kind")
  from.offset++
}

/** How a codec's values are written as parts. */
export const of = <A>(ordered: Ordered<A> | keyof typeof plain): Ordered<A> =>
  typeof ordered === "string" ? plain[ordered] as Ordered<unknown> as Ordered<A> : ordered

/** A zero byte ends the content; one in it is followed by this one, which begins no value. */
const escape = 0xff

/** Where the content ends, which begins at the offset, and whether zero bytes in it are escaped. */
const contentEnd = (codec: string, { bytes, end, offset }: Input): { at: number; isEscaped: boolean } => {
  let isEscaped = false
  for (let at = offset; at < end; at++) {
    if (bytes[at] !== 0) continue
    if (at + 1 === end || bytes[at + 1] !== escape) return { at, isEscaped }
    isEscaped = true
    at++
  }
  return reject(codec, "a part has no end")
}

/** Takes the content from the input, and calls `read` with where it lies. */
const content = <A>(
  codec: string,
  from: Input,
  read: (bytes: Uint8Array, start: number, end: number) => A
): A => {
  const { at, isEscaped } = contentEnd(codec, from)
  const { bytes, offset } = from
  from.offset = at + 1
  if (!isEscaped) return read(bytes, offset, at)
  const plain = bytes.subarray(offset, at).filter((byte, i) =>
    byte !== escape || i === 0 || bytes[offset + i - 1] !== 0
  )
  return read(plain, 0, plain.length)
}

/** Text in the order of its code points. */
export const string: Ordered<string> = {
  name: "string",
  encode(value: unknown, into) {
    if (typeof value !== "string") return refuse("string", "it is not a string")
    into.u8(kind.string)
    if (value.includes("\0")) return encodeWithZeros(value, into)
    writeText("string", value, into)
    into.u8(0)
  },
  decode(from) {
    expectKind("string", from, kind.string)
    return content("string", from, readText)
  },
  toJson: (value) => value,
  fromJson: (json) => typeof json === "string" ? json : refuse("string", "it is not a string")
}

const readText = (bytes: Uint8Array, start: number, end: number): string =>
  Platform.readUtf8(bytes, start, end) ?? reject("string", `${end - start} bytes are not valid UTF-8`)

const encodeWithZeros = (text: string, into: ByteWriter): void => {
  for (const [i, piece] of text.split("\0").entries()) {
    if (i > 0) into.u8(escape)
    writeText("string", piece, into)
    into.u8(0)
  }
}

/** Bytes. A prefix sorts before longer strings. */
export const bytes: Ordered<Uint8Array> = {
  name: "bytes",
  encode(value: unknown, into) {
    if (!(value instanceof Uint8Array)) return refuse("bytes", "it is not a Uint8Array")
    into.u8(kind.bytes)
    let start = 0
    for (let zero = value.indexOf(0); zero >= 0; zero = value.indexOf(0, start)) {
      into.raw(value.subarray(start, zero + 1))
      into.u8(escape)
      start = zero + 1
    }
    into.raw(value.subarray(start))
    into.u8(0)
  },
  decode(from) {
    expectKind("bytes", from, kind.bytes)
    return content("bytes", from, Platform.copyOf)
  },
  toJson: (value) => BytesJson.toJson(value),
  fromJson: (json) => BytesJson.fromJson(json) ?? refuse("bytes", `it must be {"$bytes":"<base64>"}`)
}

const words = new DataView(new ArrayBuffer(8))

/** The bits of a double, all of them flipped for a negative one and the sign alone for others, sort as numbers do. */
const writeDouble = (value: number, into: ByteWriter): void => {
  // Adding 0 makes -0 a 0.
  words.setFloat64(0, value + 0)
  const high = words.getUint32(0)
  const isNegative = high >>> 31 === 1
  into.u32InOrder(isNegative ? ~high : high ^ 0x8000_0000)
  into.u32InOrder(isNegative ? ~words.getUint32(4) : words.getUint32(4))
}

const readDouble = (codec: string, from: Input): number => {
  if (from.end - from.offset < 8) reject(codec, "the bytes end too early")
  const high = wordAt(from.bytes, from.offset)
  const low = wordAt(from.bytes, from.offset + 4)
  const isNegative = high >>> 31 === 0
  words.setUint32(0, isNegative ? ~high : high ^ 0x8000_0000)
  words.setUint32(4, isNegative ? ~low : low)
  from.offset += 8
  const value = words.getFloat64(0)
  return Number.isNaN(value) || Object.is(value, -0) ? reject(codec, "the bits are of no number in the order") : value
}

const wordAt = (bytes: Uint8Array, at: number): number =>
  (bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 | bytes[at + 3]!) >>> 0

const plain = { string, bytes }

/** Numbers in their order, infinities included; -0 is 0. */
export const number: Ordered<number> = {
  name: "number",
  encode(value: unknown, into) {
    if (typeof value !== "number") return refuse("number", "it is not a number")
    if (Number.isNaN(value)) return refuse("number", "NaN has no place in the order of numbers")
    into.u8(kind.number)
    writeDouble(value, into)
  },
  decode(from) {
    expectKind("number", from, kind.number)
    return readDouble("number", from)
  },
  toJson: (value) => Number.isFinite(value) ? value : String(value),
  fromJson: (json) => {
    if (json === "Infinity" || json === "-Infinity") return Number(json)
    return typeof json === "number" ? json : refuse("number", "it is not a number")
  }
}

/** Dates by their milliseconds. */
export const date: Ordered<Date> = {
  name: "date",
  encode(value: unknown, into) {
    if (!Predicate.isDate(value)) return refuse("date", "it is not a Date")
    const milliseconds = value.getTime()
    if (Number.isNaN(milliseconds)) return refuse("date", "the Date is invalid")
    into.u8(kind.date)
    writeDouble(milliseconds, into)
  },
  decode(from) {
    expectKind("date", from, kind.date)
    const milliseconds = readDouble("date", from)
    const value = Platform.dateOf(milliseconds)
    return value?.getTime() === milliseconds ? value : reject("date", "a number of milliseconds is of no Date")
  },
  toJson: (value) => value.toISOString(),
  fromJson: (json) =>
    (typeof json === "string" ? Platform.dateOf(json) : undefined) ?? refuse("date", "it is not the text of a date")
}

/** `false` before `true`. */
export const boolean: Ordered<boolean> = {
  name: "boolean",
  encode(value: unknown, into) {
    if (typeof value !== "boolean") return refuse("boolean", "it is not a boolean")
    into.u8(value ? kind.true : kind.false)
  },
  decode(from) {
    const isTrue = from.bytes[from.offset] === kind.true
    expectKind("boolean", from, isTrue ? kind.true : kind.false)
    return isTrue
  },
  toJson: (value) => value,
  fromJson: (json) => typeof json === "boolean" ? json : refuse("boolean", "it is not a boolean")
}

const nothing: Ordered<null> = {
  name: "null",
  encode(value: unknown, into) {
    if (value !== null) return refuse("null", "it is not null")
    into.u8(kind.null)
  },
  decode(from) {
    expectKind("null", from, kind.null)
    return null
  },
  toJson: () => null,
  fromJson: (json) => json === null ? json : refuse("null", "it is not null")
}

export type Literal = string | number | boolean | null

/** By their first bytes. */
const literalKinds = new Map<number, Ordered<unknown>>([
  [kind.null, nothing as Ordered<unknown>],
  [kind.string, string as Ordered<unknown>],
  [kind.number, number as Ordered<unknown>],
  [kind.false, boolean as Ordered<unknown>],
  [kind.true, boolean as Ordered<unknown>]
])

const encodeLiteral = (literal: Literal, into: ByteWriter): void => {
  if (typeof literal === "string") string.encode(literal, into)
  else if (typeof literal === "number") number.encode(literal, into)
  else if (literal === null) nothing.encode(literal, into)
  else boolean.encode(literal, into)
}

/** One of some values, each as what it is: `null`, then texts, numbers and booleans. Throws `ValueOutOfRange` for others. */
export const literals = <const A extends Literal>(values: ReadonlyArray<A>): Ordered<A> => {
  const name = values.map((value) => JSON.stringify(value)).join("|")
  if (values.length === 0) refuse("literals", "there are none")
  for (const value of values) {
    if (typeof value === "number" && !Number.isFinite(value)) refuse("literals", "one of them is no finite number")
  }
  const known = new Set<unknown>(values)
  const check = (value: unknown): A => known.has(value) ? value as A : refuse(name, "it is none of the literals")
  return {
    name,
    encode: (value, into) => encodeLiteral(check(value), into),
    decode(from) {
      const value = from.offset < from.end ? literalKinds.get(from.bytes[from.offset]!)?.decode(from) : undefined
      return known.has(value) ? value as A : reject(name, "it is none of the literals")
    },
    toJson: (value) => value,
    fromJson: check
  }
}

/** `null`, and then the values of another. */
export const nullOr = <A>(of: Ordered<A>): Ordered<A | null> => ({
  name: `null|${of.name}`,
  encode: (value, into) => value === null ? into.u8(kind.null) : of.encode(value, into),
  decode: (from) => from.bytes[from.offset] === kind.null ? nothing.decode(from) : of.decode(from),
  toJson: (value) => value === null ? null : of.toJson(value),
  fromJson: (json) => json === null ? null : of.fromJson(json)
})

/** A tuple can also stand alone, and is then its parts and nothing else: what begins alike has bytes that begin alike. */
export interface Tuple<in out A> extends Ordered<A> {
  readonly parts: ReadonlyArray<Ordered<unknown>>
  /** Throws `ValueOutOfRange` for what does not have all its parts. */
  readonly check: (value: unknown) => ReadonlyArray<unknown>
  /** Only so many parts as there are. */
  readonly encodeParts: (values: unknown, into: ByteWriter) => void
  /** The first parts, of JSON that has some of them. */
  readonly prefixFromJson: (json: unknown) => ReadonlyArray<unknown>
  readonly decodeParts: (from: Input) => A
}

/** Several values, in the order of the first, then of the second, and so on. */
export const tuple = (parts: ReadonlyArray<Ordered<unknown>>): Tuple<ReadonlyArray<unknown>> => {
  const name = `tuple(${parts.map((part) => part.name).join(",")})`
  const check = (value: unknown): ReadonlyArray<unknown> =>
    Array.isArray(value) && value.length === parts.length
      ? value
      : refuse(name, `it is not an array of ${parts.length} parts`)
  const checkPrefix = (values: unknown): ReadonlyArray<unknown> =>
    Array.isArray(values) && values.length <= parts.length
      ? values
      : refuse(name, `it is not an array of at most ${parts.length} parts`)
  const encodeParts = (given: unknown, into: ByteWriter): void => {
    const values = checkPrefix(given)
    for (let i = 0; i < values.length; i++) parts[i]!.encode(values[i], into)
  }
  const prefixFromJson = (json: unknown): ReadonlyArray<unknown> =>
    checkPrefix(json).map((each, i) => parts[i]!.fromJson(each as Schema.Json))
  const decodeParts = (from: Input): ReadonlyArray<unknown> => parts.map((part) => part.decode(from))
  return {
    name,
    parts,
    check,
    encodeParts,
    decodeParts,
    prefixFromJson,
    encode(value, into) {
      into.u8(kind.tuple)
      encodeParts(check(value), into)
    },
    decode(from) {
      expectKind(name, from, kind.tuple)
      return decodeParts(from)
    },
    toJson: (value) => parts.map((part, i) => part.toJson(value[i])),
    fromJson: (json) => prefixFromJson(check(json))
  }
}

/** @internal */
export const isTuple = (of: Ordered<unknown>): of is Ordered<unknown> & Tuple<ReadonlyArray<unknown>> =>
  "decodeParts" in of
