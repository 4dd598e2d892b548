/**
 * Maps failures of Postgres to storage errors.
 *
 * @internal
 */
import type { SqlError } from "effect/sql/SqlError"
import { AccessDenied, Indeterminate, NotAStore, OutOfSpace, type StorageError, Unavailable } from "../PersistError.ts"

/**
 * - `refused`: the server rejected the statement, and has undone it.
 * - `unsent`: there was no connection to send it on.
 * - `lost`: the connection broke, or the session was ended, after the statement was sent. It may have been executed,
 *   and may even be executed later.
 */
export type Kind = "refused" | "unsent" | "lost"

/** SQLSTATEs. */
const noDatabase = "3D000"
const diskFull = "53100"
const noSchema = "3F000"
const noTable = "42P01"
const tableExists = "42P07"
const noPrivilege = "42501"
const readOnly = "25006"

/** Node's codes for a certificate that it does not trust, and the driver's message for a server without TLS. */
const untrusted =
  /^(SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_|CERT_|ERR_TLS_CERT|INVALID_(CA|PURPOSE)|HOSTNAME_MISMATCH|ERR_OSSL|ERR_SSL)/
const withoutTls = /^The server does not support TLS$/

/** What to do about a failure that a retry does not repair; undefined for every other. */
const adviceOf = ({ reason }: SqlError, state: string | undefined, said: string): string | undefined => {
  if (reason._tag === "AuthenticationError" || state?.startsWith("28") === true) {
    return "correct the user and the password, in the URL or as PGUSER and PGPASSWORD, or let pg_hba.conf admit them"
  }
  if (state === noPrivilege) {
    return "let this role own the schema or grant it CREATE on the database; a role that only reads needs USAGE and SELECT"
  }
  if (state === readOnly) return "name the primary server, and a role that may write"
  if (withoutTls.test(said)) return "let the server offer TLS, or name another sslmode"
  return untrusted.test(state ?? "")
    ? "name the certificate of its authority with sslrootcert, and the host as its certificate does"
    : undefined
}

/** The fields that the driver copies from the answer of the server, where there was one. */
interface Answer {
  readonly severityUnlocalized?: string | undefined
  readonly code?: string | undefined
}

const answerOf = ({ reason: { cause } }: SqlError): Answer => typeof cause === "object" && cause !== null ? cause : {}

/** A statement that fails with an ERROR was not executed. FATAL ends the session, perhaps just after a commit. */
export const kindOf = (error: SqlError): Kind => {
  if (error.reason.operation === "connect") return "unsent"
  return answerOf(error).severityUnlocalized === "ERROR" ? "refused" : "lost"
}

const stateOf = (error: SqlError): string | undefined => answerOf(error).code

/** The error for callers. `mayHaveHappened`: it was a change, and it may have been executed. */
export const toStorageError = (
  error: SqlError,
  operation: string,
  location: string,
  mayHaveHappened: boolean
): StorageError => {
  const { cause, message = "no message" } = error.reason
  const said = cause instanceof Error && cause.message !== "" ? cause.message : message
  const state = stateOf(error)
  const detail = (state === undefined ? said : `${said} (${state})`).replaceAll(/\s+/g, " ")
  if (mayHaveHappened) return new Indeterminate({ operation, detail })
  if (state === noDatabase) return new NotAStore({ location, detail: "there is no such database" })
  if (state === noTable || state === noSchema) {
    return new NotAStore({ location, detail: "there are no tables of a store in this schema" })
  }
  if (state === tableExists) return new NotAStore({ location, detail: "the schema has tables of something else" })
  const advice = adviceOf(error, state, said)
  if (advice !== undefined) return new AccessDenied({ location, operation, detail, advice })
  if (state === diskFull) return new OutOfSpace({ location, detail })
  return new Unavailable({ operation, detail })
}
