/**
 * Objects with known fields: first a bit for each field that may be left out, then the fields in their order.
 *
 * @internal
 */
import type { ByteWriter } from "./ByteWriter.ts"
import type { LayoutInput } from "./LayoutInput.ts"
import { misfit, objectOf, type Part } from "./LayoutPart.ts"

export interface Field {
  readonly name: string
  readonly part: Part
  readonly isOptional: boolean
}

/** What else is to be known of an object. */
export interface Shape {
  /** Fields that are not written, as all objects of the shape have the same in them. */
  readonly fixed: Readonly<Record<string, unknown>>
  /** Whether a value has fields that cannot be written. */
  readonly hasOthers: (value: Readonly<Record<string, unknown>>, present: number) => boolean
}

export const struct = (fields: ReadonlyArray<Field>, { fixed, hasOthers }: Shape): Part => {
  const bitmap = bitmapOf(fields)
  return {
    encode: (value, into) => {
      const object = objectOf(value)
      const at = bitmap.begin(into)
      let present = 0
      let bit = 0
      for (const { isOptional, name, part } of fields) {
        const field = object[name]
        if (field === undefined && !Object.hasOwn(object, name)) {
          if (!isOptional) misfit()
        } else {
          present++
          if (isOptional) into.bytes[at + (bit >>> 3)]! |= 1 << (bit & 7)
          part.encode(field, into)
        }
        if (isOptional) bit++
      }
      if (hasOthers(object, present)) misfit()
    },
    decode: decoder(fields, fixed),
    skip: (from) => {
      const at = bitmap.skip(from)
      let bit = 0
      for (const { isOptional, part } of fields) {
        if (!isOptional || isSet(from, at, bit++)) part.skip(from)
      }
    }
  }
}

/** Reads some of the fields, and skips the others. */
export const selected = (
  fields: ReadonlyArray<Field>,
  names: ReadonlySet<string>
): (from: LayoutInput) => Readonly<Record<string, unknown>> => {
  const bitmap = bitmapOf(fields)
  // The bytes after the last one need not be skipped.
  const last = fields.findLastIndex(({ name }) => names.has(name))
  const read = fields.slice(0, last + 1)
  return (from) => {
    const at = bitmap.skip(from)
    const found: Record<string, unknown> = {}
    let bit = 0
    for (const { isOptional, name, part } of read) {
      if (isOptional && !isSet(from, at, bit++)) continue
      if (names.has(name)) found[name] = part.decode(from)
      else part.skip(from)
    }
    from.offset = from.end
    return found
  }
}

const isSet = ({ bytes }: LayoutInput, at: number, bit: number): boolean =>
  (bytes[at + (bit >>> 3)]! & 1 << (bit & 7)) !== 0

/** The bits of the fields that may be left out. */
const bitmapOf = (fields: ReadonlyArray<Field>) => {
  const size = Math.ceil(fields.filter(({ isOptional }) => isOptional).length / 8)
  return {
    begin: (into: ByteWriter): number => {
      const at = into.length
      for (let i = 0; i < size; i++) into.u8(0)
      return at
    },
    skip: (from: LayoutInput): number => {
      const at = from.offset
      from.skip(size)
      return at
    }
  }
}

const decoder = (fields: ReadonlyArray<Field>, fixed: Readonly<Record<string, unknown>>): Part["decode"] => {
  const bitmap = bitmapOf(fields)
  return (from) => {
    const at = bitmap.skip(from)
    const found: Record<string, unknown> = { ...fixed }
    let bit = 0
    for (const { isOptional, name, part } of fields) {
      if (!isOptional || isSet(from, at, bit++)) found[name] = part.decode(from)
    }
    return found
  }
}
