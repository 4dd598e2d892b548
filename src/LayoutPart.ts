/**
 * The parts that codecs of layouts are put together from. The same ones write JSON and the values of a schema: the two
 * differ in dates, in what is undefined, and in what only the schema itself can encode.
 *
 * A part writes the values that its layout can represent, and throws `misfit` for all others.
 *
 * @internal
 */
import { Predicate } from "effect"
import type { ByteWriter } from "./ByteWriter.ts"
import { canonical, parseText } from "./CanonicalJson.ts"
import * as Layout from "./Layout.ts"
import type { LayoutInput } from "./LayoutInput.ts"
import * as Platform from "./Platform.ts"
import { reject } from "./Refusal.ts"

export interface Part {
  readonly encode: (value: unknown, into: ByteWriter) => void
  readonly decode: (from: LayoutInput) => unknown
  readonly skip: (from: LayoutInput) => void
}

/** A field of an object. */
export interface Field {
  readonly name: string
  readonly part: Part
  readonly isOptional: boolean
}

/** Thrown for a value that the layout cannot represent. One shared object, which the writing codec catches. */
export class Misfit extends Error {}

const one = new Misfit("the layout has no place for a value")

export const misfit = (): never => {
  throw one
}

export const string: Part = {
  encode: (value, into) => {
    if (typeof value !== "string" || !into.markedText(value)) misfit()
  },
  decode: (from) => from.text(),
  skip: (from) => from.skipText()
}

export const number: Part = {
  encode: (value, into) => {
    if (typeof value !== "number" || !Number.isFinite(value)) return misfit()
    // JSON has no -0.
    into.f64(value + 0)
  },
  decode: (from) => {
    const value = from.f64()
    return Number.isFinite(value) ? value : reject("schema", "a number is not finite")
  },
  skip: (from) => from.skip(8)
}

const intLimit = 2 ** 52

/** 0, -1, 1, -2, 2 and so on are 0, 1, 2, 3, 4. */
export const int: Part = {
  encode: (value, into) => {
    if (!Number.isInteger(value)) return misfit()
    const integer = value as number
    if (integer >= intLimit || integer <= -intLimit) misfit()
    into.varint(integer >= 0 ? integer * 2 : integer * -2 - 1)
  },
  decode: (from) => {
    const folded = from.varint()
    return folded % 2 === 0 ? folded / 2 : -(folded + 1) / 2
  },
  skip: (from) => void from.varint()
}

export const boolean: Part = {
  encode: (value, into) => {
    if (typeof value !== "boolean") return misfit()
    into.u8(value ? 1 : 0)
  },
  decode: (from) => flag(from),
  skip: (from) => from.skip(1)
}

const flag = (from: LayoutInput): boolean => {
  const byte = from.u8()
  return byte === 1 || byte !== 0 && reject("schema", "a byte is neither 0 nor 1")
}

export const date: Part = {
  encode: (value, into) => {
    if (!Predicate.isDate(value)) return misfit()
    const milliseconds = value.getTime()
    if (Number.isNaN(milliseconds)) misfit()
    into.f64(milliseconds)
  },
  decode: (from) => dateOf(from),
  skip: (from) => from.skip(8)
}

const dateOf = (from: LayoutInput): Date =>
  Platform.dateOf(from.f64()) ?? reject("schema", "a number of milliseconds is of no date")

/** The text of a date as JSON has it. */
export const dateText: Part = {
  encode: (value, into) => {
    const found = typeof value === "string" ? Platform.dateOf(value) : undefined
    if (found === undefined || found.toISOString() !== value) return misfit()
    into.f64(found.getTime())
  },
  decode: (from) => dateOf(from).toISOString(),
  skip: (from) => from.skip(8)
}

export const json: Part = {
  encode: (value, into) => {
    if (!into.markedText(canonical("schema", value))) misfit()
  },
  decode: (from) => parseText("schema", from.text()),
  skip: (from) => from.skipText()
}

export const literals = (values: ReadonlyArray<Layout.Literal>): Part => {
  const indexes = new Map<unknown, number>(values.map((value, index) => [value, index]))
  return {
    encode: (value, into) => into.u8(indexes.get(value) ?? misfit()),
    decode: (from) => values[from.u8()] ?? reject("schema", "a literal has an unknown index"),
    skip: (from) => from.skip(1)
  }
}

/** `nothing` is what stands for the absence: `null`, or `undefined` where JSON has a `null`. */
export const nullable = (nothing: null | undefined, part: Part): Part => ({
  encode: (value, into) => {
    into.u8(value === nothing ? 0 : 1)
    if (value !== nothing) part.encode(value, into)
  },
  decode: (from) => flag(from) ? part.decode(from) : nothing,
  skip: (from) => {
    if (flag(from)) part.skip(from)
  }
})

export const array = (part: Part): Part => ({
  encode: (value, into) => {
    if (!Array.isArray(value)) return misfit()
    into.varint(value.length)
    for (let i = 0; i < value.length; i++) part.encode(value[i], into)
  },
  decode: (from) => {
    const count = from.count()
    const values: Array<unknown> = []
    for (let i = 0; i < count; i++) values.push(part.decode(from))
    return values
  },
  skip: (from) => {
    const count = from.count()
    for (let i = 0; i < count; i++) part.skip(from)
  }
})

export const tuple = (parts: ReadonlyArray<Part>): Part => ({
  encode: (value, into) => {
    if (!Array.isArray(value) || value.length !== parts.length) return misfit()
    for (let i = 0; i < parts.length; i++) parts[i]!.encode(value[i], into)
  },
  decode: (from) => parts.map((part) => part.decode(from)),
  skip: (from) => {
    for (const part of parts) part.skip(from)
  }
})

export const record = (part: Part): Part => ({
  encode: (value, into) => {
    const entries = objectOf(value)
    const names = Object.keys(entries).toSorted()
    into.varint(names.length)
    for (const name of names) {
      string.encode(name, into)
      part.encode(entries[name], into)
    }
  },
  decode: (from) => {
    const count = from.count()
    const found: Record<string, unknown> = {}
    for (let i = 0; i < count; i++) put(found, from.text(), part.decode(from))
    return found
  },
  skip: (from) => {
    const count = from.count()
    for (let i = 0; i < count; i++) {
      from.skipText()
      part.skip(from)
    }
  }
})

/** A property of its own, whatever its name. */
const put = (object: Record<string, unknown>, name: string, value: unknown): void => {
  if (Layout.isFieldName(name)) object[name] = value
  else Object.defineProperty(object, name, { value, configurable: true, enumerable: true, writable: true })
}

export const objectOf = (value: unknown): Readonly<Record<string, unknown>> =>
  Predicate.isReadonlyObject(value) ? value : misfit()

/** Objects by the literal in a field, which each of the parts leaves out. */
export const union = (tag: string, members: ReadonlyArray<readonly [Layout.Literal, Part]>): Part => {
  const indexes = new Map<unknown, number>(members.map(([literal], index) => [literal, index]))
  const memberOf = (from: LayoutInput): Part =>
    (members[from.u8()] ?? reject("schema", "a member of a union has an unknown index"))[1]
  return {
    encode: (value, into) => {
      const index = indexes.get(objectOf(value)[tag]) ?? misfit()
      into.u8(index)
      members[index]![1].encode(value, into)
    },
    decode: (from) => memberOf(from).decode(from),
    skip: (from) => memberOf(from).skip(from)
  }
}
