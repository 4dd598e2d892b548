/**
 * A quick hash of bytes for tables in memory: FNV-1a with 32 bits (Fowler, Noll and Vo). It is never stored, and it does not
 * withstand an attacker.
 *
 * @internal
 */

/** The hash of no bytes. */
export const empty = 0x811c9dc5

/** Adds one number to a hash. */
export const step = (hash: number, value: number): number => Math.imul(hash ^ value, 0x01000193)

/** Adds `bytes[start .. end]` to a hash. */
export const add = (hash: number, bytes: Uint8Array, start: number, end: number): number => {
  let sum = hash
  for (let i = start; i < end; i++) sum = step(sum, bytes[i]!)
  return sum
}

/** Mixes the high bits of a hash into the low ones, which select the bucket. Not negative. */
export const finish = (hash: number): number => (hash ^ (hash >>> 15)) >>> 0
