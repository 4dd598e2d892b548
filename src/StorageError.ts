/**
 * The errors of storage: what reading its log and blobs, and writing to them may fail with.
 *
 * `PersistError` exports them together with all others.
 *
 * @since 0.1.0
 */
import { Schema } from "effect"
import type { AccessDenied, UnsafeStore } from "./PlaceError.ts"
import type { NotAStore } from "./SetupError.ts"

/**
 * A newer writer has acquired the store, so that this one may never write to it again.
 *
 * @category errors
 * @since 0.1.0
 */
export class Fenced extends Schema.TaggedError<Fenced>("tidemark/Fenced")("Fenced", {
  epoch: Schema.Number,
  current: Schema.Number
}) {
  override get message(): string {
    return `this writer holds epoch ${this.epoch}, but epoch ${this.current} has taken over the store; stop this one`
  }
}

/**
 * The storage is unavailable, and definitely did not execute the operation. Retrying is safe.
 *
 * @category errors
 * @since 0.1.0
 */
export class Unavailable extends Schema.TaggedError<Unavailable>("tidemark/Unavailable")("Unavailable", {
  operation: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `storage is unavailable: ${this.operation} failed (${this.detail}); nothing was applied, try again`
  }
}

/**
 * It is unknown whether the storage has executed the operation. Read before retrying.
 *
 * @category errors
 * @since 0.1.0
 */
export class Indeterminate extends Schema.TaggedError<Indeterminate>("tidemark/Indeterminate")("Indeterminate", {
  operation: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `the outcome of ${this.operation} is unknown (${this.detail}): it may or may not have been applied; ` +
      "read the collection before trying again"
  }
}

/**
 * The disk or the quota is full. Nothing of the request was applied; reads go on.
 *
 * @category errors
 * @since 0.1.0
 */
export class OutOfSpace extends Schema.TaggedError<OutOfSpace>("tidemark/OutOfSpace")("OutOfSpace", {
  location: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `no space left at ${this.location} (${this.detail}); nothing was applied: free space, then try again`
  }
}

/**
 * Stored bytes are damaged. The error names the file or object, and the offset in it.
 *
 * @category errors
 * @since 0.1.0
 */
export class Corrupt extends Schema.TaggedError<Corrupt>("tidemark/Corrupt")("Corrupt", {
  location: Schema.String,
  offset: Schema.Number,
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.location} is damaged at offset ${this.offset}: ${this.detail}; ` +
      "restore it from a copy, or run `tidemark verify` to see how far the damage goes"
  }
}

/**
 * The store was written by a newer Tidemark, or is not a Tidemark store.
 *
 * @category errors
 * @since 0.1.0
 */
export class UnsupportedFormat
  extends Schema.TaggedError<UnsupportedFormat>("tidemark/UnsupportedFormat")("UnsupportedFormat", {
    location: Schema.String,
    found: Schema.Number,
    supported: Schema.Number
  })
{
  override get message(): string {
    return `${this.location} has format version ${this.found}, but this Tidemark reads up to version ${this.supported}; ` +
      "upgrade Tidemark to open it"
  }
}

/** What any operation of a storage layer may fail with. */
export type StorageError =
  | Unavailable
  | Indeterminate
  | OutOfSpace
  | Corrupt
  | UnsupportedFormat
  | NotAStore
  | UnsafeStore
  | AccessDenied
  | Fenced
