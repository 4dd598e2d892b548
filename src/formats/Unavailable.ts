/**
 * The value that Debezium writes for a large column that did not change, and that Postgres therefore does not send.
 *
 * @internal
 */
import { Predicate, type Schema } from "effect"

type Json = Schema.Json

const placeholder = "__debezium_unavailable_value"

/** Its forms for texts, for bytes, and for arrays and maps of texts. */
const forms = new Set([
  placeholder,
  btoa(placeholder),
  JSON.stringify([placeholder]),
  JSON.stringify({ [placeholder]: placeholder })
])

const isUnavailable = (cell: Json): boolean => forms.has(typeof cell === "string" ? cell : JSON.stringify(cell))

export type Row = { readonly [name: string]: Json }

export const isRow = (row: Json): row is Row => Predicate.isReadonlyObject(row)

/** Whether a column of the row is missing. */
export const isIn = (row: Json): boolean => isRow(row) && Object.values(row).some(isUnavailable)

/** The row, with its missing columns copied from the previous row, as far as that has them. */
export const filled = (row: Json, before: Json): Json =>
  isRow(row) && isRow(before) && isIn(row)
    ? Object.fromEntries(
      Object.entries(row).map(([name, cell]) => [name, isUnavailable(cell) ? before[name] ?? cell : cell])
    )
    : row
