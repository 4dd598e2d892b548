/**
 * The runtime: an open store that this process writes.
 *
 * Opening acquires the log and recovers the state from it. Then one fiber owns the state and another maintains the
 * store, both in a scope of their own: closing it, by `stop` or by leaving the surrounding scope, executes the accepted
 * commands, answers all callers, and releases the log.
 *
 * @internal
 */
import { type Duration, Effect, Exit, Fiber, Random, type Schedule, Scope } from "effect"
import type { Limits } from "../engine/Plan.ts"
import { Fenced, RuntimeShutdown } from "../PersistError.ts"
import { Blob } from "../storage/Blob.ts"
import { Log } from "../storage/Log.ts"
import * as BatchStore from "./BatchStore.ts"
import * as BlockCache from "./BlockCache.ts"
import * as Ending from "./Ending.ts"
import * as Eraser from "./Eraser.ts"
import * as Feed from "./Feed.ts"
import * as Garbage from "./Garbage.ts"
import * as GarbageCollector from "./GarbageCollector.ts"
import * as HeldStore from "./HeldStore.ts"
import * as Jobs from "./Jobs.ts"
import * as Journal from "./Journal.ts"
import * as LogPins from "./LogPins.ts"
import * as LogRetention from "./LogRetention.ts"
import * as Mailbox from "./Mailbox.ts"
import * as Maintenance from "./Maintenance.ts"
import * as MemoryPressure from "./MemoryPressure.ts"
import { Merger } from "./Merger.ts"
import * as Observers from "./Observers.ts"
import * as OwnedStore from "./OwnedStore.ts"
import * as Owner from "./Owner.ts"
import * as Recovery from "./Recovery.ts"
import * as Resilience from "./Resilience.ts"
import * as Rewrites from "./Rewrites.ts"
import * as Series from "./Series.ts"
import * as Wakeups from "./Wakeups.ts"

export interface Options {
  /** What the metrics call the store; otherwise its location. */
  readonly name: string | undefined
  readonly mailbox: Mailbox.Options
  readonly maxGroupBytes: number
  readonly limits: Limits
  readonly partBytes: number
  readonly cacheBytes: number
  readonly feedBytes: number
  readonly heldLogBytes: number
  readonly grace: Duration.Duration
  /** How long a read waits for a time to be sealed before it logs a warning. */
  readonly patience: Duration.Duration
  readonly maintenance: Schedule.Schedule<unknown>
  readonly resilience: Resilience.Options
}

/** What maintenance works on and with. */
type Parts =
  & Omit<GarbageCollector.Options, "grace">
  & Omit<Rewrites.Options, "newBlobs" | "pressure" | "partBytes">
  & Omit<LogRetention.Options, "newBlobs" | "limits">

export const make = (options: Options) =>
  inOwnScope((close) =>
    Effect.flatMap(
      Log,
      ({ location }) => Series.within(options.name ?? location, "writer", open(options, close))
    )
  )

/**
 * Opens in a scope that `close` closes before the surrounding one, which closes it otherwise, also if opening fails.
 * Every caller of `close` waits until it is closed.
 */
export const inOwnScope = Effect.fnUntraced(function*<A, E, R>(
  opening: (close: Effect.Effect<void>) => Effect.Effect<A, E, R>
) {
  const scope = yield* Scope.make()
  const close = yield* Effect.cached(Scope.close(scope, Exit.void))
  yield* Effect.addFinalizer(() => close)
  return yield* Scope.provide(opening(close), scope)
})

const open = Effect.fnUntraced(function*(options: Options, close: Effect.Effect<void>) {
  const context = yield* Effect.context<never>()
  const log = yield* Log
  const circuit = yield* Resilience.make(context, options.resilience)
  const blob = Resilience.blob(yield* Blob, circuit, context)
  const writer = yield* log.acquire
  const { epoch, logSizes, state } = yield* Recovery.load(log, blob)
  // A newer writer has acquired the log since, and appended to it.
  if (epoch > writer.epoch) return yield* new Fenced({ epoch: writer.epoch, current: epoch })
  const writerId = yield* Random.nextIntBetween(0, Number.MAX_SAFE_INTEGER)

  const cache = BlockCache.make(options.cacheBytes, context)
  const batches = BatchStore.make(blob, cache, BatchStore.missing(Recovery.isNamed(log, blob)))
  const feed = Feed.make(state.position, options.feedBytes)
  const observers = Observers.make()
  const garbage = Garbage.make()
  const pins = LogPins.make(options.heldLogBytes)
  const { broken, ended, lose } = yield* Ending.make(feed, close, context)
  const journal = yield* Journal.make(log, writer, circuit, context, lose)
  const mailbox = yield* Mailbox.make(options.mailbox, context)
  const { eraser, maintenance } = yield* upkeep(options, {
    state,
    writerId,
    blob,
    batches,
    merger: yield* Merger,
    cache,
    garbage,
    pins,
    journal,
    mailbox,
    logSizes,
    context
  })
  const owner = yield* Effect.forkScoped(Effect.onError(
    Owner.run({
      state,
      writerId,
      mailbox,
      journal,
      feed,
      garbage,
      context,
      location: log.location,
      maxGroupBytes: options.maxGroupBytes,
      onFatal: lose,
      folded: observers.notify,
      committed: maintenance.committed
    }),
    broken
  ))
  const maintainer = yield* Effect.forkScoped(maintenance.run)

  // Finalizers run in reverse order: this one runs first, and waits until the accepted commands are executed.
  yield* Effect.addFinalizer(() => finish(maintenance, maintainer, mailbox, owner, feed))
  return OwnedStore.make({
    log,
    state,
    feed,
    patience: options.patience,
    measured: Series.of(context),
    observe: observers.add,
    batches,
    mailbox,
    journal,
    garbage,
    pins,
    maintenance,
    eraser,
    ...HeldStore.of(blob, cache),
    ended,
    close
  })
})

/** Executes the accepted commands, and ends everything that runs. */
const finish = (
  maintenance: Maintenance.Maintenance,
  maintainer: Fiber.Fiber<never>,
  mailbox: Mailbox.Mailbox,
  owner: Fiber.Fiber<void>,
  feed: Feed.Feed
): Effect.Effect<void> =>
  Fiber.interrupt(maintainer).pipe(
    // If a defect has ended the mailbox, or ends it now, no command can be executed any more.
    Effect.andThen(Effect.raceFirst(mailbox.ended, Effect.interruptible(maintenance.finish))),
    Effect.andThen(mailbox.end(new RuntimeShutdown())),
    Effect.andThen(Fiber.await(owner)),
    Effect.andThen(Effect.sync(() => feed.close()))
  )

/** Maintenance and erasure, put together from what they share. */
const upkeep = Effect.fnUntraced(function*({ grace, limits, maintenance, partBytes }: Options, parts: Parts) {
  const { context, mailbox, state } = parts
  const collector = yield* GarbageCollector.make({ ...parts, grace })
  const { newBlobs } = collector
  const pressure = MemoryPressure.make(state, limits, mailbox)
  const wakeups = Wakeups.make(maintenance)
  const jobs = Jobs.make(collector, pressure, wakeups, context)
  const rewrites = Rewrites.make({ ...parts, newBlobs, pressure, partBytes })
  const retention = LogRetention.make({ ...parts, newBlobs, limits })
  return {
    maintenance: Maintenance.make({
      state,
      limits,
      mailbox,
      jobs,
      rewrites,
      retention,
      collector,
      pressure,
      wakeups,
      context
    }),
    eraser: Eraser.make({ state, mailbox, jobs, rewrites, retention, collector })
  }
})
