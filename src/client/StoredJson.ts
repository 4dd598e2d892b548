/**
 * Collections as JSON, through the codecs that they were registered with: for tools and servers, which know no types.
 *
 * Tuples are arrays, dates in them text, infinities `"Infinity"` and `"-Infinity"`. Bytes are shown as `{"$bytes":"<base64>"}`: those of the codec `bytes`, those that the stored codec does not decode, and
 * all of a codec that is not built in.
 *
 * @internal
 */
import { Effect, Result, type Schema } from "effect"
import { maxRowBytes } from "../batch/Columns.ts"
import * as BytesJson from "../BytesJson.ts"
import { ByteWriter } from "../ByteWriter.ts"
import * as Codec from "../Codec.ts"
import * as Layout from "../Layout.ts"
import * as Ordered from "../Ordered.ts"
import { DecodeError, ValueOutOfRange } from "../PersistError.ts"
import * as Pure from "../Pure.ts"
import * as StoredCodec from "../StoredCodec.ts"
import * as TypedCodec from "../TypedCodec.ts"
import type { Update } from "../Update.ts"
import * as PersistClient from "./PersistClient.ts"

export type Json = Schema.Json

/** A codec under a stored name whose values are JSON. It decodes whatever is stored. */
export const codec = ({ document, name }: PersistClient.StoredCodec): Codec.Codec<Json> => {
  const { decode, encode, prefixed } = known(name, document)
  return {
    ...(prefixed !== undefined && { prefixed }),
    name,
    document: document === "" ? undefined : document,
    fingerprint: document === "" ? undefined : Codec.fingerprintOf(document),
    encode,
    decode: (bytes, start, end) => {
      try {
        return decode(bytes, start, end)
      } catch (error) {
        if (error instanceof DecodeError) return BytesJson.toJson(bytes.subarray(start, end))
        throw error
      }
    }
  }
}

type Known = Pick<Codec.Codec<Json>, "encode" | "decode" | "prefixed">

const known = (name: string, document: string): Known => {
  if (name === TypedCodec.typedName) return TypedCodec.ofJson(document)
  // Only the program knows the types of a schema's values. Their bytes are those of their JSON.
  if (name === "json" || name === "schema") return Codec.json
  if (name === "unit") return unit
  return ofOrdered(StoredCodec.orderedByName(name) ?? StoredCodec.orderedByName("bytes")!)
}

const unit: Pick<Codec.Codec<Json>, "encode" | "decode"> = {
  encode: (value, into) => Codec.unit.encode(value === null ? undefined : value as unknown as undefined, into),
  decode: (bytes, start, end) => Codec.unit.decode(bytes, start, end) ?? null
}

const ofOrdered = (codec: Codec.OrderedCodec<unknown>): Known => {
  const { decode, encode, prefixed } = codec
  const ordered = Ordered.of(codec.ordered)
  return {
    encode: (value, into) => encode(ordered.fromJson(value), into),
    decode: (bytes, start, end) => ordered.toJson(decode(bytes, start, end)),
    ...(prefixed !== undefined && {
      prefixed: (prefix) =>
        prefixed(Ordered.isTuple(ordered) ? ordered.prefixFromJson(prefix) : ordered.fromJson(prefix as Json))
    })
  }
}

/** What the JSON of a codec is made of, as far as its name or its document says. */
export const layout = ({ document, name }: PersistClient.StoredCodec): Layout.Layout => {
  if (name === TypedCodec.typedName) return Layout.find(document) ?? Layout.unknown
  const ordered = StoredCodec.orderedByName(name)
  return ordered === undefined ? Layout.unknown : layoutOf(Ordered.of(ordered.ordered))
}

const layoutOf = (ordered: Ordered.Ordered<unknown>): Layout.Layout => {
  if (Ordered.isTuple(ordered) && ordered.parts.length > 0) return { tuple: ordered.parts.map(layoutOf) }
  switch (ordered.name) {
    case "string":
    case "number":
    case "boolean":
    case "date":
      return ordered.name
    default:
      return Layout.unknown
  }
}

/** Checks whether an update can be stored, before it is appended together with others. */
export const makeCheck = (
  stored: { readonly key: PersistClient.StoredCodec; readonly value: PersistClient.StoredCodec }
) => {
  const key = codec(stored.key)
  const value = codec(stored.value)
  const scratch = new ByteWriter(256)
  return (update: Update<Json, Json>): ValueOutOfRange | undefined => {
    scratch.clear()
    const encoded = Pure.encoded(() => {
      key.encode(update.key, scratch)
      value.encode(update.value, scratch)
    })
    if (Result.isFailure(encoded)) return encoded.failure
    return scratch.length <= maxRowBytes ? undefined : new ValueOutOfRange({
      what: "a row",
      detail: `its key and value have ${scratch.length} bytes, and a row may have ${maxRowBytes}`
    })
  }
}

/** The codec of a collection, if there is one, that can only be encoded by the program that defines it. */
export const foreign = (
  { key, value }: { readonly key: PersistClient.StoredCodec; readonly value: PersistClient.StoredCodec }
): PersistClient.StoredCodec | undefined =>
  [key, value].find(({ name }) =>
    name === "schema" || name === TypedCodec.typedName || StoredCodec.byName(name) === undefined
  )

/** Opens a collection that must exist. */
export const open = Effect.fnUntraced(function*(name: string) {
  const client = yield* PersistClient.PersistClient
  const description = yield* client.description(name).pipe(
    // Loading distinguishes a destroyed collection from one that never existed.
    Effect.tapErrorTag("UnknownCollection", () => client.load(name, { key: Codec.json, value: Codec.json }))
  )
  const handles = yield* client.load(name, { key: codec(description.key), value: codec(description.value) })
  return { description, ...handles }
})
