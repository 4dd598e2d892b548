/**
 * The identity of keys: two keys are the same if their encodings are.
 *
 * @internal
 */
import { ByteWriter } from "../ByteWriter.ts"
import type { Codec } from "../Codec.ts"

/** A text that two values share if, and only if, they have the same bytes. Throws as encoding does. */
export const identity = <A>({ encode }: Codec<A>): (value: A) => string => {
  const { text } = encode
  if (text !== undefined) return text
  const bytes = new ByteWriter(64)
  return (value) => {
    bytes.clear()
    encode(value, bytes)
    let latin = ""
    for (const byte of bytes.view8()) latin += String.fromCharCode(byte)
    return latin
  }
}
