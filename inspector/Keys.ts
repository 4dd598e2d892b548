/**
 * What a search finds, by the codec of the keys.
 */
import type { Json, Keys } from "./Api.ts"

const parsed = (text: string): Json | undefined => {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}

/** Texts by their beginning, tuples by their first parts, all other keys as a whole. `undefined` if it is not such a key. */
export const wanted = (codec: string, text: string): Keys | undefined => {
  if (text === "") return {}
  if (codec === "string") return { prefix: JSON.stringify(text) }
  const json = parsed(text)
  if (codec.startsWith("tuple(")) {
    return { prefix: JSON.stringify(Array.isArray(json) ? json : [json ?? text]) }
  }
  return json === undefined ? undefined : { from: JSON.stringify(json) }
}

/** What may be typed, for people. */
export const hint = (codec: string): string => {
  if (codec === "string") return "begins with ..."
  return codec.startsWith("tuple(") ? `first parts, as ["a",1]` : "from this key on, as JSON"
}
