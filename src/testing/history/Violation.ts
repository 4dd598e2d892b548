/**
 * The violations that a recorded history can have.
 *
 * @since 0.1.0
 */
import type * as History from "./History.ts"

/**
 * The kinds of violations.
 *
 * - `LostWrite`, `DoubledWrite`, `HalfCommand`, `FailedWriteVisible`, `FutureWrite`: a read shows a command not at all,
 *   several times, in part, although it failed, or too early.
 * - `WrongSum`: a read differs from the expected contents in a way that no command explains.
 * - `StaleRead`: a read lacks something that was acknowledged before the read was requested.
 * - `OrderViolated`: a sequence number is lower than one acknowledged earlier, or was used twice.
 * - `FrontierRegressed`, `FrontierAhead`: a frontier is behind what was acknowledged, or ahead of what was requested.
 * - `SealedTimeWritten`: a write below an acknowledged seal was accepted.
 * - `AppendedTwice`: two clients have appended at the same expected upper.
 * - `ErasedShown`: a read shows rows of a key that were erased before it was requested.
 * - `DestroyedInUse`: a destroyed collection has accepted a command.
 * - `WronglyRefused`: no requested operation can be the reason of a rejection.
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
  | "ErasedShown"
  | "DestroyedInUse"
  | "WronglyRefused"
  | "Defect"

/**
 * A violation in a history.
 *
 * @category models
 * @since 0.1.0
 */
export interface Violation {
  readonly kind: Kind
  /** The index in the history of the operation whose reply is wrong. */
  readonly operation: number
  /** The indices of the operations that it contradicts, or that it shows wrongly. */
  readonly others: ReadonlyArray<number>
  readonly collection?: number | undefined
  readonly detail: string
}

/**
 * A violation as text: its kind, and the operations involved.
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
