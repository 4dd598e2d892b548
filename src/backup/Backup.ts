/**
 * Backups: the store as of some positions of its log in another place, from which it is restored as of any of them.
 *
 * A backup is made beside the writer of the store, if there is one, and is incremental: blobs are immutable, so that only
 * those are copied that the place does not have, and the entries of the log since the last time. A named hold keeps what
 * is being copied. A backup counts from its last step on, after everything was read back and verified; one that was
 * interrupted is continued by the next. Nothing in the place is ever changed; `prune` deletes what old backups alone need.
 *
 * @since 0.1.0
 */
import { Context, type Duration, Effect, Layer } from "effect"
import {
  Corrupt,
  type HoldExpired,
  type Locked,
  type NotEmpty,
  type StorageError,
  type ValueOutOfRange
} from "../PersistError.ts"
import * as StoreCopy from "../runtime/StoreCopy.ts"
import * as Verification from "../runtime/Verification.ts"
import { Blob } from "../storage/Blob.ts"
import { Log } from "../storage/Log.ts"
import * as Archive from "./Archive.ts"
import * as BackupFiles from "./BackupFiles.ts"
import * as Pruning from "./Pruning.ts"
import * as Saving from "./Saving.ts"

/**
 * The store, and the place of its backups. A place may hold backups of one store only.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<E1, E2> {
  readonly from: Layer.Layer<Log | Blob, E1>
  /** Has no store, and nothing or earlier backups of this store. */
  readonly to: Layer.Layer<Log | Blob, E2>
  /**
   * How long what is being copied is kept after a process that makes a backup has died; one minute if absent. A writer of
   * the store keeps it meanwhile.
   */
  readonly lease?: Duration.Input | undefined
}

/**
 * What a backup has copied.
 *
 * @category models
 * @since 0.1.0
 */
export interface Saved {
  /** The store can be restored as of it. */
  readonly position: number
  readonly collections: number
  /** Entries of the log that were not there yet. */
  readonly entries: number
  /** Blobs that were not there yet. */
  readonly blobs: number
  /** Bytes that were copied: the entries and the blobs. */
  readonly bytes: number
  /** Bytes of blobs that were there already. */
  readonly reusedBytes: number
}

/**
 * A backup that can be restored.
 *
 * @category models
 * @since 0.1.0
 */
export interface Point {
  readonly position: number
  readonly seqNo: number
  /** Milliseconds since 1970, by the clock of the process that made it. */
  readonly takenAt: number
}

/**
 * Positions, both ends included.
 *
 * @category models
 * @since 0.1.0
 */
export interface Range {
  readonly first: number
  readonly last: number
}

/**
 * What was checked, and what is wrong with it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Verified {
  readonly blobs: number
  readonly bytes: number
  readonly problems: ReadonlyArray<{
    /** Relative to the place. */
    readonly file: string
    readonly offset: number
    readonly detail: string
  }>
}

/**
 * Which backup to restore, and where.
 *
 * @category models
 * @since 0.1.0
 */
export interface Restore<E1, E2> {
  readonly from: Layer.Layer<Log | Blob, E1>
  /** Must not contain a store yet. */
  readonly to: Layer.Layer<Log | Blob, E2>
  /** A position of the log; that of the newest backup if absent. */
  readonly at?: number | undefined
}

/**
 * Which backups of a place are kept: the newest `last`, and those that are not older than `within`. The newest one always is.
 *
 * @category models
 * @since 0.1.0
 */
export interface Prune<E> extends Pruning.Kept {
  readonly from: Layer.Layer<Log | Blob, E>
}

/**
 * What was given up. Backups are named by their positions.
 *
 * @category models
 * @since 0.1.0
 */
export interface Pruned {
  readonly removed: ReadonlyArray<number>
  readonly kept: ReadonlyArray<number>
  /** Blobs that no backup needs any more, and their bytes. */
  readonly blobs: number
  readonly bytes: number
}

/**
 * Makes a backup, and verifies it. Fails with `NotEmpty` where the place has a store, or backups of another store or of
 * this one before it was restored, with `HoldExpired` where the process was suspended for longer than its lease, with
 * `ValueOutOfRange` for a lease below one second or above 365 days, and with `Unavailable` while the place is pruned.
 *
 * @example
 * ```ts run
 * import { Effect } from "effect"
 * import { Codec, MemoryStorage, PersistClient, Update } from "tidemark"
 * import { Backup } from "tidemark/backup"
 *
 * const program = Effect.gen(function*() {
 *   const [store, place, restored] = [yield* MemoryStorage.make, yield* MemoryStorage.make, yield* MemoryStorage.make]
 *   const [from, to] = [MemoryStorage.layerOf(store), MemoryStorage.layerOf(place)]
 *   const write = Effect.gen(function*() {
 *     const persist = yield* PersistClient.make()
 *     const orders = yield* persist.createOrLoad("orders", { key: Codec.string, value: Codec.unit })
 *     yield* orders.append([Update.insert("o-1", undefined, 1)])
 *   })
 *   yield* Effect.scoped(Effect.provide(write, from))
 *   const { position } = yield* Backup.save({ from, to })
 *   yield* Backup.restore({ from: to, to: MemoryStorage.layerOf(restored), at: position })
 * })
 * await Effect.runPromise(program)
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const save: <E1, E2>(
  options: Options<E1, E2>
) => Effect.Effect<Saved, E1 | E2 | StorageError | NotEmpty | HoldExpired | ValueOutOfRange> = Effect.fn("Backup.save")(
  function*<E1, E2>(options: Options<E1, E2>) {
    const from = yield* Layer.build(options.from)
    const to = yield* Layer.build(options.to)
    const target = Context.get(to, Blob)
    yield* Saving.checkPlace(Context.get(to, Log))
    const archive = yield* Archive.open(target)
    const source = Context.get(from, Blob)
    yield* Pruning.checkNone(archive)
    yield* Saving.checkOrigin(archive, source)
    const held = yield* Saving.hold(Context.get(from, Log), source, options.lease ?? "1 minute")
    yield* Saving.checkContinues(archive, held)
    return yield* Effect.raceFirst(Saving.saveHeld(archive, held, source), held.hold.lost)
  },
  Effect.scoped
)

const archiveOf = Effect.fnUntraced(function*<E>(from: Layer.Layer<Log | Blob, E>) {
  return yield* Archive.open(Context.get(yield* Layer.build(from), Blob))
})

/**
 * The backups of a place, the oldest first. None where there is nothing.
 *
 * @category reading
 * @since 0.1.0
 */
export const points = Effect.fn("Backup.points")(
  function*<E>(from: Layer.Layer<Log | Blob, E>) {
    const { blob, index } = yield* archiveOf(from)
    return yield* Effect.forEach(
      index.points,
      (position) =>
        Effect.map(BackupFiles.readPoint(blob, position), ({ position, seqNo, takenAt }): Point => ({
          position,
          seqNo,
          takenAt
        }))
    )
  },
  Effect.scoped
)

/**
 * All positions that can be restored, as ranges with both ends included: those of the backups, and those between them
 * of which the place has all rows. It reads all entries that are there.
 *
 * @category reading
 * @since 0.1.0
 */
export const positions = Effect.fn("Backup.positions")(
  function*<E>(from: Layer.Layer<Log | Blob, E>) {
    const ranges: ReadonlyArray<Range> = yield* Archive.ranges(yield* archiveOf(from))
    return ranges
  },
  Effect.scoped
)

/** The state that was asked for, as a store. */
const storeAt = Effect.fnUntraced(function*(archive: Archive.Archive, at: number | undefined) {
  const position = at ?? archive.index.points.at(-1) ?? 0
  return Archive.storeOf(archive, yield* Archive.stateAt(archive, position))
})

/**
 * A backup as a storage that is only read: `PersistClient.layerReadOnly` on it shows the store as it was at the position,
 * and nothing needs to be restored to look something up. `ValueOutOfRange` where the place does not hold the position.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <E>(
  options: Pick<Restore<E, never>, "from" | "at">
): Layer.Layer<Log | Blob, E | StorageError | ValueOutOfRange> =>
  Layer.effectContext(Effect.flatMap(archiveOf(options.from), (archive) => storeAt(archive, options.at)))

/**
 * Makes the store again as it was at a position, in a place that has none, and verifies every byte of it.
 *
 * It goes on from there as the store of then: sequence numbers and frontiers are those of the position. Named holds
 * are not restored. Its next backups need another place, as its history is another one from then on.
 *
 * @category constructors
 * @since 0.1.0
 */
export const restore: <E1, E2>(
  options: Restore<E1, E2>
) => Effect.Effect<StoreCopy.Copied, E1 | E2 | StorageError | ValueOutOfRange | Locked | NotEmpty> = Effect.fn(
  "Backup.restore"
)(function*<E1, E2>({ at, from, to }: Restore<E1, E2>) {
  const copied = yield* StoreCopy.copy({ from: layer({ from, at }), to })
  const { problems } = yield* Effect.provide(Verification.run(() => {}), to)
  const [problem] = problems
  return problem === undefined ? copied : yield* new Corrupt({ ...problem, location: problem.file })
})

/**
 * Gives old backups up: deletes those that no rule keeps, and then the blobs and entries that only they needed. What is kept is
 * restored as before; of the positions between backups, those remain that the place still has all rows of. An interrupted
 * pruning is continued by the next one, and a backup that is made meanwhile fails with `Unavailable`, and can be made again.
 * `ValueOutOfRange` where no rule is given, or `last` is no positive integer.
 *
 * @category constructors
 * @since 0.1.0
 */
export const prune: <E>(options: Prune<E>) => Effect.Effect<Pruned, E | StorageError | ValueOutOfRange> = Effect.fn(
  "Backup.prune"
)(
  function*<E>({ from, last, within }: Prune<E>) {
    const blob = Context.get(yield* Layer.build(from), Blob)
    return yield* Pruning.prune(blob, { last, within })
  },
  Effect.scoped
)

/**
 * Reads and checks all backups of a place: each byte, and for each backup that what it names is there and as it is
 * described. There are no problems if all of them can be restored.
 *
 * @category reading
 * @since 0.1.0
 */
export const verify = Effect.fn("Backup.verify")(
  function*<E>(from: Layer.Layer<Log | Blob, E>) {
    const archive = yield* archiveOf(from)
    const { add, check, checkParts, result } = Verification.checker(
      Archive.blobsOf(archive),
      archive.blob.location,
      () => {}
    )
    for (const key of archive.index.blobs.keys()) yield* check(key)
    const damaged = <E extends StorageError | ValueOutOfRange>(error: E) =>
      error._tag === "Corrupt" || error._tag === "UnsupportedFormat"
        ? Effect.sync(() => add(error))
        : Effect.fail(error)
    for (const section of archive.index.sections) {
      yield* Effect.catch(Effect.asVoid(BackupFiles.readSection(archive.blob, section)), damaged)
    }
    for (const position of archive.index.points) {
      yield* Effect.matchEffect(Archive.stateAt(archive, position), {
        onFailure: damaged,
        onSuccess: (state) => checkParts(state, "", () => Effect.succeed(true))
      })
    }
    return result() satisfies Verified as Verified
  },
  Effect.scoped
)
