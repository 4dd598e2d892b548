/**
 * What a failure of Postgres means for those who called storage.
 *
 * @internal
 */
import type { SqlError } from "effect/sql/SqlError"
import { Indeterminate, NotAStore, OutOfSpace, type StorageError, Unavailable } from "../PersistError.ts"

/**
 * - `refused`: the server said no to the statement, and has undone it.
 * - `unsent`: there was no connection to send it on.
 * - `lost`: the connection broke, or the session was ended, after it had been sent. It may have been carried out, and
 *   even be carried out later.
 */
export type Kind = "refused" | "unsent" | "lost"

/** SQLSTATEs. */
const noDatabase = "3D000"
const diskFull = "53100"
const noSchema = "3F000"
const noTable = "42P01"
export const tableExists = "42P07"

/** The fields that the driver copies from the answer of the server, where there was one. */
interface Answer {
  readonly severityUnlocalized?: string | undefined
  readonly code?: string | undefined
}

const answerOf = ({ reason: { cause } }: SqlError): Answer => typeof cause === "object" && cause !== null ? cause : {}

/** A statement that fails with an ERROR has not happened. FATAL ends the session, perhaps just after a commit. */
export const kindOf = (error: SqlError): Kind => {
  if (error.reason.operation === "connect") return "unsent"
  return answerOf(error).severityUnlocalized === "ERROR" ? "refused" : "lost"
}

export const stateOf = (error: SqlError): string | undefined => answerOf(error).code

/** The error that callers get. `mayHaveHappened`: it was a change, and it may have been carried out. */
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
  if (state === diskFull) return new OutOfSpace({ location, detail })
  return new Unavailable({ operation, detail })
}
