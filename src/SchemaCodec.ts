/**
 * Codecs from Effect Schemas.
 *
 * @since 0.1.0
 */
import { Result, Schema, type SchemaIssue } from "effect"
import { canonical, parseJson } from "./CanonicalJson.ts"
import type { Codec } from "./CodecModel.ts"
import * as Layout from "./Layout.ts"
import { refuse, reject } from "./Refusal.ts"
import { encodeText } from "./TextCodec.ts"
import * as TypedCodec from "./TypedCodec.ts"

/** @internal */
export const schemaName = "schema"

/**
 * The values of an Effect Schema. The schema must need no services and do nothing asynchronous.
 *
 * Values of new collections are stored in a layout that is compiled from the schema, once, when the collection is
 * registered (`typed`): what the layout has no place for, and keys, are canonical JSON of the form that
 * `Schema.toCodecJson` gives them, as are all values of collections that were created before there were layouts.
 *
 * The schema itself is described by `document` and `fingerprint`. Equal values have equal bytes as far as the schema's
 * encoding has: the entries of a `Map` or a `Set` keep their order of insertion. Rows that were written under the same schema
 * are not checked again when they are read.
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
  const toJson = (value: A): unknown => {
    const encoded = attempt(encodeResult, value)
    return Result.isSuccess(encoded) ? encoded.success : refuse(schemaName, explain(encoded.failure, document))
  }
  const decode = (bytes: Uint8Array, start: number, end: number): A => {
    const decoded = attempt(decodeResult, parseJson(schemaName, bytes, start, end))
    return Result.isSuccess(decoded) ? decoded.success : reject(schemaName, explain(decoded.failure, document))
  }
  return {
    name: schemaName,
    document,
    fingerprint: fingerprintOf(document),
    encode: encodeText(schemaName, (value) => canonical(schemaName, toJson(value))),
    decode,
    typed: TypedCodec.make(of, document, { toJson, decode })
  }
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
  return canonical(schemaName, JSON.parse(JSON.stringify(whole)))
}

/**
 * FNV-1a with 64 bits, in hexadecimal: it distinguishes versions of a schema, and is not cryptographic. The layout of a
 * collection is not included.
 *
 * @internal
 */
export const fingerprintOf = (document: string): string => {
  const text = Layout.without(document)
  let hash = 0xcbf29ce484222325n
  for (let i = 0; i < text.length; i++) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(text.charCodeAt(i))) * 0x100000001b3n)
  }
  return hash.toString(16).padStart(16, "0")
}

type Outcome<A> = Result.Result<A, Schema.SchemaError | undefined>

/**
 * A schema itself may throw: in a transformation, by stack overflow for a deep value, or because it is asynchronous.
 */
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
