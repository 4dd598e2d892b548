/**
 * The failures of an attempt at a request to S3.
 *
 * @internal
 */
import { Duration } from "effect"
import { AccessDenied, Indeterminate, NotAStore, OutOfSpace, type StorageError, Unavailable } from "../PersistError.ts"

/**
 * - `refused`: the store rejected the request, and would reject a retry.
 * - `busy`: the request was not executed, and may be retried.
 * - `unknown`: the request may have been executed.
 */
export type Kind = "refused" | "busy" | "unknown"

export interface Failure {
  readonly kind: Kind
  /** The HTTP status; 0 if there was no answer. */
  readonly status: number
  /** The error's name in S3, or on the platform. */
  readonly code: string
  readonly detail: string
}

/** Answers that guarantee that nothing was done: a conflict between conditional writes, and throttling. */
const busyStatus = new Set([409, 429])

/** Failures to reach the store at all. */
const unreachable = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"])

export const timedOut = (patience: Duration.Input): Failure => ({
  kind: "unknown",
  status: 0,
  code: "Timeout",
  detail: `no answer within ${Duration.toSeconds(patience)} s`
})

/** Classifies what the client threw. */
export const of = (thrown: unknown): Failure => {
  const error = record(thrown)
  const status = Number(record(error["$metadata"])["httpStatusCode"] ?? 0)
  const code = String(error["code"] ?? error["name"] ?? "Error")
  const detail = `${status === 0 ? "" : `${status} `}${code}: ${String(error["message"] ?? thrown)}`
  return { kind: kindOf(status, code), status, code, detail: detail.replaceAll(/\s+/g, " ") }
}

const kindOf = (status: number, code: string): Kind => {
  if (busyStatus.has(status) || unreachable.has(code)) return "busy"
  if (status >= 400 && status < 500 && code !== "RequestTimeout") return "refused"
  return code === "CredentialsProviderError" ? "refused" : "unknown"
}

/** S3's names for invalid credentials, whatever the status. */
const badCredentials = new Set([
  "CredentialsProviderError",
  "ExpiredToken",
  "ExpiredTokenException",
  "InvalidAccessKeyId",
  "InvalidToken",
  "SignatureDoesNotMatch"
])

/** What an operator can do about a store that denies access to this process. */
const adviceOf = ({ code, status }: Failure): string | undefined => {
  if (code === "RequestTimeTooSkewed") return "set the clock of this machine"
  if (badCredentials.has(code) || status === 401) return "give credentials that are valid, and have not expired"
  return status === 403 ? "let the policy of the bucket or of the user allow it" : undefined
}

const record = (value: unknown): Record<string, unknown> =>
  typeof value === "object" && value !== null ? value as Record<string, unknown> : {}

/** The error for callers of storage. `mayHaveHappened`: some attempt at a change had an unknown outcome. */
export const toStorageError = (
  failure: Failure,
  operation: string,
  location: string,
  mayHaveHappened: boolean
): StorageError => {
  const { code, detail } = failure
  if (mayHaveHappened) return new Indeterminate({ operation, detail })
  if (code === "NoSuchBucket") return new NotAStore({ location, detail: "there is no such bucket" })
  if (code === "QuotaExceeded" || failure.status === 507) return new OutOfSpace({ location, detail })
  const advice = adviceOf(failure)
  return advice === undefined
    ? new Unavailable({ operation, detail })
    : new AccessDenied({ location, operation, detail, advice })
}
