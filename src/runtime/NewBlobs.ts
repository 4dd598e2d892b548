/**
 * New blobs: those that a job stores before a commit names them. They are not garbage, although no state names them.
 *
 * @internal
 */
import { type Clock, Effect } from "effect"
import type { Garbage } from "./Garbage.ts"

export interface NewBlobs {
  /** A key for a new blob, never used before. */
  readonly newKey: (folder: string) => string
  /**
   * Submits the command that names the blobs. Once it is submitted, its outcome must be known before anything else is
   * planned. If it has definitely failed, the blobs are garbage.
   */
  readonly naming: <A, E extends { readonly _tag: string }>(
    keys: ReadonlyArray<string>,
    submit: Effect.Effect<A, E>
  ) => Effect.Effect<A, E>
  /** A commit has named them: they are not new any more. */
  readonly named: (keys: Iterable<string>) => void
  /** No commit will name them: they are garbage. */
  readonly abandon: (keys: ReadonlyArray<string>) => void
  /** To be called once the outcome of every append is known: the state says which blobs are named. */
  readonly settled: () => void
  readonly has: (key: string) => boolean
}

/** `writerId` is part of the keys, so that no other runtime has the same. */
export const make = (writerId: number, garbage: Garbage, clock: Clock.Clock): NewBlobs => {
  const inFlight = new Set<string>()
  /** Those of them that may be named by an append of unknown outcome, or by one that was fenced. */
  const uncertain: Array<string> = []
  const prefix = writerId.toString(16).padStart(14, "0")
  let count = 0

  const remove = (keys: Iterable<string>): void => {
    for (const key of keys) inFlight.delete(key)
  }
  const abandon = (keys: ReadonlyArray<string>): void => {
    remove(keys)
    garbage.add(keys, clock.currentTimeMillisUnsafe())
  }

  return {
    newKey: (folder) => {
      const key = `${folder}/${prefix}-${(++count).toString(16).padStart(8, "0")}`
      inFlight.add(key)
      return key
    },
    naming: (keys, submit) =>
      Effect.tapError(Effect.uninterruptible(submit), (error) =>
        Effect.sync(() => {
          if (error._tag === "Unavailable" || error._tag === "OutOfSpace") abandon(keys)
          else uncertain.push(...keys)
        })),
    named: remove,
    abandon,
    settled: () => remove(uncertain.splice(0)),
    has: (key) => inFlight.has(key)
  }
}
