/**
 * Keys and values as cells of a table.
 *
 * @internal
 */
import type { Schema } from "effect"

/** Texts as they are, anything else as JSON. */
export const cell = (value: Schema.Json): string => typeof value === "string" ? value : JSON.stringify(value)
