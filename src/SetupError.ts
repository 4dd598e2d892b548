/**
 * The errors of a setup: a place that has something else, a package that is missing.
 *
 * `PersistError` exports them together with all others. A bundle has them only if its program does something that fails so.
 *
 * @since 0.1.0
 */
import { Schema } from "effect"

/**
 * The place holds something, but not a Tidemark store.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotAStore extends Schema.TaggedError<NotAStore>("tidemark/NotAStore")("NotAStore", {
  location: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.location} is not a Tidemark store: ${this.detail}; name another place`
  }
}

/**
 * A store was to be copied to a place that has one, or a backup made where there is one of another store. Nothing was
 * changed there.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotEmpty extends Schema.TaggedError<NotEmpty>("tidemark/NotEmpty")("NotEmpty", {
  location: Schema.String,
  /** What it has, if it is no store. */
  detail: Schema.optional(Schema.String)
}) {
  override get message(): string {
    return `${this.location} has ${
      this.detail ?? "a store"
    } already, which a copy would mix with another; name an empty place`
  }
}

/**
 * A package that is an optional peer dependency is needed, and cannot be loaded.
 *
 * @category errors
 * @since 0.1.0
 */
export class MissingPackage extends Schema.TaggedError<MissingPackage>("tidemark/MissingPackage")("MissingPackage", {
  /** What needs it. */
  purpose: Schema.String,
  packageName: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.purpose} needs the package ${this.packageName}, which ${this.detail}; ` +
      `install it: npm install ${this.packageName}`
  }
}
