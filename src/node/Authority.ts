/**
 * Whether a writer may append, and what it answers if it may not.
 *
 * Before anything is written, and again before anything is acknowledged, the writer checks that the lock is still its
 * own. Only what is refused before the write is certain not to be in the log.
 *
 * @internal
 */
import { Effect } from "effect"
import { Fenced, Indeterminate, type StorageError, Unavailable } from "../PersistError.ts"
import type * as Directory from "./Directory.ts"
import * as File from "./File.ts"
import * as Lock from "./Lock.ts"

export interface Authority {
  readonly isHeld: () => boolean
  /** Fails once this writer has lost the log. */
  readonly confirm: Effect.Effect<void, StorageError>
  /** Runs what writes, unless this writer may not: then nothing was written. */
  readonly check: <A>(work: () => Effect.Effect<A, StorageError>) => Effect.Effect<A, StorageError>
  /** The answer to what could not be written: its own error, or that this writer is fenced. */
  readonly explain: (error: StorageError) => Effect.Effect<never, StorageError>
  /** The answer to an append if another writer has taken the log over since: the frame may be in the log. */
  readonly overtaken: Effect.Effect<never, StorageError>
  /** The answer to a failed write that may be in the log. Nothing is appended after it. */
  readonly giveUp: (error: File.FileError) => Effect.Effect<never, StorageError>
  /** Refuses all appends from now on. */
  readonly end: () => void
  /** Whether the log may be closed cleanly: appends were refused for no other reason than `end`. */
  readonly mayClose: () => boolean
}

export const appending = "appending to the log"
const closed = new Unavailable({ operation: appending, detail: "the writer is closed" })

export const make = (directory: Directory.Directory, lock: Lock.Lock): Authority => {
  const refuse = File.orRefuse(appending, directory.root)
  /** Why no more appends are possible. */
  let refusal: StorageError | undefined
  const isHeld = (): boolean => Lock.isHeld(lock)

  const fenced: Effect.Effect<never, StorageError> = Effect.flatMap(
    refuse(Lock.highest(directory.lock)),
    (current) => {
      refusal = new Fenced({ epoch: lock.epoch, current })
      return Effect.fail(refusal)
    }
  )

  return {
    isHeld,
    confirm: refuse(Lock.confirm(lock)),
    check: (work) =>
      Effect.uninterruptible(Effect.suspend(() => {
        if (refusal !== undefined) return Effect.fail(refusal)
        return isHeld() ? work() : fenced
      })),
    explain: (error) => isHeld() ? Effect.fail(error) : fenced,
    overtaken: Effect.flatMap(Effect.flip(fenced), (error) => {
      refusal = error
      const detail = "another writer took the log over while it was written"
      return Effect.fail(new Indeterminate({ operation: appending, detail }))
    }),
    giveUp: ({ detail }) =>
      Effect.suspend(() => {
        refusal = new Unavailable({ operation: appending, detail: "an append failed before: acquire the log again" })
        return Effect.fail(new Indeterminate({ operation: appending, detail }))
      }),
    end: () => void (refusal ??= closed),
    mayClose: () => refusal === closed && isHeld()
  }
}
