/**
 * Failures that the tool itself detects: each becomes one line on stderr.
 *
 * @internal
 */
import { Data } from "effect"
import { printable } from "./Printable.ts"

/** The job could not be done. Exit code 1. */
export class Failure extends Data.TaggedError("Failure")<{ readonly message: string }> {}

/** The command line requests something that is impossible for this store. Exit code 2. */
export class Usage extends Data.TaggedError("Usage")<{ readonly message: string }> {}

/** The reader of the output has closed it, as `head` does. Not a failure: the tool stops. */
export class OutputClosed extends Data.TaggedError("OutputClosed") {}

/** One line of text for anything that was thrown, or for any failure. */
export const lineOf = (error: unknown): string =>
  printable(
    (error instanceof Error && error.message !== "" ? error.message : String(error)).replaceAll(/\s*\n\s*/g, " ")
  )
