/**
 * Creates and recycles segment files.
 *
 * When the blocks of a file have been written before, an append is a single flush without metadata. A segment is
 * therefore filled with zeros before it becomes part of the log, or is recycled from a truncated one. Old contents of a
 * recycled file are no valid frames, since its salt has changed. A segment becomes part of the log by `rename`: whole
 * and flushed, or not at all. Postgres recycles the files of its write-ahead log in the same way.
 *
 * @internal
 */
import { Effect, Random } from "effect"
import { join } from "node:path"
import type { Fenced } from "../PersistError.ts"
import * as Segment from "../storage/Segment.ts"
import * as Directory from "./Directory.ts"
import * as File from "./File.ts"
import * as Lock from "./Lock.ts"

/** A segment that is open for appending. */
export interface Active {
  readonly fd: number
  readonly path: string
  readonly seed: number
  /** How many bytes frames may take, header included. */
  readonly capacity: number
  readonly base: number
}

/** A file that can become a segment. */
export interface Prepared {
  readonly path: string
  readonly capacity: number
}

/** A file of up to so many bytes is flushed once: that delays no other flush for long. */
const flushedAtOnce = 1024 * 1024

/**
 * Prepares a segment whose frames may take `capacity` bytes. One that is not filled with zeros has its size but no
 * blocks, which suits a single large frame: it is written only once.
 */
export const prepare = (directory: Directory.Directory, capacity: number, isFilled: boolean) =>
  Effect.suspend(() => {
    const path = Directory.temporaryPath(directory)
    const size = capacity + Segment.openBytes
    const flags = isFilled && size > flushedAtOnce ? File.flags.replaceDurably : File.flags.replace
    return File.using(path, flags, (fd) =>
      Effect.andThen(isFilled ? File.fill(fd, 0, size) : File.truncate(fd, size), File.sync(fd))).pipe(
        Effect.as<Prepared>({ path, capacity }),
        Effect.onError(() =>
          discard(path)
        )
      )
  })

/**
 * Recycles a truncated segment file, unless it is smaller than `least`. No process may still write to it, which is
 * known only of segments of the writer's own epoch. The log's directory must be flushed before the file becomes a
 * segment again: otherwise a power failure could bring back its old name.
 */
export const recycle = (directory: Directory.Directory, path: string, least: number) =>
  Effect.gen(function*() {
    const capacity = Number((yield* File.stat(path)).size) - Segment.openBytes
    if (capacity < least) return yield* Effect.as(File.remove(path), undefined)
    const prepared: Prepared = { path: Directory.temporaryPath(directory), capacity }
    yield* File.rename(path, prepared.path)
    return prepared
  })

export const discard = (path: string): Effect.Effect<void> => Effect.ignore(File.remove(path))

/** A file that is to become a segment, with its header. It certainly is one once `join` has succeeded. */
export interface Joining extends Active {
  readonly prepared: string
}

/** Gives the prepared file the header of the segment that begins at `base`. The log does not change. */
export const begin = Effect.fnUntraced(
  function*(directory: Directory.Directory, { capacity, path: prepared }: Prepared, base: number, epoch: number) {
    const salt = (yield* Random.nextInt) >>> 0
    const header = Segment.encodeHeader({ base, epoch, salt })
    const path = join(directory.log, Segment.fileName(base, epoch))
    const { seed } = Segment.decodeHeader(header, path, base, epoch)
    const fd = yield* Effect.onError(File.open(prepared, File.flags.append), () => discard(prepared))
    const joining: Joining = { fd, path, seed, base, capacity, prepared }
    yield* Effect.onError(File.writeDurably(fd, header, 0), () => abandon(joining))
    return joining
  },
  Effect.uninterruptible
)

/**
 * Makes the file part of the log, durably. After a failure it may be part of it, or become so after the next crash.
 * Nothing may then be appended to the segment before it, and this is to be retried until it succeeds.
 *
 * The lock is checked once the file is there. A process that takes the log over later removes the file before it reads
 * the log. A writer that is stopped here therefore cannot add a segment to a log that others have continued.
 */
export const enter = (
  directory: Directory.Directory,
  lock: Lock.Lock,
  joining: Joining
): Effect.Effect<void, Fenced | File.FileError> =>
  Effect.uninterruptible(
    hasEntered(joining).pipe(
      Effect.tap(Lock.confirm(lock)),
      Effect.flatMap((isThere) => isThere ? Effect.void : File.rename(joining.prepared, joining.path)),
      Effect.andThen(File.syncDirectory(directory.log))
    )
  )

/** A rename that failed may have happened nevertheless. Before it, an empty segment may have had the same name. */
const hasEntered = ({ fd, path }: Joining): Effect.Effect<boolean, File.FileError> =>
  Effect.flatMap(File.inode(fd), (ours) =>
    File.stat(path).pipe(
      Effect.map(({ ino }) => ino === ours),
      Effect.catchIf(File.isMissing, () => Effect.succeed(false))
    ))

/** Closes a file to which nothing more is appended. */
export const abandon = ({ fd, prepared }: Joining): Effect.Effect<void> =>
  Effect.andThen(File.close(fd), discard(prepared))

/** Ends a segment at `offset` with a frame that says what follows. Nothing is behind it afterwards. */
export const end = (fd: number, offset: number, frame: Uint8Array): Effect.Effect<void, File.FileError> =>
  File.writeDurably(fd, frame, offset).pipe(
    Effect.andThen(File.truncate(fd, offset + frame.length)),
    Effect.andThen(File.sync(fd))
  )

/** Removes what a failed write behind `offset` may have left, so that it is never read. */
export const cut = (fd: number, offset: number): Effect.Effect<void, File.FileError> =>
  File.truncate(fd, offset).pipe(
    Effect.andThen(File.truncate(fd, offset + Segment.openBytes)),
    Effect.andThen(File.sync(fd))
  )

/**
 * Replaces a segment file by a copy that ends at `offset` with the frame. What a torn or failed write left is removed.
 * As with `enter`, the lock is checked before the copy replaces the segment.
 */
export const rewrite = Effect.fnUntraced(function*(
  directory: Directory.Directory,
  lock: Lock.Lock,
  path: string,
  offset: number,
  frame: Uint8Array
) {
  const copy = Directory.temporaryPath(directory)
  yield* File.using(
    path,
    File.flags.read,
    (from) =>
      File.using(copy, File.flags.replace, (to) =>
        copyBytes(from, to, 0, offset).pipe(
          Effect.andThen(File.writeAll(to, frame, offset)),
          Effect.andThen(File.sync(to))
        ))
  )
  yield* Lock.confirm(lock)
  yield* File.rename(copy, path)
  yield* File.syncDirectory(directory.log)
})

const copyBytes = (from: number, to: number, offset: number, size: number): Effect.Effect<void, File.FileError> =>
  offset >= size
    ? Effect.void
    : Effect.flatMap(
      File.read(from, offset, Math.min(copyPiece, size - offset)),
      (bytes) =>
        Effect.andThen(
          File.writeAll(to, bytes, offset),
          Effect.suspend(() => copyBytes(from, to, offset + copyPiece, size))
        )
    )

const copyPiece = 1024 * 1024
