/**
 * Decimals as texts with all their digits: a double does not hold 38 of them.
 *
 * @internal
 */

/** The text of a number without its point, and of how many digits stand behind it. */
export const text = (unscaled: bigint, scale: number): string => {
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, "0")
  const whole = digits.slice(0, digits.length - scale)
  return `${unscaled < 0n ? "-" : ""}${whole}${scale === 0 ? "" : `.${digits.slice(-scale)}`}`
}

/** Two's complement, the first byte first. */
export const ofBytes = (bytes: Uint8Array): bigint => {
  let value = 0n
  for (const byte of bytes) value = value << 8n | BigInt(byte)
  return BigInt.asIntN(8 * bytes.length, value)
}
