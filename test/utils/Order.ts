/**
 * A typed row as applications have them: texts, a literal, a number, a date, a list.
 */
import { Schema } from "effect"

export const Order = Schema.Struct({
  id: Schema.String,
  customer: Schema.String,
  status: Schema.Literals(["new", "paid", "sent"]),
  total: Schema.Finite,
  placed: Schema.Date,
  lines: Schema.Array(Schema.Struct({ sku: Schema.String, amount: Schema.Int }))
})
export type Order = typeof Order.Type
