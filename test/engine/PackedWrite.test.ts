import { assert, describe, it } from "@effect/vitest"
import * as Block from "../../src/batch/Block.ts"
import { ByteReader } from "../../src/ByteReader.ts"
import { ByteWriter } from "../../src/ByteWriter.ts"
import * as PackedWrite from "../../src/engine/PackedWrite.ts"
import { Corrupt } from "../../src/PersistError.ts"
import * as Platform from "../../src/Platform.ts"
import * as Prng from "../../src/testing/Prng.ts"
import { type Row, row, showColumns, toColumns, toSlice } from "../batch/Rows.ts"

const text = "the same words again, ".repeat(100)
const noise = (prng: Prng.Prng, size: number): Row => ({
  key: prng.bytes(4),
  value: prng.bytes(size),
  time: 1,
  diff: 1
})

const decode = (bytes: Uint8Array) => PackedWrite.decode(new ByteReader(bytes, "test"))

/** A block with something behind it, packed. */
const packed = (...behind: ReadonlyArray<number>): Uint8Array => {
  const writer = new ByteWriter(64)
  Block.encode(toColumns([row("a", text, 1, 1)]), writer)
  writer.raw(Uint8Array.from(behind))
  const block = writer.finish()
  const out = new ByteWriter(64)
  PackedWrite.encode({ length: block.length, frame: Platform.compress(block)! }, out)
  return out.finish()
}

describe("a packed write", () => {
  it("has the rows that were packed, and is much smaller", () => {
    const rows = [row("a", text, 1, 1), row("a", `${text}!`, 2, -1), row("", "", 3, 7)]
    const writer = new ByteWriter(64)
    PackedWrite.encode(PackedWrite.pack(toSlice(rows))!, writer)
    const bytes = writer.finish()
    assert.isBelow(bytes.length, text.length / 2)
    assert.deepStrictEqual(showColumns(decode(bytes)), showColumns(toColumns(rows)))
  })

  it("is not made of few bytes, of small rows, or of what does not compress", () => {
    const prng = Prng.make(83)
    assert.isUndefined(PackedWrite.pack(toColumns([row("a", text.slice(0, 1_000), 1, 1)])))
    assert.isUndefined(
      PackedWrite.pack(toColumns(Array.from({ length: 100 }, () => row("a", text.slice(0, 100), 1, 1))))
    )
    assert.isUndefined(PackedWrite.pack(toColumns([noise(prng, 5_000)])))
    assert.isUndefined(PackedWrite.pack(toColumns([row("a", text.repeat(600), 1, 1)])))
  })

  it("is refused where something stands behind its block, or where it claims to be larger than any", () => {
    assert.strictEqual(decode(packed()).length, 1)
    assert.throws(() => decode(packed(0, 0, 0, 0, 0, 0, 0, 0)), Corrupt)
    const large = packed()
    new DataView(large.buffer, large.byteOffset).setUint32(0, 3 * 1024 * 1024, true)
    assert.throws(() => decode(large), Corrupt, "larger than any")
  })
})
