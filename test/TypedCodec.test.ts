import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema, SchemaGetter, Stream } from "effect"
import * as Codec from "../src/Codec.ts"
import * as Layout from "../src/Layout.ts"
import { DecodeError, ValueOutOfRange } from "../src/PersistError.ts"
import * as TypedCodec from "../src/TypedCodec.ts"
import * as Update from "../src/Update.ts"
import { decode, encode } from "./utils/Codecs.ts"
import { Order } from "./utils/Order.ts"
import * as Store from "./utils/Store.ts"

const options = { arbitrary: { runs: 60, seed: 1 } }

const isInLayout = (bytes: Uint8Array): boolean => bytes[0] === 1
const jsonOf = <A>(codec: Codec.Codec<A>, value: A): Schema.Json =>
  JSON.parse(new TextDecoder().decode(encode(codec, value)))

class Point extends Schema.Class<Point>("Point")({ x: Schema.Finite, at: Schema.Date }) {}

const Kind = Schema.Union([
  Schema.Struct({ _tag: Schema.Literal("card"), digits: Schema.String }),
  Schema.Struct({
    _tag: Schema.Literal("cash"),
    coins: Schema.Array(Schema.Int),
    note: Schema.optionalKey(Schema.String)
  })
])

interface Tree {
  readonly name: string
  readonly children: ReadonlyArray<Tree>
}
const Tree: Schema.Codec<Tree> = Schema.Struct({
  name: Schema.String,
  children: Schema.Array(Schema.suspend((): Schema.Codec<Tree> => Tree))
})

const Wrapped = Schema.String.pipe(
  Schema.decodeTo(Schema.Struct({ inner: Schema.String }), {
    decode: SchemaGetter.transform((inner) => ({ inner })),
    encode: SchemaGetter.transform(({ inner }) => inner)
  })
)

/** One schema for each thing that a layout may meet. */
const schemas: Record<string, Schema.Codec<unknown, unknown>> = {
  order: Order,
  "every plain type": Schema.Struct({
    number: Schema.Number,
    boolean: Schema.Boolean,
    big: Schema.BigInt,
    bytes: Schema.Uint8Array,
    positive: Schema.Int.check(Schema.isGreaterThan(0)),
    never: Schema.Null,
    any: Schema.Json,
    date: Schema.DateFromString,
    utc: Schema.DateTimeUtc
  }),
  "what may be left out": Schema.Struct({
    a: Schema.optionalKey(Schema.String),
    b: Schema.optional(Schema.Finite),
    c: Schema.NullOr(Schema.String),
    d: Schema.UndefinedOr(Schema.Date),
    e: Schema.NullishOr(Schema.Boolean),
    f: Schema.optionalKey(Schema.NullOr(Schema.Literals(["x", 1, true]))),
    g: Schema.Option(Schema.String)
  }),
  "a union by tag": Schema.Struct({ kind: Kind, kinds: Schema.Array(Kind) }),
  "a union of anything": Schema.Union([Schema.String, Schema.Finite, Schema.Struct({ a: Schema.String })]),
  records: Schema.Struct({
    counts: Schema.Record(Schema.String, Schema.Int),
    nested: Schema.Record(Schema.String, Kind)
  }),
  tuples: Schema.Tuple([Schema.String, Schema.Int, Schema.Tuple([Schema.Date])]),
  "a tuple with a rest": Schema.TupleWithRest(Schema.Tuple([Schema.String]), [Schema.Int]),
  "an empty object": Schema.Struct({}),
  "a class": Schema.Struct({ point: Point, points: Schema.Array(Point) }),
  "a class alone": Point,
  "a transformation": Schema.Struct({ wrapped: Wrapped, maybe: Schema.optionalKey(Wrapped) }),
  "a recursive one": Tree,
  text: Schema.String,
  "special names": Schema.Struct({ ["__proto__"]: Schema.String, constructor: Schema.String, toString: Schema.Int })
}

const typedOf = <A>(of: Schema.Codec<A, unknown>, trusted = true) => {
  const codec = Codec.schema(of)
  return codec.typed!.open(codec.typed!.document, trusted)
}

/** As under a content policy. */
const withoutCode = <A>(run: () => A): A => {
  const { Function } = globalThis
  const forbidden = () => {
    throw new EvalError("code generation from strings is disallowed")
  }
  try {
    globalThis.Function = forbidden as unknown as FunctionConstructor
    return run()
  } finally {
    globalThis.Function = Function
  }
}

describe("values in a layout", () => {
  for (const [name, of] of Object.entries(schemas)) {
    const json = Codec.schema(of)
    const typed = typedOf(of)
    const tool = TypedCodec.ofJson(json.typed!.document)

    /** The bytes in which the value is stored, if it can be stored. */
    const stored = (value: unknown): Uint8Array | undefined => {
      try {
        encode(json, value)
      } catch (error) {
        assert.instanceOf(error, ValueOutOfRange)
        assert.throws(() => encode(typed, value), ValueOutOfRange)
        return undefined
      }
      return encode(typed, value)
    }

    it.prop(`${name}: come back as they do from JSON`, [of], ([value]) => {
      const bytes = stored(value)
      if (bytes === undefined) return
      assert.deepStrictEqual(decode(typed, bytes), decode(json, encode(json, value)))
      assert.deepStrictEqual(decode(typedOf(of, false), bytes), decode(typed, bytes))
      // A collection may have them as JSON, too.
      assert.deepStrictEqual(decode(typed, encode(json, value)), decode(typed, bytes))
    }, options)

    it.prop(`${name}: have the bytes that their JSON has, which tools tell without the schema`, [of], ([value]) => {
      const bytes = stored(value)
      if (bytes === undefined) return
      assert.deepStrictEqual(decode(tool, bytes), jsonOf(json, value))
      assert.deepStrictEqual(encode(tool, jsonOf(json, value)), bytes)
      assert.deepStrictEqual(encode(typed, decode(typed, bytes)), bytes)
    }, options)

    it.prop(
      `${name}: damaged bytes are rejected, or are of a value`,
      [of, Schema.Int, Schema.Int],
      ([value, at, by]) => {
        const bytes = stored(value)
        if (bytes === undefined) return
        const changed = bytes.slice()
        changed[Math.abs(at) % bytes.length]! += 1 + Math.abs(by) % 255
        for (const each of [bytes.subarray(0, Math.abs(at) % bytes.length), new Uint8Array([...bytes, 0]), changed]) {
          for (const reader of [tool, typed]) {
            try {
              decode(reader as Codec.Codec<unknown>, each)
            } catch (error) {
              assert.instanceOf(error, DecodeError)
            }
          }
        }
      },
      options
    )
  }

  it.prop("are read alike where no code may be made at run time", [Order, Kind], ([order, kind]) => {
    const values = [[Order, order], [Kind, kind]] as ReadonlyArray<readonly [Schema.Codec<unknown>, unknown]>
    for (const [of, value] of values) {
      const typed = typedOf(of)
      const plain = withoutCode(() => typedOf(of))
      try {
        encode(typed, value)
      } catch {
        return
      }
      const bytes = encode(typed, value)
      assert.deepStrictEqual(decode(plain, bytes), decode(typed, bytes))
      assert.deepStrictEqual(Object.keys(decode(plain, bytes) as object), Object.keys(decode(typed, bytes) as object))
      const some = withoutCode(() => plain.select!(["status", "note"]))
      assert.deepStrictEqual(
        decode({ decode: some }, bytes),
        decode({ decode: typed.select!(["status", "note"]) }, bytes)
      )
    }
  }, options)

  it.prop("orders are never written as JSON", [Order], ([order]) => {
    const bytes = encode(Codec.schema(Order).typed!.open(Codec.schema(Order).typed!.document, true), {
      ...order,
      id: "a",
      customer: "ü".repeat(90),
      lines: [{ sku: "b".repeat(70), amount: 3 }]
    })
    assert.isTrue(isInLayout(bytes))
  }, options)

  it("are refused as JSON refuses them, with the place", () => {
    const typed = typedOf(Order) as Codec.Codec<unknown>
    const good = { id: "a", customer: "b", status: "new", total: 1, placed: new Date(0), lines: [] }
    assert.isTrue(isInLayout(encode(typed, good)))
    assert.throws(() => encode(typed, { ...good, total: NaN }), /its part \["total"\] does not fit the schema/)
    assert.throws(() => encode(typed, { ...good, lines: [{ sku: "x", amount: 1.5 }] }), /\["lines"\]\[0\]\["amount"\]/)
    assert.throws(() => encode(typed, { ...good, id: undefined }), ValueOutOfRange)
    assert.throws(() => encode(typed, { ...good, id: "\ud800" }), /lone surrogate/)
    assert.throws(() => encode(typed, { ...good, placed: new Date(NaN) }), ValueOutOfRange)
    assert.throws(() => encode(typed, null), ValueOutOfRange)
    const positive = typedOf(Schema.Struct({ n: Schema.Int.check(Schema.isGreaterThan(0)) }))
    assert.throws(() => encode(positive, { n: 0 }), ValueOutOfRange)
  })

  it("numbers of every size, and texts of every length", () => {
    const typed = typedOf(Schema.Struct({ i: Schema.Int, n: Schema.Number, s: Schema.String }))
    const integers = [0, -0, 1, -1, 63, 64, -64, -65, 2 ** 31, -(2 ** 31), 2 ** 32, 2 ** 51, 2 ** 52, -(2 ** 53) + 1]
    for (const i of integers) {
      for (const length of [0, 1, 46, 47, 48, 49, 63, 64, 127, 128, 5000]) {
        for (const s of ["a".repeat(length), "ä".repeat(length), `${"b".repeat(length)}😀`]) {
          const value = { i, n: i / 3, s }
          assert.deepStrictEqual(decode(typed, encode(typed, value)), { i: i + 0, n: i / 3 + 0, s })
        }
      }
    }
    for (const n of [NaN, Infinity, -Infinity]) {
      const bytes = encode(typed, { i: 1, n, s: "" })
      assert.isFalse(isInLayout(bytes))
      assert.deepStrictEqual(decode(typed, bytes), { i: 1, n, s: "" })
    }
  })

  it.prop(
    "some fields alone are those of the whole",
    [Order, Schema.Array(Schema.Literals(Object.keys(Order.fields)))],
    (
      [order, names]
    ) => {
      const json = Codec.schema(Order)
      const typed = typedOf(Order)
      try {
        encode(json, order)
      } catch {
        return
      }
      const whole = decode(json, encode(json, order))
      const fields = Object.entries(whole).filter(([name]) => names.includes(name))
      for (const bytes of [encode(json, order), encode(typed, order)]) {
        const read = { decode: typed.select!(names) } as Pick<Codec.Codec<unknown>, "decode">
        assert.deepStrictEqual(decode(read, bytes), Object.fromEntries(fields))
      }
    },
    options
  )
})

describe("a layout whose schema has changed", () => {
  const { Finite, Int, Literals, NullOr, String, Struct, Unknown, optionalKey } = Schema
  /** What a schema may become without a row that is read or retracted otherwise. */
  const additive: Record<string, readonly [Schema.Codec<unknown, unknown>, Schema.Codec<unknown, unknown>]> = {
    "a field more": [Struct({ a: String }), Struct({ a: String, b: optionalKey(Int) })],
    "two fields more, one of them before": [
      Struct({ m: String, o: optionalKey(Int) }),
      Struct({ a: optionalKey(Int), m: String, o: optionalKey(Int), z: optionalKey(NullOr(String)) })
    ],
    "required to optional": [Struct({ a: String, b: Int }), Struct({ a: String, b: optionalKey(Int) })],
    "null is taken": [Struct({ a: String }), Struct({ a: NullOr(String) })],
    "a literal more": [Struct({ a: Literals(["x", "y"]) }), Struct({ a: Literals(["w", "x", "y"]) })],
    "any text": [Struct({ a: Literals(["x", "y"]) }), Struct({ a: String })],
    "an integer made a number": [Struct({ a: Int }), Struct({ a: Finite })],
    "anything": [Struct({ a: Int }), Struct({ a: Unknown as unknown as typeof Schema.Json })],
    "a member more": [
      Struct({ k: Kind }),
      Struct({ k: Schema.Union([Struct({ _tag: Schema.Literal("gift"), from: String }), ...Kind.members]) })
    ],
    "inside an array": [
      Struct({ l: Schema.Array(Struct({ a: String })) }),
      Struct({ l: Schema.Array(Struct({ a: String, b: optionalKey(String) })) })
    ],
    "a date is text": [Struct({ d: Schema.Date }), Struct({ d: String })]
  }

  for (const [name, [before, after]] of Object.entries(additive)) {
    const old = Codec.schema(before)
    const document = Layout.kept(Codec.schema(after).typed!.document, old.typed!.document)
    const now = Codec.schema(after).typed!.open(document, false)
    const first = old.typed!.open(old.typed!.document, true)

    it.prop(`${name}: rows from before are read, and retracted by the same bytes`, [before], ([value]) => {
      try {
        encode(old, value)
      } catch {
        return
      }
      const bytes = encode(first, value)
      assert.deepStrictEqual(encode(now, decode(now, bytes)), bytes)
      assert.deepStrictEqual(decode(now, bytes), decode(Codec.schema(after), encode(old, value)))
    }, options)

    it.prop(`${name}: rows from after come back, and equal ones have equal bytes`, [after], ([value]) => {
      const json = Codec.schema(after)
      try {
        encode(json, value)
      } catch {
        return
      }
      const bytes = encode(now, value)
      assert.deepStrictEqual(decode(now, bytes), decode(json, encode(json, value)))
      assert.deepStrictEqual(encode(TypedCodec.ofJson(document), jsonOf(json, value)), bytes)
    }, options)
  }

  it("rows that the new schema does not take are not decoded", () => {
    const pairs = [
      [Struct({ a: Finite }), Struct({ a: Finite.check(Schema.isGreaterThan(5)) }), { a: 1 }],
      [Struct({ a: String }), Struct({ a: String, b: Int }), { a: "x" }],
      [Struct({ a: optionalKey(String) }), Struct({ a: String }), {}],
      [Struct({ a: Literals(["x", "y"]) }), Struct({ a: Literals(["y", "z"]) }), { a: "x" }],
      [Struct({ a: String }), Struct({ a: Int }), { a: "x" }],
      [Struct({ a: NullOr(String) }), Struct({ a: String }), { a: null }]
    ] as unknown as ReadonlyArray<readonly [Schema.Codec<unknown>, Schema.Codec<unknown>, unknown]>
    for (const [before, after, value] of pairs) {
      const { document, open } = Codec.schema(before).typed!
      const bytes = encode(open(document, true), value)
      assert.isTrue(isInLayout(bytes))
      assert.throws(() => decode(Codec.schema(after).typed!.open(document, false), bytes), DecodeError)
    }
  })

  it("a document that is damaged has no layout, and values are JSON in it", () => {
    const damaged = ["", "{}", "[]", `{"x-tidemark-layout":{"array":"nothing"}}`, `{"x-tidemark-layout":{"struct":[]}}`]
    for (const document of damaged) {
      const bytes = encode(Codec.schema(Order).typed!.open(document, true), {
        id: "a",
        customer: "b",
        status: "new",
        total: 1,
        placed: new Date(0),
        lines: []
      })
      assert.strictEqual((decode(TypedCodec.ofJson(document), bytes) as { id: string }).id, "a")
    }
  })
})

describe("collections of typed values", () => {
  const { typed: _, ...value } = Codec.schema(Order)
  /** As before there were layouts. */
  const before = { key: Codec.string, value }
  const orders = { key: Codec.string, value: Codec.schema(Order) }
  const order = {
    id: "o-1",
    customer: "c",
    status: "new" as const,
    total: 1.5,
    placed: new Date(1_000),
    lines: [{ sku: "s", amount: 2 }]
  }

  it.effect("that were created as JSON stay so, and rows of both forms cancel", () =>
    Effect.gen(function*() {
      const storage = yield* Store.memory
      yield* Store.inScope(Effect.gen(function*() {
        const old = yield* (yield* Store.client(storage)).createOrLoad("orders", before)
        yield* old.append([Update.insert("a", order, 1), Update.insert("b", order, 1)])
      }))
      const client = yield* Store.client(storage)
      const now = yield* client.createOrLoad("orders", orders)
      yield* now.append([Update.retract("a", order, 2)])
      assert.deepStrictEqual(yield* Store.contents(now.reader), [["b", order, 1]])
      assert.strictEqual((yield* client.description("orders")).value.name, "schema")
    }))

  it.effect("that are new are in the layout, and are refused to a program that knows JSON only", () =>
    Effect.gen(function*() {
      const storage = yield* Store.memory
      const client = yield* Store.client(storage)
      const now = yield* client.createOrLoad("orders", orders)
      yield* now.append([Update.insert("a", order, 1)])
      assert.strictEqual((yield* client.description("orders")).value.name, "schema/2")
      const error = yield* Effect.flip(client.createOrLoad("orders", before))
      assert.deepInclude(error, { _tag: "CodecMismatch", stored: "schema/2", requested: "schema" } as object)
      const bytes = yield* client.load("orders", {
        key: Codec.string,
        value: { ...Codec.bytes, name: "schema/2" } as Codec.Codec<Uint8Array>
      })
      const [row] = yield* Stream.runCollect(bytes.range({}))
      assert.strictEqual(row![1][0], 1)
    }))

  it.effect("keep their layout when the schema changes, and rows of before and after cancel", () =>
    Effect.gen(function*() {
      const storage = yield* Store.memory
      const client = yield* Store.client(storage)
      const first = yield* client.createOrLoad("orders", orders)
      yield* first.append([Update.insert("a", order, 1), Update.insert("b", order, 1)])
      const Later = Schema.Struct({ ...Order.fields, coupon: Schema.optionalKey(Schema.String) })
      const later = yield* client.createOrLoad("orders", { key: Codec.string, value: Codec.schema(Later) })
      const layout = Layout.find((yield* client.description("orders")).value.document)
      assert.deepStrictEqual(layout, Layout.find(Codec.schema(Order).typed!.document))
      yield* later.append([Update.retract("a", order, 2), Update.insert("c", { ...order, coupon: "x" }, 2)])
      assert.deepStrictEqual(yield* Store.contents(later.reader), [["b", order, 1], [
        "c",
        { ...order, coupon: "x" },
        1
      ]])
      // What is open under the schema of before goes on, and reads what it knows.
      yield* first.append([Update.retract("b", order, 3)])
      assert.deepStrictEqual(yield* Store.contents(later.reader), [["c", { ...order, coupon: "x" }, 1]])
      assert.deepStrictEqual(yield* Store.contents(first.reader), [["c", order, 1]])
    }))

  it.effect("show some fields of their values alone, in a layout and in JSON", () =>
    Effect.gen(function*() {
      const client = yield* Effect.flatMap(Store.memory, (storage) => Store.client(storage))
      for (const [name, codecs] of [["json", before], ["typed", orders]] as const) {
        const { reader, writer } = yield* client.createOrLoad(name, codecs)
        yield* writer.append([Update.insert("a", order, 1), Update.insert("b", { ...order, status: "paid" }, 2)])
        yield* writer.seal(3)
        const rows = yield* Store.inScope(
          Effect.flatMap(reader.snapshot({ asOf: 1, select: ["status", "id"] }), ({ contents }) =>
            Stream.runCollect(Stream.map(contents, ([key, value]) =>
              [key, value.id, value.status, { ...value }] as const)))
        )
        assert.deepStrictEqual(rows, [["a", "o-1", "new", { id: "o-1", status: "new" }]])
      }
    }))
})
