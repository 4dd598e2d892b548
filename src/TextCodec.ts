/**
 * Encodings that are the UTF-8 of a text.
 *
 * @internal
 */
import type { ByteWriter } from "./ByteWriter.ts"
import { loneSurrogate, refuse } from "./Refusal.ts"

/** Appends the text. Throws `ValueOutOfRange`, in the name of the codec, for lone surrogates. */
export const writeText = (codec: string, text: string, into: ByteWriter): void => {
  const start = into.length
  into.utf8(text)
  const isAscii = into.length - start === text.length
  if (!isAscii && !text.isWellFormed()) refuse(codec, loneSurrogate)
}

export const encodeText = <A>(codec: string, text: (value: A) => string) =>
  Object.assign((value: A, into: ByteWriter): void => writeText(codec, text(value), into), { text })
