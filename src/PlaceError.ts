/**
 * The errors of the place that a store lies in: what opening it may fail with.
 *
 * `PersistError` exports them together with all others. A bundle has them only if its program does something that fails so.
 *
 * @since 0.1.0
 */
import { Schema } from "effect"

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
