import { assert, describe, it } from "@effect/vitest"
import * as Block from "../../src/batch/Block.ts"
import type { Columns } from "../../src/batch/Columns.ts"
import { ByteReader } from "../../src/ByteReader.ts"
import { ByteWriter } from "../../src/ByteWriter.ts"
import { Corrupt } from "../../src/PersistError.ts"
import * as Prng from "../../src/testing/Prng.ts"
import * as Rows from "./Rows.ts"

const encode = (columns: Columns): Uint8Array => {
  const writer = new ByteWriter(1)
  Block.encode(columns, writer)
  return writer.finish()
}

const decode = (bytes: Uint8Array): Columns => {
  const reader = new ByteReader(bytes, "block")
  const columns = Block.decode(reader)
  reader.end()
  return columns
}

describe("blocks", () => {
  it("give back the rows that were put in", () => {
    const prng = Prng.make(51)
    for (let round = 0; round < 300; round++) {
      const rows = Rows.generate(prng, prng.int(60))
      assert.deepStrictEqual(Rows.showColumns(decode(encode(Rows.toSlice(rows)))), Rows.show(rows))
    }
  })

  it("stand behind one another, and after anything else", () => {
    const prng = Prng.make(52)
    const rows = [Rows.generate(prng, 7), Rows.generate(prng, 0), Rows.generate(prng, 9)]
    const writer = new ByteWriter()
    writer.u32(7)
    for (const each of rows) Block.encode(Rows.toColumns(each), writer)
    const reader = new ByteReader(writer.finish(), "blocks")
    reader.u32()
    for (const each of rows) assert.deepStrictEqual(Rows.showColumns(Block.decode(reader)), Rows.show(each))
    reader.end()
  })

  it("decode to views of the bytes read", () => {
    const bytes = encode(Rows.toColumns([Rows.row("key", "value", 1, 1)]))
    const columns = decode(bytes)
    assert.strictEqual(columns.keyData.buffer, bytes.buffer)
    assert.strictEqual(columns.valueData.buffer, bytes.buffer)
  })

  it("refuse every prefix of a block", () => {
    const whole = encode(Rows.toColumns(Rows.generate(Prng.make(53), 20)))
    for (let length = 0; length < whole.length; length++) {
      assert.throws(() => decode(whole.subarray(0, length)), Corrupt)
    }
  })

  it("never claim more rows than they have bytes, so that few bytes cannot take much memory", () => {
    const rows = Array.from({ length: 10_000 }, () => Rows.row("", "", 3, 1))
    assert.isAtLeast(encode(Rows.toColumns(rows)).length, rows.length)
    const bytes = encode(Rows.toColumns(rows.slice(0, 8)))
    for (const claimed of [9, 1000, 0x7fff_ffff, 0xffff_ffff]) {
      new DataView(bytes.buffer).setUint32(0, claimed, true)
      assert.throws(() => decode(bytes), Corrupt)
    }
  })

  it("refuse diffs that take no bytes a row", () => {
    const claimed = new ByteWriter()
    claimed.u64(8)
    for (let column = 0; column < 4; column++) {
      claimed.u64(1)
      claimed.u64(0)
    }
    assert.throws(() => decode(claimed.finish()), Corrupt, "narrower")
  })

  it("refuse times and lengths that cannot be", () => {
    const write = (times: number, keyLengths: number): Uint8Array => {
      const bytes = encode(Rows.toColumns([Rows.row("key", "value", 5, 1)]))
      const view = new DataView(bytes.buffer)
      view.setBigInt64(8, BigInt(times), true)
      // Behind the times, and the diffs with their one byte.
      view.setBigInt64(48, BigInt(keyLengths), true)
      return bytes
    }
    assert.deepStrictEqual(Rows.showColumns(decode(write(6, 3))), Rows.show([Rows.row("key", "value", 6, 1)]))
    assert.throws(() => decode(write(-1, 3)), Corrupt, "a time is negative")
    assert.throws(() => decode(write(6, -1)), Corrupt, "a length is negative")
    assert.throws(() => decode(write(6, 2 ** 40)), Corrupt, "longer than the block")
    assert.throws(() => decode(write(6, 9)), Corrupt, "padding is not zero")
  })

  it("throw nothing but Corrupt, whatever is changed", () => {
    const prng = Prng.make(54)
    for (let round = 0; round < 3000; round++) {
      const bytes = encode(Rows.toColumns(Rows.generate(prng, prng.int(12))))
      for (let changes = 1 + prng.int(3); changes > 0; changes--) bytes[prng.int(bytes.length)] = prng.int(256)
      try {
        const columns = decode(bytes)
        assert.isTrue(Rows.fromColumns(columns).every(({ diff, time }) => Number.isSafeInteger(diff) && time >= 0))
      } catch (error) {
        assert.instanceOf(error, Corrupt)
      }
    }
  })
})
