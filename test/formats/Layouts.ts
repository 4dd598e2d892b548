// Layouts at random, and values of them.
import type { Schema } from "effect"
import type * as Layout from "../../src/Layout.ts"
import * as Prng from "../../src/testing/Prng.ts"

type Json = Schema.Json

const words = ["", "a", "é", "😀", "x".repeat(300), "line\nline", "\ud800", "__proto__", "null"]

/** Layouts and values of them, and now and then something else. */
export const generator = (seed: number) => {
  const { chance, int: below, pick: one } = Prng.make(seed)
  const some = <A>(most: number, make: (index: number) => A): ReadonlyArray<A> =>
    Array.from({ length: below(most + 1) }, (_, i) => make(i))

  const layout = (depth: number): Layout.Layout => {
    const inner = () => layout(depth + 1)
    switch (below(depth > 2 ? 7 : 13)) {
      case 0:
        return "json"
      case 1:
        return "number"
      case 2:
        return "int"
      case 3:
        return "boolean"
      case 4:
        return "date"
      case 5:
        return { literals: one([["a", "b"], [1, 2], [true], ["a", 1]]) }
      case 7:
        return { nullable: inner() }
      case 8:
        return { array: inner() }
      case 9:
        return { tuple: [inner(), ...some(2, inner)] }
      case 10:
        return { record: inner() }
      case 11:
        return { struct: one([["a", "b", "c"], ["constructor", "toString"], ["x.y", "z"], ["n", "N"]]).map(field) }
      case 12:
        return {
          tag: "kind",
          union: one([["card", "cash"], [1, 2], ["KIND"]]).map((tag) => [tag, { struct: [field("n")] }])
        }
      default:
        return "string"
    }
    function field(name: string): Layout.Field {
      return chance(0.4) ? [name, inner(), "?"] : [name, inner()]
    }
  }
  const json = (depth: number): Json => {
    switch (below(depth > 1 ? 4 : 6)) {
      case 0:
        return null
      case 1:
        return one(words)
      case 2:
        return one([0, -1, 0.5, 1e300, Number.MAX_SAFE_INTEGER])
      case 3:
        return chance(0.5)
      case 4:
        return some(3, () => json(depth + 1))
      default:
        return Object.fromEntries(some(3, (i) => [`k${i}`, json(depth + 1)]))
    }
  }
  const struct = (fields: ReadonlyArray<Layout.Field>): Readonly<Record<string, Json>> =>
    Object.fromEntries(
      fields.flatMap(([name, of, optional]) => optional === "?" && chance(0.4) ? [] : [[name, value(of)]])
    )
  const value = (of: Layout.Layout): Json => {
    if (chance(0.02)) return json(0)
    if (typeof of === "string") return plain[of]()
    if ("literals" in of) return one(of.literals)
    if ("nullable" in of) return chance(0.4) ? null : value(of.nullable)
    if ("array" in of) return some(2, () => value(of.array))
    if ("tuple" in of) return of.tuple.map(value)
    if ("record" in of) return Object.fromEntries(some(2, (i) => [words[i]!, value(of.record)]))
    if ("struct" in of) return struct(of.struct)
    const [literal, member] = one(of.union)
    return { [of.tag]: literal, ...value(member) as object }
  }
  const plain: Readonly<Record<Layout.Plain, () => Json>> = {
    json: () => json(0),
    string: () => one(words),
    number: () => one([0, -0.5, 5e-324, 1.7e308, 2 ** 60]),
    int: () => one([0, -7, 2 ** 52 - 1, Number.MIN_SAFE_INTEGER, 0.5]),
    boolean: () => chance(0.5),
    date: () => one([new Date(0), new Date(-8.64e15), new Date(8.64e15), new Date(1.7e12)]).toISOString()
  }
  return { layout, value, below }
}
