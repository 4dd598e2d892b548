/**
 * A store's directory: the paths in it, and the marker file that identifies it as a store.
 *
 * @internal
 */
import { Effect } from "effect"
import { basename, dirname, join } from "node:path"
import { ByteReader } from "../ByteReader.ts"
import { ByteWriter } from "../ByteWriter.ts"
import { Corrupt, NotAStore, UnsupportedFormat } from "../PersistError.ts"
import * as Platform from "../Platform.ts"
import { decode } from "../Pure.ts"
import * as File from "./File.ts"

export interface Directory {
  readonly root: string
  readonly marker: string
  readonly log: string
  readonly blobs: string
  readonly lock: string
  /** Space for a full disk. */
  readonly reserve: string
  /** The directory of temporary files. Temporary files that no process is writing are garbage. */
  readonly temporary: string
}

export const make = (root: string): Directory => ({
  root,
  marker: join(root, "TIDEMARK"),
  log: join(root, "log"),
  blobs: join(root, "blobs"),
  lock: join(root, "lock"),
  reserve: join(root, "reserve"),
  temporary: join(root, "tmp")
})

/** Distinguishes the temporary files of this process from those of a dead one, even if that had the same id. */
const self = (): string => `${process.pid}-${Math.trunc(performance.timeOrigin)}-`
let count = 0

/** A path for a temporary file. */
export const temporaryPath = (directory: Directory): string => join(directory.temporary, `${self()}${++count}`)

/** Removes the unfinished temporary files of earlier writers. */
export const removeLeftovers = (directory: Directory): Effect.Effect<void, File.FileError> =>
  Effect.flatMap(File.listOrNone(directory.temporary), (names) =>
    Effect.forEach(
      names.filter(({ name }) => !name.startsWith(self())),
      ({ name }) => File.remove(join(directory.temporary, name)),
      { discard: true }
    ))

export const formatVersion = 1
const magic = new TextEncoder().encode("TIDEMARK")
const markerBytes = 16

export type OpenError = NotAStore | Corrupt | UnsupportedFormat | File.Refusal

/** Succeeds if the directory is a store that this version can read. */
export const check = (directory: Directory): Effect.Effect<void, OpenError> =>
  File.using(directory.marker, File.flags.read, (fd) => File.read(fd, 0, markerBytes + 1)).pipe(
    Effect.flatMap((bytes) => decode(() => checkMarker(bytes, directory.marker))),
    Effect.catchIf(
      File.isMissing,
      () => Effect.fail(new NotAStore({ location: directory.root, detail: "it has no file TIDEMARK" }))
    ),
    File.orRefuse("opening the store", directory.root)
  )

/** As `check`, but if there is nothing yet, it makes a store, with its parents. */
export const ensure = (directory: Directory): Effect.Effect<void, OpenError> =>
  check(directory).pipe(
    Effect.catchTag("NotAStore", () => found(directory)),
    Effect.andThen(
      makeMissing(directory).pipe(
        // An existing store may have been made by a process that was stopped before it flushed it.
        Effect.andThen(File.syncDirectory(directory.root)),
        File.orRefuse("creating the store's directories", directory.root)
      )
    )
  )

const makeMissing = ({ blobs, lock, log, root, temporary }: Directory): Effect.Effect<void, File.FileError> =>
  Effect.flatMap(File.list(root), (entries) => {
    const names = new Set(entries.map(({ name }) => name))
    const missing = [log, blobs, lock, temporary].filter((path) => !names.has(basename(path)))
    return Effect.forEach(missing, File.makeDirectory, { discard: true })
  })

const found = Effect.fnUntraced(
  function*(directory: Directory) {
    const { marker, root } = directory
    yield* File.makeDirectory(root).pipe(
      Effect.catchIf(
        File.hasCode("EEXIST", "ENOTDIR"),
        () => Effect.fail(new NotAStore({ location: root, detail: "it, or a parent of it, is a file" }))
      )
    )
    yield* syncParent(root)
    const names = yield* File.list(root)
    if (names.some(({ name }) => !name.startsWith("TIDEMARK"))) {
      // Another process may have made the store since this one looked.
      return yield* Effect.catchTag(
        check(directory),
        "NotAStore",
        () => Effect.fail(new NotAStore({ location: root, detail: "it is not empty, and has no file TIDEMARK" }))
      )
    }
    const prepared = `${marker}.${self()}${++count}`
    yield* File.create(prepared, encodeMarker())
    yield* Effect.catchIf(File.link(prepared, marker), File.hasCode("EEXIST"), () => Effect.void)
    yield* File.remove(prepared)
    yield* File.syncDirectory(root)
  },
  (effect, { root }) => File.orRefuse("creating the store", root)(effect)
)

/**
 * An existing directory may have been made by a process that was stopped before it flushed it. A parent that cannot be
 * read belongs to another user.
 */
const syncParent = (root: string): Effect.Effect<void, File.FileError> =>
  Effect.catchIf(File.syncDirectory(dirname(root)), File.hasCode("EACCES"), () => Effect.void)

const encodeMarker = (): Uint8Array => {
  const writer = new ByteWriter(markerBytes)
  writer.raw(magic)
  writer.u32(formatVersion)
  writer.u32(Platform.crc32(writer.view8()))
  return writer.finish()
}

const checkMarker = (bytes: Uint8Array, location: string): void => {
  const reader = new ByteReader(bytes, location)
  const isOurs = reader.raw(magic.length).every((byte, i) => byte === magic[i])
  const found = reader.u32()
  const crc = reader.u32()
  reader.end()
  if (!isOurs || crc !== Platform.crc32(bytes.subarray(0, markerBytes - 4))) {
    throw new Corrupt({ location, offset: 0, detail: "it is not what was written when the store was created" })
  }
  if (found > formatVersion) throw new UnsupportedFormat({ location, found, supported: formatVersion })
}
