/**
 * Maintenance: keeps a store small and fast, concurrently with commands. It decides what is done, and when.
 *
 * It runs on a `Schedule`, and at once when memory or the log exceed their limits. A run does the work that the plan
 * finds due: flushes, merges, compactions, a rollup and the truncation of the log before it, the deletion of garbage.
 * Where nothing is due it writes nothing. A failed job changes nothing, and is retried at the next tick, even without
 * new commits. An idle store has no ticks: the schedule continues with the next commit.
 *
 * @internal
 */
import { Cause, type Context, Effect, Exit, Schedule } from "effect"
import * as Batch from "../engine/Batch.ts"
import * as Collection from "../engine/Collection.ts"
import * as Plan from "../engine/Plan.ts"
import type * as State from "../engine/State.ts"
import { OutOfSpace, UnknownCollection } from "../PersistError.ts"
import { MayUseReserve } from "../storage/Log.ts"
import type { GarbageCollector } from "./GarbageCollector.ts"
import type { Jobs } from "./Jobs.ts"
import type { LogRetention } from "./LogRetention.ts"
import type { Mailbox } from "./Mailbox.ts"
import type { MemoryPressure } from "./MemoryPressure.ts"
import * as Metrics from "./Metrics.ts"
import type { Failure, Rewrites } from "./Rewrites.ts"
import type { Wakeups } from "./Wakeups.ts"

export interface Options {
  readonly state: State.State
  readonly limits: Plan.Limits
  readonly mailbox: Mailbox
  readonly jobs: Jobs
  readonly rewrites: Rewrites
  readonly retention: LogRetention
  readonly collector: GarbageCollector
  readonly pressure: MemoryPressure
  readonly wakeups: Wakeups
  readonly context: Context.Context<never>
}

export interface Maintenance {
  /** To be called after each commit, with its size in the log. */
  readonly committed: (bytes: number) => void
  /** Does everything that is due. */
  readonly runDue: Effect.Effect<void, Failure>
  /** Rewrites one whole collection, and truncates the log behind it. */
  readonly compact: (name: string) => Effect.Effect<void, Failure | UnknownCollection>
  /**
   * The last run: the work that is due, as far as it succeeds, and the deletion of all garbage, regardless of its age.
   */
  readonly finish: Effect.Effect<void>
  /** Runs for ever. A defect is reported, and the run is retried. */
  readonly run: Effect.Effect<never>
}

/** After this many runs, in which followers can catch up, the log is truncated as far as possible. */
const runsBeforeTrim = 2

/** Work that is still due after this many rounds waits for the next tick. */
const maxRounds = 64

/** Pauses before a run that ended in a defect is retried. */
const backOff = Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("1 minute")])

export const make = (options: Options): Maintenance => {
  const { collector, context, jobs, pressure, retention, rewrites, state, wakeups } = options
  const quiet = quietRuns(state)

  const runAt = Effect.fnUntraced(function*(pace: Plan.Pace) {
    wakeups.begun()
    retention.looked()
    const failures = yield* rewriteDue(options, pace)
    if (pace === "quiet" && quiet.count() >= runsBeforeTrim && retention.isTrimDue()) yield* jobs.run(retention.trim)
    if (collector.isSweepDue()) yield* jobs.run(collector.sweep)
    yield* collector.collectOld
    observe(options, failures.length)
    for (const failure of failures) return yield* failure
  })

  const compact = Effect.fnUntraced(function*(name: string) {
    const id = state.names.get(name)
    const collection = id === undefined ? undefined : state.collections.get(id)
    if (collection === undefined) return yield* new UnknownCollection({ collection: name })
    if (!Plan.isCompact(collection)) yield* rewriteAll(collection)
    yield* jobs.run(retention.trim)
    yield* collector.collectOld
  })

  /**
   * Rewrites a whole collection. The result is stored before what it replaces is deleted. Where there is no space for
   * both, the log makes room, as far as it can be truncated.
   */
  const rewriteAll = (collection: Collection.Collection) => {
    const rewrite = Effect.suspend(() => jobs.run(rewrites.perform(Plan.everything(collection, state.position))))
    const makeRoom = collector.collectOld.pipe(
      Effect.andThen(jobs.run(retention.trim)),
      Effect.andThen(collector.collectOld)
    )
    return rewrite.pipe(
      Effect.catchTag("OutOfSpace", () => Effect.andThen(makeRoom, rewrite)),
      Effect.catchTag("OutOfSpace", (error) => Effect.fail(tooLarge(collection, error)))
    )
  }

  /** Whether there will be work to do even if nothing is committed. */
  const isUnfinished = (): boolean =>
    quiet.count() < runsBeforeTrim || collector.isSweepDue() || collector.waiting.size() > 0

  const ended = (exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> =>
    Effect.suspend(() => {
      pressure.runEnded(exit)
      if (Exit.isFailure(exit) || isUnfinished()) wakeups.later()
      if (!Exit.isFailure(exit) || !Cause.hasDies(exit.cause)) return Effect.void
      Metrics.maintenanceDefects.updateUnsafe(1, context)
      return Effect.logError("maintenance met a defect, and will be tried again; report it", exit.cause)
    })

  const run = (pace: () => Plan.Pace) => jobs.alone(Effect.onExit(Effect.suspend(() => runAt(pace())), ended))
  const runDue = run(quiet.next)

  return {
    committed: (bytes) => {
      retention.committed(bytes)
      wakeups.later()
      pressure.apply()
      if (pressure.isHigh() || retention.isTooLong()) wakeups.now()
    },
    runDue,
    // Who asks for it wants the space, also on a full disk.
    compact: (name) => Effect.provideService(jobs.alone(compact(name)), MayUseReserve, true),
    finish: Effect.ignoreCause(
      jobs.alone(Effect.onExit(Effect.andThen(Effect.ignore(runAt("busy")), collector.collectAll), ended))
    ),
    // What is asked for at once is asked for by writes, however few of them there were since the run before.
    run: wakeups.drive(supervised(runDue), supervised(run(() => "busy")))
  }
}

/** The error of a compaction for whose result there is no space. */
const tooLarge = (collection: Collection.Collection, { detail, location }: OutOfSpace): OutOfSpace => {
  const bytes = Collection.batches(collection).reduce((sum, batch) => sum + Batch.bytes(batch), collection.memoryBytes)
  return new OutOfSpace({
    location,
    detail: `${detail}; a compaction stores its result before it deletes what that replaces, and for ` +
      `"${collection.registration.name}" this takes up to ${bytes} bytes: destroy a collection, or provide them`
  })
}

/** A run that failed is over; one that ended in a defect is tried again. */
const supervised = (run: Effect.Effect<void, Failure>): Effect.Effect<void> =>
  Effect.ignore(run).pipe(Effect.sandbox, Effect.retry(backOff), Effect.ignore)

/** Counts the runs since the last write. */
const quietRuns = (state: State.State) => {
  /** The last sequence number at the last run. If it has not changed, nothing was written. */
  let lastSeqNo = -1
  let count = 0
  return {
    count: () => count,
    /** To be called when a run begins. Returns the activity of the store since the run before it. */
    next: (): Plan.Pace => {
      count = state.seqNo === lastSeqNo ? count + 1 : 0
      lastSeqNo = state.seqNo
      return count > 0 ? "quiet" : "busy"
    }
  }
}

/**
 * Rolls up and rewrites until nothing is due. Returns why the rows of some collections cannot be rewritten, which does
 * not block the others.
 */
const rewriteDue = Effect.fnUntraced(function*(options: Options, pace: Plan.Pace) {
  const { jobs, limits, retention, rewrites, state } = options
  const stuck = new Map<number, Failure>()
  for (let round = 0; round < maxRounds; round++) {
    if (retention.isRollupDue()) yield* jobs.run(retention.rollUp)
    const planned = Plan.rewrites(state, limits, retention.bytes(), pace)
    const due = planned.filter((each) => !stuck.has(each.collection) && !rewrites.isFutile(each))
    observe(options, due.length)
    if (due.length === 0) break
    for (const rewrite of due) {
      yield* Effect.catchTag(
        jobs.run(rewrites.relieve(rewrite)),
        ["ValueOutOfRange", "Corrupt"],
        (failure) => Effect.sync(() => stuck.set(rewrite.collection, failure))
      )
    }
  }
  return [...stuck.values()]
})

const observe = ({ collector, context, mailbox, state }: Options, due: number): void => {
  const collections = [...state.collections.values()]
  const spills = collections.flatMap((each) => each.spills).flatMap((batch) => batch.parts)
  const trace = collections.flatMap((each) => each.trace).flatMap((batch) => batch.parts)
  Metrics.collectionCount.updateUnsafe(collections.length, context)
  Metrics.unsealedBlobCount.updateUnsafe(spills.length, context)
  Metrics.unsealedBlobBytes.updateUnsafe(sizeOf(spills), context)
  Metrics.unsealedMemoryBytes.updateUnsafe(state.memoryBytes, context)
  Metrics.traceBlobCount.updateUnsafe(trace.length, context)
  Metrics.traceBlobBytes.updateUnsafe(sizeOf(trace), context)
  Metrics.backlogJobs.updateUnsafe(due, context)
  Metrics.garbageBlobs.updateUnsafe(collector.waiting.size(), context)
  Metrics.queueDepth.updateUnsafe(mailbox.depth(), context)
}

const sizeOf = (sized: ReadonlyArray<{ readonly bytes: number }>): number =>
  sized.reduce((sum, { bytes }) => sum + bytes, 0)
