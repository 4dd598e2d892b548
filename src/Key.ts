/**
 * Codecs of keys that sort as the values do, alone and as parts of a tuple.
 *
 * @since 0.1.0
 */
import type { Codec, OrderedCodec } from "./CodecModel.ts"
import * as Ordered from "./Ordered.ts"
import { boundsBelow } from "./PlainCodec.ts"
import { reject } from "./Refusal.ts"

/** @internal Values that stand alone. */
export const alone = <A>(ordered: Ordered.Ordered<A>): OrderedCodec<A> => ({
  name: ordered.name,
  document: undefined,
  fingerprint: undefined,
  encode: ordered.encode,
  decode: (bytes, start, end) => wholly(ordered.name, { bytes, offset: start, end }, ordered.decode),
  ordered
})

/** What is decoded from all of the bytes. */
const wholly = <A>(codec: string, from: Ordered.Input, decode: (from: Ordered.Input) => A): A => {
  const value = decode(from)
  return from.offset === from.end ? value : reject(codec, `${from.end - from.offset} bytes are left over`)
}

/**
 * Numbers, in bytes that sort as they do: nine of them. Infinities are numbers; `-0` is stored as `0`, as the two are
 * equal; `NaN` is not ordered, and is rejected.
 *
 * @category ordered codecs
 * @since 0.1.0
 */
export const number: OrderedCodec<number> = alone(Ordered.number)

/**
 * Dates, in bytes that sort as they do. An invalid date is rejected.
 *
 * @category ordered codecs
 * @since 0.1.0
 */
export const date: OrderedCodec<Date> = alone(Ordered.date)

/**
 * `false` before `true`, in one byte.
 *
 * @category ordered codecs
 * @since 0.1.0
 */
export const boolean: OrderedCodec<boolean> = alone(Ordered.boolean)

/**
 * One of some values: `null` sorts first, then texts, numbers and booleans, each among themselves as ever. Throws
 * `ValueOutOfRange` for no literals at all, and for numbers that are not finite.
 *
 * @category ordered codecs
 * @since 0.1.0
 */
export const literals = <const A extends string | number | boolean | null>(
  values: ReadonlyArray<A>
): OrderedCodec<A> => alone(Ordered.literals(values))

/**
 * `null`, which sorts first, or a value of another ordered codec.
 *
 * @category ordered codecs
 * @since 0.1.0
 */
export const nullOr = <A>(of: OrderedCodec<A>): OrderedCodec<A | null> => alone(Ordered.nullOr(Ordered.of(of.ordered)))

/**
 * Keys of several parts, which sort by the first part, then by the second, and so on: texts by code point, numbers and
 * dates by size. Parts are `string`, `bytes`, `number`, `date`, `boolean`, `literals`, `nullOr`, and tuples again. The
 * name of the codec lists its parts, so that opening a collection with other parts fails with `CodecMismatch`, and
 * tools can print keys without the program.
 *
 * @example
 * ```ts run
 * import { Effect, Stream } from "effect"
 * import { Codec, MemoryStorage, PersistClient, Update } from "tidemark"
 *
 * const program = Effect.gen(function*() {
 *   const persist = yield* PersistClient.make()
 *   const steps = yield* persist.createOrLoad("steps", {
 *     key: Codec.tuple([Codec.string, Codec.number]),
 *     value: Codec.string
 *   })
 *   yield* steps.append([
 *     Update.insert(["session-1", 10], "pay", 1),
 *     Update.insert(["session-1", 9], "look", 1),
 *     Update.insert(["session-2", 1], "look", 1)
 *   ])
 *   const rows = yield* Stream.runCollect(steps.range({ prefix: ["session-1"] }))
 *   if (rows.map(([, value]) => value).join() !== "look,pay") throw new Error("in the order of numbers")
 * })
 * await Effect.runPromise(Effect.scoped(Effect.provide(program, MemoryStorage.layer)))
 * ```
 *
 * @category ordered codecs
 * @since 0.1.0
 */
export const tuple = <A extends ReadonlyArray<unknown> | []>(
  parts: { readonly [I in keyof A]: OrderedCodec<A[I]> }
): OrderedCodec<Readonly<A>> => {
  const ordered = Ordered.tuple((parts as ReadonlyArray<OrderedCodec<unknown>>).map((part) => Ordered.of(part.ordered)))
  return ofTuple(ordered) as Codec<unknown> as OrderedCodec<Readonly<A>>
}

/** @internal */
export const ofTuple = (ordered: Ordered.Tuple<ReadonlyArray<unknown>>): OrderedCodec<ReadonlyArray<unknown>> => ({
  name: ordered.name,
  document: undefined,
  fingerprint: undefined,
  encode: (value, into) => ordered.encodeParts(ordered.check(value), into),
  decode: (bytes, start, end) => wholly(ordered.name, { bytes, offset: start, end }, ordered.decodeParts),
  // No part begins with this byte, but one that follows a zero byte inside a text does.
  prefixed: (prefix) => boundsBelow(0xff, (into) => ordered.encodeParts(prefix, into)),
  ordered
})
