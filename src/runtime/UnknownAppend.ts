/**
 * An append of unknown outcome, and finding out whether it has happened: once it is fenced, the log is read where it
 * would be.
 *
 * @internal
 */
import { type Context, Effect, Fiber, Option, Schedule, Stream } from "effect"
import type * as Commit from "../engine/Commit.ts"
import { Fenced, Indeterminate, type StorageError } from "../PersistError.ts"
import type { Log } from "../storage/Log.ts"
import * as Metrics from "./Metrics.ts"
import * as Recovery from "./Recovery.ts"
import type * as Resilience from "./Resilience.ts"
import type { Tenure } from "./Tenure.ts"

export interface UnknownAppend {
  /** Whether there is an append of unknown outcome. Nothing is appended, and nothing deleted, until it is settled. */
  readonly exists: () => boolean
  readonly note: (position: number, commit: Commit.Commit) => void
  /** The commit whose outcome was unknown, if it has proved to be durable. */
  readonly settle: Effect.Effect<Option.Option<Commit.Commit>, StorageError>
}

/** How long one attempt to resolve an append may take in total before its callers get `Indeterminate`. */
const resolving = Schedule.exponential("20 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 8 }))

export const make = (
  log: Log["Service"],
  tenure: Tenure,
  circuit: Resilience.Circuit,
  context: Context.Context<never>
): UnknownAppend => {
  let unresolved: { readonly position: number; readonly commit: Commit.Commit } | undefined
  /** The search for the outcome, which continues after its callers have timed out. */
  let search: Fiber.Fiber<boolean | undefined, StorageError> | undefined

  /** The result of the search that is under way, or of a new one. */
  const found = Effect.fnUntraced(function*(position: number, commit: Commit.Commit) {
    search ??= yield* Effect.forkDetach(Effect.retry(resolve(log, tenure, context, position, commit), {
      schedule: resolving,
      while: (error) => error._tag === "Unavailable" || error._tag === "Indeterminate"
    }))
    const exit = yield* Fiber.await(search)
    search = undefined
    return yield* exit
  })

  return {
    exists: () => unresolved !== undefined,
    note: (position, commit) => {
      unresolved = { position, commit }
    },
    settle: Effect.suspend(() => {
      if (unresolved === undefined) return Effect.succeedNone
      const { commit, position } = unresolved
      return circuit.inTime("finding out about an append", found(position, commit)).pipe(
        Effect.flatMap((isThere) => {
          unresolved = undefined
          if (isThere === undefined) return Effect.fail(unknown("somebody else has truncated the log behind it"))
          return Effect.succeed(isThere ? Option.some(commit) : Option.none())
        })
      )
    })
  }
}

/** The error of an append whose outcome is unknown. */
export const unknown = (detail: string): Indeterminate => new Indeterminate({ operation: "appending", detail })

/**
 * Whether the commit is in the log. Undefined where it cannot be known: another writer may have truncated the entry.
 */
const resolve = Effect.fnUntraced(function*(
  log: Log["Service"],
  tenure: Tenure,
  context: Context.Context<never>,
  position: number,
  commit: Commit.Commit
) {
  Metrics.indeterminate.updateUnsafe(1, context)
  const bounds = yield* tenure.fenceEarlier
  if (position < bounds.lower) return undefined
  const entry = position < bounds.upper ? yield* Stream.runHead(log.read(position)) : Option.none()
  if (Option.isSome(entry)) {
    const found = yield* Recovery.decodeEntry(log, entry.value)
    if (found.writer === commit.writer && found.attempt === commit.attempt) return true
    tenure.overtake(new Fenced({ epoch: tenure.writer().epoch, current: entry.value.epoch }))
  }
  const overtaken = tenure.overtaken()
  return overtaken === undefined ? false : yield* overtaken
})
