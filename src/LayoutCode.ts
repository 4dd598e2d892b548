/**
 * Code that reads objects with known fields. It is made for one list of fields, so that the engine knows the shape of the
 * object and the target of every call. A loop over the fields takes about twice as long.
 *
 * Content policies may forbid code that is made at run time. There is none then, and the loop reads the fields.
 *
 * @internal
 */
import type { LayoutInput } from "./LayoutInput.ts"
import type { Field } from "./LayoutPart.ts"

export type Read = (from: LayoutInput) => Record<string, unknown>

type Make = (parts: ReadonlyArray<Field["part"]>, fixed: Readonly<Record<string, unknown>>) => Read

/**
 * Reads the fields in order, behind as many bytes of bits; those that are not wanted are skipped. The constants come first.
 * Undefined where such code must not be made.
 */
export const reader = (
  fields: ReadonlyArray<Field>,
  isWanted: (name: string) => boolean,
  fixed: Readonly<Record<string, unknown>>,
  bitmapBytes: number
): Read | undefined => {
  if (fields.length > mostFields) return undefined
  try {
    // oxlint-disable-next-line typescript/no-implied-eval -- the names of fields are the only data in it, as JSON texts
    const make = new Function("parts", "fixed", sourceOf(fields, isWanted, Object.keys(fixed), bitmapBytes)) as Make
    return make(fields.map(({ part }) => part), fixed)
  } catch {
    return undefined
  }
}

/** Longer code would not be optimised. */
const mostFields = 200

const sourceOf = (
  fields: ReadonlyArray<Field>,
  isWanted: (name: string) => boolean,
  fixed: ReadonlyArray<string>,
  bitmapBytes: number
): string => {
  const functions: Array<string> = fixed.map((name, i) => `const c${i} = fixed[${JSON.stringify(name)}];`)
  const body: Array<string> = []
  const properties = fixed.map((name, i) => `${JSON.stringify(name)}: c${i}`)
  const firstOptional = fields.findIndex(({ isOptional }) => isOptional)
  const always = firstOptional < 0 ? fields.length : firstOptional
  let bit = 0
  fields.forEach(({ isOptional, name }, i) => {
    const wanted = isWanted(name)
    functions.push(`const f${i} = parts[${i}].${wanted ? "decode" : "skip"};`)
    if (i < always) {
      body.push(wanted ? `const v${i} = f${i}(from);` : `f${i}(from);`)
      if (wanted) properties.push(`${JSON.stringify(name)}: v${i}`)
      return
    }
    const read = wanted ? `object[${JSON.stringify(name)}] = f${i}(from)` : `f${i}(from)`
    body.push(isOptional ? `if ((from.bytes[at + ${bit >>> 3}] & ${1 << (bit & 7)}) !== 0) ${read};` : `${read};`)
    if (isOptional) bit++
  })
  body.splice(always, 0, `const object = { ${properties.join(", ")} };`)
  return `"use strict"
${functions.join("\n")}
return (from) => {
const at = from.offset;
from.skip(${bitmapBytes});
${body.join("\n")}
return object
}`
}
