/**
 * Layouts of Effect Schemas: which one a schema is given, and the part that writes its values in a layout.
 *
 * What the layout and the schema both know is written directly. A transformation, a class, or a schema that has changed since
 * the layout was made is encoded by the schema to JSON, and the JSON in the layout, which gives the same bytes.
 *
 * @internal
 */
import { Result, Schema, SchemaAST } from "effect"
import * as Layout from "./Layout.ts"
import * as LayoutJson from "./LayoutJson.ts"
import * as LayoutPart from "./LayoutPart.ts"
import * as LayoutStruct from "./LayoutStruct.ts"
import { reject } from "./Refusal.ts"

type AST = SchemaAST.AST

/** The JSON codec of a node by itself. */
const jsonCodec = (ast: AST): Schema.Codec<unknown, unknown> =>
  Schema.toCodecJson(Schema.make<Schema.Codec<unknown, unknown>>(ast))

/** Where the last encoding of a node ends. */
const encodedEnd = (ast: AST): AST => {
  let end = ast
  while (end.encoding !== undefined) end = end.encoding.at(-1)!.to
  return end
}

const isDate = (ast: AST): boolean =>
  SchemaAST.isDeclaration(ast) && representationOf(ast.annotations) === "effect/schema/Date" &&
  (ast.encoding === undefined || ast.encoding.length === 1 && ast.encoding[0]!.transformation === dateFromString)

const dateFromString = Schema.DateFromString.ast.encoding![0].transformation

const representationOf = (annotations: Schema.Annotations.Annotations | undefined): unknown =>
  (annotations?.["representation"] as { readonly id?: unknown } | undefined)?.id

const hasCheck = (ast: AST, id: string): boolean =>
  ast.checks?.some(({ annotations }) => representationOf(annotations) === id) ?? false

const isOptional = (ast: AST): boolean => ast.context?.isOptional === true

const isLiteral = (ast: AST): ast is SchemaAST.Literal =>
  SchemaAST.isLiteral(ast) && ast.encoding === undefined && typeof ast.literal !== "bigint"

/** The layout for the JSON of a schema's values. */
export const derive = (ast: AST, depth = 0): Layout.Layout => {
  if (depth > Layout.maxDepth - 8) return Layout.unknown
  if (isDate(ast)) return "date"
  if (ast.encoding !== undefined) return derive(encodedEnd(ast), depth + 1)
  switch (ast._tag) {
    case "String":
    case "TemplateLiteral":
    case "BigInt":
      return "string"
    case "Number":
      return hasCheck(ast, "effect/schema/isInt") ? "int" : "number"
    case "Boolean":
      return "boolean"
    case "Literal":
      return isLiteral(ast) ? { literals: [ast.literal as Layout.Literal] } : Layout.unknown
    case "Union":
      return deriveUnion(ast.types, depth)
    case "Arrays":
      return deriveArrays(ast, depth)
    case "Objects":
      return deriveObjects(ast, depth)
    case "Declaration":
      return deriveDeclaration(ast, depth)
    default:
      return Layout.unknown
  }
}

const deriveDeclaration = (ast: AST, depth: number): Layout.Layout => {
  const json = jsonCodec(ast).ast
  return json.encoding === undefined ? Layout.unknown : derive(encodedEnd(json), depth + 1)
}

/** The alternatives of a union other than `null` and `undefined`, and which of these two it has. */
const present = (types: ReadonlyArray<AST>) => {
  const rest = types.filter((type) => !SchemaAST.isNull(type) && !SchemaAST.isUndefined(type))
  return { rest, nothing: types.filter((type) => SchemaAST.isNull(type) || SchemaAST.isUndefined(type)) }
}

const deriveUnion = (types: ReadonlyArray<AST>, depth: number): Layout.Layout => {
  const { nothing, rest } = present(types)
  if (nothing.length > 1 || rest.length === 0) return Layout.unknown
  if (nothing.length === 1) {
    const inner = deriveUnion(rest, depth)
    return inner === Layout.unknown ? Layout.unknown : { nullable: inner }
  }
  if (rest.length === 1) return derive(rest[0]!, depth + 1)
  if (rest.length > Layout.maxAlternatives) return Layout.unknown
  if (rest.every(isLiteral)) return { literals: rest.map(({ literal }) => literal as Layout.Literal) }
  return deriveTagged(rest, depth)
}

/** Objects of which each has a literal of its own in one field. */
const deriveTagged = (types: ReadonlyArray<AST>, depth: number): Layout.Layout => {
  if (!types.every(isStruct)) return Layout.unknown
  const tag = types[0]!.propertySignatures.map(({ name }) => name).find((name) => {
    const literals = types.map((type) => literalAt(type, name))
    return !literals.includes(undefined) && new Set(literals).size === types.length
  })
  if (tag === undefined || !Layout.isFieldName(tag)) return Layout.unknown
  const members = types.map((type) => [literalAt(type, tag)!, deriveStruct(type, depth, tag)] as const)
  return members.some(([, member]) => member === Layout.unknown) ? Layout.unknown : { tag, union: members }
}

const isStruct = (ast: AST): ast is SchemaAST.Objects =>
  SchemaAST.isObjects(ast) && ast.encoding === undefined && ast.indexSignatures.length === 0

const literalAt = (ast: SchemaAST.Objects, name: PropertyKey): Layout.Literal | undefined => {
  const type = ast.propertySignatures.find((each) => each.name === name)?.type
  return type !== undefined && isLiteral(type) && !isOptional(type) ? type.literal as Layout.Literal : undefined
}

const deriveArrays = ({ elements, rest }: SchemaAST.Arrays, depth: number): Layout.Layout => {
  if (elements.length === 0 && rest.length === 1) return { array: derive(rest[0]!, depth + 1) }
  if (rest.length > 0 || elements.length === 0 || elements.some((each) => isOptional(encodedEnd(each)))) {
    return Layout.unknown
  }
  return { tuple: elements.map((each) => derive(each, depth + 1)) }
}

const deriveObjects = (ast: SchemaAST.Objects, depth: number): Layout.Layout => {
  const { indexSignatures, propertySignatures } = ast
  if (indexSignatures.length === 0) return deriveStruct(ast, depth, undefined)
  const [only] = indexSignatures
  const isRecord = propertySignatures.length === 0 && indexSignatures.length === 1 && isPlainString(only!.parameter)
  return isRecord ? { record: derive(only!.type, depth + 1) } : Layout.unknown
}

const isPlainString = (ast: AST): boolean =>
  SchemaAST.isString(ast) && ast.encoding === undefined && ast.checks === undefined

/** The fields that are always there come first, and among them those of a known size. */
const deriveStruct = (ast: SchemaAST.Objects, depth: number, tag: PropertyKey | undefined): Layout.Layout => {
  const fields = ast.propertySignatures.filter(({ name }) => name !== tag)
  if (fields.length === 0) return Layout.unknown
  const derived: Array<Layout.Field> = []
  for (const { name, type } of fields) {
    if (!Layout.isFieldName(name)) return Layout.unknown
    const layout = derive(type, depth + 1)
    derived.push(isOptional(encodedEnd(type)) ? [name, layout, "?"] : [name, layout])
  }
  return { struct: derived.toSorted((a, b) => rank(a) - rank(b) || (a[0] < b[0] ? -1 : 1)) }
}

const rank = ([, layout, optional]: Layout.Field): number => {
  const isFixed = layout === "number" || layout === "date" || layout === "boolean" ||
    typeof layout === "object" && "literals" in layout
  return optional === "?" ? 2 : isFixed ? 0 : 1
}

/**
 * The part that writes the values of a schema in a layout. With `isChecked`, what is read is checked once more, because it
 * may have been written under another schema.
 */
export const build = (ast: AST, layout: Layout.Layout, isChecked: boolean): LayoutPart.Part => {
  const direct = directly(ast, layout, isChecked)
  return direct === undefined ? throughJson(ast, layout) : withChecks(ast, direct, isChecked)
}

const directly = (ast: AST, layout: Layout.Layout, isChecked: boolean): LayoutPart.Part | undefined => {
  if (isDate(ast)) return layout === "date" ? LayoutPart.date : undefined
  if (ast.encoding !== undefined || "encodingChecks" in ast && ast.encodingChecks !== undefined) return undefined
  switch (ast._tag) {
    case "String":
      return layout === "string" ? LayoutPart.string : undefined
    case "Number":
      return layout === "number" ? LayoutPart.number : layout === "int" ? LayoutPart.int : undefined
    case "Boolean":
      return layout === "boolean" ? LayoutPart.boolean : undefined
    case "Literal":
      return literals([ast], layout)
    case "Union":
      return directUnion(ast.types, layout, isChecked)
    case "Arrays":
      return directArrays(ast, layout, isChecked)
    case "Objects":
      return directObjects(ast, layout, isChecked)
    default:
      return undefined
  }
}

/** All literals of the layout must be some of the schema. */
const literals = (types: ReadonlyArray<AST>, layout: Layout.Layout): LayoutPart.Part | undefined => {
  if (typeof layout === "string" || !("literals" in layout) || !types.every(isLiteral)) return undefined
  const known = new Set<unknown>(types.map(({ literal }) => literal))
  return layout.literals.every((literal) => known.has(literal)) ? LayoutPart.literals(layout.literals) : undefined
}

const directUnion = (
  types: ReadonlyArray<AST>,
  layout: Layout.Layout,
  isChecked: boolean
): LayoutPart.Part | undefined => {
  const { nothing, rest } = present(types)
  if (nothing.some(({ encoding }) => encoding !== undefined) || rest.length === 0) return undefined
  if (typeof layout === "object" && "nullable" in layout) {
    if (nothing.length !== 1) return undefined
    const part = directUnion(rest, layout.nullable, isChecked)
    return part && LayoutPart.nullable(SchemaAST.isNull(nothing[0]!) ? null : undefined, part)
  }
  // A layout without nothing was made when the schema had none: it has no place for it.
  if (rest.length === 1) return layout === Layout.unknown ? undefined : build(rest[0]!, layout, isChecked)
  return literals(rest, layout) ?? directTagged(rest, layout, isChecked)
}

const directTagged = (
  types: ReadonlyArray<AST>,
  layout: Layout.Layout,
  isChecked: boolean
): LayoutPart.Part | undefined => {
  if (typeof layout === "string" || !("union" in layout) || !types.every(isStruct)) return undefined
  const { tag, union } = layout
  const members: Array<readonly [Layout.Literal, LayoutPart.Part]> = []
  for (const [literal, member] of union) {
    const type = types.find((each) => literalAt(each, tag) === literal)
    const part = type && directStruct(type, member, isChecked, [tag, literal])
    if (part === undefined) return undefined
    members.push([literal, withChecks(type!, part, isChecked)])
  }
  return LayoutPart.union(tag, members)
}

const directArrays = (
  { elements, rest }: SchemaAST.Arrays,
  layout: Layout.Layout,
  isChecked: boolean
): LayoutPart.Part | undefined => {
  if (typeof layout === "string") return undefined
  if ("array" in layout && elements.length === 0 && rest.length === 1) {
    return LayoutPart.array(build(rest[0]!, layout.array, isChecked))
  }
  const isTuple = "tuple" in layout && rest.length === 0 && elements.length === layout.tuple.length &&
    !elements.some((each) => isOptional(each) || isOptional(encodedEnd(each)))
  return isTuple ? LayoutPart.tuple(elements.map((each, i) => build(each, layout.tuple[i]!, isChecked))) : undefined
}

const directObjects = (
  ast: SchemaAST.Objects,
  layout: Layout.Layout,
  isChecked: boolean
): LayoutPart.Part | undefined => {
  const [only, ...others] = ast.indexSignatures
  if (only === undefined) return directStruct(ast, layout, isChecked, undefined)
  const isRecord = typeof layout === "object" && "record" in layout && ast.propertySignatures.length === 0 &&
    others.length === 0 && isPlainString(only.parameter)
  return isRecord ? LayoutPart.record(build(only.type, layout.record, isChecked)) : undefined
}

const directStruct = (
  ast: SchemaAST.Objects,
  layout: Layout.Layout,
  isChecked: boolean,
  tag: readonly [name: string, literal: Layout.Literal] | undefined
): LayoutPart.Part | undefined => {
  const fields = fieldsOf(ast, layout, isChecked, tag?.[0])
  if (fields === undefined) return undefined
  const known = new Set([...fields.map(({ name }) => name), tag?.[0]])
  const others = ast.propertySignatures.map(({ name }) => name).filter((name) => !known.has(name as string))
  return LayoutStruct.struct(fields, {
    fixed: tag === undefined ? {} : { [tag[0]]: tag[1] },
    hasOthers: others.length === 0 ? () => false : (value) => others.some((name) => Object.hasOwn(value, name))
  })
}

/**
 * The fields of a layout with the parts for them, if the schema has them all, and what it has beyond them may be left
 * out.
 */
export const fieldsOf = (
  ast: SchemaAST.Objects,
  layout: Layout.Layout,
  isChecked: boolean,
  tag: string | undefined
): ReadonlyArray<LayoutPart.Field> | undefined => {
  if (typeof layout === "string" || !("struct" in layout)) return undefined
  const types = new Map(ast.propertySignatures.map(({ name, type }) => [name, type]))
  const written = new Set<PropertyKey | undefined>([tag, ...layout.struct.map(([name]) => name)])
  for (const [name, type] of types) {
    if (isOptional(type) !== isOptional(encodedEnd(type))) return undefined
    if (!written.has(name) && !isOptional(type)) return undefined
  }
  for (const [name, , optional] of layout.struct) {
    const type = types.get(name)
    if (type === undefined || optional === "?" && !isOptional(type)) return undefined
  }
  return LayoutJson.fieldsOf(layout.struct, (each, name) => build(types.get(name)!, each, isChecked))
}

/** Checks that a part of a layout implies. */
const implied = new Map<LayoutPart.Part, ReadonlyArray<string>>([
  [LayoutPart.int, ["effect/schema/isInt", "effect/schema/isFinite"]],
  [LayoutPart.number, ["effect/schema/isFinite"]]
])

const withChecks = (ast: AST, part: LayoutPart.Part, isChecked: boolean): LayoutPart.Part => {
  const known = implied.get(part) ?? []
  const checks = ast.checks?.filter(({ annotations }) => !known.includes(String(representationOf(annotations)))) ?? []
  if (checks.length === 0) return part
  const passes = (value: unknown): boolean => checks.every((check) => runs(check, value, ast))
  return {
    encode: (value, into) => {
      part.encode(value, into)
      if (!passes(value)) LayoutPart.misfit()
    },
    decode: isChecked
      ? (from) => {
        const value = part.decode(from)
        return passes(value) ? value : reject("schema", "a part of it does not fit the schema")
      }
      : part.decode,
    skip: part.skip
  }
}

const runs = (check: SchemaAST.Check<unknown>, value: unknown, ast: AST): boolean =>
  check._tag === "FilterGroup"
    ? check.checks.every((each) => runs(each, value, ast))
    : check.run(value, ast, {}) === undefined

/** What only the schema itself can encode. */
const throughJson = (ast: AST, layout: Layout.Layout): LayoutPart.Part => {
  const codec = jsonCodec(ast)
  const encode = Schema.encodeUnknownResult(codec)
  const decode = Schema.decodeUnknownResult(codec)
  const part = LayoutJson.of(layout)
  return {
    encode: (value, into) => {
      const encoded = encode(value)
      part.encode(Result.isSuccess(encoded) ? encoded.success : LayoutPart.misfit(), into)
    },
    decode: (from) => {
      const decoded = decode(part.decode(from))
      return Result.isSuccess(decoded) ? decoded.success : reject("schema", "a part of it does not fit the schema")
    },
    skip: part.skip
  }
}
