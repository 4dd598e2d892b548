/**
 * The faster form of `Codec.schema`: values in a layout, and as JSON where the layout has no place for them.
 *
 * A value in the layout begins with a byte that begins no JSON text. Which of the two a value has depends on its JSON and on
 * the layout alone, never on the version of the schema, so that equal values have equal bytes for as long as the
 * collection is there.
 *
 * @internal
 */
import { type Schema, SchemaAST } from "effect"
import type { ByteWriter } from "./ByteWriter.ts"
import { canonical, parseJson } from "./CanonicalJson.ts"
import type { Codec, Typed } from "./CodecModel.ts"
import * as Layout from "./Layout.ts"
import { LayoutInput } from "./LayoutInput.ts"
import * as LayoutJson from "./LayoutJson.ts"
import { Misfit, type Part } from "./LayoutPart.ts"
import * as LayoutSchema from "./LayoutSchema.ts"
import * as LayoutStruct from "./LayoutStruct.ts"
import { reject } from "./Refusal.ts"
import { writeText } from "./TextCodec.ts"

/** The name under which collections are registered whose values are in a layout. */
export const typedName = "schema/2"

/** The first byte of a value in the layout. */
const inLayout = 1

/** Values as JSON, by the schema. */
interface Whole<A> {
  /** Throws `ValueOutOfRange`. */
  readonly toJson: (value: A) => unknown
  readonly decode: Codec<A>["decode"]
}

export const make = <A>(of: Schema.Constraint, document: string, whole: Whole<A>): Typed<A> => ({
  name: typedName,
  document: Layout.into(document, layoutOf(of)),
  open: (stored, isTrusted) => open(of, stored, isTrusted, whole)
})

/**
 * The layout that a schema is given. A schema may have no JSON form at all: a collection can be opened with it, but no value
 * can be encoded.
 */
export const layoutOf = (of: Schema.Constraint): Layout.Layout => {
  try {
    return LayoutSchema.derive(of.ast)
  } catch {
    return Layout.unknown
  }
}

const open = <A>(of: Schema.Constraint, document: string, isTrusted: boolean, whole: Whole<A>): Codec<A> => {
  const layout = Layout.find(document) ?? Layout.unknown
  const part = LayoutSchema.build(of.ast, layout, !isTrusted)
  const ofJson = LayoutJson.of(layout)
  const decode = either(part.decode as (from: LayoutInput) => A, whole.decode)
  return {
    name: typedName,
    document,
    fingerprint: undefined,
    encode: (value, into) => {
      if (!fits(part, value, into)) writeJson(ofJson, whole.toJson(value), into)
    },
    decode,
    select: (names) => selecting(of, layout, isTrusted, names, decode)
  }
}

const isTyped = (bytes: Uint8Array, start: number, end: number): boolean => start !== end && bytes[start] === inLayout

/** Decodes values in the layout by `decode`, and values in JSON by `whole`. */
const either = <A>(decode: (from: LayoutInput) => A, whole: Codec<A>["decode"]): Codec<A>["decode"] => {
  const read = (from: LayoutInput): A => {
    const value = decode(from)
    return from.offset === from.end ? value : reject("schema", `${from.end - from.offset} bytes are left over`)
  }
  return Object.assign(
    (bytes: Uint8Array, start: number, end: number): A =>
      isTyped(bytes, start, end) ? read(new LayoutInput(bytes, start + 1, end, false)) : whole(bytes, start, end),
    {
      many: (bytes: Uint8Array) => {
        const from = new LayoutInput(bytes, 0, 0, true)
        return (start: number, end: number): A => {
          if (!isTyped(bytes, start, end)) return whole(bytes, start, end)
          from.moveTo(start + 1, end)
          return read(from)
        }
      }
    }
  )
}

/**
 * Writes the value in the layout, or writes nothing. Errors of a schema's own functions are reported when the value is
 * encoded as JSON.
 */
const fits = (part: Part, value: unknown, into: ByteWriter): boolean => {
  const start = into.length
  try {
    into.u8(inLayout)
    part.encode(value, into)
    return true
  } catch {
    into.length = start
    return false
  }
}

const writeJson = (part: Part, json: unknown, into: ByteWriter): void => {
  const start = into.length
  try {
    into.u8(inLayout)
    part.encode(json, into)
  } catch (error) {
    if (!(error instanceof Misfit)) throw error
    into.length = start
    writeText("schema", canonical("schema", json), into)
  }
}

/** Reads some fields without the others, where both the layout and the schema describe values as the same objects. */
const selecting = <A>(
  of: Schema.Constraint,
  layout: Layout.Layout,
  isTrusted: boolean,
  names: ReadonlyArray<string>,
  decode: Codec<A>["decode"]
): Codec<A>["decode"] => {
  const wanted = new Set(names)
  const { ast } = of
  const isPlain = SchemaAST.isObjects(ast) && ast.encoding === undefined && ast.encodingChecks === undefined
  const fields = isPlain && ast.indexSignatures.length === 0
    ? LayoutSchema.fieldsOf(ast, layout, !isTrusted, undefined)
    : undefined
  const all: Codec<A>["decode"] = (bytes, start, end) => picked(decode(bytes, start, end), wanted)
  return fields === undefined ? all : either(LayoutStruct.selected(fields, wanted) as (from: LayoutInput) => A, all)
}

/** The same value with these fields only. A value that is not an object is unchanged. */
export const picked = <A>(value: A, wanted: ReadonlySet<string>): A =>
  typeof value === "object" && value !== null
    ? Object.fromEntries(Object.entries(value).filter(([name]) => wanted.has(name))) as A
    : value

/** For tools: the JSON of the values of a collection with this document. */
export const ofJson = (document: string): Codec<Schema.Json> => {
  const part = LayoutJson.of(Layout.find(document) ?? Layout.unknown)
  return {
    name: typedName,
    document,
    fingerprint: undefined,
    encode: (value, into) => writeJson(part, value, into),
    decode: either(
      part.decode as (from: LayoutInput) => Schema.Json,
      (bytes, start, end) => parseJson("schema", bytes, start, end)
    )
  }
}
