/**
 * Layouts: how the values of a schema are written as bytes instead of JSON text.
 *
 * A layout is made from a schema once, when a collection is registered, and is stored with it and never changes: even
 * after changes of the schema, equal values have equal bytes. It is stored as JSON, under a keyword of the schema's
 * document.
 *
 * @internal
 */
import { Predicate, type Schema } from "effect"
import { canonical } from "./CanonicalJson.ts"

/**
 * How one value is written:
 *
 * - `json`: any JSON, as its canonical text; `string`: text; `number`: any JSON number, as a double; `int`: an integer of
 *   less than 2^52; `boolean`; `date`: a text that is the ISO form of a date, as milliseconds;
 * - `literals`: one of these, by its index; `nullable`: `null`, or another;
 * - `array`: any number of others; `tuple`: one of each; `record`: others by name;
 * - `struct`: fields in this order, those with `?` possibly left out;
 * - `union`: objects distinguished by the literal in the field `tag`.
 */
export type Layout =
  | Plain
  | { readonly literals: ReadonlyArray<Literal> }
  | { readonly nullable: Layout }
  | { readonly array: Layout }
  | { readonly tuple: ReadonlyArray<Layout> }
  | { readonly record: Layout }
  | Struct
  | { readonly tag: string; readonly union: ReadonlyArray<readonly [Literal, Layout]> }

export type Plain = "json" | "string" | "number" | "int" | "boolean" | "date"

export type Literal = string | number | boolean

export interface Struct {
  readonly struct: ReadonlyArray<Field>
}

export type Field = readonly [name: string, layout: Layout] | readonly [name: string, layout: Layout, optional: "?"]

/** The layout of values without a more specific one. */
export const unknown: Layout = "json"

/** One byte cannot distinguish more. */
export const maxAlternatives = 250

/** Layouts that are nested deeper are rejected: they may come from a damaged document. */
export const maxDepth = 40

/** The keyword of the layout in a document. */
export const keyword = "x-tidemark-layout"

/** The document with the layout in it. */
export const into = (document: string, layout: Layout): string =>
  canonical("schema", { ...JSON.parse(document), [keyword]: layout })

/** A document with the layout of another, or without one where that has none. */
export const kept = (document: string, from: string): string => {
  const layout = find(from)
  const parsed = parse(document)
  if (!Predicate.isReadonlyObject(parsed) || layout === undefined && parsed[keyword] === undefined) return document
  const { [keyword]: _, ...rest } = parsed
  return canonical("schema", layout === undefined ? rest : { ...rest, [keyword]: layout })
}

/** The document of the schema alone. */
export const without = (document: string): string => kept(document, "")

/** The layout that a document has, or `undefined` where it has none that can be read. */
export const find = (document: string): Layout | undefined => {
  const parsed = parse(document)
  const layout = Predicate.isReadonlyObject(parsed) ? parsed[keyword] : undefined
  return isLayout(layout, 0) ? layout : undefined
}

const parse = (document: string): unknown => {
  try {
    return JSON.parse(document)
  } catch {
    return undefined
  }
}

const plain: ReadonlySet<unknown> = new Set<Plain>(["json", "string", "number", "int", "boolean", "date"])

const isLayout = (layout: unknown, depth: number): layout is Layout => {
  if (typeof layout === "string") return plain.has(layout)
  if (!Predicate.isReadonlyObject(layout) || depth > maxDepth) return false
  const { array, literals, nullable, record, struct, tag, tuple, union } = layout
  if (literals !== undefined) return isListOf(literals, isLiteral)
  if (struct !== undefined) return isListOf(struct, (field) => isField(field, depth))
  if (tuple !== undefined) return isListOf(tuple, (each) => isLayout(each, depth + 1))
  if (union !== undefined) return typeof tag === "string" && isListOf(union, (each) => isAlternative(each, depth))
  return isLayout(array ?? nullable ?? record, depth + 1)
}

/** Every value takes at least one byte, so that a count of values is never greater than the number of bytes. */
const isListOf = (list: unknown, is: (each: unknown) => boolean): boolean =>
  Array.isArray(list) && list.length > 0 && list.length <= 10_000 && list.every(is)

const isLiteral = (value: unknown): value is Literal =>
  typeof value === "string" || typeof value === "boolean" || typeof value === "number"

const isField = (field: unknown, depth: number): boolean =>
  Array.isArray(field) && typeof field[0] === "string" && isLayout(field[1], depth + 1) &&
  (field.length === 2 || field.length === 3 && field[2] === "?")

const isAlternative = (member: unknown, depth: number): boolean =>
  Array.isArray(member) && member.length === 2 && isLiteral(member[0]) && isLayout(member[1], depth + 1)

/** Property names with a special meaning on objects, which cannot be fields. */
export const isFieldName = (name: PropertyKey): name is string => typeof name === "string" && name !== "__proto__"

export type Json = Schema.Json
