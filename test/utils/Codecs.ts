/**
 * Codecs by themselves: values to bytes, and back.
 */
import { ByteWriter } from "../../src/ByteWriter.ts"
import type * as Codec from "../../src/Codec.ts"

/** Encodes behind another byte, as codecs do in columns. */
export const encode = <A>(codec: Pick<Codec.Codec<A>, "encode">, value: A): Uint8Array => {
  const writer = new ByteWriter(1)
  writer.u8(7)
  codec.encode(value, writer)
  return writer.finish().subarray(1)
}

/** Decodes from the middle of other bytes, as codecs do in columns. */
export const decode = <A>(codec: Pick<Codec.Codec<A>, "decode">, bytes: Uint8Array, others = 0x22): A => {
  const around = new Uint8Array(bytes.length + 7).fill(others)
  around.set(bytes, 3)
  return codec.decode(around, 3, 3 + bytes.length)
}
