/**
 * Making a backup, step by step: what the place must be, the hold that keeps what is copied, and the copy. See `Backup`.
 *
 * @internal
 */
import { Clock, type Duration, Effect, Option } from "effect"
import * as State from "../engine/State.ts"
import { Corrupt, NotEmpty, Unavailable } from "../PersistError.ts"
import * as Platform from "../Platform.ts"
import * as Hold from "../runtime/Hold.ts"
import * as StoreSource from "../runtime/StoreSource.ts"
import * as Verification from "../runtime/Verification.ts"
import type { Blob } from "../storage/Blob.ts"
import type { Entry, Log } from "../storage/Log.ts"
import * as Archive from "./Archive.ts"
import * as BackupFiles from "./BackupFiles.ts"
import * as Pruning from "./Pruning.ts"

/** Blobs that are under way at the same time. */
const inFlight = 4

/** The size at which a section ends. */
const sectionBytes = 4 * 1024 * 1024

/** The store as of the position of its hold, with the rollup that its log names. */
interface HeldSource extends StoreSource.Source {
  readonly rollup: Option.Option<Uint8Array>
  readonly hold: Hold.Hold
}

/** A store is no place for its own backup. */
export const checkPlace = Effect.fnUntraced(function*(log: Log["Service"]) {
  const upper = yield* log.bounds.pipe(
    Effect.map(({ upper }) => upper),
    Effect.catchTag("NotAStore", () => Effect.succeed(0))
  )
  if (upper > 0) return yield* new NotEmpty({ location: log.location })
})

const otherStore = ({ blob: { location } }: Archive.Archive) =>
  new NotEmpty({ location, detail: "a backup of another store, or of this one before it was restored," })

/** Marks the store and its place as belonging together, or finds them marked. */
export const checkOrigin = Effect.fnUntraced(function*(archive: Archive.Archive, store: Blob["Service"]) {
  const known = yield* BackupFiles.origins(store)
  const { origins } = archive.index
  if (origins.length > 0) {
    return origins.some((origin) => known.includes(origin)) ? undefined : yield* otherStore(archive)
  }
  const origin = known[0] ?? (yield* BackupFiles.newId)
  yield* store.put(BackupFiles.storeOriginKey(origin), new Uint8Array(0))
  yield* archive.blob.put(BackupFiles.originKey(origin), new Uint8Array(0))
})

/** Takes a hold of the store as it is now, until the scope closes. */
export const hold = (log: Log["Service"], blob: Blob["Service"], lease: Duration.Input) =>
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
    const hold = yield* Hold.take({ name: `backup.${yield* BackupFiles.newId}`, lease }, blob, look)
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
export const checkContinues = Effect.fnUntraced(function*(archive: Archive.Archive, { entries, state }: HeldSource) {
  const end = endOf(archive)
  if (end > state.position) return yield* otherStore(archive)
  const now = entries.find(({ position }) => position === end - 1)
  const section = archive.index.sections.find(({ to }) => to === end)
  if (now === undefined || section === undefined) return
  const last = (yield* BackupFiles.readSection(archive.blob, section)).at(-1)!
  if (last.epoch !== now.epoch || !isSame(last.bytes, now.bytes)) return yield* otherStore(archive)
})

const isSame = (a: Uint8Array, b: Uint8Array): boolean => Platform.isSame(a, 0, a.length, b, 0, b.length)

/** Copies what is missing, reads it back, and notes the backup last. */
export const saveHeld = Effect.fnUntraced(
  function*(archive: Archive.Archive, held: HeldSource, source: Blob["Service"]) {
    const { rollup, state } = held
    const { position } = state
    const missing = [...State.blobKeys(state)].filter((key) =>
      key !== state.rollup?.key && !archive.index.blobs.has(key)
    )
    const read = (key: string) =>
      Effect.flatMap(
        source.get(key),
        (found) => Option.isSome(found) ? Effect.succeed(found.value) : held.hold.missing(key)
      )
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
    yield* Pruning.checkComplete(archive, state)
    return {
      position,
      collections: state.collections.size,
      entries: entries.length,
      blobs: missing.length + (Option.isSome(rollup) ? 1 : 0),
      bytes: copied.reduce((sum, bytes) => sum + bytes, 0),
      reusedBytes: [...State.blobKeys(state)].reduce((sum, key) => sum + (archive.index.blobs.get(key) ?? 0), 0)
    }
  }
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
    const found = yield* Archive.atPoint(archive, { logFrom, position })
    if (found.seqNo !== seqNo || found.position !== position) return yield* differs("the state")
    for (const { part } of Verification.partsOf(state)) {
      if (archive.index.blobs.get(part.key) !== part.bytes) return yield* differs(`blob "${part.key}"`)
    }
  }
)
