/**
 * The schemas that Kafka Connect sends with its JSON: the types of numbers that JSON cannot represent, and defaults.
 *
 * @internal
 */
import { Predicate, type Schema } from "effect"
import * as ExactJson from "../ExactJson.ts"
import * as Platform from "../Platform.ts"
import * as Decimal from "./Decimal.ts"

type Json = Schema.Json
type Fields = { readonly [name: string]: Json }

export const isObject = (value: unknown): value is Fields =>
  Predicate.isReadonlyObject(value) && !(value instanceof ExactJson.Inexact)

const fieldsOf = (schema: Json | undefined): ReadonlyMap<unknown, Fields> => {
  const fields = isObject(schema) ? schema["fields"] : undefined
  return new Map(Array.isArray(fields) ? fields.filter(isObject).map((field) => [field["field"], field]) : [])
}

const decimalName = "org.apache.kafka.connect.data.Decimal"
const variableName = "io.debezium.data.VariableScaleDecimal"

const maxScale = 1000

/** A decimal as a text, or `undefined` where it is none. */
const decimalOf = (bytes: unknown, scale: number): string | undefined =>
  typeof bytes === "string" && Number.isInteger(scale) && scale >= 0 && scale <= maxScale
    ? Decimal.text(Decimal.ofBytes(Platform.fromBase64(bytes)), scale)
    : undefined

/**
 * A value converted by its schema: 64-bit integers that would be rounded, and decimals, become texts with all their
 * digits.
 */
export const carried = (value: Json | ExactJson.Inexact | undefined, schema: Json | undefined): Json | undefined => {
  const { items, name, parameters, type }: Fields = isObject(schema) ? schema : {}
  // Remaining ones are rejected later.
  if (value instanceof ExactJson.Inexact) return type === "int64" ? value.source : value as unknown as Json
  if (name === decimalName && isObject(parameters)) return decimalOf(value, Number(parameters["scale"])) ?? value
  if (Array.isArray(value)) return value.map((item: Json) => carried(item, items) ?? null)
  if (!isObject(value)) return value
  if (name === variableName) return decimalOf(value["value"], Number(value["scale"])) ?? value
  const schemas = fieldsOf(schema)
  if (schemas.size === 0) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, cell]) => [name, carried(cell, schemas.get(name)) ?? null])
  )
}

const isWrapped = (value: unknown): value is Fields => isObject(value) && "schema" in value && "payload" in value

/** The payload of a message, without its schema. */
export const payload = (value: Json | undefined): Json =>
  (isWrapped(value) ? carried(value["payload"], value["schema"]) : value) ?? null

/** The default values of the columns of the row `before`. */
export const defaults = (value: Json | undefined): ReadonlyMap<string, Json> => {
  if (!isWrapped(value)) return new Map()
  const columns = fieldsOf(fieldsOf(value["schema"]).get("before"))
  return new Map(
    [...columns.values()].flatMap((field) =>
      "default" in field ? [[String(field["field"]), carried(field["default"], field) ?? null]] : []
    )
  )
}
