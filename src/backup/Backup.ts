/**
 * Backups: the store as of some positions of its log in another place, from which it is restored as of any of them.
 *
 * A backup is made beside the writer of the store, if there is one, and is incremental: blobs are immutable, so that only
 * those are copied that the place does not have, and the entries of the log since the last time. A named hold keeps what
 * is being copied. A backup counts from its last step on, after everything was read back and verified; one that was
 * interrupted is continued by the next. Nothing in the place is ever changed or deleted.
 *
 * @since 0.1.0
 */
import { Clock, Context, type Duration, Effect, Layer, Option, Random } from "effect"
import * as State from "../engine/State.ts"
import {
  Corrupt,
  type HoldExpired,
  type Locked,
  NotEmpty,
  type StorageError,
  Unavailable,
  type ValueOutOfRange
} from "../PersistError.ts"
import * as Hold from "../runtime/Hold.ts"
import * as StoreCopy from "../runtime/StoreCopy.ts"
import * as StoreSource from "../runtime/StoreSource.ts"
import * as Verification from "../runtime/Verification.ts"
import { Blob } from "../storage/Blob.ts"
import { type Entry, Log } from "../storage/Log.ts"
import * as Archive from "./Archive.ts"
import * as BackupFiles from "./BackupFiles.ts"

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

/** Blobs that are under way at the same time. */
const inFlight = 4

/** The size at which a section ends. */
const sectionBytes = 4 * 1024 * 1024

/** The store as of the position of its hold, with the rollup that its log names. */
interface HeldSource extends StoreSource.Source {
  readonly rollup: Option.Option<Uint8Array>
  readonly hold: Hold.Hold
}

/**
 * Makes a backup, and verifies it. Fails with `NotEmpty` where the place has a store, or backups of another store or of
 * this one before it was restored, with `HoldExpired` where the process was suspended for longer than its lease, and with
 * `ValueOutOfRange` for a lease below one second or above 365 days.
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
    yield* checkPlace(Context.get(to, Log))
    const archive = yield* Archive.open(target)
    const source = Context.get(from, Blob)
    yield* checkOrigin(archive, source)
    const held = yield* hold(Context.get(from, Log), source, options.lease ?? "1 minute")
    yield* checkContinues(archive, held)
    return yield* Effect.raceFirst(saveHeld(archive, held, source), held.hold.lost)
  },
  Effect.scoped
)

/** A store is no place for its own backup. */
const checkPlace = Effect.fnUntraced(function*(log: Log["Service"]) {
  const upper = yield* log.bounds.pipe(
    Effect.map(({ upper }) => upper),
    Effect.catchTag("NotAStore", () => Effect.succeed(0))
  )
  if (upper > 0) return yield* new NotEmpty({ location: log.location })
})

const otherStore = ({ blob: { location } }: Archive.Archive) =>
  new NotEmpty({ location, detail: "a backup of another store, or of this one before it was restored," })

/** Marks the store and its place as belonging together, or finds them marked. */
const checkOrigin = Effect.fnUntraced(function*(archive: Archive.Archive, store: Blob["Service"]) {
  const known = yield* BackupFiles.origins(store)
  const { origins } = archive.index
  if (origins.length > 0) {
    return origins.some((origin) => known.includes(origin)) ? undefined : yield* otherStore(archive)
  }
  const origin = known[0] ?? (yield* newId)
  yield* store.put(BackupFiles.storeOriginKey(origin), new Uint8Array(0))
  yield* archive.blob.put(BackupFiles.originKey(origin), new Uint8Array(0))
})

const newId = Effect.map(
  Random.nextIntBetween(0, Number.MAX_SAFE_INTEGER),
  (drawn) => drawn.toString(16).padStart(14, "0")
)

/** Takes a hold of the store as it is now, until the scope closes. */
const hold = (log: Log["Service"], blob: Blob["Service"], lease: Duration.Input) =>
  Effect.gen(function*() {
    const seen = new Map<number, Omit<HeldSource, "hold">>()
    const look = Effect.gen(function*() {
      const source = yield* StoreSource.look(log, blob)
      const { position, rollup } = source.state
      const bytes = rollup === undefined ? Option.none<Uint8Array>() : yield* blob.get(rollup.key)
      if (rollup !== undefined && Option.isNone(bytes)) {
        return yield* new Unavailable({ operation: "reading the newest rollup", detail: "there is a newer one" })
      }
      seen.set(position, { ...source, rollup: bytes })
      return source.state
    }).pipe(StoreSource.again)
    const hold = yield* Hold.take({ name: `backup.${yield* newId}`, lease }, blob, look)
    // A hold that is not released is lost after its lease.
    yield* Effect.addFinalizer(() => Effect.ignore(hold.release))
    return { ...seen.get(hold.state.position)!, hold } satisfies HeldSource
  }).pipe(
    // Nothing here is asked of a client.
    Effect.catchTag(["RuntimeShutdown", "ReadOnly"], (error) => Effect.die(error))
  )

/** Where the entries that are there end. */
const endOf = ({ index }: Archive.Archive): number => Math.max(0, ...index.sections.map(({ to }) => to))

/** The history that is there must be the beginning of that of the store: the files of a store may have been copied. */
const checkContinues = Effect.fnUntraced(function*(archive: Archive.Archive, { entries, state }: HeldSource) {
  const end = endOf(archive)
  if (end > state.position) return yield* otherStore(archive)
  const now = entries.find(({ position }) => position === end - 1)
  const section = archive.index.sections.find(({ to }) => to === end)
  if (now === undefined || section === undefined) return
  const last = (yield* BackupFiles.readSection(archive.blob, section)).at(-1)!
  if (last.epoch !== now.epoch || !isSame(last.bytes, now.bytes)) return yield* otherStore(archive)
})

const isSame = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, i) => byte === b[i])

const saveHeld = Effect.fnUntraced(function*(archive: Archive.Archive, held: HeldSource, source: Blob["Service"]) {
  const { rollup, state } = held
  const { position } = state
  const missing = [...State.blobKeys(state)].filter((key) => key !== state.rollup?.key && !archive.index.blobs.has(key))
  const read = (key: string) =>
    Effect.flatMap(source.get(key), (found) => Option.isSome(found) ? Effect.succeed(found.value) : isGone(held, key))
  const copied = yield* Effect.forEach(
    missing,
    (key) => Effect.flatMap(read(key), (bytes) => putBlob(archive, key, bytes)),
    { concurrency: inFlight }
  )
  if (Option.isSome(rollup)) copied.push(yield* putBlob(archive, state.rollup!.key, rollup.value))
  const entries = newEntries(archive, held)
  for (const section of sectionsOf(entries)) {
    const key = BackupFiles.sectionKey(section[0]!.position, section.at(-1)!.position + 1)
    copied.push(yield* put(archive, key, BackupFiles.encodeSection(section)))
  }
  const complete = yield* Archive.open(archive.blob)
  yield* checkPoint(complete, held)
  const point = { position, logFrom: state.logFrom, seqNo: state.seqNo, takenAt: yield* Clock.currentTimeMillis }
  yield* archive.blob.put(BackupFiles.pointKey(position), BackupFiles.encodePoint(point))
  return {
    position,
    collections: state.collections.size,
    entries: entries.length,
    blobs: missing.length + (Option.isSome(rollup) ? 1 : 0),
    bytes: copied.reduce((sum, bytes) => sum + bytes, 0),
    reusedBytes: [...State.blobKeys(state)].reduce((sum, key) => sum + (archive.index.blobs.get(key) ?? 0), 0)
  } satisfies Saved
})

const isGone = ({ hold }: HeldSource, key: string) =>
  Effect.flatMap(
    hold.whyMissing,
    (why) => Effect.fail(why ?? new Corrupt({ location: key, offset: 0, detail: "it is missing, though it is held" }))
  )

/** Puts a blob that was not there, reads it back, and returns the bytes that were copied. */
const put = Effect.fnUntraced(function*({ blob }: Archive.Archive, key: string, bytes: Uint8Array) {
  yield* blob.put(key, bytes)
  if (isSame(yield* BackupFiles.read(blob, key), bytes)) return bytes.length
  return yield* new Corrupt({ location: key, offset: 0, detail: "it is not what was copied" })
})

/** As `put`, for a blob of the store. What is damaged there is not copied. */
const putBlob = Effect.fnUntraced(function*(archive: Archive.Archive, key: string, bytes: Uint8Array) {
  if (archive.index.blobs.has(key)) return 0
  const [problem] = Verification.verifyBlob(key, bytes).problems
  return problem === undefined ? yield* put(archive, BackupFiles.blobKey(key), bytes) : yield* problem
})

/** Those that are not there. Where the store has truncated some of them, it begins again at those that it needs. */
const newEntries = (archive: Archive.Archive, { bounds, entries, state }: HeldSource): ReadonlyArray<Entry> => {
  const end = endOf(archive)
  const from = archive.index.sections.length > 0 && end >= bounds.lower ? end : state.logFrom
  return entries.filter(({ position }) => position >= from)
}

const sectionsOf = (entries: ReadonlyArray<Entry>): ReadonlyArray<ReadonlyArray<Entry>> => {
  const sections: Array<Array<Entry>> = []
  let size = Infinity
  for (const entry of entries) {
    if (size >= sectionBytes) {
      sections.push([])
      size = 0
    }
    sections.at(-1)!.push(entry)
    size += entry.bytes.length
  }
  return sections
}

/** Reads the state from the backup: it must be that of the store, and everything that it names be there. */
const checkPoint = Effect.fnUntraced(
  function*(archive: Archive.Archive, { state: { logFrom, position, seqNo }, state }: HeldSource) {
    const differs = (what: string) =>
      new Corrupt({ location: archive.blob.location, offset: 0, detail: `${what} is not what was copied` })
    const found = yield* Archive.atPoint(archive, { logFrom, position, seqNo, takenAt: 0 })
    if (found.seqNo !== seqNo || found.position !== position) return yield* differs("the state")
    for (const { part } of Verification.partsOf(state)) {
      if (archive.index.blobs.get(part.key) !== part.bytes) return yield* differs(`blob "${part.key}"`)
    }
  }
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
    const damaged = (error: StorageError) =>
      error._tag === "Corrupt" || error._tag === "UnsupportedFormat"
        ? Effect.sync(() => add(error))
        : Effect.fail(error)
    for (const section of archive.index.sections) {
      yield* Effect.catch(Effect.asVoid(BackupFiles.readSection(archive.blob, section)), damaged)
    }
    for (const position of archive.index.points) {
      const found = yield* Effect.result(Archive.stateAt(archive, position))
      if (found._tag === "Success") yield* checkParts(found.success, "", () => Effect.succeed(true))
      else if (found.failure._tag === "Corrupt" || found.failure._tag === "UnsupportedFormat") add(found.failure)
      else return yield* found.failure
    }
    return result() satisfies Verified as Verified
  },
  Effect.scoped
)
