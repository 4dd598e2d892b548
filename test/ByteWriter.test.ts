import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { ByteReader } from "../src/ByteReader.ts"
import { ByteWriter } from "../src/ByteWriter.ts"
import { Corrupt } from "../src/PersistError.ts"

const options = { arbitrary: { runs: 300, seed: 4 } }

const max = Number.MAX_SAFE_INTEGER
const u8 = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))
const u32 = Schema.Union([
  Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 32 - 1 })),
  Schema.Literals([0, 1, 2 ** 31, 2 ** 32 - 1])
])
const i64 = Schema.Union([
  Schema.Int,
  Schema.Literals([0, -1, 1, 2 ** 32, -(2 ** 32), 2 ** 32 - 1, -(2 ** 32) - 1, max, -max])
])
const wellFormed = Schema.String.check(Schema.makeFilter((text: string) => text.isWellFormed()))

const field = <const Tag extends string, S extends Schema.Top>(tag: Tag, value: S) =>
  Schema.Struct({ tag: Schema.Literal(tag), value })

const Field = Schema.Union([
  field("u8", u8),
  field("u32", u32),
  field("u64", i64),
  field("i64", i64),
  field("frontier", Schema.Union([i64, Schema.Literal(-7)])),
  field("bits64", Schema.BigInt),
  field("blob", Schema.Uint8Array),
  field("text", wellFormed)
])
type Field = typeof Field.Type

const frontierOf = (value: number): number => value === -7 ? Infinity : Math.abs(value)

const write = (writer: ByteWriter, field: Field): void => {
  switch (field.tag) {
    case "u64":
      return writer.u64(Math.abs(field.value))
    case "frontier":
      return writer.frontier(frontierOf(field.value))
    case "bits64":
      return writer.bits64(BigInt.asUintN(64, field.value))
    case "blob":
      return writer.blob(field.value)
    case "text":
      return writer.text(field.value)
    default:
      return writer[field.tag](field.value)
  }
}

const expected = (field: Field): unknown => {
  switch (field.tag) {
    case "u64":
      return Math.abs(field.value)
    case "frontier":
      return frontierOf(field.value)
    case "bits64":
      return BigInt.asUintN(64, field.value)
    default:
      return field.value
  }
}

const encode = (fields: ReadonlyArray<Field>): Uint8Array => {
  const writer = new ByteWriter(1)
  for (const field of fields) write(writer, field)
  return writer.finish()
}

/** The error of a read that must not be possible. */
const corrupt = (read: () => unknown): Corrupt => {
  try {
    read()
  } catch (error) {
    assert.instanceOf(error, Corrupt)
    return error
  }
  throw new Error("the bytes were read")
}

const bytes = (...values: ReadonlyArray<number>): Uint8Array => new Uint8Array(values)

const reader = (...values: ReadonlyArray<number>): ByteReader => new ByteReader(bytes(...values), "a file", 100)

describe("round trip", () => {
  it.prop("reads back every field, in order, to the last byte", [Schema.Array(Field)], ([fields]) => {
    const reader = new ByteReader(encode(fields), "test")
    for (const field of fields) assert.deepStrictEqual(reader[field.tag](), expected(field))
    reader.end()
  }, options)

  it.prop("no prefix reads as the whole", [Schema.Array(Field), Schema.Int], ([fields, at]) => {
    const whole = encode(fields)
    if (whole.length === 0) return
    const reader = new ByteReader(whole.subarray(0, Math.abs(at) % whole.length), "test")
    corrupt(() => {
      for (const field of fields) reader[field.tag]()
    })
  }, options)

  it("is little-endian", () => {
    const of = (put: (writer: ByteWriter) => void): ReadonlyArray<number> => {
      const writer = new ByteWriter()
      put(writer)
      return [...writer.finish()]
    }
    assert.deepStrictEqual(of((writer) => writer.u32(1)), [1, 0, 0, 0])
    assert.deepStrictEqual(of((writer) => writer.u64(2 ** 32)), [0, 0, 0, 0, 1, 0, 0, 0])
    assert.deepStrictEqual(of((writer) => writer.i64(-2)), [254, 255, 255, 255, 255, 255, 255, 255])
    assert.deepStrictEqual(of((writer) => writer.text("é")), [2, 0, 0, 0, 195, 169])
  })
})

describe("writer", () => {
  it("can be cleared, aligned and patched", () => {
    const writer = new ByteWriter(2)
    writer.raw(new Uint8Array(10).fill(9))
    writer.clear()
    writer.u8(1)
    writer.align(4)
    writer.align(4)
    writer.u32(0)
    writer.patchU32(4, 0x01020304)
    assert.deepStrictEqual(writer.finish(), bytes(1, 0, 0, 0, 4, 3, 2, 1))
    assert.deepStrictEqual(writer.view8(), writer.finish())
  })

  it("finish is a copy", () => {
    const writer = new ByteWriter()
    writer.u8(1)
    const copy = writer.finish()
    writer.bytes[0] = 2
    assert.deepStrictEqual(copy, bytes(1))
  })
})

describe("hostile bytes", () => {
  it("a length beyond the end is damage, before anything is allocated", () => {
    corrupt(() => reader(255, 255, 255, 255, 1).blob())
    corrupt(() => reader(255, 255, 255, 255, 1).text())
    corrupt(() => reader(255, 255, 255, 255, 1).count(1))
    corrupt(() => reader(2, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7).count(4))
    assert.strictEqual(reader(2, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8).count(4), 2)
    corrupt(() => reader(1, 2).raw(3))
  })

  it("an integer that is not safe is damage", () => {
    corrupt(() => reader(0, 0, 0, 0, 0, 0, 32, 0).u64())
    corrupt(() => reader(255, 255, 255, 255, 255, 255, 255, 255).u64())
    corrupt(() => reader(0, 0, 0, 0, 0, 0, 0, 128).i64())
    corrupt(() => reader(0, 0, 0, 0, 0, 0, 32, 0).i64())
    corrupt(() => reader(254, 255, 255, 255, 255, 255, 255, 255).frontier())
    assert.strictEqual(reader(255, 255, 255, 255, 255, 255, 31, 0).u64(), max)
  })

  it("invalid UTF-8, padding that is not zero, and bytes left over are damage", () => {
    corrupt(() => reader(1, 0, 0, 0, 0xff).text())
    const padded = reader(1, 0, 5, 0)
    padded.u8()
    corrupt(() => padded.align(4))
    corrupt(() => reader(1).end())
  })

  it("the error names the place in the whole file", () => {
    const reading = reader(1, 0, 0, 0, 9)
    reading.u32()
    const error = corrupt(() => reading.u32())
    assert.deepInclude(error, { location: "a file", offset: 104 })
    assert.include(error.detail, "4 bytes were expected, but only 1")
  })

  it("takes ASCII text at once, and nothing of any other", () => {
    for (const text of ["", "a", "plain ~", "x".repeat(5000)]) {
      const writer = new ByteWriter(1)
      assert.isTrue(writer.ascii(text))
      assert.strictEqual(new TextDecoder().decode(writer.take()), text)
    }
    for (const text of ["é", "abé", "éab", "a€bc", "😀", "ab😀", "\ud800", "x".repeat(5000) + "\u0080"]) {
      const writer = new ByteWriter(1)
      writer.u8(7)
      assert.isFalse(writer.ascii(text), text.slice(-3))
      assert.deepStrictEqual(writer.finish(), Uint8Array.of(7))
    }
  })
})
