/**
 * New blobs: those that a job stores before a commit names them. They are not garbage, although no state names them.
 *
 * @internal
 */
import { Cause, Effect, Exit } from "effect"
import type { Garbage } from "./Garbage.ts"

export interface NewBlobs {
  /**
   * Runs a job that stores blobs, and then submits the command that names them. When the job is over, however it ends,
   * those of its blobs that no commit has named are garbage. Where the outcome of the command is not known, they are new
   * until every outcome is.
   */
  readonly storing: <A, E, R>(job: (blobs: JobBlobs) => Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** To be called once the outcome of every append is known: the state says which blobs are named. */
  readonly settled: () => void
  readonly has: (key: string) => boolean
}

/** The blobs of one job. */
export interface JobBlobs {
  /** A key for a new blob, never used before. */
  readonly newKey: (folder: string) => string
  /**
   * Submits the command that names blobs, and returns its reply. `named` gives the blobs that it has named, by the reply.
   * Once the command is submitted, its outcome must be known before anything else is planned: an interruption waits for it.
   */
  readonly naming: <A, E extends { readonly _tag: string }>(
    submit: Effect.Effect<A, E>,
    named: (reply: A) => Iterable<string>
  ) => Effect.Effect<A, E>
}

/** What no commit has named has no readers in other processes, so that it needs no time of grace. */
const unread = 0

/** `writerId` is part of the keys, so that no other runtime has the same. */
export const make = (writerId: number, garbage: Garbage): NewBlobs => {
  const inFlight = new Set<string>()
  /** Those of them that may be named by an append of unknown outcome, or by one that was fenced. */
  const uncertain: Array<string> = []
  const prefix = writerId.toString(16).padStart(14, "0")
  let count = 0

  const newKey = (folder: string): string => {
    const key = `${folder}/${prefix}-${(++count).toString(16).padStart(8, "0")}`
    inFlight.add(key)
    return key
  }
  const remove = (keys: Iterable<string>): void => {
    for (const key of keys) inFlight.delete(key)
  }

  return {
    storing: (job) =>
      Effect.suspend(() => {
        /** What is garbage unless a commit names it. */
        const keys = new Set<string>()
        const settle = <A, E extends { readonly _tag: string }>(
          exit: Exit.Exit<A, E>,
          named: (reply: A) => Iterable<string>
        ) => {
          if (Exit.isSuccess(exit)) {
            const taken = [...named(exit.value)]
            remove(taken)
            for (const key of taken) keys.delete(key)
          } else if (!isDefinite(exit.cause)) {
            uncertain.push(...keys)
            keys.clear()
          }
        }
        return Effect.onExit(
          job({
            newKey: (folder) => {
              const key = newKey(folder)
              keys.add(key)
              return key
            },
            naming: (submit, named) =>
              Effect.uninterruptible(Effect.onExit(submit, (exit) => Effect.sync(() => settle(exit, named))))
          }),
          () =>
            Effect.sync(() => {
              remove(keys)
              garbage.add([...keys], unread)
            })
        )
      }),
    settled: () => remove(uncertain.splice(0)),
    has: (key) => inFlight.has(key)
  }
}

/** Whether the command was certainly not applied. */
const isDefinite = (cause: Cause.Cause<{ readonly _tag: string }>): boolean => {
  const error = Cause.squash(cause)
  const tag = (error as { readonly _tag?: string })._tag
  return tag === "Unavailable" || tag === "OutOfSpace"
}
