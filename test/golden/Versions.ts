/**
 * The schemas that the collection "evolved" of a golden store had, one after the other.
 */
import { Schema } from "effect"
import * as Codec from "../../src/Codec.ts"

const { Finite, Literals, NullOr, String, Struct, optionalKey } = Schema

export const first = { key: Codec.string, value: Codec.schema(Struct({ price: Finite })) }

export const second = {
  key: Codec.string,
  value: Codec.schema(Struct({ price: Finite, note: optionalKey(String) }))
}

export const third = {
  key: Codec.string,
  value: Codec.schema(
    Struct({ price: NullOr(Finite), note: optionalKey(String), kind: optionalKey(Literals(["x", "y"])) })
  )
}
