/**
 * Maps failures of the storage of a browser to storage errors.
 *
 * @internal
 */
import { AccessDenied, Indeterminate, OutOfSpace, type StorageError, Unavailable } from "../PersistError.ts"

/** What a browser says of a failure; the name decides what it is. */
export interface Failure {
  readonly name: string
  readonly message: string
}

export const of = (cause: unknown): Failure =>
  cause instanceof Error || cause instanceof DOMException
    ? { name: cause.name, message: cause.message }
    : { name: "Error", message: String(cause) }

export const isFull = ({ name }: Failure): boolean => name === "QuotaExceededError"

/** The page may not use storage, as in an embedded page whose site is blocked. */
const refusals = new Set(["SecurityError", "NotAllowedError"])

/** The error for callers. `mayHaveHappened`: it was a change, and it may have been executed. */
export const toStorageError = (
  failure: Failure,
  operation: string,
  location: string,
  mayHaveHappened: boolean
): StorageError => {
  const detail = `${failure.message} (${failure.name})`
  if (isFull(failure)) return new OutOfSpace({ location, detail })
  if (refusals.has(failure.name)) {
    return new AccessDenied({ location, operation, detail, advice: "let the browser store data for this site" })
  }
  return mayHaveHappened ? new Indeterminate({ operation, detail }) : new Unavailable({ operation, detail })
}
