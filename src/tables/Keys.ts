/**
 * Keys of tables and of their indexes, as bytes that sort as they do.
 *
 * @internal
 */
import { Predicate, Result, Schema, type SchemaAST } from "effect"
import type { ByteWriter } from "../ByteWriter.ts"
import * as Codec from "../Codec.ts"
import * as Ordered from "../Ordered.ts"
import { DecodeError, ValueOutOfRange } from "../PersistError.ts"

/** Describes a type: a Schema, or a custom codec. */
export type TypeOf<A> = Schema.Codec<A, unknown> | Codec.Codec<A>

const isCodec = <A>(type: TypeOf<A>): type is Codec.Codec<A> => "fingerprint" in type

export const valueCodec = <A>(type: TypeOf<A>): Codec.Codec<A> => isCodec(type) ? type : Codec.schema(type)

/**
 * Texts, numbers, booleans and tuples of them sort as they do. Other keys are stored as canonical JSON, which finds them, and
 * sorts them as JSON.
 */
export const keyCodec = <A>(type: TypeOf<A>): Codec.Codec<A> => {
  if (isCodec(type)) return type
  const encodedAs = orderedOf(Schema.toEncoded(type).ast)
  return encodedAs === undefined ? Codec.schema(type) : through(type, encodedAs)
}

const orderedOf = (ast: SchemaAST.AST): Codec.OrderedCodec<unknown> | undefined => {
  switch (ast._tag) {
    case "String":
      return Codec.string as Codec.Codec<unknown> as Codec.OrderedCodec<unknown>
    case "Number":
      return Codec.number as Codec.Codec<unknown> as Codec.OrderedCodec<unknown>
    case "Boolean":
      return Codec.boolean as Codec.Codec<unknown> as Codec.OrderedCodec<unknown>
    case "Arrays": {
      const parts = ast.elements.map(orderedOf)
      if (ast.rest.length > 0 || !parts.every((part) => part !== undefined)) return undefined
      return Codec.tuple(parts) as Codec.Codec<unknown> as Codec.OrderedCodec<unknown>
    }
    default:
      return undefined
  }
}

/** The values of a schema, in the bytes of what they encode to. */
const through = <A>(schema: Schema.Codec<A, unknown>, to: Codec.OrderedCodec<unknown>): Codec.Codec<A> => {
  const encode = Schema.encodeUnknownResult(schema)
  const decode = Schema.decodeUnknownResult(schema)
  return {
    name: to.name,
    document: to.document,
    fingerprint: to.fingerprint,
    encode: (value, into) => {
      const encoded = encode(value)
      if (Result.isFailure(encoded)) {
        throw new ValueOutOfRange({ what: "a key", detail: "it does not fit the schema of the table's keys" })
      }
      to.encode(encoded.success, into)
    },
    decode: (bytes, start, end) => {
      const decoded = decode(to.decode(bytes, start, end))
      if (Result.isSuccess(decoded)) return decoded.success
      throw new DecodeError({ codec: to.name, detail: "a key does not fit the schema of the table's keys" })
    },
    ...(to.prefixed !== undefined && { prefixed: to.prefixed })
  }
}

/** One part of what an index sorts by. */
export type IndexPart = string | number | boolean | Date

/**
 * What an index sorts by: a value, or several, of which the first counts first.
 *
 * @category models
 * @since 0.1.0
 */
export type IndexKey = IndexPart | ReadonlyArray<IndexPart>

const writePart = (part: unknown, into: ByteWriter): void => {
  if (typeof part === "string") return Ordered.string.encode(part, into)
  if (typeof part === "number") return Ordered.number.encode(part, into)
  if (typeof part === "boolean") return Ordered.boolean.encode(part, into)
  if (Predicate.isDate(part)) return Ordered.date.encode(part, into)
  throw new ValueOutOfRange({
    what: "the key of an index",
    detail: "it has a part that is no text, number, boolean or date"
  })
}

/** The key of an index. Each part of its encoding marks its own end. */
export const writeIndexKey = (key: IndexKey, into: ByteWriter): void => {
  if (Array.isArray(key)) { for (const part of key) writePart(part, into) }
  else writePart(key, into)
}

/** The key of an index entry: what it sorts by, and then the key of the row. */
export const writeEntry = (key: IndexKey, row: Uint8Array, into: ByteWriter): void => {
  writeIndexKey(key, into)
  Ordered.bytes.encode(row, into)
}
