import { assert, describe, it } from "@effect/vitest"
import { Effect, Random, type Schema } from "effect"
import * as Columns from "../../src/batch/Columns.ts"
import { ByteWriter } from "../../src/ByteWriter.ts"
import * as Rows from "../../src/client/Rows.ts"
import * as Codec from "../../src/Codec.ts"
import * as Update from "../../src/Update.ts"

const bytesOf = <A>(codec: Codec.Codec<A>, value: A): Uint8Array => {
  const writer = new ByteWriter()
  codec.encode(value, writer)
  return writer.finish()
}

const pieces = ["", "a", "key-1", "\u0000", "~", "é", "€", "😀", "x".repeat(100), "\u007f", "\u0080"]
/** Longer than what is converted in one go. */
const huge = "h".repeat(300_000)
const big = "b".repeat(1_000_000)

const anyText = Effect.gen(function*() {
  if ((yield* Random.nextIntBetween(0, 200)) === 0) return huge
  // Most columns are ASCII but for a few rows.
  const kinds = (yield* Random.nextIntBetween(0, 20)) === 0 ? pieces.length : 5
  let text = ""
  for (let n = yield* Random.nextIntBetween(0, 4); n > 0; n--) text += pieces[yield* Random.nextIntBetween(0, kinds)]
  return text
})

describe("encoding rows", () => {
  it.effect("gives every row the bytes of its codecs, whatever is converted together", () =>
    Effect.gen(function*() {
      for (let round = 0; round < 60; round++) {
        const length = yield* Random.nextIntBetween(0, 1 << (yield* Random.nextIntBetween(1, 12)))
        const updates: Array<Update.Update<string, Schema.Json>> = []
        for (let i = 0; i < length; i++) {
          updates.push(Update.make(yield* anyText, { text: yield* anyText }, i, i - 3))
        }
        const codecs = { key: Codec.string, value: Codec.json }
        const columns = yield* Rows.encode(codecs, round % 2 === 0 ? updates : new Set(updates))
        assert.strictEqual(columns.length, length)
        updates.forEach(({ diff, key, time, value }, row) => {
          assert.deepStrictEqual(Columns.keyAt(columns, row).slice(), bytesOf(codecs.key, key))
          assert.deepStrictEqual(Columns.valueAt(columns, row).slice(), bytesOf(codecs.value, value))
          assert.strictEqual(columns.times[row], time)
          assert.strictEqual(columns.diffs[row], diff)
        })
      }
    }).pipe(Random.withSeed("rows")))

  it.effect("is undone by decoding, whatever is decoded together", () =>
    Effect.gen(function*() {
      const codecs = { key: Codec.string, value: Codec.string }
      for (let round = 0; round < 60; round++) {
        const updates: Array<Update.Update<string, string>> = []
        for (let i = yield* Random.nextIntBetween(0, 300); i > 0; i--) {
          updates.push(Update.make(yield* anyText, yield* anyText, i, 1))
        }
        const columns = yield* Rows.encode(codecs, updates)
        assert.deepStrictEqual(yield* Rows.decode("s", codecs, "fail", columns, Update.make), updates)
      }
    }).pipe(Random.withSeed("rows")))

  it.effect("uses a codec that changes another one's encoding as it is", () =>
    Effect.gen(function*() {
      const lower: Codec.Codec<string> = {
        ...Codec.string,
        encode: (value, into) => Codec.string.encode(value.toLowerCase(), into)
      }
      const columns = yield* Rows.encode({ key: lower, value: Codec.unit }, [Update.insert("ABC", undefined, 0)])
      assert.deepStrictEqual(Columns.keyAt(columns, 0).slice(), bytesOf(Codec.string, "abc"))
    }))

  it.effect("refuses a lone surrogate between good rows, and a write that is too large", () =>
    Effect.gen(function*() {
      const codecs = { key: Codec.string, value: Codec.unit }
      const rows = ["a", "\ud800", "b"].map((key) => Update.insert(key, undefined, 0))
      assert.propertyVal(yield* Effect.flip(Rows.encode(codecs, rows)), "_tag", "ValueOutOfRange")
      const many = Array.from({ length: Rows.maxWriteBytes / 1_000_000 + 10 }, () => Update.insert(big, undefined, 0))
      const error = yield* Effect.flip(Rows.encode(codecs, many))
      assert.include(error.message, "split it into several")
    }))
})
