/**
 * Conversions of text, and a comparison of bytes, that are the same on every platform.
 *
 * @internal
 */

const encoder = new TextEncoder()

/** Whether the text is all ASCII: then it is in the bytes, which have just as much room, and otherwise part of it. */
export const writeAscii = (text: string, bytes: Uint8Array): boolean => {
  const { read, written } = encoder.encodeInto(text, bytes)
  return read === text.length && written === text.length
}

/** Writes as much of the text as UTF-8 as there is room for, and returns the number of bytes. */
export const writeUtf8 = (text: string, bytes: Uint8Array): number => encoder.encodeInto(text, bytes).written

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** The text of UTF-8 bytes, or `undefined` where they are not valid UTF-8. */
export const readUtf8 = (bytes: Uint8Array, start: number, end: number): string | undefined => {
  try {
    return strict.decode(bytes.subarray(start, end))
  } catch {
    return undefined
  }
}

/** The date of a number of milliseconds or of a text, or `undefined` where it is of none. */
export const dateOf = (of: number | string): Date | undefined => {
  const date = new Date(of)
  return Number.isNaN(date.getTime()) ? undefined : date
}

/** Whether two ranges have the same bytes. */
export const isSame = (
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number
): boolean => {
  const size = aEnd - aStart
  if (bEnd - bStart !== size) return false
  let same = 0
  while (same < size && a[aStart + same] === b[bStart + same]) same++
  return same === size
}
