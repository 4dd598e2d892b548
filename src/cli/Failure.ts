/**
 * What the tool itself finds wrong: each becomes one line on stderr.
 *
 * @internal
 */
import { Data } from "effect"
import { printable } from "./Printable.ts"

/** The job could not be done. Exit code 1. */
export class Failure extends Data.TaggedError("Failure")<{ readonly message: string }> {}

/** The command line asks for something that makes no sense for this store. Exit code 2. */
export class Usage extends Data.TaggedError("Usage")<{ readonly message: string }> {}

/** Whoever reads the output has had enough, as `head` does. Not a failure: the tool stops. */
export class OutputClosed extends Data.TaggedError("OutputClosed") {}

/** One line of text for anything that was thrown or failed with. */
export const lineOf = (error: unknown): string =>
  printable(
    (error instanceof Error && error.message !== "" ? error.message : String(error)).replaceAll(/\s*\n\s*/g, " ")
  )
