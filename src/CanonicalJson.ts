/**
 * Canonical JSON: the text that equal JSON values share (RFC 8785).
 *
 * @internal
 */
import type { Schema } from "effect"
import * as Platform from "./Platform.ts"
import { loneSurrogate, refuse, reject } from "./Refusal.ts"

/** Deeper values are rejected. This also ends the traversal of a value that contains itself. */
const maxDepth = 1000

/** Throws `ValueOutOfRange`, in the name of the codec, for anything that is not a JSON value. */
export const canonical = (codec: string, value: unknown, depth = 0): string => {
  switch (typeof value) {
    case "string":
      return quote(codec, value)
    case "number":
      return Number.isFinite(value) ? String(value) : refuse(codec, `${value} is not a JSON number`)
    case "boolean":
      return value ? "true" : "false"
    case "object":
      if (value === null) return "null"
      if (depth === maxDepth) refuse(codec, `it is nested more than ${maxDepth} levels deep`)
      return Array.isArray(value) ? canonicalArray(codec, value, depth) : canonicalObject(codec, value, depth)
    default:
      return refuse(codec, `JSON has no ${typeof value}`)
  }
}

const canonicalArray = (codec: string, items: ReadonlyArray<unknown>, depth: number): string => {
  let text = "["
  for (let i = 0; i < items.length; i++) {
    if (i > 0) text += ","
    text += canonical(codec, items[i], depth + 1)
  }
  return text + "]"
}

const canonicalObject = (codec: string, value: object, depth: number): string => {
  if (!isPlain(value)) refuse(codec, "it has an object that is neither an array nor a plain object")
  const entries = value as Readonly<Record<string, unknown>>
  let text = "{"
  for (const key of sorted(Object.keys(entries))) {
    if (text.length > 1) text += ","
    text += quote(codec, key) + ":" + canonical(codec, entries[key], depth + 1)
  }
  return text + "}"
}

const isPlain = (value: object): boolean => {
  const prototype = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null
}

/** Many objects have their keys in this order already. */
const sorted = (keys: Array<string>): Array<string> => {
  for (let i = 1; i < keys.length; i++) if (keys[i - 1]! > keys[i]!) return keys.toSorted()
  return keys
}

/** What JSON writes as it is: no quotes, backslashes, control characters or surrogates. */
const plainText = /^[ !#-[\]-\ud7ff\ue000-\uffff]*$/

const quote = (codec: string, text: string): string => {
  if (plainText.test(text)) return `"${text}"`
  return text.isWellFormed() ? JSON.stringify(text) : refuse(codec, loneSurrogate)
}

export const readUtf8 = (codec: string, bytes: Uint8Array, start: number, end: number): string =>
  Platform.readUtf8(bytes, start, end) ?? reject(codec, `${end - start} bytes are not valid UTF-8`)

export const parseJson = (codec: string, bytes: Uint8Array, start: number, end: number): Schema.Json =>
  parseText(codec, readUtf8(codec, bytes, start, end))

export const parseText = (codec: string, text: string): Schema.Json => {
  try {
    return JSON.parse(text)
  } catch {
    // The parser's own message quotes the text.
    return reject(codec, "a text is not valid JSON")
  }
}
