/**
 * Decimals as texts with all their digits: a double cannot represent 38 of them.
 *
 * @internal
 */

/** The text of a number, given without its point, and the number of digits after the point. */
export const text = (unscaled: bigint, scale: number): string => {
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, "0")
  const whole = digits.slice(0, digits.length - scale)
  return `${unscaled < 0n ? "-" : ""}${whole}${scale === 0 ? "" : `.${digits.slice(-scale)}`}`
}

/** Two's complement, big-endian. */
export const ofBytes = (bytes: Uint8Array): bigint => {
  let value = 0n
  for (const byte of bytes) value = value << 8n | BigInt(byte)
  return BigInt.asIntN(8 * bytes.length, value)
}
