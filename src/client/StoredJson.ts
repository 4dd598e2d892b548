/**
 * Collections as JSON, through the codecs that they were registered with: for tools and servers, which know no types.
 *
 * Bytes are shown as `{"$bytes":"<base64>"}`: those of the codec `bytes`, those that the stored codec does not decode, and
 * all of a codec that is not built in.
 *
 * @internal
 */
import { Effect, type Schema } from "effect"
import { maxRowBytes } from "../batch/Columns.ts"
import { ByteWriter } from "../ByteWriter.ts"
import * as Codec from "../Codec.ts"
import { DecodeError, ValueOutOfRange } from "../PersistError.ts"
import * as Platform from "../Platform.ts"
import type { Update } from "../Update.ts"
import * as PersistClient from "./PersistClient.ts"

export type Json = Schema.Json

/** A codec under a stored name whose values are JSON. It decodes whatever is stored. */
export const codec = ({ document, name }: PersistClient.StoredCodec): Codec.Codec<Json> => {
  const stored = Codec.byName(name, document === "" ? undefined : document)
  return {
    name,
    document: document === "" ? undefined : document,
    fingerprint: stored?.fingerprint,
    encode: (value, into) => {
      if (name === "unit" && value === null) return
      if (name === "string" || name === "json") return stored!.encode(value, into)
      // The form of a schema's values is the program's affair; their bytes are those of their JSON.
      if (name === "schema") return Codec.json.encode(value, into)
      into.raw(fromBytesJson(name, value))
    },
    decode: (bytes, start, end) => {
      if (stored === undefined || name === "bytes") return bytesJson(bytes.subarray(start, end))
      try {
        return (stored.decode(bytes, start, end) ?? null) as Json
      } catch (error) {
        if (error instanceof DecodeError) return bytesJson(bytes.subarray(start, end))
        throw error
      }
    }
  }
}

const bytesJson = (bytes: Uint8Array): Json => ({ $bytes: Platform.toBase64(bytes) })

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

const fromBytesJson = (codec: string, value: Json): Uint8Array => {
  const refuse = (): never => {
    throw new ValueOutOfRange({
      what: `a value for codec "${codec}"`,
      detail: codec === "unit" ? "only null is one" : `it must be {"$bytes":"<base64>"}`
    })
  }
  if (codec === "unit" || typeof value !== "object" || value === null || !("$bytes" in value)) return refuse()
  const { $bytes } = value
  return typeof $bytes === "string" && base64.test($bytes) ? Platform.fromBase64($bytes) : refuse()
}

/** Tells why an update cannot be stored, if so, before it is on its way with others. */
export const makeCheck = (
  stored: { readonly key: PersistClient.StoredCodec; readonly value: PersistClient.StoredCodec }
) => {
  const key = codec(stored.key)
  const value = codec(stored.value)
  const scratch = new ByteWriter(256)
  return (update: Update<Json, Json>): ValueOutOfRange | undefined => {
    scratch.clear()
    try {
      key.encode(update.key, scratch)
      value.encode(update.value, scratch)
    } catch (error) {
      if (error instanceof ValueOutOfRange) return error
      throw error
    }
    return scratch.length <= maxRowBytes ? undefined : new ValueOutOfRange({
      what: "a row",
      detail: `its key and value have ${scratch.length} bytes, and a row may have ${maxRowBytes}`
    })
  }
}

/** The codec of a collection, if there is one, whose bytes only the program that defines it can make. */
export const foreign = (
  { key, value }: { readonly key: PersistClient.StoredCodec; readonly value: PersistClient.StoredCodec }
): PersistClient.StoredCodec | undefined =>
  [key, value].find(({ name }) => name === "schema" || Codec.byName(name) === undefined)

/** Opens a collection that must be there. */
export const open = Effect.fnUntraced(function*(name: string) {
  const client = yield* PersistClient.PersistClient
  const description = yield* client.description(name).pipe(
    // Loading tells a destroyed collection from one that never was.
    Effect.tapErrorTag("UnknownCollection", () => client.load(name, { key: Codec.json, value: Codec.json }))
  )
  const handles = yield* client.load(name, { key: codec(description.key), value: codec(description.value) })
  return { description, ...handles }
})
