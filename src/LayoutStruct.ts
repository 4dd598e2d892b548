/**
 * Objects with known fields: first a bit for each field that may be left out, then the fields in their order.
 *
 * @internal
 */
import type { ByteWriter } from "./ByteWriter.ts"
import * as LayoutCode from "./LayoutCode.ts"
import type { LayoutInput } from "./LayoutInput.ts"
import { type Field, misfit, objectOf, type Part } from "./LayoutPart.ts"

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
    decode: decoder(fields, () => true, fixed, bitmap),
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
export const selected = (fields: ReadonlyArray<Field>, names: ReadonlySet<string>): LayoutCode.Read => {
  // The bytes after the last one need not be skipped.
  const last = fields.findLastIndex(({ name }) => names.has(name))
  const read = decoder(fields.slice(0, last + 1), (name) => names.has(name), {}, bitmapOf(fields))
  return (from) => {
    const found = read(from)
    from.offset = from.end
    return found
  }
}

const isSet = ({ bytes }: LayoutInput, at: number, bit: number): boolean =>
  (bytes[at + (bit >>> 3)]! & 1 << (bit & 7)) !== 0

/** The bits of the fields that may be left out. */
interface Bitmap {
  /** In bytes. */
  readonly size: number
  readonly begin: (into: ByteWriter) => number
  readonly skip: (from: LayoutInput) => number
}

const bitmapOf = (fields: ReadonlyArray<Field>): Bitmap => {
  const size = Math.ceil(fields.filter(({ isOptional }) => isOptional).length / 8)
  return {
    size,
    begin: (into) => {
      const at = into.length
      for (let i = 0; i < size; i++) into.u8(0)
      return at
    },
    skip: (from) => {
      const at = from.offset
      from.skip(size)
      return at
    }
  }
}

const decoder = (
  fields: ReadonlyArray<Field>,
  isWanted: (name: string) => boolean,
  fixed: Readonly<Record<string, unknown>>,
  bitmap: Bitmap
): LayoutCode.Read =>
  LayoutCode.reader(fields, isWanted, fixed, bitmap.size) ?? oneByOne(fields, isWanted, fixed, bitmap)

/** @internal For where no code may be made. */
export const oneByOne = (
  fields: ReadonlyArray<Field>,
  isWanted: (name: string) => boolean,
  fixed: Readonly<Record<string, unknown>>,
  bitmap: Bitmap
): LayoutCode.Read =>
(from) => {
  const at = bitmap.skip(from)
  const found: Record<string, unknown> = { ...fixed }
  let bit = 0
  for (const { isOptional, name, part } of fields) {
    if (isOptional && !isSet(from, at, bit++)) continue
    if (isWanted(name)) found[name] = part.decode(from)
    else part.skip(from)
  }
  return found
}
