/**
 * The garbage collector: which blobs may be deleted, and the only module of a writer that deletes them.
 *
 * A blob that a job stores is not garbage before its commit has failed (`NewBlobs`). A blob that a commit has unnamed
 * waits until no snapshot in this process reads it and the grace time for readers in other processes has passed
 * (`Garbage`), and until no named hold keeps it (`HoldWatch`). A sweep finds what earlier runtimes and failed jobs have
 * left.
 *
 * The writer finds garbage by its own state. This is correct only as long as it is the writer, and knows the outcome of
 * all its appends. So the check before every deletion asks the journal. It rejects every deletion once another writer
 * has acquired the log. A fenced writer deletes nothing, and the next writer collects the blobs that it stored last.
 *
 * @internal
 */
import { Clock, Duration, Effect, Exit, Stream } from "effect"
import * as State from "../engine/State.ts"
import type { StorageError } from "../PersistError.ts"
import { Blob } from "../storage/Blob.ts"
import type { BlockCache } from "./BlockCache.ts"
import * as Command from "./Command.ts"
import type { Garbage } from "./Garbage.ts"
import * as HoldWatch from "./HoldWatch.ts"
import type { Journal } from "./Journal.ts"
import type { Mailbox } from "./Mailbox.ts"
import * as NewBlobs from "./NewBlobs.ts"

export interface Options {
  readonly state: State.State
  /** Part of the names of the blobs that this runtime stores. */
  readonly writerId: number
  readonly blob: Blob["Service"]
  readonly cache: BlockCache
  readonly garbage: Garbage
  readonly journal: Journal
  readonly mailbox: Mailbox
  /** How long garbage is kept for readers in other processes. */
  readonly grace: Duration.Duration
}

export interface GarbageCollector {
  readonly newBlobs: NewBlobs.NewBlobs
  /** The blobs that wait for their deletion. */
  readonly waiting: Pick<Garbage, "size" | "keys" | "has">
  /** Deletes garbage whose grace time has passed. What cannot be deleted stays garbage. */
  readonly collectOld: Effect.Effect<void>
  /** Deletes all garbage that no reader uses, regardless of its age. */
  readonly collectAll: Effect.Effect<void, Command.Failure>
  /** Finds garbage of an earlier runtime, or of a failed job. */
  readonly sweep: Effect.Effect<void, Command.Failure>
  readonly isSweepDue: () => boolean
  /** To be called when a job has failed: it may have left blobs. */
  readonly sweepAgain: () => void
  /** Makes all named holds expire. */
  readonly releaseHolds: Effect.Effect<void, StorageError>
}

export const make = Effect.fnUntraced(function*(options: Options) {
  const { cache, garbage, grace, journal, mailbox, state } = options
  const clock = yield* Clock.Clock
  const blob = gated(options.blob, journal)
  const watch = HoldWatch.make(blob)
  const newBlobs = NewBlobs.make(options.writerId, garbage)
  let isSweepDue = true

  /** The owner answers no command before it knows the outcome of every append. */
  const settled = Effect.suspend(() => mailbox.submit(new Command.Describe()))
  const isWriter = journal.truncate(0)

  /** Blobs that named holds keep, or that could not be deleted, stay garbage. */
  const collect = Effect.fnUntraced(function*(addedBy: number) {
    const taken = garbage.take(addedBy)
    if (taken.length === 0) return
    const held = yield* settled.pipe(
      Effect.andThen(isWriter),
      Effect.andThen(watch.held(taken)),
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

  const collector: GarbageCollector = {
    newBlobs,
    waiting: garbage,
    collectOld: Effect.suspend(() =>
      Effect.ignore(collect(clock.currentTimeMillisUnsafe() - Duration.toMillis(grace)))
    ),
    collectAll: collect(Infinity),
    sweep: Effect.gen(function*() {
      yield* settled
      newBlobs.settled()
      const stored = yield* unnamed(state, blob, isWriter)
      garbage.add(stored.map(({ key }) => key).filter((key) => !newBlobs.has(key)), clock.currentTimeMillisUnsafe())
      isSweepDue = false
    }),
    isSweepDue: () => isSweepDue,
    sweepAgain: () => {
      isSweepDue = true
    },
    releaseHolds: watch.release
  }
  return collector
})

/**
 * The stored blobs that a state does not name. `confirm` makes sure that the caller still is the writer. It runs after
 * the listing: no newer writer can have stored a listed blob, so that a blob which the state does not name is garbage.
 */
export const unnamed = Effect.fnUntraced(function*<E>(
  state: State.State,
  blob: Blob["Service"],
  confirm: Effect.Effect<void, E>
) {
  const named = State.blobKeys(state)
  const stored = yield* Stream.runCollect(Stream.concat(blob.list("batch/"), blob.list("rollup/")))
  yield* confirm
  return stored.filter(({ key }) => !named.has(key))
})

/** Deletes only while the journal permits it. */
const gated = (blob: Blob["Service"], journal: Journal): Blob["Service"] =>
  Blob.of({ ...blob, delete: (key) => Effect.andThen(journal.authority, blob.delete(key)) })
