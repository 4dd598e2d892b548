/**
 * How much history tables keep.
 *
 * @internal
 */
import { Duration, Effect, Latch } from "effect"
import { makeRun, observing } from "../client/Retention.ts"
import type { Timestamp } from "../Frontier.ts"
import * as Command from "../runtime/Command.ts"
import type { AnyRelation } from "./Relation.ts"
import type { TableStore } from "./TableStore.ts"

/**
 * How much history a table keeps, for all of its keys alike:
 *
 * - a duration: every time of that span can be read. Only time during which the clock runs counts, so that setting the
 *   clock while the program runs discards no history;
 * - a number: the contents after each of the last commits that have changed the table, so many of them. Commits before
 *   the program was started are not counted, so that more is kept after a restart, never less;
 * - `"latest"`: the present contents;
 * - `"all"`: everything.
 *
 * @category models
 * @since 0.1.0
 */
export type History = Duration.Input | number | "latest" | "all"

interface Times {
  /** The last complete time. */
  readonly last: Timestamp
  /** The last time at which the table was changed, as far as is known. */
  readonly changed: Timestamp
  /** When the clock was read first, and how long it has run since then, in milliseconds. */
  readonly start: number
  readonly run: number
}

interface Policy {
  /** Is called with the time of each commit that changes the table. */
  readonly noted?: (time: Timestamp) => void
  /** Computes the time from which on history is kept, and whether it stays the same until the table is changed. */
  readonly kept: (times: Times) => { readonly since: Timestamp; readonly isFinal: boolean }
}

const spanOf = (millis: number): Policy => {
  const lastBefore = observing(millis)
  return {
    kept: ({ changed, last, run, start }) => {
      // The later of two bounds: by the clock, and by when the times were observed.
      const since = Math.max(lastBefore(last + 1, run) ?? 0, 1_000 * (start + run - millis))
      return { since, isFinal: since >= changed }
    }
  }
}

const commitsOf = (count: number): Policy => {
  const times: Array<Timestamp> = []
  return {
    noted: (time) => {
      if (times.at(-1) !== time) times.push(time)
      if (times.length > Math.max(1, count)) times.shift()
    },
    kept: () => ({ since: times.length < Math.max(1, count) ? 0 : times[0]!, isFinal: true })
  }
}

const latest: Policy = { kept: ({ last }) => ({ since: last, isFinal: true }) }

const policyOf = (history: Exclude<History, "all">): Policy => {
  if (history === "latest") return latest
  return typeof history === "number" ? commitsOf(history) : spanOf(Duration.toMillis(Duration.fromInputUnsafe(history)))
}

/** Changes of this many milliseconds are given up together, and those of a hundredth of a span. */
const least = 1_000

/** How often history is given up while there is some to give up. */
const intervalOf = (history: History): number =>
  history === "latest" || history === "all" || typeof history === "number"
    ? least
    : Math.max(least, Duration.toMillis(Duration.fromInputUnsafe(history)) / 100)

/**
 * Allows compaction of a table and its indexes by the policy, until the scope closes. While nothing is to be given up,
 * because the table does not change and the history of its last change has ended, it waits and writes nothing.
 */
export const keep = Effect.fnUntraced(function*(
  tables: TableStore,
  relations: readonly [AnyRelation, ...ReadonlyArray<AnyRelation>],
  history: History
) {
  if (history === "all") return
  const { store } = tables
  const [table] = relations
  const last = () => store.state().timeline.upper - 1
  const { kept, noted } = policyOf(history)
  const clock = yield* makeRun
  const start = (yield* clock).now
  // Changes of an earlier process may still have to be given up.
  const isChanged = Latch.makeUnsafe(true)
  let changed = last()
  yield* Effect.acquireRelease(
    Effect.sync(() =>
      table.watch(undefined, () => {
        changed = last()
        noted?.(changed)
        isChanged.openUnsafe()
      })
    ),
    (stop) => Effect.sync(stop)
  )

  /** Gives up what may be given up now. Closes the latch if no more can be given up before the next change. */
  const round = Effect.gen(function*() {
    const { run } = yield* clock
    isChanged.closeUnsafe()
    const wanted = kept({ last: last(), changed, start, run })
    const bound = Math.floor(Math.min(wanted.since, last()))
    const firstRead = tables.firstRead()
    if (!wanted.isFinal || firstRead < bound) isChanged.openUnsafe()
    const since = Math.min(bound, firstRead)
    const targets = relations.map(({ id, name }) => ({ id, name, since }))
    const ahead = targets.filter(({ id }) => (store.state().collections.get(id)?.since ?? Infinity) < since)
    if (ahead.length > 0) yield* store.submit(new Command.AllowCompaction({ targets: ahead }))
  })
  const rounds = Effect.catch(round, (error) => {
    isChanged.openUnsafe()
    return Effect.logWarning("a table keeps more of its past for now", error)
  })
  yield* Effect.forkScoped(
    Effect.sleep(least).pipe(
      Effect.andThen(rounds),
      Effect.andThen(Effect.sleep(intervalOf(history) - least)),
      Effect.andThen(isChanged.await),
      Effect.forever
    )
  )
})
