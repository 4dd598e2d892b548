/**
 * Compresses large entries, since every byte of an entry is also written to the server's own log.
 *
 * Only the number stored beside an entry, its seal, shows whether the entry is packed: the CRC-32 of the entry, and, 32
 * bits higher, its length if it is packed, else 0.
 *
 * @internal
 */
import * as Platform from "../Platform.ts"

export interface Packed {
  readonly seal: bigint
  readonly bytes: Uint8Array
}

/** Smaller entries are not compressed. */
const leastBytes = 16 * 1024

export const pack = (entry: Uint8Array): Packed => {
  const crc = BigInt(Platform.crc32(entry))
  if (entry.length < leastBytes) return { seal: crc, bytes: entry }
  const bytes = Platform.compress(entry)
  if (bytes === undefined || bytes.length >= 0.9 * entry.length) return { seal: crc, bytes: entry }
  return { seal: (BigInt(entry.length) << 32n) | crc, bytes }
}

/** The entry, or `undefined` if it is damaged. */
export const unpack = ({ bytes, seal }: Packed): Uint8Array | undefined => {
  const length = Number(seal >> 32n)
  const entry = length === 0 ? bytes : Platform.decompress(bytes, length)
  return entry !== undefined && BigInt(Platform.crc32(entry)) === (seal & 0xffffffffn) ? entry : undefined
}
