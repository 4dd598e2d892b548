/**
 * The violations at the end of a program, in a form in which two histories can be compared.
 *
 * @internal
 */
import type { Cause, Exit } from "effect"

/** The errors' names and messages, without the numbers in them. Undefined if there is no violation. */
export const of = (exit: Exit.Exit<unknown, unknown>): string | undefined =>
  exit._tag === "Success" ? undefined : exit.cause.reasons.map(describe).join("; ").replaceAll(/\d+/g, "#")

const describe = (reason: Cause.Reason<unknown>): string => {
  switch (reason._tag) {
    case "Fail":
      return describeError(reason.error)
    case "Die":
      return describeError(reason.defect)
    case "Interrupt":
      return "Interrupt"
  }
}

const describeError = (error: unknown): string =>
  error instanceof Error ? `${error.name}: ${error.message.split("\n")[0]}` : String(error)
