/**
 * Reading a backup: the state of the store at any position that it holds, and that state as a store which is only read.
 *
 * The state at a point is what recovery makes of its rollup and the entries after it. The state at a later position is
 * that, and the entries from the point on. It can be read if the backup has all blobs that it names: between two points,
 * the store may have had blobs that it has replaced before the second one.
 *
 * @internal
 */
import { Context, Effect, Stream } from "effect"
import { ByteWriter } from "../ByteWriter.ts"
import * as Commit from "../engine/Commit.ts"
import * as Rollup from "../engine/Rollup.ts"
import * as State from "../engine/State.ts"
import { AccessDenied, Corrupt, type StorageError, ValueOutOfRange } from "../PersistError.ts"
import * as Platform from "../Platform.ts"
import { decode } from "../Pure.ts"
import * as Recovery from "../runtime/Recovery.ts"
import { Blob, type Range as BlobRange } from "../storage/Blob.ts"
import { type Entry, Log } from "../storage/Log.ts"
import * as BackupFiles from "./BackupFiles.ts"

/** A backup and what it holds. */
export interface Archive {
  readonly blob: Blob["Service"]
  readonly index: BackupFiles.Index
}

export const open = (blob: Blob["Service"]): Effect.Effect<Archive, StorageError> =>
  Effect.map(BackupFiles.list(blob), (index) => ({ blob, index }))

/** The entries at the positions in [from, to): `Corrupt` where one is missing. Sections may overlap. */
export const entries = ({ blob, index }: Archive, from: number, to: number): Stream.Stream<Entry, StorageError> =>
  Stream.suspend(() => {
    let next = from
    const missing = () => new Corrupt({ location: blob.location, offset: 0, detail: `it lacks log position ${next}` })
    const read = Effect.fnUntraced(function*(section: BackupFiles.Section) {
      if (section.from > next) return yield* missing()
      const wanted = section.to <= next ? [] : (yield* BackupFiles.readSection(blob, section))
        .filter(({ position }) => position >= next && position < to)
      next += wanted.length
      return wanted
    })
    return Stream.fromIterable(index.sections.filter((section) => section.to > from && section.from < to)).pipe(
      Stream.mapEffect(read),
      Stream.flatMap(Stream.fromArray),
      Stream.concat(Stream.suspend(() => next < to ? Stream.fail(missing()) : Stream.empty))
    )
  })

/** Blobs of the store by the names that they had. */
export const blobsOf = ({ blob }: Archive): Blob["Service"] => ({
  ...blob,
  get: (key, range) => blob.get(BackupFiles.blobKey(key), range)
})

const logOf = (location: string, lower: number, found: ReadonlyArray<Entry>): Log["Service"] => ({
  location,
  bounds: Effect.succeed({ lower, upper: lower + found.length }),
  read: (from) => Stream.fromArray(found.slice(Math.max(0, from - lower))),
  acquire: readOnly(location),
  acquireAfter: () => readOnly(location),
  changes: Stream.never,
  verify: Stream.empty
})

const readOnly = (location: string) =>
  Effect.fail(
    new AccessDenied({
      location,
      operation: "writing to a backup",
      detail: "a backup is only read",
      advice: "restore it to another place, and write there"
    })
  )

/** The state of the store at a point. */
export const atPoint = (archive: Archive, { logFrom, position }: Pick<BackupFiles.Point, "logFrom" | "position">) =>
  Effect.gen(function*() {
    const found = yield* Stream.runCollect(entries(archive, logFrom, position))
    const { state } = yield* Recovery.load(logOf(archive.blob.location, logFrom, found), blobsOf(archive))
    return state
  })

/** Folds the next entry. */
const fold = (archive: Archive, state: State.State, entry: Entry) =>
  decode(() => {
    const location = `${archive.blob.location}, log position ${entry.position}`
    State.apply(state, Commit.decode(entry.bytes, location), location)
  })

/** Whether all rows that a state names are there. The rollup only stands for what was folded. */
const isWhole = ({ index }: Archive, state: State.State): boolean =>
  [...State.blobKeys(state)].every((key) => key === state.rollup?.key || index.blobs.has(key))

/** Where the entries without a gap from a position on end. */
const endFrom = ({ index }: Archive, position: number): number =>
  index.sections.reduce((end, { from, to }) => from <= end && to > end ? to : end, position)

/** Positions from the first to the last one. */
export interface Range {
  readonly first: number
  readonly last: number
}

/** All positions that can be restored. It reads all entries from the first point on. */
export const ranges = Effect.fnUntraced(function*(archive: Archive) {
  const found: Array<Range> = []
  const add = (position: number) => {
    const before = found.at(-1)
    if (before !== undefined && before.last >= position - 1) found[found.length - 1] = { ...before, last: position }
    else found.push({ first: position, last: position })
  }
  for (const [i, position] of archive.index.points.entries()) {
    const state = yield* atPoint(archive, yield* BackupFiles.readPoint(archive.blob, position))
    add(position)
    const end = Math.min(endFrom(archive, position), (archive.index.points[i + 1] ?? Infinity) - 1)
    yield* Stream.runForEach(entries(archive, position, end), (entry) =>
      Effect.map(fold(archive, state, entry), () => {
        if (isWhole(archive, state)) add(state.position)
      }))
  }
  return found
})

/** The state of the store at a position. `ValueOutOfRange` if the backup does not hold it. */
export const stateAt = Effect.fnUntraced(function*(archive: Archive, position: number) {
  const { points } = archive.index
  const begin = points.findLast((point) => point <= position)
  if (begin === undefined || endFrom(archive, begin) < position) {
    const detail = points.length === 0
      ? "there is no backup in this place"
      : `position ${position} is not in this backup; its backups are of ${points.join(", ")}`
    return yield* new ValueOutOfRange({ what: "the position to restore", detail })
  }
  const state = yield* atPoint(archive, yield* BackupFiles.readPoint(archive.blob, begin))
  yield* Stream.runForEach(entries(archive, begin, position), (entry) => fold(archive, state, entry))
  if (isWhole(archive, state)) return state
  return yield* new ValueOutOfRange({
    what: "the position to restore",
    detail: `rows of position ${position} were replaced before the next backup; the one before it is of ${begin}`
  })
})

/** The only entry of a restored log: it names a rollup. */
const entryOf = ({ position, seqNo }: State.State, key: string): Entry => {
  const writer = new ByteWriter()
  const rollup = { _tag: "Rollup", key, position, logFrom: position } as const
  Commit.encode({ writer: 0, attempt: 0, seqNo, changes: [rollup] }, writer)
  return { position, epoch: 0, bytes: writer.finish() }
}

/** A state of the backup as a store, with a rollup that is stored nowhere yet. */
export const storeOf = (archive: Archive, state: State.State): Context.Context<Log | Blob> => {
  const { location } = archive.blob
  const rollup = Rollup.encode(state, state.position)
  const key = `rollup/backup-${state.position.toString(16)}-${Platform.crc32(rollup).toString(16)}`
  const named = [...State.blobKeys(state)].filter((named) => named !== state.rollup?.key)
  const infos = [
    ...named.map((key) => ({ key, bytes: archive.index.blobs.get(key)! })),
    { key, bytes: rollup.length }
  ]
  return Context.make(Log, logOf(location, state.position, [entryOf(state, key)])).pipe(
    Context.add(Blob, {
      location,
      put: () => readOnly(location),
      delete: () => readOnly(location),
      get: (wanted, range) =>
        wanted === key ? Effect.succeedSome(partOf(rollup, range)) : blobsOf(archive).get(wanted, range),
      list: (prefix) => Stream.fromIterable(infos.filter(({ key }) => key.startsWith(prefix)))
    })
  )
}

const partOf = (bytes: Uint8Array, range: BlobRange | undefined): Uint8Array =>
  range === undefined ? bytes : bytes.subarray(range.offset, range.offset + range.length)
