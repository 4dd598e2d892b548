/**
 * The follower: an open store that another process, or another runtime, writes.
 *
 * It folds the same log as the writer does, as the log grows, and holds no lock. Hints of the log wake it up; that hints
 * may be lost costs time and nothing else. Where the writer has truncated what the follower has not read yet, it starts
 * again from the newest rollup, and its listeners are told.
 *
 * @internal
 */
import { Effect, Exit, Fiber, Schedule, Scope, Semaphore, Stream } from "effect"
import * as Capture from "../engine/Capture.ts"
import * as State from "../engine/State.ts"
import { ReadOnly, type StorageError, StreamDestroyed } from "../PersistError.ts"
import { Blob } from "../storage/Blob.ts"
import { Log } from "../storage/Log.ts"
import * as BatchStore from "./BatchStore.ts"
import * as BlockCache from "./BlockCache.ts"
import type * as Command from "./Command.ts"
import * as Feed from "./Feed.ts"
import * as Owner from "./Owner.ts"
import { decode } from "./Pure.ts"
import * as Recovery from "./Recovery.ts"
import * as Resilience from "./Resilience.ts"
import * as Runtime from "./Runtime.ts"
import type { Store } from "./Store.ts"

export type Options = Pick<Runtime.Options, "cacheBytes" | "feedBytes" | "resilience">

/** A hint that was met by a failure may have been the last one. */
const patience = Schedule.min([Schedule.exponential("10 millis"), Schedule.spaced("1 second")])

export const make = (options: Options) => Runtime.inOwnScope((scope) => open(options, scope))

const open = Effect.fnUntraced(function*(options: Options, scope: Scope.Closeable) {
  const context = yield* Effect.context<never>()
  const log = yield* Log
  const circuit = Resilience.make(context, options.resilience)
  const blob = Resilience.blob(yield* Blob, circuit, context)
  // The writer may truncate the log, and delete a rollup, while they are being read: then there is a newer one.
  const recover = circuit.retry(Recovery.load(log, blob))
  let { state } = yield* recover
  const batches = BatchStore.make(blob, BlockCache.make(options.cacheBytes, context), Recovery.isNamed(log, blob))
  const feed = Feed.make(state.position, options.feedBytes)
  const one = Semaphore.makeUnsafe(1)

  const restart = Effect.gen(function*() {
    state = (yield* recover).state
    feed.reset(state.position)
  })

  /** Folds what the log has gained. */
  const catchUp: Effect.Effect<void, StorageError> = one.withPermit(Effect.gen(function*() {
    const { lower, upper } = yield* circuit.run("looking how far the log goes", log.bounds)
    if (state.position < lower) return yield* restart
    if (state.position >= upper) return
    yield* log.read(state.position).pipe(
      Stream.mapEffect((entry) =>
        Effect.flatMap(Recovery.decodeEntry(log, entry), (commit) =>
          decode(() => {
            State.apply(state, commit, Recovery.locationOf(log, entry.position))
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

  const captureNow = (id: number): Command.Captured | undefined => {
    const collection = state.collections.get(id)
    if (collection === undefined) return undefined
    const capture = Capture.whole(collection, state.seqNo)
    return { capture, cursor: { position: state.position, writes: 0 }, release: () => {} }
  }
  const store: Store = {
    id: Symbol(log.location),
    state: () => state,
    feed,
    batches,
    offer: ({ _tag }) => refuse(_tag),
    submit: ({ _tag }) => refuse(_tag),
    capture: (target) =>
      Effect.flatMap(catchUp, () => {
        const captured = captureNow(target.id)
        return captured === undefined
          ? Effect.fail(new StreamDestroyed({ collection: target.name }))
          : Effect.succeed(captured)
      }),
    describe: Effect.map(catchUp, () => Owner.describe(state)),
    captureNow,
    holdLog: () => ({ advance: () => {}, isExpired: () => false, release: () => {} }),
    reread: (position, collection) => Runtime.reread(log, position, collection),
    sync: catchUp,
    compact: () => refuse("compact"),
    erase: () => refuse("erase"),
    maintain: refuse("maintain"),
    stop: Scope.close(scope, Exit.void)
  }
  return store
})

const refuse = (operation: string) => Effect.fail(new ReadOnly({ operation }))
