/**
 * What a codec is: how typed keys and values become the bytes that are stored, and back.
 *
 * Encoding and decoding run once a row, so they are plain synchronous functions that throw: an Effect operator would
 * cost more than the conversion itself. Only the client calls them. It turns both errors into typed failures.
 *
 * Rows are compared, sorted and consolidated by their bytes. A codec must therefore give equal values equal bytes, and
 * must go on decoding every encoding that was ever stored under its name.
 *
 * @since 0.1.0
 */
import type { ByteWriter } from "./ByteWriter.ts"
import type { Ordered } from "./Ordered.ts"

/**
 * Appends the encoded value, without a length. Throws `ValueOutOfRange` for a value that cannot be encoded; the caller
 * then discards the bytes that were appended.
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
 * The value of `bytes[start .. end]`, which is not retained. Throws `DecodeError` for bytes that are not an encoding,
 * even if they were made to attack the decoder.
 *
 * @category models
 * @since 0.1.0
 */
export interface Decode<out A> {
  (bytes: Uint8Array, start: number, end: number): A
  /**
   * Where many values in the same bytes are decoded faster together: the same for these bytes, which do not change while
   * it is used.
   */
  readonly many?: (bytes: Uint8Array) => (start: number, end: number) => A
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
  readonly decode: Decode<A>
  /**
   * Where the encodings of all values that begin with `prefix` are next to each other: their bounds. `range({ prefix
   * })` needs it. Throws `ValueOutOfRange` for a prefix that no value begins with.
   */
  readonly prefixed?: (prefix: unknown) => Bounds
  /** Where values have a form that is faster than that of `encode`: new collections store it. Keys never do. */
  readonly typed?: Typed<A>
  /** Where some fields of a value can be read without the others: reads these, as `decode` does the whole. */
  readonly select?: (fields: ReadonlyArray<string>) => Codec<A>["decode"]
}

/**
 * The faster form of a codec's values. It is registered as another codec, so that collections keep the form that they were
 * created with.
 *
 * @category models
 * @since 0.1.0
 */
export interface Typed<in out A> {
  readonly name: string
  /** The document of the codec, with the layout that a new collection is given. */
  readonly document: string
  /**
   * The codec for a collection with this document, which contains its layout. `isTrusted`: all rows were written under
   * this schema, so that they need not be checked again.
   */
  readonly open: (document: string, isTrusted: boolean) => Codec<A>
}

/**
 * Encodings at or after `from` and before `to`; without `to`, all after it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Bounds {
  readonly from: Uint8Array
  readonly to: Uint8Array | undefined
}

/**
 * A codec whose encodings sort as the values do, and which can be a part of `tuple`.
 *
 * @category models
 * @since 0.1.0
 */
export interface OrderedCodec<in out A> extends Codec<A> {
  /**
   * How the value is written as a part, where others follow. Texts and bytes name it, so that programs without tuples do
   * not carry it.
   */
  readonly ordered: Ordered<A> | "string" | "bytes"
}

/**
 * What values of a type can begin with: some of the first parts of a tuple, the beginning of a text or of bytes.
 *
 * @category models
 * @since 0.1.0
 */
export type Prefix<K> = K extends string ? string
  : K extends Uint8Array ? Uint8Array
  : K extends ReadonlyArray<unknown> ? FirstOf<K>
  : never

/**
 * The tuples that a tuple begins with: none of its parts, some of the first ones, or all.
 *
 * @category models
 * @since 0.1.0
 */
export type FirstOf<K extends ReadonlyArray<unknown>> = K extends readonly [infer First, ...infer Rest]
  ? readonly [] | readonly [First, ...FirstOf<Rest>]
  : readonly []
