/**
 * The making of segment files.
 *
 * Blocks that have been written before are what makes a later append a single flush without metadata. So a segment is
 * filled with zeros before it joins the chain, or is one that the log has let go: what is left in it of its former life
 * is no frame any more, as its salt is another one. It joins by `rename`, whole and flushed, or not at all.
 *
 * @internal
 */
import { Effect, Random } from "effect"
import { join } from "node:path"
import type { Fenced } from "../PersistError.ts"
import * as Directory from "./Directory.ts"
import * as File from "./File.ts"
import * as Lock from "./Lock.ts"
import * as Segment from "./Segment.ts"

/** A segment that is open for appending. */
export interface Active {
  readonly fd: number
  readonly path: string
  readonly seed: number
  /** The bytes that frames may take, header included. */
  readonly capacity: number
  readonly base: number
}

/** A file that can become a segment. */
export interface Prepared {
  readonly path: string
  readonly capacity: number
}

const zeros = new Uint8Array(256 * 1024)

/**
 * Prepares a segment whose frames may take `capacity` bytes. One that is not filled has its size but no blocks: right
 * for a single large frame, which is written only once anyway.
 */
export const prepare = (directory: Directory.Directory, capacity: number, isFilled: boolean) =>
  Effect.suspend(() => {
    const path = Directory.temporaryPath(directory)
    const size = capacity + Segment.openBytes
    return File.using(path, isFilled ? File.flags.replaceDurably : File.flags.replace, (fd) =>
      Effect.andThen(isFilled ? fill(fd, 0, size) : File.truncate(fd, size), File.sync(fd))).pipe(
        Effect.as<Prepared>({ path, capacity }),
        Effect.onError(() =>
          discard(path)
        )
      )
  })

const fill = (fd: number, offset: number, size: number): Effect.Effect<void, File.FileError> =>
  offset >= size
    ? Effect.void
    : Effect.flatMap(
      File.writeAll(fd, zeros.subarray(0, Math.min(zeros.length, size - offset)), offset),
      () => fill(fd, offset + zeros.length, size)
    )

/**
 * Makes a segment that the log has let go the stuff of a later one, unless it is smaller than `least`. Nobody may write to
 * it any more: that is known of segments of one's own epoch only. The log's directory must be flushed before the file
 * becomes a segment again, or a power failure could bring back its old name.
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

/** A file that is to become a segment, with its header: it is one for certain once `join` has succeeded. */
export interface Joining extends Active {
  readonly prepared: string
}

/** Gives the prepared file the header of the segment that begins at `base`. The log is as it was. */
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
 * Makes the file part of the log, durably. After a failure it may be part of it, or be so after the next crash: then
 * nothing may be appended to the segment before it, and this is to be tried again until it succeeds.
 *
 * The lock is looked at once the file is there: who takes the log over later removes the file before it reads the log, so that
 * a writer that is stopped here cannot add a segment to a log that others have gone on with.
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

/** A rename that has failed may have been done nevertheless. Before, an empty segment may have had the same name. */
const hasEntered = ({ fd, path }: Joining): Effect.Effect<boolean, File.FileError> =>
  Effect.flatMap(File.inode(fd), (ours) =>
    File.stat(path).pipe(
      Effect.map(({ ino }) => ino === ours),
      Effect.catchIf(File.isMissing, () => Effect.succeed(false))
    ))

/** Closes a file that nothing is going to be appended to. */
export const abandon = ({ fd, prepared }: Joining): Effect.Effect<void> =>
  Effect.andThen(File.close(fd), discard(prepared))

/** Ends a segment at `offset` with a frame that says what follows. Nothing is behind it then. */
export const end = (fd: number, offset: number, frame: Uint8Array): Effect.Effect<void, File.FileError> =>
  File.writeDurably(fd, frame, offset).pipe(
    Effect.andThen(File.truncate(fd, offset + frame.length)),
    Effect.andThen(File.sync(fd))
  )

/**
 * Replaces a segment file by a copy that ends at `offset` with the frame: what a torn or failed write left is gone. As with
 * `enter`, the lock is looked at before the copy takes the segment's place.
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
