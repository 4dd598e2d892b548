import { assert, describe, it } from "@effect/vitest"
import * as Checksum from "../../src/batch/Checksum.ts"
import * as Consolidate from "../../src/batch/Consolidate.ts"
import * as Prng from "../../src/testing/Prng.ts"
import * as Rows from "./Rows.ts"

const max = Number.MAX_SAFE_INTEGER
const text = (bytes: string): Uint8Array => Buffer.from(bytes)
const of = (rows: ReadonlyArray<Rows.Row>): bigint => Checksum.of(Rows.toSlice(rows))
const hash = (key: Uint8Array, value: Uint8Array): bigint => of([{ key, value, time: 0, diff: 1 }])

/** The hash as the specification puts it, on whole numbers without bounds. */
const specified = (key: Uint8Array, value: Uint8Array): bigint => {
  const u32 = (n: bigint): bigint => BigInt.asUintN(32, n)
  const words = (bytes: Uint8Array): ReadonlyArray<bigint> =>
    Array.from({ length: Math.ceil(bytes.length / 4) }, (_, i) => {
      const word = new Uint8Array(4)
      word.set(bytes.subarray(4 * i, 4 * i + 4))
      return BigInt(new DataView(word.buffer).getUint32(0, true))
    })
  let a = u32(0x9e3779b9n ^ BigInt(key.length))
  let b = u32(0x7f4a7c15n ^ BigInt(value.length))
  const mix = (word: bigint): void => {
    a = u32((a ^ word) * 0x85ebca6bn)
    a ^= a >> 15n
    b = u32((b ^ word) * 0xc2b2ae35n)
    b ^= b >> 13n
  }
  const scatter = (word: bigint): bigint => {
    let h = word ^ (word >> 16n)
    h = u32(h * 0x85ebca6bn)
    h ^= h >> 13n
    h = u32(h * 0xc2b2ae35n)
    return h ^ (h >> 16n)
  }
  words(key).forEach(mix)
  a = u32((a ^ 0x27d4eb2fn) * 0x165667b1n)
  b = u32((b ^ 0x2545f491n) * 0x9e3779b1n)
  words(value).forEach(mix)
  const high = scatter(u32(a + b))
  return (high << 32n) | scatter(b ^ high)
}

describe("the multiset checksum", () => {
  it("has these values", () => {
    const vectors = [
      ["", "", 0xf96c99d432c444b7n],
      ["a", "", 0x7ef734fc14f96c27n],
      ["", "c", 0xcc8db128eec19b5cn],
      ["ab", "c", 0x509517c537f456ecn],
      ["a", "bc", 0x339345b6a061c497n],
      ["ab", "value", 0xc7f79741e4517ccan]
    ] as const
    for (const [key, value, expected] of vectors) {
      assert.strictEqual(hash(text(key), text(value)), expected, `${key}, ${value}`)
    }
  })

  it("hashes as specified", () => {
    const prng = Prng.make(61)
    for (let round = 0; round < 500; round++) {
      const key = prng.bytes(prng.int(20))
      const value = prng.bytes(prng.int(20))
      assert.strictEqual(hash(key, value), specified(key, value))
    }
  })

  it("is the sum of diff times hash modulo 2^64, exactly", () => {
    const prng = Prng.make(62)
    const diffs = [0, 1, -1, 2, -2, 65_535, 65_536, -65_537, 2 ** 31, 2 ** 32, -(2 ** 32), 2 ** 32 + 1, max, -max]
    for (let round = 0; round < 300; round++) {
      const rows = Rows.generate(prng, prng.int(20)).map((each) => ({
        ...each,
        diff: prng.chance(0.5) ? prng.pick(diffs) : (prng.int(2 ** 32) - 2 ** 31) * prng.int(2 ** 21)
      }))
      const expected = rows.reduce((sum, { diff, key, value }) => sum + BigInt(diff) * specified(key, value), 0n)
      assert.strictEqual(of(rows), BigInt.asUintN(64, expected))
    }
  })

  it("takes the rows at times in [lower, upper)", () => {
    const rows = [1, 2, 3, 4].map((time) => Rows.row("key", String(time), time, time))
    const accumulator = new Checksum.Accumulator()
    accumulator.add(Rows.toColumns(rows), 2, 4)
    assert.strictEqual(accumulator.value(), of(rows.slice(1, 3)))
  })

  it("is left alone by order, by consolidation, by advancing and by cutting in pieces", () => {
    const prng = Prng.make(63)
    for (let round = 0; round < 200; round++) {
      const rows = Rows.generate(prng, prng.int(100))
      const checksum = of(rows)
      assert.strictEqual(of(rows.toSorted(Rows.compare)), checksum)
      const consolidated = Consolidate.consolidate(Rows.toColumns(rows), { since: prng.int(200) })
      assert.strictEqual(Checksum.of(consolidated), checksum)
      const cut = prng.int(rows.length + 1)
      assert.strictEqual(Checksum.add(of(rows.slice(0, cut)), of(rows.slice(cut))), checksum)
    }
    assert.strictEqual(of([]), 0n)
  })

  it("distinguishes keys from values, and lengths from zeros", () => {
    const pairs = [
      ["ab", "c"],
      ["a", "bc"],
      ["abc", ""],
      ["", "abc"],
      ["a\0", "bc"],
      ["a", "bc\0"],
      ["", ""],
      ["\0", ""],
      [
        "",
        "\0"
      ],
      ["\0\0\0\0", ""],
      ["", "\0\0\0\0"]
    ] as const
    assert.strictEqual(new Set(pairs.map(([key, value]) => hash(text(key), text(value)))).size, pairs.length)
  })

  it("changes about half of its bits with every bit of the row", () => {
    const prng = Prng.make(64)
    for (const [keyLength, valueLength] of [[3, 2], [4, 4], [16, 30]] as const) {
      const changed = new Float64Array(64)
      let flips = 0
      for (let round = 0; round < 40; round++) {
        const data = prng.bytes(keyLength + valueLength)
        const before = hash(data.subarray(0, keyLength), data.subarray(keyLength))
        for (let bit = 0; bit < 8 * data.length; bit++, flips++) {
          data[bit >> 3]! ^= 1 << (bit & 7)
          const difference = before ^ hash(data.subarray(0, keyLength), data.subarray(keyLength))
          data[bit >> 3]! ^= 1 << (bit & 7)
          for (let out = 0; out < 64; out++) changed[out]! += Number((difference >> BigInt(out)) & 1n)
        }
      }
      for (const count of changed) assert.closeTo(count / flips, 0.5, 0.08)
    }
  })

  it("does not collide on thirty thousand rows that are nearly alike", () => {
    const hashes = new Set<bigint>()
    for (let i = 0; i < 30_000; i++) hashes.add(hash(text(`key-${i % 1000}`), text(String(i))))
    assert.strictEqual(hashes.size, 30_000)
  })
})
