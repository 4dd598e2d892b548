/**
 * The multiset checksum: the sum of `diff x hash(key, value)` over all rows, modulo 2^64.
 *
 * Merging, consolidating and advancing times leave it unchanged, so it can be carried along and compared: if a rewrite
 * loses, doubles or alters a row, the checksum differs, except with a probability of about 2^-64. It does not cover
 * times.
 *
 * The construction is an additive multiset hash (Clarke, Devadas, van Dijk, Gassend and Suh, "Incremental Multiset Hash
 * Functions", 2003), for signed multiplicities and with a hash that is not cryptographic: it detects errors, not
 * attacks. The "setsum" of log-structured stores is used in the same way.
 *
 * @internal
 */
import type { Columns } from "./Columns.ts"

const twoTo32 = 4_294_967_296

/** Adds up rows without a `BigInt` for each row: the sum is two 32-bit halves. */
export class Accumulator {
  private low = 0
  private high = 0
  /** The hash of the last row: its halves. */
  private hashLow = 0
  private hashHigh = 0

  /** Adds rows: all, or those at times in [lower, upper). */
  add(columns: Columns, lower = 0, upper = Infinity): void {
    const { diffs, keyOffsets, length, times, valueOffsets } = columns
    const keyData = viewOf(columns.keyData)
    const valueData = viewOf(columns.valueData)
    for (let i = 0; i < length; i++) {
      if (times[i]! < lower || times[i]! >= upper) continue
      this.hash(keyData, keyOffsets[i]!, keyOffsets[i + 1]!, valueData, valueOffsets[i]!, valueOffsets[i + 1]!)
      this.addTimes(diffs[i]!)
    }
  }

  value(): bigint {
    return (BigInt(this.high) << 32n) | BigInt(this.low)
  }

  /** Adds `diff` times the last hash, modulo 2^64. */
  private addTimes(diff: number): void {
    const { hashHigh, hashLow } = this
    if (diff === 1) return this.addHalves(hashLow, hashHigh)
    const diffLow = diff >>> 0
    const diffHigh = Math.floor(diff / twoTo32)
    // The product of the two low halves has 64 bits: it is put together from two of 48, which are exact.
    const far = hashLow * (diffLow >>> 16)
    const near = hashLow * (diffLow & 0xffff) + (far % 65_536) * 65_536
    const carry = Math.floor(near / twoTo32) + Math.floor(far / 65_536)
    this.addHalves(near >>> 0, (carry + Math.imul(hashHigh, diffLow) + Math.imul(hashLow, diffHigh)) >>> 0)
  }

  private addHalves(low: number, high: number): void {
    const sum = this.low + low
    this.low = sum >>> 0
    this.high = (this.high + high + (sum >= twoTo32 ? 1 : 0)) >>> 0
  }

  /**
   * Two lanes that mix four bytes at a time, over the key's length, the key and the value; the last bytes of each are
   * padded with zeros, and the lengths distinguish them.
   */
  private hash(
    keyData: DataView,
    keyStart: number,
    keyEnd: number,
    valueData: DataView,
    valueStart: number,
    valueEnd: number
  ): void {
    let a = 0x9e3779b9 ^ (keyEnd - keyStart)
    let b = 0x7f4a7c15 ^ (valueEnd - valueStart)
    for (let i = keyStart; i < keyEnd; i += 4) {
      const word = wordAt(keyData, i, keyEnd)
      a = Math.imul(a ^ word, 0x85ebca6b)
      a ^= a >>> 15
      b = Math.imul(b ^ word, 0xc2b2ae35)
      b ^= b >>> 13
    }
    a = Math.imul(a ^ 0x27d4eb2f, 0x165667b1)
    b = Math.imul(b ^ 0x2545f491, 0x9e3779b1)
    for (let i = valueStart; i < valueEnd; i += 4) {
      const word = wordAt(valueData, i, valueEnd)
      a = Math.imul(a ^ word, 0x85ebca6b)
      a ^= a >>> 15
      b = Math.imul(b ^ word, 0xc2b2ae35)
      b ^= b >>> 13
    }
    const high = scatter(a + b)
    this.hashHigh = high >>> 0
    this.hashLow = scatter(b ^ high) >>> 0
  }
}

/** Makes every bit of the result depend on every bit of the word: the finalizer of MurmurHash3. */
const scatter = (word: number): number => {
  let h = word ^ (word >>> 16)
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  return h ^ (h >>> 16)
}

/** Four bytes as a little-endian word, with zeros for what is at or beyond `end`. */
const wordAt = (data: DataView, at: number, end: number): number =>
  at + 4 <= end
    ? data.getInt32(at, true)
    : data.getUint8(at) | (at + 1 < end ? data.getUint8(at + 1) << 8 : 0) |
      (at + 2 < end ? data.getUint8(at + 2) << 16 : 0)

const viewOf = (data: Uint8Array): DataView => new DataView(data.buffer, data.byteOffset, data.byteLength)

/** The checksum of rows. */
export const of = (columns: Columns): bigint => {
  const accumulator = new Accumulator()
  accumulator.add(columns)
  return accumulator.value()
}

/** The checksum of two multisets together. */
export const add = (a: bigint, b: bigint): bigint => BigInt.asUintN(64, a + b)
