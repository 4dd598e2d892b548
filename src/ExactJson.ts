/**
 * JSON without rounding: numbers beyond 2^53 that a double cannot represent are marked as inexact.
 *
 * @internal
 */

/** A number that no double holds as it is written. */
export class Inexact {
  readonly source: string
  constructor(source: string) {
    this.source = source
  }
}

/** What a text says, and whether any of its numbers is an `Inexact`. Throws as `JSON.parse` does. */
export const parse = (text: string): { readonly json: unknown; readonly isInexact: boolean } => {
  // Asking for the source of every number is slow, and few texts need it.
  if (!suspect.test(text)) return { json: JSON.parse(text), isInexact: false }
  let isInexact = false
  const json: unknown = JSON.parse(text, (_name: string, value: unknown, context?: { readonly source?: string }) => {
    const source = context?.source
    if (typeof value !== "number" || source === undefined || isExact(value, source)) return value
    isInexact = true
    return new Inexact(source)
  })
  return { json, isInexact }
}

/** The steps to the first number of a text that would be rounded, or `undefined`. Throws as `JSON.parse` does. */
export const findInexact = (text: string): ReadonlyArray<string> | undefined => {
  const { isInexact, json } = suspect.test(text) ? parse(text) : { isInexact: false, json: undefined }
  if (!isInexact) return undefined
  const left: Array<{ readonly path: ReadonlyArray<string>; readonly value: unknown }> = [{ path: [], value: json }]
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const { path, value } = next
    if (value instanceof Inexact) return path
    if (typeof value !== "object" || value === null) continue
    left.push(...Object.entries(value).map(([step, each]) => ({ path: [...path, step], value: each })).toReversed())
  }
  return undefined
}

const suspect = /\d{16}|[eE]\+?\d{3}/
const plain = /^-?\d+(?:\.\d+)?$/

/**
 * Only integers must be exact. Every reader of JSON rounds fractions, and numbers with exponents are not taken as
 * integers.
 */
const isExact = (value: number, source: string): boolean =>
  Number.isFinite(value) &&
  (Math.abs(value) <= Number.MAX_SAFE_INTEGER || !plain.test(source) || String(value) === source)

/** Whether there is an `Inexact` in it. */
export const hasInexact = (json: unknown): boolean => {
  const left = [json]
  for (let value = left.pop(); value !== undefined; value = left.pop()) {
    if (value instanceof Inexact) return true
    if (typeof value === "object" && value !== null) left.push(...Object.values(value))
  }
  return false
}

/**
 * Whether a number that was made of a text in `source`, and is now somewhere in `decoded`, was rounded: it is an integer beyond
 * 2^53, and no text has its digits. Texts without so many digits cost a look at them.
 */
export const isRounded = (source: unknown, decoded: unknown): boolean => {
  const texts = leaves(source).filter((leaf) => typeof leaf === "string").filter((text) => manyDigits.test(text))
  if (texts.length === 0) return false
  return leaves(decoded).some((leaf) =>
    typeof leaf === "number" && Number.isInteger(leaf) && !Number.isSafeInteger(leaf) &&
    !texts.some((text) => text.includes(plainDigits(leaf)))
  )
}

const manyDigits = /\d{16}/

/** As texts have it: without an exponent. */
const plainDigits = (value: number): string => BigInt(value).toString()

/** What is no object, in `value` and all that is in it. */
const leaves = (value: unknown): ReadonlyArray<unknown> => {
  const left = [value]
  const found: Array<unknown> = []
  const seen = new Set<unknown>()
  for (let next = left.pop(); left.length > 0 || next !== undefined; next = left.pop()) {
    if (typeof next !== "object" || next === null) found.push(next)
    else if (!seen.has(next)) {
      seen.add(next)
      left.push(...(next instanceof Map ? [...next].flat() : next instanceof Set ? [...next] : Object.values(next)))
    }
  }
  return found
}

/** Why such a number is rejected. */
export const refusal = "holds a number beyond 2^53 that would be rounded: write it as a text"
