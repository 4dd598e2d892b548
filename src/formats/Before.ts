/**
 * Checks rows `before` a change, as Debezium receives them from Postgres: they are complete only with `REPLICA IDENTITY
 * FULL`. With the default identity they have the key, and null for every other column. A column that may not be null
 * has its default instead, or an empty value of its type.
 *
 * @internal
 */
import type { Schema } from "effect"
import { canonicalJson } from "../Codec.ts"
import * as Unavailable from "./Unavailable.ts"

type Json = Schema.Json

export interface Removal {
  readonly key: Json
  readonly before: Json
  /** The defaults of the table's columns, as far as the message contains them. */
  readonly defaults: ReadonlyMap<string, Json>
  /** Identifies the table, as far as the message does. */
  readonly table: string
}

const advice = "give the table REPLICA IDENTITY FULL, or read changes"

/** Empty texts, and the zeros of numbers, decimals, dates and identifiers. */
const emptyText = /^(?:-?[0.]*|[0-]+|1970-01-01T00:00:00(?:\.0+)?Z|00:00:00(?:\.0+)?Z)$/

const isEmpty = (value: Json): boolean => {
  if (typeof value === "string") return emptyText.test(value)
  return typeof value === "object" && value !== null ? Object.keys(value).length === 0 : !value
}

const isSame = (a: Json, b: Json): boolean => canonicalJson(a) === canonicalJson(b)

const columnsOf = (row: Unavailable.Row): string => JSON.stringify(Object.keys(row).toSorted())

const identify = (table: string, row: Unavailable.Row): string => `${table} ${columnsOf(row)}`

/** Observes the rows of a flow, and reports why a row `before` cannot be trusted to be what the table had, if so. */
export const make = () => {
  /** Tables whose rows are known to be complete: one had more than its key, or tables have no other columns. */
  const whole = new Set<string>()

  return {
    /** Learns from a row `after` a change, which is always complete. */
    inserted: (table: string, key: Json, after: Json): void => {
      if (Unavailable.isRow(key) && Unavailable.isRow(after) && columnsOf(key) === columnsOf(after)) {
        whole.add(identify(table, after))
      }
    },
    violation: ({ before, defaults, key, table }: Removal): string | undefined => {
      if (before === null) return `it has no row \`before\`; ${advice}`
      if (Unavailable.isIn(before)) return `its row \`before\` is without a large column; ${advice}`
      if (!Unavailable.isRow(before) || !Unavailable.isRow(key)) return undefined
      const columns = Object.entries(before)
      if (columns.some(([name, value]) => name in key && !isSame(value, key[name]!))) {
        return `its row \`before\` has another key than the message; ${advice}`
      }
      const saysMore = ([name, value]: readonly [string, Json]) =>
        !(name in key) && !isEmpty(value) && !(defaults.has(name) && isSame(value, defaults.get(name)!))
      if (columns.some(saysMore)) whole.add(identify(table, before))
      return whole.has(identify(table, before))
        ? undefined
        : `its row \`before\` may be no more than the key; ${advice}`
    }
  }
}
