/**
 * The follower: an open store that another process, or another runtime, writes.
 *
 * The follower folds the same log as the writer, as the log grows, and takes no lock. Hints of the log wake it up. A
 * lost hint only delays it. Where the writer has truncated entries that the follower has not read, the follower starts
 * again from the newest rollup, and its listeners fail with `HoldExpired`.
 *
 * @internal
 */
import { Effect, Fiber, Schedule, Semaphore, Stream } from "effect"
import * as State from "../engine/State.ts"
import type { StorageError } from "../PersistError.ts"
import { decode } from "../Pure.ts"
import { Blob } from "../storage/Blob.ts"
import { Log } from "../storage/Log.ts"
import * as BatchStore from "./BatchStore.ts"
import * as BlockCache from "./BlockCache.ts"
import * as Feed from "./Feed.ts"
import * as HeldStore from "./HeldStore.ts"
import * as HoldFiles from "./HoldFiles.ts"
import * as Observers from "./Observers.ts"
import * as ReadStore from "./ReadStore.ts"
import * as Recovery from "./Recovery.ts"
import { reread } from "./Reread.ts"
import * as Resilience from "./Resilience.ts"
import * as Runtime from "./Runtime.ts"
import * as Series from "./Series.ts"
import type { FollowedStore } from "./Store.ts"

export type Options = Pick<Runtime.Options, "name" | "cacheBytes" | "feedBytes" | "patience" | "resilience">

/** The read after the last hint may have failed, so that it must be tried again without a hint. */
const patience = Schedule.min([Schedule.exponential("10 millis"), Schedule.spaced("1 second")])

export const make = (options: Options) =>
  Runtime.inOwnScope((close) =>
    Effect.flatMap(
      Log,
      ({ location }) => Series.within(options.name ?? location, "follower", open(options, close))
    )
  )

const open = Effect.fnUntraced(function*(options: Options, close: Effect.Effect<void>) {
  const context = yield* Effect.context<never>()
  const log = yield* Log
  const circuit = yield* Resilience.make(context, options.resilience)
  const blob = Resilience.blob(yield* Blob, circuit, context)
  // The writer may truncate the log, and delete the rollup, while they are being read. Then there is a newer rollup.
  const recover = circuit.retry(Recovery.load(log, blob))
  let { state } = yield* recover
  const cache = BlockCache.make(options.cacheBytes, context)
  const batches = BatchStore.make(blob, cache, BatchStore.missing(Recovery.isNamed(log, blob)))
  const feed = Feed.make(state.position, options.feedBytes)
  const observers = Observers.make()
  const one = Semaphore.makeUnsafe(1)

  const restart = Effect.gen(function*() {
    state = (yield* recover).state
    observers.notify(undefined)
    feed.reset(state.position)
  })

  /** Folds the new entries of the log. */
  const catchUp: Effect.Effect<void, StorageError> = one.withPermit(Effect.gen(function*() {
    const { lower, upper } = yield* circuit.run("looking how far the log goes", log.bounds)
    if (state.position < lower) return yield* restart
    if (state.position >= upper) return
    yield* log.read(state.position).pipe(
      Stream.mapEffect((entry) =>
        Effect.flatMap(Recovery.decodeEntry(log, entry), (commit) =>
          decode(() => {
            State.apply(state, commit, Recovery.locationOf(log, entry.position))
            observers.notify(commit.changes)
            feed.publish({ position: entry.position, changes: commit.changes })
          }))
      ),
      Stream.runDrain
    )
  }))

  const following = yield* Effect.forkScoped(
    Stream.runForEach(
      log.changes,
      () => Effect.ignore(Effect.retry(catchUp, { schedule: patience, while: ({ _tag }) => _tag === "Unavailable" }))
    )
  )
  yield* Effect.addFinalizer(() => Effect.andThen(Fiber.interrupt(following), Effect.sync(() => feed.close())))

  const measured = Series.of(context)
  const store = ReadStore.make({
    location: log.location,
    state: () => state,
    feed,
    patience: options.patience,
    measured,
    observe: observers.add,
    batches,
    catchUp,
    reread: (position, collection) => reread(log, position, collection),
    stop: close
  })
  return {
    ...store,
    hold: HeldStore.taking(blob, cache, Effect.map(catchUp, () => state), measured),
    holds: HoldFiles.list(blob)
  } satisfies FollowedStore
})
