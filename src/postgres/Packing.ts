/**
 * Large entries as they are stored: compressed, since every byte of an entry goes through the log of the server as well.
 *
 * Nothing says that an entry is packed but the number beside it, its seal: the CRC-32 of the entry, and, 32 bits higher,
 * its length if it is packed, else 0.
 *
 * @internal
 */
import * as Platform from "../Platform.ts"

export interface Packed {
  readonly seal: bigint
  readonly bytes: Uint8Array
}

/** Smaller entries are not worth it. */
const leastBytes = 16 * 1024

export const pack = (entry: Uint8Array): Packed => {
  const crc = BigInt(Platform.crc32(entry))
  if (entry.length < leastBytes) return { seal: crc, bytes: entry }
  const bytes = Platform.compress(entry)
  if (bytes.length >= 0.9 * entry.length) return { seal: crc, bytes: entry }
  return { seal: (BigInt(entry.length) << 32n) | crc, bytes }
}

/** The entry, or `undefined` where it is damaged. */
export const unpack = ({ bytes, seal }: Packed): Uint8Array | undefined => {
  const length = Number(seal >> 32n)
  const entry = length === 0 ? bytes : Platform.decompress(bytes, length)
  return entry !== undefined && BigInt(Platform.crc32(entry)) === (seal & 0xffffffffn) ? entry : undefined
}
