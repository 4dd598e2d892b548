/**
 * Memory pressure: writes wait while the rows in memory take several times what they may, because maintenance is behind.
 *
 * Every pause of the writes requests a run of maintenance, and the end of the run ends the pause, even if the run fails.
 * So writes never wait for a job that cannot succeed.
 *
 * @internal
 */
import { Cause, Exit } from "effect"
import type { Limits } from "../engine/Plan.ts"
import type { State } from "../engine/State.ts"
import type { Mailbox } from "./Mailbox.ts"

export interface MemoryPressure {
  /** Whether rows have to leave the memory now. */
  readonly isHigh: () => boolean
  /** Makes the writes wait if the rows take far too much. */
  readonly apply: () => void
  /** Lets the writes continue if there is room again. */
  readonly ease: () => void
  /** Lets the writes continue: they fail by themselves if the error persists. */
  readonly release: () => void
  /** A run has ended. After a defect the writes do not wait until a run succeeds: no run would let them continue. */
  readonly runEnded: (exit: Exit.Exit<unknown, unknown>) => void
}

/** Writes wait while the rows take more than this many times the limit. */
const tolerance = 4

export const make = (state: State, { memoryBytes }: Limits, mailbox: Mailbox): MemoryPressure => {
  let isBroken = false
  const isTooHigh = (): boolean => state.memoryBytes > tolerance * memoryBytes
  return {
    isHigh: () => state.memoryBytes > memoryBytes,
    apply: () => {
      if (isTooHigh() && !isBroken) mailbox.pause()
    },
    ease: () => {
      if (!isTooHigh()) mailbox.resume()
    },
    release: mailbox.resume,
    runEnded: (exit) => {
      isBroken = Exit.isFailure(exit) && Cause.hasDies(exit.cause)
      mailbox.resume()
    }
  }
}
