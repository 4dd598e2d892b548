/**
 * What can be wrong with a recorded history.
 *
 * @since 0.1.0
 */
import type * as History from "./History.ts"

/**
 * What can be wrong.
 *
 * - `LostWrite`, `DoubledWrite`, `HalfCommand`, `FailedWriteVisible`, `FutureWrite`: a read shows a command not at all,
 *   several times, in part, against its answer, or too early.
 * - `WrongSum`: a read differs from what it must show in a way that no command explains.
 * - `StaleRead`: a read comes before something that was acknowledged before it was asked for.
 * - `OrderViolated`: a sequence number comes before one that was acknowledged earlier, or was given twice.
 * - `FrontierRegressed`, `FrontierAhead`: a frontier is behind what was acknowledged, or ahead of what was asked for.
 * - `SealedTimeWritten`: a write below an acknowledged seal was accepted.
 * - `AppendedTwice`: two clients have appended at the same expected upper.
 * - `DestroyedInUse`: a destroyed collection has taken a command.
 * - `WronglyRefused`: nothing that was asked for can be the reason of a refusal.
 * - `Defect`: an operation died.
 *
 * @category models
 * @since 0.1.0
 */
export type Kind =
  | "LostWrite"
  | "DoubledWrite"
  | "HalfCommand"
  | "FailedWriteVisible"
  | "FutureWrite"
  | "WrongSum"
  | "StaleRead"
  | "OrderViolated"
  | "FrontierRegressed"
  | "FrontierAhead"
  | "SealedTimeWritten"
  | "AppendedTwice"
  | "DestroyedInUse"
  | "WronglyRefused"
  | "Defect"

/**
 * Something wrong in a history.
 *
 * @category models
 * @since 0.1.0
 */
export interface Violation {
  readonly kind: Kind
  /** The place in the history of the operation whose answer is wrong. */
  readonly operation: number
  /** The places of the operations that it contradicts, or that it shows wrongly. */
  readonly others: ReadonlyArray<number>
  readonly collection?: number | undefined
  readonly detail: string
}

/**
 * A violation as text: what is wrong, and the operations that it is about.
 *
 * @category formatting
 * @since 0.1.0
 */
export const format = (violation: Violation, history: History.History): string => {
  const line = (index: number): string => {
    const { call, client, completed, invoked, outcome, reply } = history[index]!
    const answer = reply === undefined ? "" : ` -> ${JSON.stringify(reply)}`
    return `#${index} ${client} [${invoked}, ${completed ?? "never"}] ${outcome}: ${JSON.stringify(call)}${answer}`
  }
  const { detail, kind, operation, others } = violation
  return [`${kind}: ${detail}`, ...[operation, ...others].map((index) => `  ${line(index).slice(0, 400)}`)].join("\n")
}
