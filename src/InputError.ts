/**
 * The errors of input in the formats of other programs.
 *
 * `PersistError` exports them together with all others. A bundle has them only if its program does something that fails so.
 *
 * @since 0.1.0
 */
import { Schema } from "effect"

/**
 * Input in a file format was rejected. The input before `place` was accepted. No progress was made beyond it.
 *
 * - `Malformed`: it is not of the format.
 * - `Truncated`: it ends too early.
 * - `SchemaDrift`: it is of the format, but its fields or columns are not those that were asked for.
 * - `BelowSeal`: it has a time that is already complete.
 * - `Refused`: it is of the format, but cannot be stored where it goes to.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidInput extends Schema.TaggedError<InvalidInput>("tidemark/InvalidInput")("InvalidInput", {
  format: Schema.String,
  place: Schema.String,
  reason: Schema.Literals(["Malformed", "Truncated", "SchemaDrift", "BelowSeal", "Refused"]),
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.format} input cannot be taken at ${this.place}: ${this.detail}; mend it there, and go on from the ` +
      "last sealed time"
  }
}
