/**
 * The names of ordered encodings: what a collection stores of the structure of its keys, read back by tools.
 *
 * A name is `string`, `bytes`, `number`, `date`, `boolean`, or literals as JSON with `|` between them, or any of these
 * behind `null|`, or `tuple(...)` of names with commas between them.
 *
 * @internal
 */
import * as Ordered from "./Ordered.ts"

/** The encoding of a name, or `undefined` if it is of none. */
export const parse = (name: string): Ordered.Ordered<unknown> | undefined => {
  const cursor: Cursor = { text: name, offset: 0 }
  const found = one(cursor, 0)
  return cursor.offset === name.length ? found : undefined
}

interface Cursor {
  readonly text: string
  offset: number
}

/** Deeper names are rejected: they may be made to exhaust the stack. */
const maxDepth = 100

const plain = new Map<string, Ordered.Ordered<unknown>>(
  [Ordered.string, Ordered.bytes, Ordered.number, Ordered.date, Ordered.boolean].map((each) => [
    each.name,
    each as Ordered.Ordered<unknown>
  ])
)

const one = (cursor: Cursor, depth: number): Ordered.Ordered<unknown> | undefined => {
  if (depth > maxDepth) return undefined
  if (take(cursor, "tuple(")) return parts(cursor, depth)
  const word = match(cursor, /(?:string|bytes|number|date|boolean)/y)
  if (word !== undefined) return plain.get(word)
  return literals(cursor, depth)
}

const parts = (cursor: Cursor, depth: number): Ordered.Ordered<unknown> | undefined => {
  const found: Array<Ordered.Ordered<unknown>> = []
  if (take(cursor, ")")) return Ordered.tuple(found) as Ordered.Ordered<unknown>
  do {
    const part = one(cursor, depth + 1)
    if (part === undefined) return undefined
    found.push(part)
  } while (take(cursor, ","))
  return take(cursor, ")") ? Ordered.tuple(found) as Ordered.Ordered<unknown> : undefined
}

/** A literal as JSON writes it. */
const literal = /"(?:[^"\\]|\\.)*"|-?[0-9][0-9.e+-]*|true|false|null/y

/** Literals, or `null` and then something else. */
const literals = (cursor: Cursor, depth: number): Ordered.Ordered<unknown> | undefined => {
  const found: Array<Ordered.Literal> = []
  do {
    const text = match(cursor, literal)
    if (text === undefined) {
      const isNullOr = found.length === 1 && found[0] === null
      const rest = isNullOr ? one(cursor, depth + 1) : undefined
      return rest === undefined ? undefined : Ordered.nullOr(rest) as Ordered.Ordered<unknown>
    }
    const value = parseLiteral(text)
    if (value === undefined) return undefined
    found.push(value)
  } while (take(cursor, "|"))
  return Ordered.literals(found) as Ordered.Ordered<unknown>
}

const parseLiteral = (text: string): Ordered.Literal | undefined => {
  try {
    const value: Ordered.Literal = JSON.parse(text)
    return typeof value === "number" && !Number.isFinite(value) ? undefined : value
  } catch {
    return undefined
  }
}

const take = (cursor: Cursor, text: string): boolean => {
  if (!cursor.text.startsWith(text, cursor.offset)) return false
  cursor.offset += text.length
  return true
}

const match = (cursor: Cursor, sticky: RegExp): string | undefined => {
  sticky.lastIndex = cursor.offset
  const found = sticky.exec(cursor.text)?.[0]
  cursor.offset += found?.length ?? 0
  return found
}
