/**
 * A recorded history with its violations as a file, which the inspector shows step by step.
 *
 * @internal
 */
import type * as History from "./History.ts"
import type { Violation } from "./Violation.ts"

/** What is in the file. Times are those of the history. */
export interface Recorded {
  /** The version of the format. */
  readonly tidemarkHistory: 1
  /** The command that runs the history again. */
  readonly replay: string
  /** What is wrong with it, as text. */
  readonly problem: string
  readonly history: History.History
  /** Their numbers are indices in the history. */
  readonly violations: ReadonlyArray<Violation>
}

/** The content of the file. */
export const text = (recorded: Omit<Recorded, "tidemarkHistory">): string =>
  JSON.stringify({ tidemarkHistory: 1, ...recorded } satisfies Recorded)
