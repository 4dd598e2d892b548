/**
 * Keys and values as JSON, through the codecs that a collection was registered with.
 *
 * Bytes are shown as `{"$bytes":"<base64>"}`: those of the codec `bytes`, those that the stored codec does not decode, and
 * all of a codec that the tool does not know.
 *
 * @internal
 */
import { Effect, type Schema } from "effect"
import { Buffer } from "node:buffer"
import { maxRowBytes } from "../batch/Columns.ts"
import { ByteWriter } from "../ByteWriter.ts"
import type { StoredCodec } from "../client/PersistClient.ts"
import * as Codec from "../Codec.ts"
import { DecodeError, ValueOutOfRange } from "../PersistError.ts"
import type { Update } from "../Update.ts"
import { Failure, Usage } from "./Failure.ts"

export type Json = Schema.Json

/** A codec under a stored name whose values are JSON. It decodes whatever is stored. */
export const codec = ({ document, name }: StoredCodec): Codec.Codec<Json> => {
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

const bytesJson = (bytes: Uint8Array): Json => ({ $bytes: Buffer.from(bytes).toString("base64") })

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
  return typeof $bytes === "string" && base64.test($bytes) ? Buffer.from($bytes, "base64") : refuse()
}

/** Tells why an update cannot be stored, if so, before it is on its way with others. */
export const makeCheck = (stored: { readonly key: StoredCodec; readonly value: StoredCodec }) => {
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

/** A key as given on the command line: verbatim where keys are strings, JSON otherwise. */
export const parseKey = (collection: string, stored: StoredCodec, text: string): Effect.Effect<Json, Usage> => {
  if (stored.name === "string") return Effect.succeed(text)
  return Effect.try({
    try: (): Json => JSON.parse(text),
    catch: () =>
      new Usage({
        message: `the keys of "${collection}" are of codec "${stored.name}", so KEY must be JSON: a text needs its ` +
          `quotes, as in '${JSON.stringify(text)}'`
      })
  })
}

/** Refuses a collection whose bytes only the program that defines it can make. */
export const checkWritable = (
  collection: string,
  codecs: ReadonlyArray<StoredCodec>
): Effect.Effect<void, Failure> => {
  const foreign = codecs.find(({ name }) => name === "schema" || Codec.byName(name) === undefined)
  return foreign === undefined ? Effect.void : Effect.fail(
    new Failure({
      message:
        `"${collection}" stores values of codec "${foreign.name}", which only the program that defines it can write`
    })
  )
}

/** A value as a cell of a table: texts as they are, anything else as JSON. */
export const cell = (value: Json): string => typeof value === "string" ? value : JSON.stringify(value)
