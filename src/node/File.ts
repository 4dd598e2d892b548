/**
 * The calls of `node:fs` that storage needs, as effects.
 *
 * They fail with a `FileError`, so that a caller can inspect its code; `orRefuse` converts the remaining ones to
 * storage errors. No call is ever interrupted: node continues it in its thread pool in any case, and a descriptor must
 * not be closed during a call.
 *
 * @internal
 */
import { Data, Effect, Schedule } from "effect"
import { Buffer } from "node:buffer"
import fs from "node:fs"
import { dirname, resolve } from "node:path"
import { AccessDenied, OutOfSpace, Unavailable } from "../PersistError.ts"
import * as PlatformRules from "./PlatformRules.ts"

/** The system's answer: a code such as `ENOENT`, and node's message, which names the call and the path. */
export class FileError extends Data.TaggedError("FileError")<{ readonly code: string; readonly detail: string }> {}

type Errno = NodeJS.ErrnoException

export const failure = (error: Errno): FileError => new FileError({ code: error.code ?? "", detail: error.message })

export const rules = PlatformRules.of(process.platform)
const { O_CREAT, O_RDONLY, O_RDWR, O_TRUNC } = fs.constants

export const flags = {
  read: O_RDONLY,
  readAndFlush: rules.readAndFlush,
  append: O_RDWR | rules.writeThrough,
  replace: O_RDWR | O_CREAT | O_TRUNC,
  /**
   * As `replace`, but every write is sent to the drive: a large file then never delays other flushes by one big flush of its own.
   */
  replaceDurably: O_RDWR | O_CREAT | O_TRUNC | rules.writeThrough,
  /** Keeps what is in the file, and sends every write to the drive. */
  extend: O_RDWR | O_CREAT | rules.writeThrough
}

type Done<A> = (error: Errno | null, value: A) => void

const call = <A>(start: (done: Done<A>) => void): Effect.Effect<A, FileError> =>
  Effect.uninterruptible(
    Effect.callback<A, FileError>((resume) =>
      start((error, value) => resume(error ? Effect.fail(failure(error)) : Effect.succeed(value)))
    )
  )

const run = (start: (done: (error: Errno | null) => void) => void): Effect.Effect<void, FileError> =>
  call<void>((done) => start((error) => done(error, undefined)))

export const hasCode = (...codes: ReadonlyArray<string>) => (error: FileError): boolean => codes.includes(error.code)

export const isFull = hasCode("ENOSPC", "EDQUOT")

/** There is no such file, or a directory of its path is missing. */
export const isMissing = <E extends { readonly _tag: string }>(error: E | FileError): error is FileError =>
  error instanceof FileError && (error.code === "ENOENT" || error.code === "ENOTDIR")

/** What an operator can do about a file system that denies access to this process. */
const adviceOf = (code: string): string | undefined => {
  if (code === "EACCES") {
    return "give the user of this process the right to read and write the store's directory and all in it"
  }
  if (code === "EPERM") {
    return "look at the owner and the attributes of the store's files, and at whether the file system has hard links"
  }
  return code === "EROFS" ? "the file system is mounted read-only: mount it to be written" : undefined
}

export type Refusal = Unavailable | OutOfSpace | AccessDenied

/** The storage error of a call that failed without an effect that anything depends on. */
export const refusal = (operation: string, location: string, error: FileError): Refusal => {
  const { code, detail } = error
  if (isFull(error)) return new OutOfSpace({ location, detail })
  const advice = adviceOf(code)
  return advice === undefined
    ? new Unavailable({ operation, detail })
    : new AccessDenied({ location, operation, detail, advice })
}

export const orRefuse = (operation: string, location: string) =>
<A, E, R>(
  effect: Effect.Effect<A, E | FileError, R>
): Effect.Effect<A, Exclude<E, FileError> | Refusal, R> =>
  Effect.mapError(
    effect,
    (error) => error instanceof FileError ? refusal(operation, location, error) : error as Exclude<E, FileError>
  )

export const open = (path: string, mode: number): Effect.Effect<number, FileError> =>
  call<number>((done) => fs.open(path, mode, 0o666, done))

export const close = (fd: number): Effect.Effect<void> => Effect.ignore(run((done) => fs.close(fd, done)))

/** Opens the file while `use` runs. */
export const using = <A, E, R>(path: string, mode: number, use: (fd: number) => Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(open(path, mode), use, close)

export const size = (fd: number): Effect.Effect<number, FileError> =>
  Effect.map(call<fs.Stats>((done) => fs.fstat(fd, done)), (stats) => stats.size)

/** Identifies a file among all of its file system, whatever its names. */
export const inode = (fd: number): Effect.Effect<bigint, FileError> => Effect.map(status(fd), ({ ino }) => ino)

export const status = (fd: number): Effect.Effect<fs.BigIntStats, FileError> =>
  call<fs.BigIntStats>((done) => fs.fstat(fd, { bigint: true }, done))

export const stat = (path: string): Effect.Effect<fs.BigIntStats, FileError> =>
  call<fs.BigIntStats>((done) => fs.stat(path, { bigint: true }, done))

/** Sets when a file was modified, in milliseconds since 1970. */
export const touch = (fd: number, millis: number): Effect.Effect<void, FileError> =>
  run((done) => fs.futimes(fd, millis / 1000, millis / 1000, done))

/** The most bytes that one call receives: node throws at 2 GiB or more. */
export const atOnce = (length: number): number => Math.min(length, 1024 * 1024 * 1024)

/** At most `length` bytes from `offset`, fewer where the file ends, in a new buffer. */
export const read = (fd: number, offset: number, length: number): Effect.Effect<Uint8Array, FileError> =>
  Effect.suspend(() => {
    const buffer = Buffer.allocUnsafeSlow(length)
    const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset, length)
    const readRest = (filled: number): Effect.Effect<Uint8Array, FileError> =>
      filled === length
        ? Effect.succeed(bytes)
        : Effect.flatMap(
          call<number>((done) => fs.read(fd, bytes, filled, atOnce(length - filled), offset + filled, done)),
          (count) => count === 0 ? Effect.succeed(bytes.subarray(0, filled)) : readRest(filled + count)
        )
    return readRest(0)
  })

export const readAll = (fd: number): Effect.Effect<Uint8Array, FileError> =>
  Effect.flatMap(size(fd), (length) => read(fd, 0, length))

/** Writes all bytes at `offset`, in several calls if the system accepts fewer at a time. */
export const writeAll = (fd: number, bytes: Uint8Array, offset: number): Effect.Effect<void, FileError> =>
  Effect.flatMap(
    call<number>((done) => fs.write(fd, bytes, 0, atOnce(bytes.length), offset, done)),
    (count) => count === bytes.length ? Effect.void : writeAll(fd, bytes.subarray(count), offset + count)
  )

const zeros = new Uint8Array(256 * 1024)

/** Writes zeros from `offset` to `end`, so that the file system allocates blocks for them. */
export const fill = (fd: number, offset: number, end: number): Effect.Effect<void, FileError> =>
  offset >= end
    ? Effect.void
    : Effect.flatMap(
      writeAll(fd, zeros.subarray(0, Math.min(zeros.length, end - offset)), offset),
      () => fill(fd, offset + zeros.length, end)
    )

/** The bytes that an ordinary user may still write to the file system of a directory. */
export const free = (directory: string): Effect.Effect<number, FileError> =>
  Effect.map(call<fs.StatsFs>((done) => fs.statfs(directory, done)), ({ bavail, bsize }) => bavail * bsize)

/** Writes bytes through a descriptor opened to append, and flushes them. */
export const writeDurably = (fd: number, bytes: Uint8Array, offset: number): Effect.Effect<void, FileError> =>
  rules.writesFlush ? writeAll(fd, bytes, offset) : Effect.andThen(writeAll(fd, bytes, offset), syncData(fd))

export const sync = (fd: number): Effect.Effect<void, FileError> => run((done) => fs.fsync(fd, done))

export const syncData = (fd: number): Effect.Effect<void, FileError> => run((done) => fs.fdatasync(fd, done))

export const truncate = (fd: number, length: number): Effect.Effect<void, FileError> =>
  run((done) => fs.ftruncate(fd, length, done))

/** A file that another process has open for a moment, or for longer, is tried again for a second. */
const untilFree = {
  schedule: Schedule.spaced("10 millis").pipe(Schedule.upTo({ times: 100 })),
  while: hasCode(...rules.busyCodes)
}

export const rename = (from: string, to: string): Effect.Effect<void, FileError> =>
  Effect.retry(run((done) => fs.rename(from, to, done)), untilFree)

export const link = (from: string, to: string): Effect.Effect<void, FileError> =>
  Effect.retry(run((done) => fs.link(from, to, done)), untilFree)

/** Removes a file; one that is not there is no error. */
export const remove = (path: string): Effect.Effect<void, FileError> =>
  Effect.catchIf(Effect.retry(run((done) => fs.unlink(path, done)), untilFree), isMissing, () => Effect.void)

export const list = (directory: string): Effect.Effect<ReadonlyArray<fs.Dirent>, FileError> =>
  call<ReadonlyArray<fs.Dirent>>((done) => fs.readdir(directory, { withFileTypes: true }, done))

/** As `list`, but a directory that does not exist is empty. */
export const listOrNone = (directory: string): Effect.Effect<ReadonlyArray<fs.Dirent>, FileError> =>
  Effect.catchIf(list(directory), hasCode("ENOENT"), () => Effect.succeed([]))

/** Makes creations, renames and removals in a directory survive a power failure, where a directory can be flushed. */
export const syncDirectory = (directory: string): Effect.Effect<void, FileError> =>
  rules.flushesDirectories ? using(directory, flags.read, sync) : Effect.void

/** Makes a directory with its parents, durably. One that exists is no error. */
export const makeDirectory = (path: string): Effect.Effect<void, FileError> =>
  Effect.flatMap(
    call<string | undefined>((done) => fs.mkdir(path, { recursive: true }, done)),
    (first) => first === undefined ? Effect.void : syncParents(resolve(path), dirname(resolve(first)))
  )

const syncParents = (path: string, last: string): Effect.Effect<void, FileError> =>
  path === last
    ? Effect.void
    : Effect.andThen(syncDirectory(dirname(path)), Effect.suspend(() => syncParents(dirname(path), last)))

/** Writes a file and flushes it. An existing file is replaced. */
export const create = (path: string, bytes: Uint8Array): Effect.Effect<void, FileError> =>
  using(path, flags.replace, (fd) => Effect.andThen(writeInPieces(fd, bytes, 0), sync(fd)))

/**
 * Writes bytes and sends them to the disk piece by piece. If a large file is flushed only at its end, every other flush
 * of the file system waits for all of it, also that of a commit.
 */
const writeInPieces = (fd: number, bytes: Uint8Array, offset: number): Effect.Effect<void, FileError> => {
  const piece = bytes.subarray(offset, offset + pieceBytes)
  const end = offset + piece.length
  if (end === bytes.length) return writeAll(fd, piece, offset)
  return writeAll(fd, piece, offset).pipe(
    Effect.andThen(syncData(fd)),
    Effect.andThen(Effect.suspend(() => writeInPieces(fd, bytes, end)))
  )
}

const pieceBytes = 1024 * 1024
