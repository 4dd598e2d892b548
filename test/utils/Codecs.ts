/**
 * Codecs by themselves: values to bytes, and back.
 */
import { assert } from "@effect/vitest"
import { ByteWriter } from "../../src/ByteWriter.ts"
import type * as Codec from "../../src/Codec.ts"

/** Encodes behind another byte, as codecs do in columns. */
export const encode = <A>(codec: Pick<Codec.Codec<A>, "encode">, value: A): Uint8Array => {
  const writer = new ByteWriter(1)
  writer.u8(7)
  codec.encode(value, writer)
  return writer.finish().subarray(1)
}

/**
 * Decodes from the middle of other bytes, as codecs do in columns: by itself, and as one of many values, which must be the
 * same.
 */
export const decode = <A>(codec: Pick<Codec.Codec<A>, "decode">, bytes: Uint8Array, others = 0x22): A => {
  const around = new Uint8Array(bytes.length + 7).fill(others)
  around.set(bytes, 3)
  const end = 3 + bytes.length
  const alone = attempt(() => codec.decode(around, 3, end))
  const { many } = codec.decode
  if (many !== undefined) {
    const one = many(around)
    for (let i = 0; i < 2; i++) assert.deepStrictEqual(attempt(() => one(3, end)), alone)
  }
  if ("error" in alone) throw alone.error
  return alone.value
}

const attempt = <A>(run: () => A): { readonly value: A } | { readonly error: unknown } => {
  try {
    return { value: run() }
  } catch (error) {
    return { error }
  }
}
