/**
 * A quick hash of bytes for tables in memory. Four bytes at a time are mixed by a rotation and a multiplication; `finish` is
 * that of MurmurHash3 (Appleby). It is never stored, and it does not withstand an attacker.
 *
 * @internal
 */

/** The hash of no bytes. */
export const empty = 0x811c9dc5

/** Adds one number of up to 32 bits to a hash. */
export const step = (hash: number, value: number): number =>
  Math.imul(((hash << 5) | (hash >>> 27)) ^ value, 0x9e3779b1)

/** Adds `bytes[start .. end]` to a hash. */
export const add = (hash: number, bytes: Uint8Array, start: number, end: number): number => {
  let sum = hash
  let i = start
  for (; i + 4 <= end; i += 4) {
    sum = step(sum, bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24))
  }
  for (; i < end; i++) sum = step(sum, bytes[i]!)
  return sum
}

/** Mixes all bits of a hash into the low ones, which select the bucket. Not negative. */
export const finish = (hash: number): number => {
  const mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  const again = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (again ^ (again >>> 16)) >>> 0
}
