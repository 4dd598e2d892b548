/**
 * Maintenance: keeps a store small and fast, concurrently with commands.
 *
 * It runs on a `Schedule`, and at once when memory or the log exceed their limits. A run does the work that the plan
 * finds due: flushes, merges, compactions, a rollup and the truncation of the log before it, the deletion of garbage.
 * Where nothing is due it writes nothing. A failed job changes nothing, and is retried at the next tick, even without
 * new commits. An idle store has no ticks: the schedule continues with the next commit.
 *
 * @internal
 */
import { Cause, Clock, type Context, Duration, Effect, Exit, Latch, Schedule, Semaphore } from "effect"
import * as Overflow from "../engine/Overflow.ts"
import * as Plan from "../engine/Plan.ts"
import * as Rollup from "../engine/Rollup.ts"
import type { Target } from "../engine/Stage.ts"
import type * as State from "../engine/State.ts"
import { CollectionDestroyed, UnknownCollection } from "../PersistError.ts"
import type { Blob } from "../storage/Blob.ts"
import type { BatchStore } from "./BatchStore.ts"
import type { BlockCache } from "./BlockCache.ts"
import * as Command from "./Command.ts"
import type { Garbage } from "./Garbage.ts"
import * as GarbageCollector from "./GarbageCollector.ts"
import type { HoldWatch } from "./HoldWatch.ts"
import type { Journal } from "./Journal.ts"
import type { LogPins } from "./LogPins.ts"
import type { Mailbox } from "./Mailbox.ts"
import type { Merger } from "./Merger.ts"
import * as Metrics from "./Metrics.ts"
import * as Rewriter from "./Rewriter.ts"

/** How large an entry of the log is. */
export interface LogSize {
  readonly position: number
  readonly bytes: number
}

export interface Options {
  readonly state: State.State
  /** Part of the names of the blobs that this runtime stores. */
  readonly writerId: number
  readonly blob: Blob["Service"]
  readonly batches: BatchStore
  readonly merger: Merger
  readonly cache: BlockCache
  readonly garbage: Garbage
  readonly holds: LogPins
  readonly watch: HoldWatch
  readonly journal: Journal
  readonly mailbox: Mailbox
  readonly limits: Plan.Limits
  readonly partBytes: number
  readonly schedule: Schedule.Schedule<unknown>
  /** How long garbage is kept for readers in other processes. */
  readonly grace: Duration.Duration
  /** The entries of the log that had not been truncated behind the newest rollup when the store was opened. */
  readonly logSizes: ReadonlyArray<LogSize>
  readonly context: Context.Context<never>
}

export type Failure = Command.Failure | Rewriter.RewriteError

export interface Maintenance {
  /** To be called after each commit. */
  readonly committed: (bytes: number) => void
  /** Does everything that is due. */
  readonly runDue: Effect.Effect<void, Failure>
  /** Rewrites one whole collection, and truncates the log behind it. */
  readonly compact: (name: string) => Effect.Effect<void, Failure | UnknownCollection>
  /**
   * Removes every row of a key from one collection, and its bytes from the storage: from the log, from replaced blobs,
   * and from garbage that failed jobs have left.
   */
  readonly erase: (target: Target, key: Uint8Array) => Effect.Effect<Erased, Failure | CollectionDestroyed>
  /**
   * The last run: the work that is due, as far as it succeeds, and the deletion of all garbage, regardless of its age.
   */
  readonly finish: Effect.Effect<void>
  /** Runs for ever. A defect is reported, and the run is retried. */
  readonly run: Effect.Effect<never>
}

/** What an erasure did. */
export interface Erased {
  /** The log position up to which every row of the key is removed. */
  readonly position: number
  readonly rows: number
  /** Blobs deleted. */
  readonly blobs: number
}

/** Followers in other processes are given this share of the log's limit to keep up. */
const followersShare = 0.5

/** After this many runs, in which followers can catch up, the log is truncated as far as possible. */
const runsBeforeTrim = 2

/** Work that is still due after this many rounds waits for the next tick. */
const maxRounds = 64

/** How often an erasure checks whether the last snapshot with the erased rows is closed. */
const betweenLooks = Duration.millis(50)

/** Pauses before a run that ended in a defect is retried. */
const backOff = Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("1 minute")])

/** Writes wait while unsealed rows take more than this many times the memory limit. */
const pressure = 4

const sizeOf = (sized: ReadonlyArray<{ readonly bytes: number }>): number =>
  sized.reduce((sum, { bytes }) => sum + bytes, 0)

/** The position from which on the last entries have at most `bytes` bytes, if there is one. */
const firstOfLast = (entries: ReadonlyArray<LogSize>, bytes: number): number | undefined => {
  let first: number | undefined
  let sum = 0
  for (const entry of entries.toReversed()) {
    sum += entry.bytes
    if (sum > bytes) break
    first = entry.position
  }
  return first
}

export const make = Effect.fnUntraced(function*(options: Options) {
  const { blob, cache, context, garbage, journal, limits, mailbox, state } = options
  const clock = yield* Clock.Clock
  const one = Semaphore.makeUnsafe(1)
  const isDue = Latch.makeUnsafe(false)
  /** Closed while there is nothing to do: nothing was committed for some runs, nothing failed, and nothing waits. */
  const mayBeDue = Latch.makeUnsafe(true)
  /** Blobs that are being written: neither referenced yet nor garbage. */
  const inFlight = new Set<string>()
  /** Those of them that may be named by an append of unknown outcome, or by one that was fenced. */
  const uncertain: Array<string> = []
  let blobs = 0
  const log = [...options.logSizes]
  /** Bytes appended since the last rollup. */
  let sinceRollup = 0
  /** Bytes appended since the log was last truncated as far as possible. */
  let sinceTrim = 0
  let isSweepDue = true
  /** The last sequence number at the last run. If it has not changed, nothing was written. */
  let lastSeqNo = -1
  /** Runs since the last write. */
  let quietRuns = 0
  /** Whether the last run ended in a defect. Writes are not paused then: no run would end the pause. */
  let isBroken = false

  const newKey = (folder: string): string => {
    const key = `${folder}/${options.writerId.toString(16).padStart(14, "0")}-${
      (++blobs).toString(16).padStart(8, "0")
    }`
    inFlight.add(key)
    return key
  }
  const abandon = (keys: ReadonlyArray<string>) => {
    for (const key of keys) inFlight.delete(key)
    garbage.add(keys, clock.currentTimeMillisUnsafe())
  }

  /**
   * Submits the command that names the blobs. Once it is submitted, its outcome must be known before anything else is
   * planned.
   */
  const naming = <A, E extends { readonly _tag: string }>(keys: ReadonlyArray<string>, submit: Effect.Effect<A, E>) =>
    Effect.tapError(Effect.uninterruptible(submit), (error) =>
      Effect.sync(() => {
        if (error._tag === "Unavailable" || error._tag === "OutOfSpace") abandon(keys)
        else uncertain.push(...keys)
      }))

  const rewrite = Effect.fnUntraced(function*(planned: Plan.Rewrite, how: "run" | "runApart" = "run") {
    const keys: Array<string> = []
    const rewriter = Rewriter.make({
      blob,
      batches: options.batches,
      merger: options.merger,
      partBytes: options.partBytes,
      newKey: () => {
        const key = newKey("batch")
        keys.push(key)
        return key
      }
    })
    const { bytes, erased, swap } = yield* Effect.onError(rewriter[how](planned), () => Effect.sync(() => abandon(keys)))
    const isApplied = yield* naming(keys, mailbox.submit(new Command.Swap({ change: swap })))
    Metrics.compactionBytes.updateUnsafe(bytes, context)
    if (isApplied) {
      const named = new Set(
        [...swap.newSpills, swap.newTrace].flatMap((batch) => batch?.parts ?? []).map(({ key }) => key)
      )
      for (const key of named) inFlight.delete(key)
      // Blobs that a merge had stored before it had to be restarted.
      abandon(keys.filter((key) => !named.has(key)))
      if (planned.trace.length > 0) Metrics.compactions.updateUnsafe(1, context)
    } else {
      abandon(keys)
      Metrics.compactionsStale.updateUnsafe(1, context)
    }
    if (state.memoryBytes <= pressure * limits.memoryBytes) mailbox.resume()
    return { erased, isApplied }
  })

  const logBytes = (before = Infinity): number => sizeOf(log.filter(({ position }) => position < before))

  /** Stores a rollup, and truncates the log behind it, except the last `kept` bytes. */
  const rollUp = Effect.fnUntraced(function*(kept: number) {
    const position = state.position
    const logFrom = Plan.horizon(state, limits)
    const bytes = Rollup.encode(state, logFrom)
    const key = newKey("rollup")
    yield* Effect.onError(blob.put(key, bytes), () => Effect.sync(() => abandon([key])))
    yield* naming([key], mailbox.submit(new Command.Rollup({ key, position, logFrom })))
    inFlight.delete(key)
    sinceRollup = 0
    const freed = log.splice(0, log.findLastIndex((entry) => entry.position < logFrom) + 1)
    Metrics.rollupBytes.updateUnsafe(bytes.length, context)
    yield* journal.truncate(Math.min(firstOfLast(freed, kept) ?? logFrom, options.holds.lowest()))
  })

  /** As `rollUp`. The rollup's own entry stays in the log. It must not share its storage with the entries before it. */
  const rollUpWhole = Effect.gen(function*() {
    yield* mailbox.submit(new Command.Rotate())
    yield* rollUp(0)
    sinceTrim = 0
  })

  /**
   * Checks that this process still is the writer. The owner answers no command before it knows the outcome of every
   * append.
   */
  const confirm = Effect.suspend(() => mailbox.submit(new Command.Describe())).pipe(
    Effect.andThen(journal.truncate(0))
  )

  /** Deletes garbage. Blobs that named holds keep, or that could not be deleted, stay garbage. */
  const collect = Effect.fnUntraced(function*(addedBy: number) {
    const taken = garbage.take(addedBy)
    if (taken.length === 0) return
    const held = yield* confirm.pipe(
      Effect.andThen(options.watch.held(taken)),
      Effect.onError(() => Effect.sync(() => garbage.putBack(taken)))
    )
    garbage.putBack(taken.filter((key) => held.has(key)))
    const keys = taken.filter((key) => !held.has(key))
    cache.forget(keys.map((key) => `${key}#`))
    const exits = yield* Effect.forEach(
      keys,
      (key) => Effect.exit(Effect.tapError(blob.delete(key), () => Effect.sync(() => garbage.putBack([key])))),
      { concurrency: 8 }
    )
    yield* Exit.asVoidAll(exits)
  })

  const collectOld = Effect.suspend(() =>
    Effect.ignore(collect(clock.currentTimeMillisUnsafe() - Duration.toMillis(options.grace)))
  )

  /** Garbage of an earlier runtime, or of a failed job. */
  const sweep = Effect.gen(function*() {
    // The owner answers no command before it knows the outcome of every append.
    yield* mailbox.submit(new Command.Describe())
    for (const key of uncertain.splice(0)) inFlight.delete(key)
    const stored = yield* GarbageCollector.unnamed(state, blob, journal.truncate(0))
    garbage.add(stored.map(({ key }) => key).filter((key) => !inFlight.has(key)), clock.currentTimeMillisUnsafe())
    isSweepDue = false
  })

  const observe = (due: number) => {
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
    Metrics.garbageBlobs.updateUnsafe(garbage.size(), context)
    Metrics.queueDepth.updateUnsafe(mailbox.depth(), context)
  }

  /** Counts and times a job. If it fails, waiting writes continue: they fail by themselves if the error persists. */
  const job = <A, E>(work: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.trackDuration(work, Metrics.inSeconds(Metrics.stepTime)).pipe(
      Effect.tap(() => Effect.sync(() => Metrics.steps.updateUnsafe(1, context))),
      Effect.onError(() =>
        Effect.sync(() => {
          Metrics.stepErrors.updateUnsafe(1, context)
          isSweepDue = true
          mayBeDue.openUnsafe()
          mailbox.resume()
        })
      )
    )

  /** The activity of the store since the run before this one. */
  const paceSince = (): Plan.Pace => {
    quietRuns = state.seqNo === lastSeqNo ? quietRuns + 1 : 0
    lastSeqNo = state.seqNo
    return quietRuns > 0 ? "quiet" : "busy"
  }

  /** Whether there will be work to do even if nothing is committed. */
  const isUnfinished = (): boolean => quietRuns < runsBeforeTrim || isSweepDue || garbage.size() > 0

  /** Rewrites that overflowed, by collection. */
  const overflowed = new Map<number, string>()

  /** Moves rows out of memory even where they cannot be summed, and then fails. */
  const flush = (planned: Plan.Rewrite) =>
    Effect.tapError(job(rewrite(planned)), (error): Effect.Effect<unknown, Failure> => {
      if (error._tag !== "ValueOutOfRange") return Effect.void
      if (planned.chunks.length > 0) return job(rewrite(Overflow.apart(planned), "runApart"))
      overflowed.set(planned.collection, Overflow.attempt(planned))
      return Effect.void
    })

  /** The rewrites that are due, but for those that would overflow again. */
  const dueRewrites = (pace: Plan.Pace): ReadonlyArray<Plan.Rewrite> =>
    Plan.rewrites(state, limits, logBytes(), pace).filter((planned) =>
      planned.chunks.length > 0 || overflowed.get(planned.collection) !== Overflow.attempt(planned)
    )

  const runAt = Effect.fnUntraced(function*(pace: Plan.Pace) {
    mayBeDue.closeUnsafe()
    /** Collections whose rows cannot be rewritten. They must not block the others. */
    const stuck = new Map<number, Failure>()
    for (let round = 0; round < maxRounds; round++) {
      const isRollupDue = Plan.isRollupDue(state, limits, logBytes(Plan.horizon(state, limits)))
      if (isRollupDue) yield* job(rollUp(Plan.logTarget(state, limits) * followersShare))
      const due = dueRewrites(pace).filter(({ collection }) => !stuck.has(collection))
      observe(due.length)
      if (due.length === 0) break
      for (const planned of due) {
        yield* Effect.catchTag(
          flush(planned),
          ["ValueOutOfRange", "Corrupt"],
          (failure) => Effect.sync(() => stuck.set(planned.collection, failure))
        )
      }
    }
    if (pace === "quiet" && quietRuns >= runsBeforeTrim && sinceTrim >= limits.reclaimBytes) yield* job(rollUpWhole)
    if (isSweepDue) yield* job(sweep)
    yield* collectOld
    observe(stuck.size)
    for (const failure of stuck.values()) return yield* failure
  })

  const runDue: Effect.Effect<void, Failure> = Effect.suspend(() => runAt(paceSince()))

  const compact = Effect.fnUntraced(function*(name: string) {
    const id = state.names.get(name)
    const collection = id === undefined ? undefined : state.collections.get(id)
    if (collection === undefined) return yield* new UnknownCollection({ collection: name })
    if (!Plan.isCompact(collection)) yield* job(rewrite(Plan.everything(collection, state.position)))
    if (log.length > 0) yield* job(rollUpWhole)
    else yield* journal.truncate(Math.min(state.logFrom, options.holds.lowest()))
    yield* collectOld
  })

  /** Makes garbage of the blobs that contained the key, and returns them. */
  const eraseRows = Effect.fnUntraced(function*(target: Target, key: Uint8Array) {
    const planned = yield* mailbox.submit(new Command.Erase({ target, key }))
    const position = planned.chunksBefore
    const { erased, isApplied } = yield* job(rewrite(planned))
    if (!isApplied) return yield* new CollectionDestroyed({ collection: target.name })
    for (const planned of Plan.flushes(state)) yield* Effect.catchTag(flush(planned), "ValueOutOfRange", () => Effect.void)
    yield* job(rollUp(0))
    if (state.logFrom < position) return yield* Effect.die(new Error("rows before an erasure are in the log only"))
    // Listeners of truncated entries, and named holds, expire.
    yield* journal.truncate(state.logFrom)
    yield* options.watch.release
    yield* sweep
    return { position, rows: erased, doomed: garbage.keys() }
  })

  const erase = Effect.fnUntraced(function*(target: Target, key: Uint8Array) {
    const { doomed, position, rows } = yield* one.withPermit(eraseRows(target, key))
    while (true) {
      // When this fiber gets the lock, maintenance has finished its own deletions.
      yield* one.withPermit(collect(Infinity))
      if (!doomed.some(garbage.has)) break
      // Snapshots that are open in this process keep leases on their blobs.
      yield* Effect.sleep(betweenLooks)
    }
    return { position, rows, blobs: doomed.length }
  })

  /**
   * Every pause of the writes requests a run, and the end of the run ends the pause, even if the run fails. So writes
   * never wait for a job that cannot succeed.
   */
  const resuming = <A, E>(work: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.onExit(work, (exit) =>
      Effect.suspend(() => {
        isBroken = Exit.isFailure(exit) && Cause.hasDies(exit.cause)
        if (Exit.isFailure(exit) || isUnfinished()) mayBeDue.openUnsafe()
        mailbox.resume()
        if (!Exit.isFailure(exit) || !isBroken) return Effect.void
        Metrics.maintenanceDefects.updateUnsafe(1, context)
        return Effect.logError("maintenance met a defect, and will be tried again; report it", exit.cause)
      }))

  const run = one.withPermit(resuming(runDue))
  const supervised = Effect.ignore(run).pipe(Effect.sandbox, Effect.retry(backOff), Effect.ignore)

  const maintenance: Maintenance = {
    committed: (bytes) => {
      log.push({ position: state.position - 1, bytes })
      sinceRollup += bytes
      sinceTrim += bytes
      options.holds.appended(bytes)
      mayBeDue.openUnsafe()
      const memory = state.memoryBytes
      if (memory > pressure * limits.memoryBytes && !isBroken) mailbox.pause()
      if (memory > limits.memoryBytes || sinceRollup > limits.logBytes) isDue.openUnsafe()
    },
    runDue: run,
    compact: (name) => one.withPermit(compact(name)),
    erase,
    finish: Effect.ignoreCause(
      one.withPermit(resuming(Effect.andThen(Effect.ignore(runAt("busy")), collect(Infinity))))
    ),
    run: Effect.raceFirst(
      Effect.andThen(Effect.repeat(Effect.andThen(supervised, mayBeDue.await), options.schedule), Effect.never),
      Effect.forever(Effect.andThen(
        isDue.await,
        Effect.suspend(() => {
          isDue.closeUnsafe()
          return supervised
        })
      ))
    )
  }
  return maintenance
})
