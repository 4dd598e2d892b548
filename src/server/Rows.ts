/**
 * Times, frontiers and rows as they are on the wire.
 *
 * @since 0.1.0
 */
import { Schema, SchemaTransformation } from "effect"

/**
 * A time: an integer from 0 to 2^53 - 1.
 *
 * @category schemas
 * @since 0.1.0
 */
export const TimeJson = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))

/**
 * A frontier: a time, or `"empty"` for the one that settles everything.
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
 * An update that is asked for: `diff` is 1 where it is left out.
 *
 * @category schemas
 * @since 0.1.0
 */
export const NewUpdateJson = Schema.Struct({ ...row, time: TimeJson, diff: Schema.optionalKey(Schema.Int) })
