import { assert, describe, it } from "@effect/vitest"
import * as IntColumn from "../../src/batch/IntColumn.ts"
import { ByteReader } from "../../src/ByteReader.ts"
import { ByteWriter } from "../../src/ByteWriter.ts"
import { Corrupt } from "../../src/PersistError.ts"
import * as Prng from "../../src/testing/Prng.ts"

const max = Number.MAX_SAFE_INTEGER

const encode = (values: ReadonlyArray<number>, leastWidth: 0 | 1 = 0): Uint8Array => {
  const writer = new ByteWriter(1)
  // What an earlier use left behind must not show.
  writer.raw(new Uint8Array(64).fill(0xee))
  writer.clear()
  IntColumn.encode(writer, Float64Array.from(values), leastWidth)
  return writer.finish()
}

const decode = (bytes: Uint8Array, length: number, leastWidth: 0 | 1 = 0): ReadonlyArray<number> => {
  const reader = new ByteReader(bytes, "column")
  const values = IntColumn.decode(reader, length, leastWidth)
  reader.end()
  return [...values]
}

const column = (base: bigint, width: number, ...values: ReadonlyArray<number>): Uint8Array => {
  const bytes = new Uint8Array(16 + values.length)
  const view = new DataView(bytes.buffer)
  view.setBigInt64(0, base, true)
  view.setUint32(8, width, true)
  bytes.set(values, 16)
  return bytes
}

describe("integer columns", () => {
  it("take the fewest bytes that hold the range", () => {
    const width = (...values: ReadonlyArray<number>): number => encode(values)[8]!
    assert.strictEqual(width(), 0)
    assert.strictEqual(width(max, max), 0)
    assert.strictEqual(width(-5, 250), 1)
    assert.strictEqual(width(-5, 251), 2)
    assert.strictEqual(width(max, max - 0xffff), 2)
    assert.strictEqual(width(0, 0x10000), 4)
    assert.strictEqual(width(-1, 0xffff_fffe), 4)
    assert.strictEqual(width(-1, 0xffff_ffff), 8)
    assert.strictEqual(width(-max, max), 8)
    assert.strictEqual(encode([7, 7, 7], 1)[8], 1)
  })

  it("are these bytes", () => {
    assert.deepStrictEqual(encode([]), column(0n, 0))
    assert.deepStrictEqual(encode([-3, -3]), column(-3n, 0))
    assert.deepStrictEqual(encode([258, 256, 300]), column(256n, 1, 2, 0, 44, 0, 0, 0, 0, 0))
    assert.deepStrictEqual(encode([1000, 0]), column(0n, 2, 0xe8, 0x03, 0, 0, 0, 0, 0, 0))
    assert.deepStrictEqual(encode([-1, 0xffff]), column(-1n, 4, 0, 0, 0, 0, 0, 0, 1, 0))
    assert.deepStrictEqual(
      encode([-1, max]),
      column(0n, 8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0)
    )
  })

  it("give back what was put in, wherever they lie in memory", () => {
    const prng = Prng.make(41)
    for (let round = 0; round < 500; round++) {
      const range = prng.pick([1, 2, 255, 256, 257, 65_535, 65_536, 65_537, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, max])
      const base = prng.pick([0, -1, -max, prng.int(2 ** 32), max - range])
      const values = Array.from({ length: prng.int(20) }, () => base + prng.int(range + 1))
      const leastWidth = prng.pick([0, 1] as const)
      const bytes = encode(values, leastWidth)
      assert.strictEqual(bytes.length % 8, 0)
      assert.deepStrictEqual(decode(bytes, values.length, leastWidth), values)
      const shift = prng.int(8)
      const shifted = new Uint8Array(bytes.length + shift)
      shifted.set(bytes, shift)
      assert.deepStrictEqual(decode(shifted.subarray(shift), values.length, leastWidth), values)
    }
  })

  it("hold both ends of the safe integers at once", () => {
    const values = [-max, max, 0, -1, 1, -max + 1, 2 ** 32, -(2 ** 32), 2 ** 32 - 1, -(2 ** 32) - 1]
    assert.deepStrictEqual(decode(encode(values), values.length), values)
    assert.deepStrictEqual(decode(encode([0, -max]), 2), [0, -max])
  })

  it("take 32-bit values as well", () => {
    const writer = new ByteWriter()
    IntColumn.encode(writer, Uint32Array.of(0xffff_ffff, 5))
    assert.deepStrictEqual(decode(writer.finish(), 2), [0xffff_ffff, 5])
  })

  it("refuse bytes that are no column, naming the place", () => {
    const refused = (bytes: Uint8Array, length: number, leastWidth: 0 | 1 = 0) =>
      assert.throws(() => decode(bytes, length, leastWidth), Corrupt)
    for (const width of [3, 5, 6, 7, 9, 16, 255]) refused(column(0n, width, ...new Uint8Array(64)), 1)
    refused(column(0n, 0x1_0001), 0)
    refused(column(BigInt(max) + 1n, 0), 1)
    refused(column(-BigInt(max) - 1n, 0), 1)
    refused(column(BigInt(max), 1, 1, 0, 0, 0, 0, 0, 0, 0), 1)
    refused(column(0n, 8, 0, 0, 0, 0, 0, 0, 0x20, 0), 1)
    refused(column(0n, 8, 0, 0, 0, 0, 0, 0, 0, 0x80), 1)
    refused(column(1n, 8, 0, 0, 0, 0, 0, 0, 0, 0), 1)
    refused(column(0n, 1, 1, 1, 0, 0, 0, 0, 0, 0), 1)
    refused(column(5n, 0), 3, 1)
    const reserved = column(5n, 0)
    reserved[12] = 1
    refused(reserved, 1)
    const whole = encode([1, 2, 3])
    for (let length = 0; length < whole.length; length++) refused(whole.subarray(0, length), 3)
  })

  it("take values up to the last safe integer", () => {
    assert.deepStrictEqual(decode(column(BigInt(max) - 1n, 1, 1, 0, 0, 0, 0, 0, 0, 0), 1), [max])
    assert.deepStrictEqual(decode(column(-BigInt(max), 1, 0, 1, 0, 0, 0, 0, 0, 0), 2), [-max, -max + 1])
  })
})
