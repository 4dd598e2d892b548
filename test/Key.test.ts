import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema, Stream } from "effect"
import { compareBytes } from "../src/batch/Compare.ts"
import * as StoredJson from "../src/client/StoredJson.ts"
import * as Codec from "../src/Codec.ts"
import * as Key from "../src/Key.ts"
import { DecodeError, ValueOutOfRange } from "../src/PersistError.ts"
import * as StoredCodec from "../src/StoredCodec.ts"
import * as Update from "../src/Update.ts"
import * as Codecs from "./utils/Codecs.ts"
import { encode } from "./utils/Codecs.ts"
import * as Store from "./utils/Store.ts"

const options = { arbitrary: { runs: 300, seed: 1 } }

/** Between bytes that no part begins or ends with. */
const decode = <A>(codec: Codec.Codec<A>, bytes: Uint8Array): A => Codecs.decode(codec, bytes, 0xff)

const refused = <A>(codec: Codec.Codec<A>, value: unknown): void => {
  assert.throws(() => encode(codec, value as A), ValueOutOfRange)
}

/** Few characters, so that many texts begin alike: zero bytes, what follows them in the encoding, and both ends of UTF-16. */
const Characters = Schema.Array(Schema.Literals(["\0", "\u0001", "a", "b", "\u00ff", "\uffff", "😀"]))
const Bytes = Schema.Array(Schema.Literals([0, 1, 7, 0xfe, 0xff]))
const Num = Schema.Union([
  Schema.Finite,
  Schema.Literals([0, -0, 1, -1, 255, 256, -256, 2 ** 53, -(2 ** 53), 5e-324, -5e-324, 1.5, Number.MAX_VALUE])
])
const State = Schema.NullOr(Schema.Literals(["new", "paid", 7, false]))
const Parts = Schema.Tuple([
  Characters,
  Num,
  Schema.Int.check(Schema.isBetween({ minimum: -1e12, maximum: 1e12 })),
  Schema.Boolean,
  Bytes,
  State,
  Schema.NullOr(Characters)
])
type Parts = typeof Parts.Type

const codec = Key.tuple([
  Codec.string,
  Key.number,
  Key.tuple([Key.date, Key.boolean]),
  Codec.bytes,
  Key.literals(["new", "paid", 7, false, null]),
  Key.nullOr(Codec.string)
])
type Parted = typeof codec extends Codec.Codec<infer K> ? K : never

const keyOf = ([text, number, date, boolean, bytes, state, last]: Parts): Parted => [
  text.join(""),
  number,
  [new Date(date), boolean],
  Uint8Array.from(bytes),
  state,
  last === null ? null : last.join("")
]

/** The order of values, without their encoding. */
const compare = (a: unknown, b: unknown): number => {
  const [kindA, kindB] = [kindOf(a), kindOf(b)]
  if (kindA !== kindB) return kindA - kindB
  if (a instanceof Uint8Array) return compareBytes(a, b as Uint8Array)
  if (typeof a === "string") return compareLists([...a].map(pointOf), [...b as string].map(pointOf))
  if (Array.isArray(a)) return compareLists(a, b as ReadonlyArray<unknown>)
  return Number(a) - Number(b)
}

const pointOf = (character: string): number => character.codePointAt(0)!

const kindOf = (value: unknown): number => {
  const kinds = [value === null, value instanceof Uint8Array, typeof value === "string", Array.isArray(value)]
  const found = [...kinds, typeof value === "number", typeof value === "boolean", value instanceof Date].indexOf(true)
  assert.isAtLeast(found, 0)
  return found
}

const compareLists = (a: ReadonlyArray<unknown>, b: ReadonlyArray<unknown>): number => {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const order = compare(a[i], b[i])
    if (order !== 0) return order
  }
  return a.length - b.length
}

/** -0 is stored as 0. */
const stored = (key: Parted): Parted => [key[0], key[1] + 0, key[2], key[3], key[4], key[5]]

describe("tuple", () => {
  it.prop("comes back as it was", [Parts], ([parts]) => {
    const key = keyOf(parts)
    assert.deepStrictEqual(decode(codec, encode(codec, key)), stored(key))
  }, options)

  it.prop("has bytes in the order of its values", [Parts, Parts], ([a, b]) => {
    // The second shares a beginning with the first, as keys do.
    const [first, second] = [keyOf(a), keyOf(b)]
    for (let shared = 0; shared <= first.length; shared++) {
      const other = [...first.slice(0, shared), ...second.slice(shared)] as unknown as Parted
      const order = Math.sign(compareBytes(encode(codec, first), encode(codec, other)))
      assert.strictEqual(order, Math.sign(compareLists(first, other)))
    }
  }, options)

  it.prop("begins alike in bytes where it begins alike in parts, and nowhere else", [Parts, Parts], ([a, b]) => {
    const [first, second] = [keyOf(a), keyOf(b)]
    for (let length = 0; length <= first.length; length++) {
      const prefix = first.slice(0, length)
      const { from, to } = codec.prefixed!(prefix)
      for (const key of [first, second]) {
        const bytes = encode(codec, key)
        const isWithin = compareBytes(bytes, from) >= 0 && (to === undefined || compareBytes(bytes, to) < 0)
        assert.strictEqual(isWithin, compareLists(prefix, key.slice(0, length)) === 0)
      }
    }
  }, options)

  it.prop("is JSON for tools, and back, by its name alone", [Parts], ([parts]) => {
    const bytes = encode(codec, keyOf(parts))
    const json = StoredJson.codec({ name: codec.name, document: "" })
    const shown = json.decode(bytes, 0, bytes.length)
    assert.deepStrictEqual(JSON.parse(JSON.stringify(shown)), shown)
    assert.deepStrictEqual(encode(json, shown), bytes)
  }, options)

  it("shows its structure in its name", () => {
    assert.strictEqual(
      codec.name,
      `tuple(string,number,tuple(date,boolean),bytes,"new"|"paid"|7|false|null,null|string)`
    )
    const names = [
      "tuple()",
      `tuple("a,b)|\\"(")`,
      "number",
      "null|date",
      "null",
      "tuple(null|tuple(bytes))",
      codec.name
    ]
    for (const name of names) assert.strictEqual(StoredCodec.byName(name)!.name, name)
    const unknown = [
      "tuple",
      "tuple(",
      "tuple(string",
      "tuple(string,)",
      "text",
      "string,string",
      `"a`,
      "null|",
      "1e999"
    ]
    for (const name of [...unknown, "tuple(".repeat(100_000)]) assert.isUndefined(StoredCodec.byName(name), name)
  })

  it("refuses what has no place in the order, and what has another structure", () => {
    const pair = Key.tuple([Codec.string, Key.number])
    for (const value of [["a", NaN], ["\ud800", 1], ["a\0\udfff", 1], ["a"], ["a", 1, 2], [1, "a"], "a", null]) {
      refused(pair, value)
    }
    refused(Key.date, new Date(NaN))
    refused(Key.date, 7)
    refused(Key.boolean, 1)
    refused(Key.literals(["a"]), "b")
    refused(Key.tuple([Codec.bytes]), ["a"])
    for (const prefix of [["a", 1, 2], "a", [1]]) assert.throws(() => pair.prefixed!(prefix), ValueOutOfRange)
    assert.throws(() => Key.literals([]), ValueOutOfRange)
    assert.throws(() => Key.literals([NaN]), ValueOutOfRange)
  })

  it("keeps numbers in their order, infinities at the ends, and -0 as 0", () => {
    const numbers = [-Infinity, -1e300, -256, -1, -5e-324, 0, 5e-324, 1, 255, 256, 1e300, Infinity]
    const encoded = numbers.map((each) => encode(Key.number, each))
    for (let i = 1; i < encoded.length; i++) assert.isBelow(compareBytes(encoded[i - 1]!, encoded[i]!), 0)
    assert.deepStrictEqual(encoded.map((each) => decode(Key.number, each)), numbers)
    assert.deepStrictEqual(encode(Key.number, -0), encode(Key.number, 0))
  })

  it.prop("bytes that are none of its encodings are rejected, or are one", [Parts, Schema.Int, Schema.Int], (
    [parts, at, by]
  ) => {
    const bytes = encode(codec, keyOf(parts))
    const damaged = [bytes.subarray(0, Math.abs(at) % bytes.length), new Uint8Array([...bytes, 0]), bytes.slice()]
    damaged[2]![Math.abs(at) % bytes.length]! += 1 + Math.abs(by) % 255
    for (const each of damaged) {
      try {
        assert.deepStrictEqual(encode(codec, decode(codec, each)), each)
      } catch (error) {
        assert.instanceOf(error, DecodeError)
      }
    }
  }, options)
})

describe("keys that are tuples", () => {
  const steps = { key: Key.tuple([Codec.string, Key.number]), value: Codec.string }

  it.effect("are read by what they begin with, in the order of numbers", () =>
    Effect.gen(function*() {
      const client = yield* Effect.flatMap(Store.memory, (storage) => Store.client(storage))
      const { reader, writer } = yield* client.createOrLoad("steps", steps)
      const keys: ReadonlyArray<readonly [string, number]> = [
        ["session-1", 10],
        ["session-1", -3],
        ["session-1", 9],
        ["session-1\0", 1],
        ["session-10", 1],
        ["session-2", 1]
      ]
      yield* writer.append(keys.map((key) => Update.insert(key, key.join(), 1)))
      const found = (range: Parameters<typeof reader.range>[0]) =>
        Effect.map(Stream.runCollect(reader.range(range)), (rows) => rows.map(([key]) => key))

      assert.deepStrictEqual(yield* found({ prefix: ["session-1"] }), [
        ["session-1", -3],
        ["session-1", 9],
        ["session-1", 10]
      ])
      assert.deepStrictEqual(yield* found({ prefix: ["session-1", 9] }), [["session-1", 9]])
      assert.strictEqual((yield* found({ prefix: [] })).length, keys.length)
      assert.deepStrictEqual(yield* found({ prefix: ["session-1"], from: ["session-1", 0], to: ["session-1", 10] }), [
        ["session-1", 9]
      ])
      assert.deepStrictEqual(yield* found({ prefix: ["session-1"], from: ["a", 0], to: ["z", 0] }), [
        ["session-1", -3],
        ["session-1", 9],
        ["session-1", 10]
      ])
      assert.strictEqual((yield* reader.get(["session-1", 9])).length, 1)
    }))

  it.effect("are refused under another structure", () =>
    Effect.gen(function*() {
      const client = yield* Effect.flatMap(Store.memory, (storage) => Store.client(storage))
      yield* client.createOrLoad("steps", steps)
      const others = [
        Key.tuple([Codec.string, Key.date]),
        Key.tuple([Codec.string]),
        Key.tuple([Key.nullOr(Codec.string), Key.number])
      ]
      for (const key of others as ReadonlyArray<Codec.Codec<unknown>>) {
        const error = yield* Effect.flip(client.createOrLoad("steps", { ...steps, key, schemaChange: "any" }))
        assert.deepInclude(
          error,
          { _tag: "CodecMismatch", stored: "tuple(string,number)", requested: key.name } as object
        )
      }
    }))

  it.effect("texts and bytes have prefixes, and other codecs say that they have none", () =>
    Effect.gen(function*() {
      const client = yield* Effect.flatMap(Store.memory, (storage) => Store.client(storage))
      const texts = yield* client.createOrLoad("texts", { key: Codec.string, value: Codec.unit })
      yield* texts.append(["", "a", "a\0", "a\u{10ffff}", "ab", "b"].map((key) => Update.insert(key, undefined, 0)))
      const found = yield* Stream.runCollect(texts.range({ prefix: "a" }))
      assert.deepStrictEqual(found.map(([key]) => key), ["a", "a\0", "ab", "a\u{10ffff}"])

      const bytes = yield* client.createOrLoad("bytes", { key: Codec.bytes, value: Codec.unit })
      const keys = [[], [1], [1, 255], [1, 255, 255, 7], [2], [255], [255, 255, 1]].map((each) => Uint8Array.from(each))
      yield* bytes.append(keys.map((key) => Update.insert(key, undefined, 0)))
      const beginning = (prefix: ReadonlyArray<number>) =>
        Effect.map(Stream.runCollect(bytes.range({ prefix: Uint8Array.from(prefix) })), (rows) =>
          rows.map(([key]) => [...key]))
      assert.deepStrictEqual(yield* beginning([1, 255]), [[1, 255], [1, 255, 255, 7]])
      assert.deepStrictEqual(yield* beginning([255]), [[255], [255, 255, 1]])
      assert.strictEqual((yield* beginning([])).length, keys.length)

      const json = yield* client.createOrLoad("json", { key: Codec.json, value: Codec.unit })
      const error = yield* Effect.flip(Stream.runCollect(json.range({ prefix: "a" })))
      assert.propertyVal(error, "_tag", "ValueOutOfRange")
    }))
})
