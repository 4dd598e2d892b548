/**
 * The checksums of many ranges of the same bytes, with each byte checksummed at most once.
 *
 * CRC-32 is linear: the contribution of a prefix to the checksum of a longer one is the prefix's checksum times a power
 * of x, modulo the polynomial. The checksum of a range therefore follows from those of two prefixes: the one that ends
 * where the range begins, and the one that ends where it ends. The number of steps grows with the logarithm of the
 * length. The method is that of `crc32_combine` in zlib.
 *
 * @internal
 */
import * as Platform from "../Platform.ts"

/** The checksums of the bytes up to certain offsets. */
export type Checksums = ReadonlyMap<number, number>

/** Checksums the bytes up to the last offset. Ranges may begin and end at these offsets only. */
export const make = (bytes: Uint8Array, offsets: ReadonlyArray<number>, crc32 = Platform.crc32): Checksums => {
  const sums = new Map<number, number>()
  let [sum, end] = [0, 0]
  for (const offset of Float64Array.from(offsets).toSorted()) {
    if (offset > end) sum = crc32(bytes.subarray(end, offset), sum)
    end = offset
    sums.set(offset, sum)
  }
  return sums
}

/** The checksum of the bytes from `begin` to `end`, continued from `seed`. Both must be among the offsets. */
export const of = (self: Checksums, begin: number, end: number, seed: number): number =>
  (shift(seed ^ self.get(begin)!, end - begin) ^ self.get(end)!) >>> 0

/** Of the polynomial of CRC-32, with the highest power in the lowest bit. */
const polynomial = 0xedb8_8320
const one = 0x8000_0000

/** The product of two polynomials, modulo that of CRC-32. */
const multiply = (a: number, b: number): number => {
  let product = 0
  for (let rest = a; rest !== 0; rest <<= 1) {
    if (rest < 0) product ^= b
    b = (b >>> 1) ^ (polynomial & -(b & 1))
  }
  return product
}

/** At `i`, the factor by which `2 ** i` zero bytes multiply a checksum. */
const powers = ((): ReadonlyArray<number> => {
  // x to the 8th.
  const made = [one >>> 8]
  while (made.length < 48) made.push(multiply(made.at(-1)!, made.at(-1)!))
  return made
})()

/** The contribution of a checksum to that of `length` more bytes. */
const shift = (sum: number, length: number): number => {
  let shifted = sum | 0
  for (let i = 0, rest = length; rest > 0; i++, rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) shifted = multiply(shifted, powers[i]!)
  }
  return shifted
}
