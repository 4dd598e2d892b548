/**
 * Columns with types, made of a layout: a field is a column, a list is a list.
 *
 * Cells hold what their types can hold, and are null for the rest. Whether a row is held exactly is noted in its `Fit`.
 *
 * @internal
 */
import { Predicate, type Schema } from "effect"
import type { SchemaElement } from "hyparquet"
import * as ExactJson from "../ExactJson.ts"
import * as Fields from "../formats/Fields.ts"
import type * as Layout from "../Layout.ts"
import * as Platform from "../Platform.ts"

type Json = Schema.Json

/** Whether the cells of a row hold all of it. */
export interface Fit {
  isExact: boolean
}

export interface Column {
  /** The column by this name, and what is in it. */
  readonly elements: (name: string) => ReadonlyArray<SchemaElement>
  /** Whether a null is a value of its own, and not the lack of one. */
  readonly isNullable: boolean
  readonly toCell: (json: Json, fit: Fit) => unknown
  /** The JSON of a cell that is not null. Throws for a cell that `toCell` does not make. */
  readonly toJson: (cell: unknown) => unknown
}

/** Thrown for a cell that is of no such column. */
export class Misfit extends Error {}

const refuse = (): never => {
  throw new Misfit("a cell does not fit the layout")
}

const misfit = (fit: Fit): null => {
  fit.isExact = false
  return null
}

interface Leaf {
  /** The cell of a value, or `undefined` if there is none. */
  readonly toCell: (json: Json) => unknown
  readonly toJson: (cell: unknown) => unknown
}

const leaf = (element: Omit<SchemaElement, "name">, { toCell, toJson }: Leaf): Column => ({
  elements: (name) => [{ ...element, name, repetition_type: "OPTIONAL" }],
  isNullable: false,
  toCell: (json, fit) => toCell(json) ?? misfit(fit),
  toJson: (cell) => toJson(cell) ?? refuse()
})

const encoder = new TextEncoder()

/** The bytes of a value as JSON. */
export const jsonCell = (json: Json): Uint8Array => encoder.encode(JSON.stringify(json))

/** The name of the column that each element is in: its children follow it. */
export const namesOf = (elements: ReadonlyArray<SchemaElement>): ReadonlyArray<string> => {
  let left = 0
  let name = ""
  return elements.map((element) => {
    if (left === 0) name = element.name
    else left--
    left += element.num_children ?? 0
    return name
  })
}

/** A column whose type is set when the file ends: the writer itself would convert every value once more. */
export const isJson = ({ converted_type, type }: SchemaElement): boolean =>
  type === "BYTE_ARRAY" && converted_type === undefined

/** Anything, as JSON. */
export const json: Column = {
  elements: (name) => [{ name, type: "BYTE_ARRAY", repetition_type: "OPTIONAL" }],
  isNullable: false,
  toCell: jsonCell,
  toJson: (cell) => typeof cell === "string" ? ExactJson.parse(cell).json : refuse()
}

const text = leaf({ type: "BYTE_ARRAY", converted_type: "UTF8", logical_type: { type: "STRING" } }, {
  toCell: (json) => typeof json === "string" && json.isWellFormed() ? json : undefined,
  toJson: (cell) => typeof cell === "string" ? cell : undefined
})

const double = leaf({ type: "DOUBLE" }, {
  // JSON has no -0.
  toCell: (json) => typeof json === "number" && Number.isFinite(json) ? json + 0 : undefined,
  toJson: (cell) => typeof cell === "number" && Number.isFinite(cell) ? cell : undefined
})

const int = leaf({ type: "INT64" }, {
  toCell: (json) => Number.isSafeInteger(json) ? BigInt(json as number) : undefined,
  toJson: (cell) => typeof cell === "bigint" && Number.isSafeInteger(Number(cell)) ? Number(cell) : undefined
})

const boolean = leaf({ type: "BOOLEAN" }, {
  toCell: (json) => typeof json === "boolean" ? json : undefined,
  toJson: (cell) => typeof cell === "boolean" ? cell : undefined
})

const date = leaf({
  type: "INT64",
  converted_type: "TIMESTAMP_MILLIS",
  logical_type: { type: "TIMESTAMP", isAdjustedToUTC: true, unit: "MILLIS" }
}, {
  toCell: (json) => {
    const found = typeof json === "string" ? Platform.dateOf(json) : undefined
    return found?.toISOString() === json ? found : undefined
  },
  toJson: (cell) => Predicate.isDate(cell) && !Number.isNaN(cell.getTime()) ? cell.toISOString() : undefined
})

const nullable = (column: Column): Column =>
  column === json ? json : {
    ...column,
    isNullable: true,
    toCell: (json, fit) => json === null ? null : column.toCell(json, fit)
  }

/** The JSON of any cell. */
export const read = (column: Column, cell: unknown): unknown => {
  if (cell !== null && cell !== undefined) return column.toJson(cell)
  return column.isNullable ? null : refuse()
}

const list = (item: Column): Column => ({
  elements: (name) => [
    { name, repetition_type: "OPTIONAL", converted_type: "LIST", logical_type: { type: "LIST" }, num_children: 1 },
    { name: "list", repetition_type: "REPEATED", num_children: 1 },
    ...item.elements("element")
  ],
  isNullable: false,
  toCell: (json, fit) => Array.isArray(json) ? json.map((each: Json) => item.toCell(each, fit)) : misfit(fit),
  toJson: (cell) => Array.isArray(cell) ? cell.map((each) => read(item, each)) : refuse()
})

interface Field {
  readonly name: string
  readonly column: Column
  readonly isOptional: boolean
}

type Cells = Readonly<Record<string, unknown>>

const group = (fields: ReadonlyArray<Field>, of: Pick<Column, "toCell" | "toJson">): Column => ({
  elements: (name) => [
    { name, repetition_type: "OPTIONAL", num_children: fields.length },
    ...fields.flatMap(({ column, name }) => column.elements(name))
  ],
  isNullable: false,
  ...of
})

const isObject = (value: unknown): value is Cells => Predicate.isReadonlyObject(value)

const toCells = (fields: ReadonlyArray<Field>, value: Cells, fit: Fit): Record<string, unknown> => {
  const cells: Record<string, unknown> = {}
  let present = 0
  for (const { column, isOptional, name } of fields) {
    // The writer would take what is not there from the prototype.
    cells[name] = null
    if (Object.hasOwn(value, name)) {
      present++
      cells[name] = column.toCell(value[name] as Json, fit)
      // A null in the column is the lack of the field.
      if (isOptional && cells[name] === null) misfit(fit)
    } else if (!isOptional) misfit(fit)
  }
  if (Object.keys(value).length !== present) misfit(fit)
  return cells
}

const ofCells = (fields: ReadonlyArray<Field>, cells: Cells): Record<string, unknown> =>
  Object.fromEntries(
    fields
      .filter(({ isOptional, name }) => !isOptional || cells[name] !== null && cells[name] !== undefined)
      .map(({ column, name }) => [name, read(column, cells[name])])
  )

const struct = (fields: ReadonlyArray<Field>): Column =>
  group(fields, {
    toCell: (json, fit) => isObject(json) ? toCells(fields, json, fit) : misfit(fit),
    toJson: (cell) => isObject(cell) ? ofCells(fields, cell) : refuse()
  })

/** Parts by their numbers. */
const tuple = (parts: ReadonlyArray<Column>): Column => {
  const fields = parts.map((column, i) => ({ name: Fields.partName(i), column, isOptional: false }))
  return group(fields, {
    toCell: (json, fit) =>
      Array.isArray(json) && json.length === parts.length
        ? toCells(fields, Object.fromEntries(json.map((each, i) => [fields[i]!.name, each])), fit)
        : misfit(fit),
    toJson: (cell) => isObject(cell) ? fields.map(({ column, name }) => read(column, cell[name])) : refuse()
  })
}

/** The tag, and one structure for each member, of which one is there. */
const union = (tag: Field, members: ReadonlyArray<Field & { readonly literal: Layout.Literal }>): Column => {
  const fields = [tag, ...members]
  const byLiteral = new Map<unknown, Field>(members.map((member) => [member.literal, member]))
  return group(fields, {
    toCell: (json, fit) => {
      const { [tag.name]: literal, ...rest } = isObject(json) ? json : {}
      const member = byLiteral.get(literal)
      return member === undefined
        ? misfit(fit)
        : toCells(fields, { [tag.name]: literal, [member.name]: rest }, fit)
    },
    toJson: (cell) => {
      if (!isObject(cell)) return refuse()
      const literal = read(tag.column, cell[tag.name])
      const member = byLiteral.get(literal) ?? refuse()
      return { [tag.name]: literal, ...read(member.column, cell[member.name]) as Cells }
    }
  })
}

/** The column of a layout: `json` where this format has no type for it. */
export const of = (layout: Layout.Layout): Column => {
  if (typeof layout === "string") return plain[layout]
  if ("literals" in layout) return ofLiterals(layout.literals)
  if ("nullable" in layout) return nullable(of(layout.nullable))
  if ("array" in layout) return list(of(layout.array))
  if ("tuple" in layout) return tuple(layout.tuple.map(of))
  if ("struct" in layout) return ofStruct(layout)
  return "union" in layout ? ofUnion(layout.tag, layout.union) : json
}

const plain: Readonly<Record<Layout.Plain, Column>> = { json, string: text, number: double, int, boolean, date }

const ofLiterals = (literals: ReadonlyArray<Layout.Literal>): Column => {
  if (literals.every((literal) => typeof literal === "string")) return text
  if (literals.every(Number.isSafeInteger)) return int
  return literals.every((literal) => typeof literal === "boolean") ? boolean : json
}

const ofStruct = ({ struct: fields }: Layout.Struct): Column =>
  Fields.areNames(fields.map(([name]) => name))
    ? struct(fields.map(([name, layout, optional]) => ({ name, column: of(layout), isOptional: optional === "?" })))
    : json

const ofUnion = (tag: string, union_: ReadonlyArray<readonly [Layout.Literal, Layout.Layout]>): Column => {
  const literals = union_.map(([literal]) => literal)
  const tagColumn = ofLiterals(literals)
  if (tagColumn === json || !Fields.areNames([tag, ...literals.map(String)])) return json
  return union(
    { name: tag, column: tagColumn, isOptional: false },
    union_.map(([literal, layout]) => ({ literal, name: String(literal), column: of(layout), isOptional: true }))
  )
}
