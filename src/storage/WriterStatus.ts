/**
 * Whether the writer of a log may still be used: it may not once its scope is closed, and not after an append of unknown
 * outcome.
 *
 * @internal
 */
import { Effect, Exit, Option, type Scope } from "effect"
import { type StorageError, Unavailable } from "../PersistError.ts"
import type { Writer } from "./Log.ts"
import * as LogRules from "./LogRules.ts"

export interface WriterStatus {
  /** Runs what needs a usable writer. */
  readonly whileOpen: <A>(
    operation: string,
    run: () => Effect.Effect<A, StorageError>
  ) => Effect.Effect<A, StorageError>
  /** Runs an append, and records whether its outcome is known when it ends. */
  readonly settling: <A>(append: Effect.Effect<A, StorageError>) => Effect.Effect<A, StorageError>
}

/** The status of a writer that is open until the scope closes. */
export const make: Effect.Effect<WriterStatus, never, Scope.Scope> = Effect.gen(function*() {
  let status: "open" | "unknown" | "closed" = "open"
  yield* Effect.addFinalizer(() => Effect.sync(() => void (status = "closed")))

  const made: WriterStatus = {
    whileOpen: (operation, run) =>
      Effect.suspend(() => {
        if (status === "open") return run()
        const detail = status === "closed" ? "the writer is closed" : "the outcome of the append before is unknown"
        return Effect.fail(new Unavailable({ operation, detail }))
      }),
    settling: (append) =>
      Effect.onExit(append, (exit) =>
        Effect.sync(() => {
          if (Exit.isSuccess(exit)) return
          const error = Option.getOrUndefined(Exit.findErrorOption(exit))
          if (error === undefined || error._tag === "Indeterminate") status = "unknown"
        }))
  }
  return made
})

/** What a log does for its writer, to whom the rules of all logs apply. */
export interface Operations extends Pick<Writer, "epoch" | "bounds" | "truncate"> {
  readonly upper: () => number
  /** Appends at the upper; at least one entry. */
  readonly append: (entries: ReadonlyArray<Uint8Array>) => Effect.Effect<number, StorageError>
}

/** The writer of a log that needs no rotation, as it stores each append by itself. */
export const writerOf = ({ settling, whileOpen }: WriterStatus, operations: Operations): Writer => {
  const { append, bounds, epoch, truncate, upper } = operations
  return {
    epoch,
    bounds,
    append: (position, entries) =>
      whileOpen("appending to the log", () => {
        LogRules.checkAppend(position, upper())
        return entries.length === 0 ? Effect.succeed(upper()) : settling(append(entries))
      }),
    truncate: (before) => whileOpen("truncating the log", () => truncate(before)),
    rotate: whileOpen("rotating the log", () => Effect.void)
  }
}
