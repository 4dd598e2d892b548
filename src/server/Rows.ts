/**
 * Times, frontiers and rows on the wire.
 *
 * @since 0.1.0
 */
import { Schema, SchemaTransformation } from "effect"
import * as Frontier from "../Frontier.ts"

/**
 * A time: an integer from 0 to 2^53 - 1.
 *
 * @category schemas
 * @since 0.1.0
 */
export const TimeJson = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))

/**
 * A frontier: a time, or `"empty"` for the frontier after all times.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FrontierJson = Schema.Union([TimeJson, Schema.Literal("empty")]).pipe(
  Schema.decodeTo(
    Schema.Number,
    SchemaTransformation.transform({
      decode: (json) => json === "empty" ? Infinity : json,
      encode: (frontier) => frontier === Infinity ? "empty" : frontier
    })
  )
)

/**
 * Where a subscription resumes: `<id of the collection>-<frontier>`, as in the id of an event, or a frontier alone,
 * which applies to the collection that has the name now.
 *
 * @category schemas
 * @since 0.1.0
 */
export const SubscriptionId = Schema.String.check(
  Schema.isPattern(/^(?:[0-9]{1,15}-)?(?:[0-9]{1,16}|empty)$/),
  Schema.makeFilter((text) => Frontier.isFrontier(parseSubscriptionId(text).frontier))
)

/** @internal The parts of a `SubscriptionId`. */
export const parseSubscriptionId = (
  text: string
): { readonly collection: number | undefined; readonly frontier: number } => {
  const [first, second] = text.split("-") as [string, string?]
  const word = second ?? first
  return {
    collection: second === undefined ? undefined : Number(first),
    frontier: word === "empty" ? Infinity : Number(word)
  }
}

const row = {
  /** JSON through the codec of the collection; bytes are `{"$bytes":"<base64>"}`. */
  key: Schema.Json,
  value: Schema.Json
}

/**
 * A row of contents with its multiplicity.
 *
 * @category schemas
 * @since 0.1.0
 */
export const RowJson = Schema.Struct({ ...row, diff: Schema.Int })

/**
 * An update.
 *
 * @category schemas
 * @since 0.1.0
 */
export const UpdateJson = Schema.Struct({ ...row, time: TimeJson, diff: Schema.Int })

/**
 * An update in a request: `diff` is 1 if absent.
 *
 * @category schemas
 * @since 0.1.0
 */
export const NewUpdateJson = Schema.Struct({ ...row, time: TimeJson, diff: Schema.optionalKey(Schema.Int) })
