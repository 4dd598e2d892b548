/**
 * Converts between the rows of a format, which are JSON, and those of an application, which have types.
 *
 * @since 0.1.0
 */
import { Effect, Result, Schema, Stream } from "effect"
import type { CollectionEvent } from "../client/CollectionEvent.ts"
import * as ExactJson from "../ExactJson.ts"
import { InvalidInput, ValueOutOfRange } from "../PersistError.ts"
import * as Update from "../Update.ts"

/**
 * The schemas of keys and values.
 *
 * @category models
 * @since 0.1.0
 */
export interface Schemas<K, V> {
  readonly key: Schema.Codec<K, unknown>
  readonly value: Schema.Codec<V, unknown>
}

/**
 * Gives the rows of a format their types. A row that does not fit the schemas fails with `InvalidInput`, as
 * `SchemaDrift`; its batch is not emitted. The same applies if a schema, such as `Schema.NumberFromString`, converts a
 * text to an integer beyond 2^53 that differs from the text.
 *
 * @see {@link encode}
 *
 * @example
 * ```ts
 * import { Effect, Schema, Stream } from "effect"
 * import { Ndjson, Typed } from "tidemark/formats"
 *
 * const line = `{"key":"o-1","value":{"placed":"2026-01-01T00:00:00.000Z"},"time":1}`
 * const orders = Stream.make(new TextEncoder().encode(line)).pipe(
 *   Ndjson.decode,
 *   Typed.decode({ key: Schema.String, value: Schema.Struct({ placed: Schema.Date }) })
 * )
 *
 * const [event] = await Effect.runPromise(Stream.runCollect(orders))
 * if (event?._tag !== "Updates" || event.updates[0]?.value.placed.getUTCFullYear() !== 2026) throw new Error("2026")
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const decode = <K, V>({ key, value }: Schemas<K, V>) => {
  const decodeKey = Schema.decodeUnknownResult(Schema.toCodecJson(key))
  const decodeValue = Schema.decodeUnknownResult(Schema.toCodecJson(value))
  return convert(
    (row, place) => exactly(row.key, decodeKey(row.key), place, "key"),
    (row, place) => exactly(row.value, decodeValue(row.value), place, "value")
  )
}

/** The result of a schema for a part of a row, unless it does not fit, or a text became a number with another value. */
const exactly = <A, E>(
  source: unknown,
  decoded: Result.Result<A, E>,
  place: number,
  part: string
): Result.Result<A, InvalidInput> => {
  if (Result.isFailure(decoded)) return Result.fail(drift(place, part, "does not fit the schema"))
  return ExactJson.isRounded(source, decoded.success)
    ? Result.fail(drift(place, part, rounded))
    : Result.succeed(decoded.success)
}

const rounded = "holds a number beyond 2^53 that the schema would round: read it as a text, or as a BigInt"

/**
 * Encodes rows that have types as JSON, for the formats. A value that its schema does not encode fails with
 * `ValueOutOfRange`.
 *
 * @see {@link decode}
 *
 * @category combinators
 * @since 0.1.0
 */
export const encode = <K, V>({ key, value }: Schemas<K, V>) => {
  const encodeKey = Schema.encodeUnknownResult(Schema.toCodecJson(key))
  const encodeValue = Schema.encodeUnknownResult(Schema.toCodecJson(value))
  return convert<K, V, Schema.Json, Schema.Json, ValueOutOfRange>(
    (row) => Result.mapError(encodeKey(row.key), () => refuse("a key")),
    (row) => Result.mapError(encodeValue(row.value), () => refuse("a value"))
  )
}

const drift = (row: number, part: string, what: string) =>
  new InvalidInput({ format: "typed", place: `row ${row}`, reason: "SchemaDrift", detail: `its ${part} ${what}` })

const refuse = (what: string) => new ValueOutOfRange({ what, detail: "it does not fit its schema" })

type Step<K, V> = readonly [seen: number, events: ReadonlyArray<CollectionEvent<K, V>>]

/** Converts the rows of a flow, which are counted from 1. */
const convert = <K, V, K2, V2, E2>(
  keyOf: (row: Update.Update<K, V>, place: number) => Result.Result<K2, E2>,
  valueOf: (row: Update.Update<K, V>, place: number) => Result.Result<V2, E2>
) =>
<E, R>(flow: Stream.Stream<CollectionEvent<K, V>, E, R>): Stream.Stream<CollectionEvent<K2, V2>, E | E2, R> =>
  Stream.mapAccumEffect(flow, () => 0, (seen, event) => {
    if (event._tag !== "Updates") return Effect.succeed<Step<K2, V2>>([seen, [event]])
    const updates: Array<Update.Update<K2, V2>> = []
    for (const row of event.updates) {
      const place = seen + updates.length + 1
      const key = keyOf(row, place)
      if (Result.isFailure(key)) return Effect.fail(key.failure)
      const value = valueOf(row, place)
      if (Result.isFailure(value)) return Effect.fail(value.failure)
      updates.push(Update.make(key.success, value.success, row.time, row.diff))
    }
    return Effect.succeed<Step<K2, V2>>([seen + updates.length, [{ _tag: "Updates", updates }]])
  })
