/**
 * What the golden store of typed rows has: orders, before and after their schema had one field more.
 */
import { Schema } from "effect"
import * as Codec from "../../src/Codec.ts"
import * as Update from "../../src/Update.ts"

const {
  Array,
  Boolean,
  Date: date,
  Finite,
  Int,
  Literal,
  Literals,
  NullOr,
  Record,
  String,
  Struct,
  Union,
  optionalKey
} = Schema

const fields = {
  id: String,
  status: Literals(["new", "paid"]),
  total: Finite,
  count: Int,
  placed: date,
  gift: Boolean,
  note: NullOr(String),
  coupon: optionalKey(String),
  lines: Array(Struct({ sku: String, amount: Int })),
  labels: Record(String, Int),
  by: Union([Struct({ _tag: Literal("card"), digits: String }), Struct({ _tag: Literal("cash"), coins: Int })]),
  more: Schema.Json
}

const First = Struct(fields)
const Second = Struct({ ...fields, channel: optionalKey(String) })

const key = Codec.tuple([Codec.string, Codec.number])
export const first = { key, value: Codec.schema(First) }
export const second = { key, value: Codec.schema(Second) }

const order = (n: number): typeof First.Type => ({
  id: `o-${n}`,
  status: n % 2 === 0 ? "new" : "paid",
  total: n / 4,
  count: (-5) ** n,
  placed: new globalThis.Date(1_700_000_000_000 + n),
  gift: n % 3 === 0,
  note: n % 4 === 0 ? null : "ä".repeat(n),
  ...(n % 5 === 0 && { coupon: "spring" }),
  lines: globalThis.Array.from({ length: n % 3 }, (_, i) => ({ sku: `s-${i}`, amount: i })),
  labels: { b: n, a: 0 - n },
  by: n % 2 === 0 ? { _tag: "card", digits: "1234" } : { _tag: "cash", coins: n },
  more: { any: [n, null, "x"] }
})

/** Written under the first schema, and under the second. */
export const before = globalThis.Array.from({ length: 20 }, (_, n) => Update.insert(["a", n] as const, order(n), 1))
export const after = globalThis.Array.from(
  { length: 5 },
  (_, n) => Update.insert(["b", n] as const, { ...order(n), channel: "web" }, 2)
)
