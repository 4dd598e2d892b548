/**
 * The errors of storage: what opening a store, reading its log and blobs, and writing to them may fail with.
 *
 * `PersistError` exports them together with all others.
 *
 * @since 0.1.0
 */
import { Schema } from "effect"

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
 * Another process has the store open for writing.
 *
 * @category errors
 * @since 0.1.0
 */
export class Locked extends Schema.TaggedError<Locked>("tidemark/Locked")("Locked", {
  location: Schema.String,
  /** Absent in a browser, which does not say who it is: another tab, or another worker. */
  pid: Schema.optional(Schema.Number),
  host: Schema.optional(Schema.String),
  /** If only heartbeats show that the process is alive: how long its lock is valid after the last one. */
  leaseMillis: Schema.optional(Schema.Number)
}) {
  override get message(): string {
    const { host, leaseMillis, location, pid } = this
    if (pid === undefined) {
      return `the store ${location} is open for writing in another tab or worker; close that, or open the store read-only`
    }
    const holder = `the store ${location} is open for writing in process ${pid} on host ${host}; `
    const advice = "stop that process, or open the store read-only; "
    return leaseMillis === undefined
      ? `${holder}${advice}if its host is gone for good, run \`tidemark unlock\``
      : `${holder}its lock holds for ${Math.ceil(leaseMillis)} ms after its last heartbeat; ${advice}` +
        "if the process has ended, try again then, or run `tidemark unlock`"
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
 * The storage does not give a guarantee on which the safety of a store depends. Nothing was written to the store.
 *
 * @category errors
 * @since 0.1.0
 */
export class UnsafeStore extends Schema.TaggedError<UnsafeStore>("tidemark/UnsafeStore")("UnsafeStore", {
  location: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.location} cannot hold a log safely: ${this.detail}; mend that, or keep the log in another place`
  }
}

/**
 * The storage does not let this process in: a wrong name or password, a right that it lacks, a read-only disk, a certificate
 * that is not trusted. Nothing of the request was applied, and trying again does not help.
 *
 * @category errors
 * @since 0.1.0
 */
export class AccessDenied extends Schema.TaggedError<AccessDenied>("tidemark/AccessDenied")("AccessDenied", {
  location: Schema.String,
  operation: Schema.String,
  detail: Schema.String,
  /** What to do about it. */
  advice: Schema.String
}) {
  override get message(): string {
    return `${this.location} denies access: ${this.operation} was refused (${this.detail}); nothing was applied: ${this.advice}`
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
