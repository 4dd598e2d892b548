import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema, SchemaGetter } from "effect"
import { ByteWriter } from "../src/ByteWriter.ts"
import * as Codec from "../src/Codec.ts"
import { DecodeError, ValueOutOfRange } from "../src/PersistError.ts"
import * as StoredCodec from "../src/StoredCodec.ts"
import { decode, encode } from "./utils/Codecs.ts"

const options = { arbitrary: { runs: 300, seed: 1 } }

const roundTrip = <A>(codec: Codec.Codec<A>, value: A): A => decode(codec, encode(codec, value))

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
const utf8 = (content: string): Uint8Array => new TextEncoder().encode(content)

/** The error that `run` throws, which must be of this class. */
const thrown = <E extends Error>(type: new(...args: Array<never>) => E, run: () => unknown): E => {
  try {
    run()
  } catch (error) {
    if (error instanceof type) return error
    throw error
  }
  throw new Error(`nothing was thrown, not even ${type.name}`)
}

const refused = <A>(codec: Codec.Codec<A>, value: unknown): ValueOutOfRange =>
  thrown(ValueOutOfRange, () => encode(codec, value as A))

const rejected = <A>(codec: Codec.Codec<A>, bytes: Uint8Array): DecodeError =>
  thrown(DecodeError, () => decode(codec, bytes))

const Order = Schema.Struct({
  id: Schema.String,
  placed: Schema.Date,
  cents: Schema.BigInt,
  note: Schema.optional(Schema.String),
  counts: Schema.Record(Schema.String, Schema.Int),
  lines: Schema.Array(Schema.Struct({ sku: Schema.String, amount: Schema.Finite }))
})
const order = Codec.schema(Order)

class Point extends Schema.Class<Point>("Point")({ x: Schema.Number, y: Schema.Number }) {}

const untyped = <A>(codec: Codec.Codec<A>): Codec.Codec<unknown> => codec as Codec.Codec<unknown>

const builtIn = [
  untyped(Codec.unit),
  untyped(Codec.string),
  untyped(Codec.bytes),
  untyped(Codec.json),
  untyped(order)
]

describe("unit", () => {
  it("is no bytes", () => {
    assert.strictEqual(encode(Codec.unit, undefined).length, 0)
    assert.isUndefined(decode(Codec.unit, new Uint8Array(0)))
  })

  it("rejects any byte, and names how many there are", () => {
    assert.include(rejected(Codec.unit, new Uint8Array(3)).detail, "there are 3")
    refused(Codec.unit, "a value")
  })
})

describe("string", () => {
  const WellFormed = Schema.String.check(Schema.makeFilter((value: string) => value.isWellFormed()))

  it.prop("is the UTF-8 of the text, and back", [WellFormed], ([value]) => {
    assert.deepStrictEqual(encode(Codec.string, value), utf8(value))
    assert.strictEqual(roundTrip(Codec.string, value), value)
  }, options)

  it("is the same for every length and place of a character beyond ASCII", () => {
    for (let length = 0; length < 40; length++) {
      for (const extra of ["", "\u007f", "\u0080", "é", "漢", "😀", "\ufeff", "\0"]) {
        for (let at = 0; at <= length; at += 3) {
          const value = "x".repeat(at) + extra + "y".repeat(length - at)
          assert.deepStrictEqual(encode(Codec.string, value), utf8(value))
          assert.strictEqual(roundTrip(Codec.string, value), value)
        }
      }
    }
  })

  it("appends behind what is there", () => {
    const writer = new ByteWriter(1)
    for (const value of ["ab", "", "cd", "ü", "e".repeat(50)]) Codec.string.encode(value, writer)
    assert.strictEqual(text(writer.finish()), `abcdü${"e".repeat(50)}`)
  })

  it("refuses lone surrogates and what is no string", () => {
    for (const value of ["\ud800", "a\udfff", `${"long ".repeat(20)}\ud800`, "\udc00\ud800"]) {
      refused(Codec.string, value)
    }
    refused(Codec.string, 7)
    refused(Codec.string, undefined)
  })

  it("rejects what is not UTF-8, and names the length", () => {
    const invalid = [[0x80], [0xc3], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80], [0x61, 0xff]]
    for (const bytes of invalid) {
      assert.include(rejected(Codec.string, new Uint8Array(bytes)).detail, `${bytes.length} bytes`)
      rejected(Codec.string, new Uint8Array([...utf8("a".repeat(40)), ...bytes]))
    }
  })
})

describe("bytes", () => {
  it.prop("are themselves", [Schema.Uint8Array], ([value]) => {
    assert.deepStrictEqual(encode(Codec.bytes, value), value)
    assert.deepStrictEqual(roundTrip(Codec.bytes, value), value)
  }, options)

  it("are copied when decoded, also from a Buffer", () => {
    const stored = Buffer.from([1, 2, 3])
    const value = Codec.bytes.decode(stored, 1, 3)
    stored.fill(0)
    assert.deepStrictEqual(value, new Uint8Array([2, 3]))
  })

  it("refuse what is no Uint8Array", () => {
    refused(Codec.bytes, [1, 2])
    refused(Codec.bytes, "text")
  })
})

/** The same value with the keys of all objects in the opposite order. */
const reversed = (value: Schema.Json): Schema.Json => {
  if (typeof value !== "object" || value === null) return value
  if (Array.isArray(value)) return value.map(reversed)
  return Object.fromEntries(Object.entries(value).toReversed().map(([key, inner]) => [key, reversed(inner)]))
}

const hasLoneSurrogate = (value: Schema.Json): boolean => /\\ud[89a-f]/.test(JSON.stringify(value))

describe("json", () => {
  it.prop("decodes to the value it was", [Schema.Json], ([value]) => {
    if (hasLoneSurrogate(value)) return void refused(Codec.json, value)
    assert.deepStrictEqual(roundTrip(Codec.json, value), JSON.parse(JSON.stringify(value)))
  }, options)

  it.prop("has equal bytes for equal values", [Schema.Json], ([value]) => {
    if (hasLoneSurrogate(value)) return
    const bytes = encode(Codec.json, value)
    assert.deepStrictEqual(encode(Codec.json, reversed(value)), bytes)
    assert.deepStrictEqual(encode(Codec.json, decode(Codec.json, bytes)), bytes)
  }, options)

  it("is canonical", () => {
    const cases: ReadonlyArray<readonly [Schema.Json, string]> = [
      [{ b: 1, a: [true, null, "x"], "": {} }, `{"":{},"a":[true,null,"x"],"b":1}`],
      [{ "10": 0, "9": 0, "😀": 0, "\ufb33": 0 }, `{"10":0,"9":0,"😀":0,"\ufb33":0}`],
      [-0, "0"],
      [1e21, "1e+21"],
      [0.1 + 0.2, "0.30000000000000004"],
      ["\u0000\b\n\"\\\u007f\u2028é", `"\\u0000\\b\\n\\"\\\\\u007f\u2028é"`],
      [JSON.parse(`{"__proto__":{"b":1,"a":2}}`), `{"__proto__":{"a":2,"b":1}}`]
    ]
    for (const [value, expected] of cases) {
      assert.strictEqual(text(encode(Codec.json, value)), expected)
      assert.strictEqual(Codec.canonicalJson(value), expected)
      assert.strictEqual(text(encode(Codec.json, roundTrip(Codec.json, value))), expected)
    }
  })

  it("decodes JSON that is not canonical", () => {
    assert.deepStrictEqual(decode(Codec.json, utf8(` { "b" : 1.0 , "a" : "\\u0061" } `)), { a: "a", b: 1 })
  })

  it("refuses what JSON cannot hold, wherever it is", () => {
    const circular: Array<unknown> = []
    circular.push(circular)
    const sparse: Array<unknown> = []
    sparse[1] = 1
    const values = [
      undefined,
      NaN,
      Infinity,
      1n,
      () => 1,
      Symbol("s"),
      new Date(0),
      new Map(),
      new Uint8Array(1),
      "\ud800",
      { "\ud800": 1 },
      { a: undefined },
      sparse,
      circular,
      { toJSON: () => 1 },
      new Point({ x: 1, y: 2 })
    ]
    for (const value of values) {
      refused(Codec.json, value)
      refused(Codec.json, { deep: [value] })
    }
  })

  it("rejects what is not JSON, or not UTF-8", () => {
    for (const content of ["", "{", "nul", "1 2", "'a'", "[1,]", "NaN", `"\n"`, "\ufeff1"]) {
      rejected(Codec.json, utf8(content))
    }
    rejected(Codec.json, new Uint8Array([0x22, 0xff, 0x22]))
  })
})

describe("schema", () => {
  it.prop("decodes to the value it was, and equal values have equal bytes", [Order], ([value]) => {
    if (hasLoneSurrogate([value.id, value.note ?? "", value.counts, ...value.lines.map(({ sku }) => sku)])) return
    const bytes = encode(order, value)
    const back = decode(order, bytes)
    assert.deepStrictEqual(encode(order, back), bytes)
    assert.strictEqual(back.placed.getTime(), value.placed.getTime())
    assert.strictEqual(back.cents, value.cents)
    assert.deepStrictEqual(back.lines.map(({ amount }) => amount + 0), value.lines.map(({ amount }) => amount + 0))
    assert.deepStrictEqual(
      encode(order, Object.fromEntries(Object.entries(value).toReversed()) as typeof value),
      bytes
    )
  }, options)

  it("stores readable text", () => {
    const value = { id: "o-1", placed: new Date(0), cents: 5n, counts: { b: 1, a: 2 }, lines: [] }
    assert.strictEqual(
      text(encode(order, value)),
      `{"cents":"5","counts":{"a":2,"b":1},"id":"o-1","lines":[],"placed":"1970-01-01T00:00:00.000Z"}`
    )
  })

  it("decodes to instances of a class", () => {
    const point = roundTrip(Codec.schema(Point), new Point({ x: 1, y: NaN }))
    assert.instanceOf(point, Point)
    assert.deepStrictEqual([point.x, point.y], [1, NaN])
  })

  it("errors name the place in the schema, and never the data", () => {
    const cases: ReadonlyArray<readonly [string, string]> = [
      [`{"id":"secret"}`, `["placed"] is missing`],
      [
        `{"id":"secret","placed":"1970-01-01","cents":"1","counts":{},"lines":[{"sku":"secret","amount":"secret"}]}`,
        `["lines"][0]["amount"]`
      ],
      [`{"id":"secret","placed":"1970-01-01","cents":"1","counts":{"secret":"x"},"lines":[]}`, `["counts"][*]`],
      [`"secret"`, "it does not fit"]
    ]
    for (const [content, place] of cases) {
      const error = rejected(order, utf8(content))
      assert.include(error.detail, place)
      assert.notInclude(error.message, "secret")
    }
    const wrong = { id: "secret", placed: new Date(0), cents: 1n, counts: { secret: 0.5 }, lines: [] }
    const error = refused(order, wrong)
    assert.include(error.detail, `["counts"][*]`)
    assert.notInclude(error.message, "secret")
    assert.notInclude(rejected(Codec.json, utf8("secret")).message, "secret")
  })

  it("rejects a value that a check refuses, or that is too deep to be decoded", () => {
    rejected(Codec.schema(Schema.Int), utf8("1.5"))
    interface Tree extends ReadonlyArray<Tree> {}
    const Tree: Schema.Codec<Tree> = Schema.Array(Schema.suspend(() => Tree)).annotate({ identifier: "Tree" })
    const depth = 100_000
    rejected(Codec.schema(Tree), utf8("[".repeat(depth) + "]".repeat(depth)))
  })

  it("refuses and rejects where the schema throws or is asynchronous", () => {
    const thrower = Schema.String.pipe(Schema.decodeTo(Schema.String, {
      decode: SchemaGetter.transform((): string => {
        throw new Error("secret")
      }),
      encode: SchemaGetter.transformEffect((value: string) => Effect.delay(Effect.succeed(value), 1))
    }))
    assert.notInclude(rejected(Codec.schema(thrower), utf8(`"a"`)).message, "secret")
    refused(Codec.schema(thrower), "a")
  })

  it("describes itself in a document that equal schemas share", () => {
    const make = (last: string) => Codec.schema(Schema.Struct({ x: Schema.Number, [last]: Schema.Number }))
    assert.strictEqual(make("y").name, "schema")
    assert.strictEqual(make("y").document, make("y").document)
    assert.strictEqual(make("y").fingerprint, make("y").fingerprint)
    assert.notStrictEqual(make("y").fingerprint, make("z").fingerprint)
    assert.deepInclude(JSON.parse(make("y").document!), { type: "object", required: ["x", "y"] })
  })

  it("keeps its fingerprint", () => {
    const codec = Codec.schema(Schema.Struct({ a: Schema.String }))
    assert.strictEqual(
      codec.document,
      `{"$schema":"https://json-schema.org/draft/2020-12/schema","additionalProperties":true,` +
        `"properties":{"a":{"type":"string"}},"required":["a"],"type":"object"}`
    )
    assert.strictEqual(codec.fingerprint, "d0bd944ed6cbd1ce")
  })
})

describe("any codec", () => {
  it.prop("rejects hostile bytes with DecodeError only", [Schema.Uint8Array], ([bytes]) => {
    for (const codec of builtIn) {
      try {
        decode(codec, bytes)
      } catch (error) {
        assert.instanceOf(error, DecodeError)
      }
    }
  }, options)

  it.prop("rejects damaged encodings with DecodeError only", [Order, Schema.Int, Schema.Int], ([value, at, byte]) => {
    if (hasLoneSurrogate([value.id, value.note ?? "", value.counts, ...value.lines.map(({ sku }) => sku)])) return
    const bytes = encode(order, value)
    bytes[Math.abs(at) % bytes.length] = byte
    for (const codec of [untyped(Codec.json), untyped(order)]) {
      try {
        decode(codec, bytes)
      } catch (error) {
        assert.instanceOf(error, DecodeError)
      }
    }
  }, options)
})

describe("byName", () => {
  it("finds what is built in", () => {
    for (const codec of builtIn) assert.strictEqual(StoredCodec.byName(codec.name)?.name, codec.name)
    assert.isUndefined(StoredCodec.byName("protobuf"))
    assert.strictEqual(StoredCodec.byName("string"), untyped(Codec.string))
  })

  it("prints the values of a schema without it, and writes none", () => {
    const point = Codec.schema(Point)
    const found = StoredCodec.byName("schema", point.document)!
    assert.deepStrictEqual(decode(found, encode(point, new Point({ x: 1, y: 2 }))), { x: 1, y: 2 })
    assert.strictEqual(found.document, point.document)
    assert.strictEqual(found.fingerprint, point.fingerprint)
    thrown(ValueOutOfRange, () => encode(found, { x: 1, y: 2 }))
  })
})
