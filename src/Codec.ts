/**
 * Codecs: how typed keys and values become the bytes that are stored, and back.
 *
 * @since 0.1.0
 */
import type { Schema } from "effect"
import { canonical, parseJson } from "./CanonicalJson.ts"
import type { Codec } from "./CodecModel.ts"
import { refuse, reject } from "./Refusal.ts"
import { encodeText } from "./TextCodec.ts"

export type { Bounds, Codec, Decode, Encode, FirstOf, OrderedCodec, Prefix, Typed } from "./CodecModel.ts"
export { boolean, date, literals, nullOr, number, tuple } from "./Key.ts"
export { bytes, string } from "./PlainCodec.ts"
export { fingerprintOf, schema } from "./SchemaCodec.ts"

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
 * Any JSON value, as canonical JSON: readable text without spaces, object keys in the order of their UTF-16 code units
 * (RFC 8785), `-0` as `0`. Values that JSON cannot represent are rejected, never dropped: `undefined` (also as a
 * property), `NaN`, infinities, bigints, functions, and objects of a class, such as `Date` and `Map`; `schema` has
 * encodings for these.
 *
 * @category codecs
 * @since 0.1.0
 */
export const json: Codec<Schema.Json> = {
  name: "json",
  document: undefined,
  fingerprint: undefined,
  encode: encodeText("json", (value: unknown) => canonical("json", value)),
  decode: (bytes, start, end) => parseJson("json", bytes, start, end)
}

/**
 * The text that equal JSON values share (RFC 8785). Throws `ValueOutOfRange` for anything that is not a JSON value.
 *
 * @internal
 */
export const canonicalJson = (value: unknown): string => canonical("json", value)
