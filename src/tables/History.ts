/**
 * How much history tables keep.
 *
 * @internal
 */
import { Duration, Effect, Schedule } from "effect"
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

/** Computes the time from which on history is kept, from the last complete time and the clock. */
type Policy = (last: Timestamp, clock: { readonly start: number; readonly run: number }) => Timestamp

const spanOf = (span: Duration.Input): Policy => {
  const millis = Duration.toMillis(Duration.fromInputUnsafe(span))
  const lastBefore = observing(millis)
  // The later of two bounds: by the clock, and by when the times were observed.
  return (last, { run, start }) => Math.max(lastBefore(last + 1, run) ?? 0, 1_000 * (start + run - millis))
}

const commitsOf = (count: number, watch: (noted: () => void) => void, now: () => Timestamp): Policy => {
  const times: Array<Timestamp> = []
  watch(() => {
    const time = now()
    if (times.at(-1) !== time) times.push(time)
    if (times.length > Math.max(1, count)) times.shift()
  })
  return () => times.length < Math.max(1, count) ? 0 : times[0]!
}

/**
 * Allows compaction of a table and its indexes by the policy, until the scope closes. It writes nothing while the table
 * does not change.
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
  const policy: Policy = history === "latest"
    ? (time) => time
    : typeof history === "number"
    ? commitsOf(history, (noted) => table.watch(undefined, noted), last)
    : spanOf(history)
  const step = history === "latest" || typeof history === "number"
    ? 1
    : 10 * Duration.toMillis(Duration.fromInputUnsafe(history))
  const clock = yield* makeRun
  const start = (yield* clock).now

  const round = Effect.gen(function*() {
    const { run } = yield* clock
    const since = Math.floor(Math.min(policy(last(), { start, run }), tables.firstRead(), last()))
    const live = store.state().collections.get(table.id)
    if (live === undefined || since < live.since + step) return
    const targets = relations.map(({ id, name }) => ({ id, name, since }))
    const ahead = targets.filter(({ id }) => (store.state().collections.get(id)?.since ?? Infinity) < since)
    yield* store.submit(new Command.AllowCompaction({ targets: ahead }))
  })
  const rounds = Effect.catch(round, (error) => Effect.logWarning("a table keeps more of its past for now", error))
  yield* Effect.forkScoped(Effect.repeat(rounds, Schedule.spaced("1 second")))
})
