/**
 * The committer: makes commits durable, then visible, then publishes them. It is the only module that changes a store's
 * state, and it changes it only by folding a durable commit.
 *
 * @internal
 */
import { Clock, type Context, Effect, Option } from "effect"
import type { Commit } from "../engine/Commit.ts"
import type { RecentWrites } from "../engine/RecentWrites.ts"
import * as State from "../engine/State.ts"
import { type Corrupt, type Fenced, type StorageError, Unavailable } from "../PersistError.ts"
import type * as Feed from "./Feed.ts"
import type { Garbage } from "./Garbage.ts"
import type { Journal } from "./Journal.ts"
import * as Metrics from "./Metrics.ts"
import type { Observer } from "./Observers.ts"

export interface Options {
  readonly state: State.State
  readonly location: string
  /** Distinguishes this runtime's commits from all others. */
  readonly writerId: number
  readonly journal: Journal
  readonly feed: Feed.Feed
  readonly garbage: Garbage
  /** Called once no commit can succeed any more. */
  readonly onFatal: (failure: Fenced | Corrupt) => void
  readonly recent: RecentWrites
  /** Called with each commit as it becomes visible, before its commands are acknowledged. */
  readonly folded: Observer
  /** Called after each commit, with its size in the log. */
  readonly committed: (bytes: number) => void
  readonly context: Context.Context<never>
}

export interface Committer {
  /** Makes a commit durable and visible. To be published once its commands are acknowledged. */
  readonly commit: (make: (writer: number, attempt: number) => Commit) => Effect.Effect<Feed.Entry, StorageError>
  /** Delivers a commit to listeners. */
  readonly publish: (entry: Feed.Entry) => void
  /**
   * Resolves a commit of unknown outcome. Until it is resolved, no command can be answered. Fails permanently once no
   * commit can succeed any more.
   */
  readonly settle: Effect.Effect<void, StorageError>
  /** Why no commit can succeed any more, if that is so. */
  readonly fatal: () => StorageError | undefined
}

export const make = Effect.fnUntraced(function*(options: Options) {
  const { context, feed, garbage, journal, location, state, writerId } = options
  const clock = yield* Clock.Clock
  let attempt = 0
  let fatal: StorageError | undefined

  const note = (failure: StorageError) =>
    Effect.sync(() => {
      if (failure._tag !== "Fenced" && failure._tag !== "Corrupt") return
      fatal = failure
      options.onFatal(failure)
    })

  const fold = (commit: Commit, bytes: number): Feed.Entry => {
    const position = state.position
    garbage.add(State.apply(state, commit, location), clock.currentTimeMillisUnsafe())
    options.recent.fold(state, commit.changes)
    options.folded(commit.changes)
    Metrics.commits.updateUnsafe(1, context)
    Metrics.commitBytes.updateUnsafe(bytes, context)
    options.committed(bytes)
    return { position, changes: commit.changes }
  }

  const settle = journal.settle.pipe(
    Effect.map((left) => {
      if (Option.isSome(left)) feed.publish(fold(left.value, 0))
    }),
    Effect.tapError(note),
    Effect.mapError((failure) =>
      fatal ??
        new Unavailable({
          operation: "appending",
          detail: `an append before it is of unknown outcome: ${failure.message}`
        })
    )
  )

  const committer: Committer = {
    commit: Effect.fnUntraced(function*(make) {
      const startedAt = clock.currentTimeNanosUnsafe()
      const commit = make(writerId, ++attempt)
      const { bytes } = yield* Effect.tapError(journal.append(state.position, commit), note)
      Metrics.flushTime.updateUnsafe(Number(clock.currentTimeNanosUnsafe() - startedAt) / 1e9, context)
      return fold(commit, bytes)
    }),
    publish: feed.publish,
    settle: Effect.suspend(() => fatal === undefined ? settle : Effect.fail(fatal)),
    fatal: () => fatal
  }
  return committer
})
