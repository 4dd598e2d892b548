/**
 * Bytes as JSON: `{"$bytes":"<base64>"}`.
 *
 * @internal
 */
import type { Schema } from "effect"
import * as Platform from "./Platform.ts"

export const toJson = (bytes: Uint8Array): Schema.Json => ({ $bytes: Platform.toBase64(bytes) })

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** The bytes, or `undefined` for JSON of another form. */
export const fromJson = (json: Schema.Json): Uint8Array | undefined => {
  if (typeof json !== "object" || json === null || !("$bytes" in json)) return undefined
  const { $bytes } = json
  return typeof $bytes === "string" && base64.test($bytes) ? Platform.fromBase64($bytes) : undefined
}
