/**
 * Codecs: how typed keys and values become the bytes that are stored, and back.
 *
 * Encoding and decoding run once a row, so they are plain synchronous functions that throw: an Effect operator would
 * cost more than the conversion itself. The client is the one caller, and turns both errors into typed failures.
 *
 * Rows are compared, sorted and consolidated by their bytes. A codec must therefore give equal values equal bytes, and
 * must go on decoding every encoding that was ever stored under its name.
 *
 * @since 0.1.0
 */
import { Result, Schema, type SchemaIssue } from "effect"
import type { ByteWriter } from "./ByteWriter.ts"
import { DecodeError, ValueOutOfRange } from "./PersistError.ts"
import * as Platform from "./Platform.ts"

/**
 * Appends the encoded value, without a length. Throws `ValueOutOfRange` for a value that cannot be encoded; what was
 * appended of it is then to be dropped.
 *
 * @category models
 * @since 0.1.0
 */
export interface Encode<in A> {
  (value: A, into: ByteWriter): void
  /**
   * Where the encoding is the UTF-8 of a text: that text. The texts of many values are then converted in one go, which is
   * several times as fast. Throws as encoding does, but need not notice lone surrogates.
   */
  readonly text?: (value: A) => string
}

/**
 * The typed view of the keys, or of the values, of a collection.
 *
 * @category models
 * @since 0.1.0
 */
export interface Codec<in out A> {
  /** Stored when a collection is registered, and compared whenever it is opened again: it must never change. */
  readonly name: string
  /** The JSON Schema of the encoded values, as canonical JSON, so that tools can describe data without the program. */
  readonly document: string | undefined
  /** A short hash of `document`: it differs when the schema has changed. */
  readonly fingerprint: string | undefined
  readonly encode: Encode<A>
  /**
   * The value of `bytes[start .. end]`, which is not retained. Throws `DecodeError` for bytes that are no encoding,
   * however hostile they are.
   */
  readonly decode: (bytes: Uint8Array, start: number, end: number) => A
}

const encodeText = <A>(codec: string, text: (value: A) => string): Encode<A> => {
  const encode = (value: A, into: ByteWriter): void => {
    const content = text(value)
    const start = into.length
    into.utf8(content)
    const isAscii = into.length - start === content.length
    if (!isAscii && !content.isWellFormed()) refuse(codec, loneSurrogate)
  }
  return Object.assign(encode, { text })
}

/**
 * No value at all, in no bytes: for collections that are sets of keys.
 *
 * @category codecs
 * @since 0.1.0
 */
export const unit: Codec<void> = {
  name: "unit",
  document: undefined,
  fingerprint: undefined,
  encode(value: unknown) {
    if (value !== undefined && value !== null) refuse("unit", "only undefined is a unit")
  },
  decode(_, start, end) {
    if (start !== end) reject("unit", `no bytes were expected, but there are ${end - start}`)
  }
}

/**
 * Text as UTF-8. Text with lone surrogates has no UTF-8, and is refused. Encoded strings sort by code point.
 *
 * @category codecs
 * @since 0.1.0
 */
export const string: Codec<string> = {
  name: "string",
  document: undefined,
  fingerprint: undefined,
  encode: encodeText(
    "string",
    (value: unknown) => typeof value === "string" ? value : refuse("string", "it is not a string")
  ),
  decode: (bytes, start, end) => readAscii(bytes, start, end) ?? readUtf8("string", bytes, start, end)
}

/**
 * Bytes as they are. Decoding copies, so that the result is the caller's own; the `buffer` below it may be shared with
 * others, as that of a small `Buffer` is.
 *
 * @category codecs
 * @since 0.1.0
 */
export const bytes: Codec<Uint8Array> = {
  name: "bytes",
  document: undefined,
  fingerprint: undefined,
  encode(value: unknown, into) {
    if (!(value instanceof Uint8Array)) return refuse("bytes", "it is not a Uint8Array")
    into.raw(value)
  },
  decode: Platform.copyOf
}

/**
 * Any JSON value, as canonical JSON: readable text without spaces, object keys in the order of their UTF-16 code units
 * (RFC 8785), `-0` as `0`. What JSON cannot hold is refused, never dropped: `undefined` (also as a property), `NaN`,
 * infinities, bigints, functions, and objects of a class, such as `Date` and `Map`; `schema` has encodings for these.
 *
 * @category codecs
 * @since 0.1.0
 */
export const json: Codec<Schema.Json> = {
  name: "json",
  document: undefined,
  fingerprint: undefined,
  encode: encodeText("json", (value: unknown) => canonical("json", value, 0)),
  decode: (bytes, start, end) => parseJson("json", bytes, start, end)
}

/**
 * The values of an Effect Schema, as canonical JSON of the form that `Schema.toCodecJson` gives them. The schema must
 * need no services and do nothing asynchronous.
 *
 * All these codecs are named `schema`; the schema itself is described by `document` and `fingerprint`. Equal values
 * have equal bytes as far as the schema's encoding has: the entries of a `Map` or a `Set` keep their order of insertion.
 *
 * @example
 * ```ts
 * import { Schema } from "effect"
 * import { Codec } from "tidemark"
 *
 * const Order = Schema.Struct({ id: Schema.String, placed: Schema.Date })
 *
 * export const orders = Codec.schema(Order)
 * orders.name // "schema"
 * ```
 *
 * @category codecs
 * @since 0.1.0
 */
export const schema = <A>(of: Schema.Codec<A, unknown>): Codec<A> => {
  const jsonCodec = Schema.toCodecJson(of)
  const encodeResult = Schema.encodeUnknownResult(jsonCodec)
  const decodeResult = Schema.decodeUnknownResult(jsonCodec)
  const document = documentOf(of)
  return {
    name: schemaName,
    document,
    fingerprint: fingerprintOf(document),
    encode: encodeText(schemaName, (value) => {
      const encoded = attempt(encodeResult, value)
      if (Result.isFailure(encoded)) return refuse(schemaName, explain(encoded.failure, document))
      return canonical(schemaName, encoded.success, 0)
    }),
    decode(bytes, start, end) {
      const decoded = attempt(decodeResult, parseJson(schemaName, bytes, start, end))
      return Result.isSuccess(decoded) ? decoded.success : reject(schemaName, explain(decoded.failure, document))
    }
  }
}

/**
 * The codec of a stored name, for tools that have no types. Under `schema` it decodes to the JSON form of the values, and
 * refuses to encode, as only the program with the schema can tell which values fit. `undefined` for a name that is
 * not built in.
 *
 * @category codecs
 * @since 0.1.0
 */
export const byName = (name: string, document?: string): Codec<unknown> | undefined => {
  switch (name) {
    case "unit":
      return unit as Codec<unknown>
    case "string":
      return string as Codec<unknown>
    case "bytes":
      return bytes as Codec<unknown>
    case "json":
      return json as Codec<unknown>
    case schemaName:
      return {
        name,
        document,
        fingerprint: document === undefined ? undefined : fingerprintOf(document),
        encode: () => refuse(name, "the schema is only known by its document; write with the program that defines it"),
        decode: (bytes, start, end) => parseJson(name, bytes, start, end)
      }
    default:
      return undefined
  }
}

/**
 * The text that equal JSON values share (RFC 8785). Throws `ValueOutOfRange` for anything that is not a JSON value.
 *
 * @internal
 */
export const canonicalJson = (value: unknown): string => canonical("json", value, 0)

const schemaName = "schema"

const loneSurrogate = "it has a lone surrogate, which UTF-8 cannot express"

const refuse = (codec: string, reason: string): never => {
  throw new ValueOutOfRange({ what: "a value", detail: `codec "${codec}" cannot encode it: ${reason}` })
}

const reject = (codec: string, detail: string): never => {
  throw new DecodeError({ codec, detail })
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

const readUtf8 = (codec: string, bytes: Uint8Array, start: number, end: number): string =>
  Platform.readUtf8(bytes, start, end) ?? reject(codec, `${end - start} bytes are not valid UTF-8`)

const parseJson = (codec: string, bytes: Uint8Array, start: number, end: number): Schema.Json => {
  const text = readUtf8(codec, bytes, start, end)
  try {
    return JSON.parse(text)
  } catch {
    // The parser's own message quotes the text.
    return reject(codec, `${end - start} bytes are not valid JSON`)
  }
}

/** Deeper values are refused: this also ends the walk through a value that contains itself. */
const maxDepth = 1000

const canonical = (codec: string, value: unknown, depth: number): string => {
  switch (typeof value) {
    case "string":
      return quote(codec, value)
    case "number":
      return Number.isFinite(value) ? String(value) : refuse(codec, `${value} is not a JSON number`)
    case "boolean":
      return value ? "true" : "false"
    case "object":
      if (value === null) return "null"
      if (depth === maxDepth) refuse(codec, `it is nested more than ${maxDepth} levels deep`)
      return Array.isArray(value) ? canonicalArray(codec, value, depth) : canonicalObject(codec, value, depth)
    default:
      return refuse(codec, `JSON has no ${typeof value}`)
  }
}

const canonicalArray = (codec: string, items: ReadonlyArray<unknown>, depth: number): string => {
  let text = "["
  for (let i = 0; i < items.length; i++) {
    if (i > 0) text += ","
    text += canonical(codec, items[i], depth + 1)
  }
  return text + "]"
}

const canonicalObject = (codec: string, value: object, depth: number): string => {
  if (!isPlain(value)) refuse(codec, "it has an object that is neither an array nor a plain object")
  const entries = value as Readonly<Record<string, unknown>>
  let text = "{"
  for (const key of sorted(Object.keys(entries))) {
    if (text.length > 1) text += ","
    text += quote(codec, key) + ":" + canonical(codec, entries[key], depth + 1)
  }
  return text + "}"
}

const isPlain = (value: object): boolean => {
  const prototype = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null
}

/** Many objects have their keys in this order already. */
const sorted = (keys: Array<string>): Array<string> => {
  for (let i = 1; i < keys.length; i++) if (keys[i - 1]! > keys[i]!) return keys.toSorted()
  return keys
}

/** What JSON writes as it is: no quotes, backslashes, control characters or surrogates. */
const plainText = /^[ !#-[\]-\ud7ff\ue000-\uffff]*$/

const quote = (codec: string, text: string): string => {
  if (plainText.test(text)) return `"${text}"`
  return text.isWellFormed() ? JSON.stringify(text) : refuse(codec, loneSurrogate)
}

/** One document in the usual form of JSON Schema, with its definitions inside. */
const documentOf = (of: Schema.Constraint): string => {
  const { definitions, schema: root } = Schema.toJsonSchemaDocument(of)
  const whole = {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    ...root,
    ...(Object.keys(definitions).length > 0 && { $defs: definitions })
  }
  // Annotations may hold what JSON cannot; stringify drops it.
  return canonicalJson(JSON.parse(JSON.stringify(whole)))
}

/**
 * FNV-1a with 64 bits, in hexadecimal: it tells versions of a schema apart, and guards against nobody.
 *
 * @internal
 */
export const fingerprintOf = (document: string): string => {
  let hash = 0xcbf29ce484222325n
  for (let i = 0; i < document.length; i++) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(document.charCodeAt(i))) * 0x100000001b3n)
  }
  return hash.toString(16).padStart(16, "0")
}

type Outcome<A> = Result.Result<A, Schema.SchemaError | undefined>

/** A schema may throw by itself: in a transformation, out of stack for a deep value, or for being asynchronous. */
const attempt = <A>(run: (input: unknown) => Outcome<A>, input: unknown): Outcome<A> => {
  try {
    return run(input)
  } catch {
    return Result.fail(undefined)
  }
}

const explain = (error: Schema.SchemaError | undefined, document: string): string => {
  if (error === undefined) return "the schema failed with an exception, or is asynchronous"
  const { missing, path } = locate(error.issue)
  const place = path.map((key) => `[${nameOf(key, document)}]`).join("")
  return `${place === "" ? "it" : `its part ${place}`} ${missing ? "is missing" : "does not fit the schema"}`
}

/** The place of the first issue. */
const locate = (issue: SchemaIssue.Issue): { readonly path: ReadonlyArray<PropertyKey>; readonly missing: boolean } => {
  switch (issue._tag) {
    case "Pointer": {
      const inner = locate(issue.issue)
      return { ...inner, path: [...issue.path, ...inner.path] }
    }
    case "Filter":
    case "Encoding":
      return locate(issue.issue)
    case "Composite":
      return locate(issue.issues[0])
    default:
      return { path: [], missing: issue._tag === "MissingKey" }
  }
}

/** Keys that the document does not name are keys of a record: they are data, which errors must not print. */
const nameOf = (key: PropertyKey, document: string): string => {
  const name = typeof key === "number" ? String(key) : JSON.stringify(String(key))
  return typeof key === "number" || document.includes(`${name}:`) ? name : "*"
}
