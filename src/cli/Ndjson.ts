/**
 * Lines of input for `ingest`, each checked as strictly as the library checks its arguments.
 *
 * @internal
 */
import type { Schema } from "effect"
import * as Frontier from "../Frontier.ts"
import type { Update } from "../Update.ts"
import { lineOf } from "./Failure.ts"

type Json = Schema.Json

/** What a line says. */
export type Line =
  | { readonly _tag: "Row"; readonly update: Update<Json, Json> }
  | { readonly _tag: "Seal"; readonly upper: Frontier.Frontier }
  | { readonly _tag: "Blank" }
  | { readonly _tag: "Bad"; readonly detail: string }

const decoder = new TextDecoder("utf-8", { fatal: true })

const fields = new Set(["key", "value", "time", "diff"])

export const parse = (bytes: Uint8Array): Line => {
  let text: string
  try {
    text = decoder.decode(bytes)
  } catch {
    return bad("it is not UTF-8")
  }
  if (text.trim() === "") return { _tag: "Blank" }
  try {
    return ofJson(JSON.parse(text))
  } catch (error) {
    return bad(`it is not JSON: ${lineOf(error)}`)
  }
}

const ofJson = (json: unknown): Line => {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    return bad(`it must be {"key":...,"value":...,"time":n,"diff":n} or {"seal":n}`)
  }
  return "seal" in json ? seal(json) : row(json)
}

const seal = (json: { readonly seal: unknown }): Line => {
  if (Object.keys(json).length > 1) return bad(`a seal has no other field than "seal"`)
  // What `tail` prints of a collection that is finished.
  if (json.seal === "empty") return { _tag: "Seal", upper: Frontier.empty }
  return Frontier.isTimestamp(json.seal)
    ? { _tag: "Seal", upper: json.seal + 0 }
    : bad(`"seal" must be an integer from 0 to 2^53 - 1, but is ${shown(json.seal)}`)
}

const row = (json: object): Line => {
  const unknown = Object.keys(json).find((field) => !fields.has(field))
  if (unknown !== undefined) return bad(`it has an unknown field ${shown(unknown)}`)
  const { diff = 1, key, time, value }: { key?: Json; value?: Json; time?: unknown; diff?: unknown } = json
  if (key === undefined) return bad(`"key" is missing`)
  if (value === undefined) return bad(`"value" is missing`)
  if (time === undefined) return bad(`"time" is missing`)
  if (!Frontier.isTimestamp(time)) return bad(`"time" must be an integer from 0 to 2^53 - 1, but is ${shown(time)}`)
  if (typeof diff !== "number" || !Number.isSafeInteger(diff)) {
    return bad(`"diff" must be an integer within 2^53 - 1, but is ${shown(diff)}`)
  }
  // Adding 0 makes 0 of -0.
  return { _tag: "Row", update: { key, value, time: time + 0, diff: diff + 0 } }
}

const bad = (detail: string): Line => ({ _tag: "Bad", detail })

/** A short form of a wrong value. */
const shown = (value: unknown): string => {
  const text = JSON.stringify(value)
  return text.length > 40 ? `${text.slice(0, 40)}...` : text
}
