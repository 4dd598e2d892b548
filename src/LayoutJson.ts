/**
 * Layouts for tools: JSON to the bytes of a layout, and back, without the schema.
 *
 * @internal
 */
import type * as Layout from "./Layout.ts"
import * as LayoutPart from "./LayoutPart.ts"
import * as LayoutStruct from "./LayoutStruct.ts"

const plain: Readonly<Record<Layout.Plain, LayoutPart.Part>> = {
  json: LayoutPart.json,
  string: LayoutPart.string,
  number: LayoutPart.number,
  int: LayoutPart.int,
  boolean: LayoutPart.boolean,
  date: LayoutPart.dateText
}

/** The part that writes the JSON of a layout. */
export const of = (layout: Layout.Layout): LayoutPart.Part => {
  if (typeof layout === "string") return plain[layout]
  if ("literals" in layout) return LayoutPart.literals(layout.literals)
  if ("nullable" in layout) return LayoutPart.nullable(null, of(layout.nullable))
  if ("array" in layout) return LayoutPart.array(of(layout.array))
  if ("tuple" in layout) return LayoutPart.tuple(layout.tuple.map(of))
  if ("record" in layout) return LayoutPart.record(of(layout.record))
  if ("struct" in layout) return structOf(layout, {})
  return LayoutPart.union(
    layout.tag,
    layout.union.map(([literal, member]) => [
      literal,
      typeof member === "object" && "struct" in member ? structOf(member, { [layout.tag]: literal }) : of(member)
    ])
  )
}

const structOf = ({ struct }: Layout.Struct, fixed: Readonly<Record<string, unknown>>): LayoutPart.Part =>
  LayoutStruct.struct(fieldsOf(struct, of), {
    fixed,
    hasOthers: (value, present) => Object.keys(value).length !== present + Object.keys(fixed).length
  })

/** The fields of a layout, each with the part for it. */
export const fieldsOf = (
  fields: ReadonlyArray<Layout.Field>,
  partOf: (layout: Layout.Layout, name: string) => LayoutPart.Part
): ReadonlyArray<LayoutPart.Field> =>
  fields.map(([name, layout, optional]) => ({ name, part: partOf(layout, name), isOptional: optional === "?" }))
