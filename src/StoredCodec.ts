/**
 * Codecs by the names that collections store, for tools that have no types.
 *
 * @since 0.1.0
 */
import { parseJson } from "./CanonicalJson.ts"
import { json, unit } from "./Codec.ts"
import type { Codec, OrderedCodec } from "./CodecModel.ts"
import { alone, ofTuple } from "./Key.ts"
import * as Ordered from "./Ordered.ts"
import * as OrderedName from "./OrderedName.ts"
import { bytes, string } from "./PlainCodec.ts"
import { refuse } from "./Refusal.ts"
import { fingerprintOf, schemaName } from "./SchemaCodec.ts"
import { ofJson as typedJson, typedName } from "./TypedCodec.ts"

/**
 * The codec of a stored name. Under `schema` it decodes to the JSON form of the values, and rejects encoding, because only
 * the program with the schema knows which values are valid. `undefined` for a name that is not built in.
 *
 * @category codecs
 * @since 0.1.0
 */
export const byName = (name: string, document?: string): Codec<unknown> | undefined => {
  switch (name) {
    case "unit":
      return unit as Codec<unknown>
    case "json":
      return json as Codec<unknown>
    case schemaName:
    case typedName:
      return {
        name,
        document,
        fingerprint: document === undefined ? undefined : fingerprintOf(document),
        encode: () => refuse(name, "the schema is only known by its document; write with the program that defines it"),
        decode: name === typedName
          ? typedJson(document ?? "").decode
          : (bytes, start, end) => parseJson(name, bytes, start, end)
      }
    default:
      return orderedByName(name)
  }
}

/** @internal The codec of a name, or `undefined` if it is of no ordered one. */
export const orderedByName = (name: string): OrderedCodec<unknown> | undefined => {
  if (name === "string") return string as Codec<unknown> as OrderedCodec<unknown>
  if (name === "bytes") return bytes as Codec<unknown> as OrderedCodec<unknown>
  const ordered = OrderedName.parse(name)
  if (ordered === undefined) return undefined
  return Ordered.isTuple(ordered) ? ofTuple(ordered) as Codec<unknown> as OrderedCodec<unknown> : alone(ordered)
}
