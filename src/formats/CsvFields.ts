/**
 * Keys and values as cells of CSV, one for each field that a layout names: `value.total`, `key._1`.
 *
 * CSV has no types. A cell that reads as JSON is JSON, any other one is a text, and an empty one is a field that is not there.
 * A row that would not be read back as it was is, besides, in the column `key_json` or `value_json`.
 *
 * @internal
 */
import { Schema } from "effect"
import * as ExactJson from "../ExactJson.ts"
import type * as Layout from "../Layout.ts"
import { cell } from "./Cell.ts"
import * as Fields from "./Fields.ts"

type Json = Schema.Json

/** Cells by the names of their columns. */
export type Cells = Readonly<Record<string, string>>

/** Fields within fields; a field without any is one column. */
interface Tree extends ReadonlyMap<string, Tree> {}

const column: Tree = new Map()

const treeOf = (layout: Layout.Layout): Tree => {
  if (typeof layout === "string") return column
  if ("nullable" in layout) return treeOf(layout.nullable)
  if ("struct" in layout) return named(layout.struct.map(([name, of]) => [name, treeOf(of)]))
  if ("tuple" in layout) return named(layout.tuple.map((of, i) => [Fields.partName(i), treeOf(of)]))
  return "union" in layout ? ofUnion(layout.tag, layout.union.map(([, of]) => treeOf(of))) : column
}

const named = (fields: ReadonlyArray<readonly [string, Tree]>): Tree =>
  Fields.areNames(fields.map(([name]) => name)) ? new Map(fields) : column

/** The fields of all members side by side: each row has those of one. */
const ofUnion = (tag: string, members: ReadonlyArray<Tree>): Tree =>
  named([...members.reduce(merged, new Map([[tag, column]]))])

const merged = (a: Tree, b: Tree): Tree => {
  const all = new Map(a)
  for (const [name, of] of b) {
    const other = all.get(name)
    all.set(name, other === undefined ? of : other.size === 0 || of.size === 0 ? column : merged(other, of))
  }
  return all
}

const columnsOf = (tree: Tree, name: string): ReadonlyArray<string> =>
  tree.size === 0 ? [name] : [...tree].flatMap(([field, of]) => columnsOf(of, `${name}.${field}`))

/** Whether the parts are those of a tuple. */
const isTuple = (tree: Tree): boolean =>
  tree.size > 0 && [...tree.keys()].every((name, i) => name === Fields.partName(i))

const isObject = (json: Json | undefined): json is Readonly<Record<string, Json>> =>
  typeof json === "object" && json !== null && !Array.isArray(json)

const write = (tree: Tree, name: string, json: Json | undefined, into: Record<string, string>): void => {
  if (tree.size === 0) {
    into[name] = json === undefined || json === null ? "" : cell(json)
    return
  }
  let part = 0
  for (const [field, of] of tree) {
    const inner = Array.isArray(json)
      ? json[part++] as Json
      : isObject(json) && Object.hasOwn(json, field)
      ? json[field]
      : undefined
    write(of, `${name}.${field}`, inner, into)
  }
}

/** What the cells say, or `undefined` if all of them are empty. */
const read = (tree: Tree, name: string, cells: Cells): Json | undefined => {
  if (tree.size === 0) return cells[name] === "" ? undefined : jsonOf(cells[name]!)
  const fields = [...tree].map(([field, of]) => [field, read(of, `${name}.${field}`, cells)] as const)
  const present = fields.filter((field): field is [string, Json] => field[1] !== undefined)
  if (present.length === 0) return undefined
  return isTuple(tree) ? fields.map(([, json]) => json ?? null) : Object.fromEntries(present)
}

/** The JSON of a text, or `undefined` if it is none, or has digits that a number would lose. */
const parsed = (text: string): Json | undefined => {
  try {
    const { isInexact, json } = ExactJson.parse(text)
    return isInexact ? undefined : json as Json
  } catch {
    return undefined
  }
}

const jsonOf = (text: string): Json => {
  const json = /^[-\d{[tfn]/.test(text) ? parsed(text) : text
  return json === undefined ? text : json
}

/** The order of fields is not that of a value: it is as a schema, a layout or a header has it. */
const isSame = Schema.toEquivalence(Schema.Json)

/** One side of a row: its columns, the cells of a value, and the value of cells. */
export interface Side {
  readonly columns: ReadonlyArray<string>
  readonly toCells: (json: Json) => Cells
  /** Returns `undefined` where the column of JSON is none. */
  readonly toJson: (cells: Cells) => Json | undefined
}

const sideOf = (side: "key" | "value", tree: Tree): Side => {
  const whole = Fields.jsonName(side)
  return {
    columns: [...columnsOf(tree, side), whole],
    toCells: (json) => {
      const cells: Record<string, string> = {}
      write(tree, side, json, cells)
      const isExact = Object.values(cells).every((each) => each.isWellFormed()) &&
        isSame(read(tree, side, cells) ?? null, json)
      cells[whole] = isExact ? "" : JSON.stringify(json)
      return cells
    },
    toJson: (cells) => {
      const text = cells[whole] ?? ""
      return text === "" ? read(tree, side, cells) ?? null : parsed(text)
    }
  }
}

/** The columns of a layout. */
export const ofLayout = (side: "key" | "value", layout: Layout.Layout): Side => sideOf(side, treeOf(layout))

/** Whether a layout has more than one column. */
export const hasFields = (layout: Layout.Layout): boolean => treeOf(layout).size > 0

/** The columns of a header, or `undefined` where they cannot be those of one side. */
export const ofHeader = (side: "key" | "value", header: ReadonlyArray<string>): Side | undefined => {
  const mine = header.filter((name) => name === side || name.startsWith(`${side}.`))
  if (mine.length === 0) return undefined
  const root = new Map<string, Tree>()
  for (const name of mine) {
    let at: Map<string, Tree> = root
    for (const step of name.split(".")) {
      const next = at.get(step) as Map<string, Tree> | undefined ?? new Map<string, Tree>()
      at.set(step, next)
      at = next
    }
  }
  const tree = root.get(side)!
  // A field that also has fields has a name of its own among the columns, which then are fewer than were named.
  return columnsOf(tree, side).length === mine.length ? sideOf(side, tree) : undefined
}
