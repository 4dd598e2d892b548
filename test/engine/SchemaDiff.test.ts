import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { ByteWriter } from "../../src/ByteWriter.ts"
import * as Codec from "../../src/Codec.ts"
import * as SchemaDiff from "../../src/engine/SchemaDiff.ts"
import * as Prng from "../../src/testing/Prng.ts"

type Values = Schema.Codec<unknown, unknown>

const documentOf = (schema: Values): string => Codec.schema(schema).document!

const between = (before: Values, after: Values) => SchemaDiff.diff(documentOf(before), documentOf(after))

const { Array: List, Boolean, Finite, Int, Literals, Null, Record, String, Struct, Tuple, Union, Unknown, optional } =
  Schema
const { optionalKey } = Schema

const circle = Struct({ kind: Schema.tag("circle"), r: Finite })
const square = Struct({ kind: Schema.tag("square"), a: Finite })

interface Tree {
  readonly label: string
  readonly next?: Tree
}
const tree = (label: Schema.Codec<string>): Schema.Codec<Tree> => {
  const self: Schema.Codec<Tree> = Struct({
    label,
    next: optionalKey(Schema.suspend((): Schema.Codec<Tree> => self))
  })
  return self
}

const named = (change: Change) => [change[0], change] as const

type Change = readonly [change: string, before: Values, after: Values, ...lines: Array<string>]

describe("a change of a schema is", () => {
  const additive: ReadonlyArray<Change> = [
    [
      "a new optional field",
      Struct({ a: String }),
      Struct({ a: String, b: optionalKey(Finite) }),
      ".b: a new field, optional"
    ],
    [
      "a required field made optional",
      Struct({ a: String }),
      Struct({ a: optionalKey(String) }),
      ".a: it was required, and is optional now"
    ],
    [
      "an optional field that may be undefined",
      Struct({ a: optionalKey(String) }),
      Struct({ a: optional(String) }),
      ".a: null is taken, too"
    ],
    ["a new literal", Literals(["a", "b"]), Literals(["b", "c", "a"]), `the whole: the literal "c" is taken, too`],
    [
      "a literal made any string",
      Schema.Literal("a"),
      String,
      `the whole: it was the literal "a", and is any string now`
    ],
    ["literals made any string", Literals(["a", "b"]), String],
    ["a union of one more", circle, Union([circle, square]), `the whole: object with kind "square" is taken, too`],
    ["a union in another order", Union([circle, square, Null]), Union([Null, square, circle])],
    [
      "an alternative before it that can be distinguished",
      Struct({ a: String }),
      Union([Struct({ b: String }), Struct({ a: String })]),
      "the whole: object is taken, too"
    ],
    ["an alternative of another type before it", String, Union([Boolean, circle, String])],
    ["null or it", Struct({ a: List(String) }), Struct({ a: List(Schema.NullOr(String)) }), ".a[]: null is taken, too"],
    ["an integer made finite", Int, Finite],
    ["an integer made any number", Int, Schema.Number],
    ["anything", circle, Unknown, "the whole: any value is taken"],
    ["a check that is gone", String.check(Schema.isUUID()), String],
    ["a bound that is gone", String.check(Schema.isMaxLength(3)), String, "the whole: maxLength is gone"],
    [
      "a bound that is wider",
      String.check(Schema.isMaxLength(3)),
      String.check(Schema.isMaxLength(4)),
      "the whole: maxLength was 3, and is 4 now"
    ],
    ["a new optional element", Tuple([String]), Tuple([String, optionalKey(Finite)])],
    ["free keys of a wider type", Record(String, Int), Record(String, Schema.NullOr(Int)), "[*]: null is taken, too"],
    [
      "deep in a type that contains itself",
      tree(Literals(["a"]) as never),
      tree(Literals(["a", "b"]) as never),
      `.label: the literal "b" is taken, too`
    ]
  ]
  const breaking: ReadonlyArray<Change> = [
    ["a field that is gone", Struct({ a: String, b: Finite }), Struct({ a: String }), ".b: the field is gone"],
    ["an optional field that is gone", Struct({ a: optionalKey(String) }), Struct({}), ".a: the field is gone"],
    [
      "a field of another name",
      Struct({ a: String }),
      Struct({ b: String }),
      ".a: the field is gone",
      ".b: a new field is required"
    ],
    ["a new required field", Struct({ a: String }), Struct({ a: String, b: Finite }), ".b: a new field is required"],
    [
      "an optional field made required",
      Struct({ a: optionalKey(String) }),
      Struct({ a: String }),
      ".a: it was optional, and is required now"
    ],
    [
      "another type",
      Struct({ a: Struct({ b: Finite }) }),
      Struct({ a: Struct({ b: String }) }),
      ".a.b: it was number, and is string now"
    ],
    ["an integer of what was finite", Finite, Int],
    [
      "a literal that is gone",
      Literals(["a", "b"]),
      Literals(["a", "c"]),
      `the whole: the literal "b" is not taken any more`
    ],
    ["literals of what was any string", String, Literals(["a", "b"])],
    [
      "an alternative that is gone",
      Union([circle, square]),
      circle,
      `the whole: object with kind "square" is not taken any more`
    ],
    ["null that is gone", Schema.NullOr(String), String, "the whole: null is not taken any more"],
    ["a new check", String, String.check(Schema.isUUID())],
    ["a new bound", String, String.check(Schema.isMaxLength(3)), "the whole: maxLength is new"],
    ["a bound that is tighter", Finite.check(Schema.isGreaterThan(1)), Finite.check(Schema.isGreaterThan(2))],
    ["a type of what was anything", Unknown, String],
    ["a new required element", Tuple([String]), Tuple([String, Finite])],
    ["fields of what was any object", Record(String, Unknown), Struct({ a: optionalKey(Unknown) })],
    ["an element that is gone", Tuple([String, Finite]), Tuple([String])],
    ["a list of what was a tuple with fewer", List(String), Tuple([String])],
    ["free keys that are gone", Record(String, Int), Struct({ a: Int })],
    ["free keys that are new", Struct({ a: Int }), Record(String, Int)],
    [
      "an alternative before it that would lose a field",
      Struct({ a: String, b: String }),
      Union([Struct({ a: String }), Struct({ a: String, b: String })])
    ],
    [
      "deep in a type that contains itself",
      tree(Literals(["a", "b"]) as never),
      tree(Literals(["a"]) as never),
      `.label: the literal "b" is not taken any more`
    ]
  ]

  it.each(additive.map(named))("additive: %s", (_, [, before, after, ...lines]) => {
    const found = between(before, after)
    assert.deepStrictEqual(found.filter(({ isBreaking }) => isBreaking), [])
    assert.includeMembers(found.map(SchemaDiff.format), lines)
  })

  it.each(breaking.map(named))("breaking: %s", (_, [, before, after, ...lines]) => {
    const found = between(before, after).filter(({ isBreaking }) => isBreaking)
    assert.isNotEmpty(found)
    assert.includeMembers(found.map(SchemaDiff.format), lines)
  })

  it("none where only words differ", () => {
    const annotated = Struct({ a: String.annotate({ description: "a name", title: "A" }) })
    assert.notStrictEqual(documentOf(annotated), documentOf(Struct({ a: String })))
    assert.deepStrictEqual(between(Struct({ a: String }), annotated), [])
  })

  it("breaking where a document cannot be compared", () => {
    for (const document of ["no json", "[]", "7"]) {
      assert.isTrue(SchemaDiff.diff("{}", document).some(({ isBreaking }) => isBreaking), document)
      assert.isTrue(SchemaDiff.diff(document, "{}").some(({ isBreaking }) => isBreaking), document)
    }
  })

  it("found for documents that refer to themselves, or to nothing, too", () => {
    const loop = `{"$defs":{"a":{"$ref":"#/$defs/a"}},"$ref":"#/$defs/a"}`
    const nothing = `{"$ref":"#/$defs/b"}`
    for (const [before, after] of [[loop, nothing], [nothing, loop], [`{"type":"string"}`, nothing], [loop, "{}"]]) {
      assert.isNotEmpty(SchemaDiff.diff(before!, after!))
    }
  })
})

/** What a schema is made of, so that it can be changed. */
type Shape =
  | { readonly is: "string" | "int" | "finite" | "boolean" | "null" }
  | { readonly is: "literals"; readonly literals: ReadonlyArray<string> }
  | { readonly is: "list" | "free"; readonly of: Shape }
  | { readonly is: "union"; readonly of: ReadonlyArray<Shape> }
  | {
    readonly is: "struct"
    readonly fields: Readonly<Record<string, { readonly of: Shape; readonly optional: boolean }>>
  }

const scalars = ["string", "int", "finite", "boolean", "null"] as const
const names = ["a", "b", "c"]

const shape = (random: Prng.Prng, depth: number): Shape => {
  const kind = depth === 0 ? 0 : random.int(6)
  if (kind === 1) return { is: "literals", literals: names.filter(() => random.chance(0.6)).concat("z") }
  if (kind === 2) return { is: random.pick(["list", "free"]), of: shape(random, depth - 1) }
  if (kind === 3) return { is: "union", of: [shape(random, depth - 1), shape(random, depth - 1)] }
  if (kind < 3) return { is: random.pick(scalars) }
  const present = names.filter(() => random.chance(0.7))
  return {
    is: "struct",
    fields: Object.fromEntries(
      present.map((name) => [name, { of: shape(random, depth - 1), optional: random.chance(0.4) }])
    )
  }
}

/** The shape with something changed somewhere, for better or worse. */
const changed = (random: Prng.Prng, of: Shape): Shape => {
  const kind = random.int(6)
  if (kind === 0) return shape(random, 1)
  if (kind === 1) return { is: "union", of: random.chance(0.5) ? [of, shape(random, 2)] : [shape(random, 2), of] }
  switch (of.is) {
    case "literals":
      return { is: "literals", literals: names.filter(() => random.chance(0.7)).concat("z") }
    case "list":
    case "free":
      return { is: of.is, of: changed(random, of.of) }
    case "union":
      return { is: "union", of: of.of.map((each) => random.chance(0.5) ? each : changed(random, each)) }
    case "struct": {
      const fields = { ...of.fields }
      const name = random.pick(names)
      const field = fields[name]
      if (field === undefined) fields[name] = { of: shape(random, 1), optional: random.chance(0.8) }
      else if (random.chance(0.2)) delete fields[name]
      else if (random.chance(0.4)) fields[name] = { ...field, optional: !field.optional }
      else fields[name] = { ...field, of: changed(random, field.of) }
      return { is: "struct", fields }
    }
    default:
      return of.is === "int" ? { is: "finite" } : of
  }
}

const schemaOf = (of: Shape): Values => {
  switch (of.is) {
    case "string":
      return String
    case "int":
      return Int
    case "finite":
      return Finite
    case "boolean":
      return Boolean
    case "null":
      return Null
    case "literals":
      return Literals(of.literals)
    case "list":
      return List(schemaOf(of.of))
    case "free":
      return Record(String, schemaOf(of.of))
    case "union":
      return Union(of.of.map(schemaOf))
    case "struct":
      return Struct(
        Object.fromEntries(
          Object.entries(of.fields).map(([name, field]) => [
            name,
            field.optional ? optionalKey(schemaOf(field.of)) : schemaOf(field.of)
          ])
        )
      ) as Values
  }
}

const valueOf = (random: Prng.Prng, of: Shape): unknown => {
  switch (of.is) {
    case "string":
      return random.pick(["", "a", "z", "0"])
    case "int":
      return random.int(3)
    case "finite":
      return random.int(8) / 4
    case "boolean":
      return random.chance(0.5)
    case "null":
      return null
    case "literals":
      return random.pick(of.literals)
    case "list":
      return Array.from({ length: random.int(3) }, () => valueOf(random, of.of))
    case "free":
      return Object.fromEntries(names.filter(() => random.chance(0.5)).map((name) => [name, valueOf(random, of.of)]))
    case "union":
      return valueOf(random, random.pick(of.of))
    case "struct":
      return Object.fromEntries(
        Object.entries(of.fields).flatMap(([name, field]) =>
          field.optional && random.chance(0.5) ? [] : [[name, valueOf(random, field.of)]]
        )
      )
  }
}

const bytesOf = <A>(codec: Codec.Codec<A>, value: A): Uint8Array => {
  const writer = new ByteWriter(64)
  codec.encode(value, writer)
  return writer.finish()
}

it("what is additive reads everything stored before, and writes it as it was", () => {
  const seen = { additive: 0, breaking: 0, same: 0 }
  for (let seed = 0; seed < 3_000; seed++) {
    const random = Prng.make(seed)
    const before = shape(random, 3)
    const after = changed(random, before)
    const old = Codec.schema(schemaOf(before))
    const now = Codec.schema(schemaOf(after))
    const found = SchemaDiff.diff(old.document!, now.document!)
    const isBreaking = found.some((each) => each.isBreaking)
    seen[isBreaking ? "breaking" : found.length === 0 ? "same" : "additive"]++
    if (isBreaking) continue
    for (let i = 0; i < 10; i++) {
      const stored = bytesOf(old, valueOf(random, before))
      const again = bytesOf(now, now.decode(stored, 0, stored.length))
      assert.strictEqual(Buffer.from(again).toString(), Buffer.from(stored).toString(), `seed ${seed}`)
    }
  }
  // Else the property says little.
  assert.isAbove(seen.additive, 500)
  assert.isAbove(seen.breaking, 500)
})
