/**
 * Write authority over a store directory: the files `lock/<epoch>`.
 *
 * Whoever creates the file of an epoch holds that epoch, until somebody removes the file. A lock file appears with its
 * content, by `link`, so that exactly one process gets an epoch. A released one stays behind empty until the next epoch
 * begins, so that no epoch is given out twice. The holder looks for its file after every flush: if it slept through a
 * takeover, it finds out before it acknowledges anything.
 *
 * @internal
 */
import { Effect, Random } from "effect"
import fs from "node:fs"
import { hostname } from "node:os"
import { dirname, join } from "node:path"
import { Fenced, Locked } from "../PersistError.ts"
import * as Directory from "./Directory.ts"
import * as File from "./File.ts"

/** What a lock file says of its holder. */
export interface Holder {
  readonly pid: number
  readonly host: string
  /** Tells a process from a later one with its id; empty where the platform does not say. */
  readonly startTime: string
  /** Tells the openers of one process apart, and a process from one before it with the same id and start time. */
  readonly nonce: string
}

export interface Lock {
  readonly epoch: number
  readonly path: string
  /** The file is open for as long as the lock is wanted, so that no other one gets its number. */
  readonly fd: number
  readonly ino: bigint
}

/** The nonces of this process's openers that hold a lock. */
const holding = new Set<string>()
let openers = 0

export const makeNonce: Effect.Effect<string> = Effect.map(Random.nextInt, (random) => `${++openers}-${random}`)

/**
 * Whether the lock is still ours. Where its file was removed before its epoch came into the log, another process may have got
 * the same epoch, and made a file of the same name. One cheap system call, without a trip to the thread pool.
 */
export const isHeld = ({ ino, path }: Lock): boolean => {
  try {
    return fs.statSync(path, { bigint: true }).ino === ino
  } catch {
    return false
  }
}

/**
 * Fails once the lock is lost. A process that was stopped may find that any number of writers have come and gone: what it
 * looked at before, it must not act on.
 */
export const confirm = (lock: Lock): Effect.Effect<void, Fenced | File.FileError> =>
  Effect.suspend(() =>
    isHeld(lock) ? Effect.void : Effect.flatMap(
      highest(dirname(lock.path)),
      (current) => Effect.fail(new Fenced({ epoch: lock.epoch, current }))
    )
  )

/** The highest epoch that was ever given out, as far as the directory tells. */
export const highest = (directory: string): Effect.Effect<number, File.FileError> =>
  Effect.map(epochs(directory), (all) => Math.max(0, ...all))

const epochs = (directory: string): Effect.Effect<ReadonlyArray<number>, File.FileError> =>
  Effect.map(
    File.listOrNone(directory),
    (names) => names.map(({ name }) => name).filter((name) => /^\d{16}$/.test(name)).map(Number)
  )

const pathOf = (directory: string, epoch: number): string => join(directory, String(epoch).padStart(16, "0"))

export interface Options {
  readonly directory: Directory.Directory
  /** Of the opener: what it holds itself does not lock it out. */
  readonly nonce: string
  /** The last epoch in the log. */
  readonly lastEpoch: Effect.Effect<number, File.FileError>
}

/** Begins a new epoch, unless a living process other than this opener holds the last one. */
export const acquire = Effect.fnUntraced(function*(options: Options) {
  const { lastEpoch, nonce } = options
  const directory = options.directory.lock
  for (;;) {
    const last = yield* highest(directory)
    const holder = yield* holderOf(directory, last)
    if (holder !== undefined && holder.nonce !== nonce && isAlive(holder)) {
      return yield* new Locked({ location: options.directory.root, pid: holder.pid, host: holder.host })
    }
    const epoch = Math.max(last, yield* lastEpoch) + 1
    const lock = yield* create(options, epoch)
    if (lock === undefined) continue
    holding.add(nonce)
    // Between the look and the creation, others may have come and gone; the lock directory first, as they leave it last.
    const settled = Effect.gen(function*() {
      if ((yield* highest(directory)) > epoch || (yield* lastEpoch) >= epoch) return false
      for (const older of yield* epochs(directory)) if (older < epoch) yield* File.remove(pathOf(directory, older))
      return true
    })
    if (yield* Effect.onError(settled, () => File.close(lock.fd))) return lock
    yield* release(lock, nonce)
  }
})

/** Gives the lock up. */
export const release = (lock: Lock, nonce: string): Effect.Effect<void> =>
  Effect.suspend(() => {
    holding.delete(nonce)
    return Effect.andThen(isHeld(lock) ? Effect.ignore(cut(lock.path)) : Effect.void, File.close(lock.fd))
  })

/**
 * Gives up the lock of a holder of which nothing here can tell whether it lives. The next writer gets the next epoch, so that
 * a holder that lives after all is fenced. None where nobody holds the store.
 */
export const unlock = Effect.fnUntraced(function*({ lock, root }: Directory.Directory) {
  const last = yield* highest(lock)
  const holder = yield* holderOf(lock, last)
  if (holder === undefined || !isAlive(holder)) return undefined
  const { host, pid } = holder
  if (host === hostname()) return yield* new Locked({ location: root, pid, host })
  yield* Effect.catchIf(cut(pathOf(lock, last)), File.hasCode("ENOENT"), () => Effect.void)
  return { host, pid }
})

/** Without content the file names no holder, and keeps its epoch from being given out again. */
const cut = (path: string): Effect.Effect<void, File.FileError> =>
  File.using(path, File.flags.append, (fd) => File.truncate(fd, 0))

/** Whether a living process has begun an epoch after this one. */
export const isSucceeded = (directory: string, epoch: number): Effect.Effect<boolean, File.FileError> =>
  Effect.flatMap(highest(directory), (last) =>
    last <= epoch
      ? Effect.succeed(false)
      : Effect.map(holderOf(directory, last), (holder) => holder !== undefined && isAlive(holder)))

/** None where the epoch is taken. */
const create = ({ directory, nonce }: Options, epoch: number): Effect.Effect<Lock | undefined, File.FileError> => {
  const holder: Holder = {
    pid: process.pid,
    host: hostname(),
    startTime: processState(process.pid)?.startTime ?? "",
    nonce
  }
  const prepared = Directory.temporaryPath(directory)
  const path = pathOf(directory.lock, epoch)
  const content = new TextEncoder().encode(JSON.stringify(holder))
  return File.open(prepared, File.flags.replace).pipe(
    Effect.flatMap((fd) =>
      File.writeAll(fd, content, 0).pipe(
        Effect.andThen(File.sync(fd)),
        Effect.andThen(File.inode(fd)),
        Effect.flatMap((ino) => Effect.as(File.link(prepared, path), { epoch, path, fd, ino })),
        Effect.onError(() => File.close(fd))
      )
    ),
    Effect.catchIf(File.hasCode("EEXIST"), () => Effect.undefined),
    Effect.ensuring(Effect.ignore(File.remove(prepared))),
    Effect.uninterruptible
  )
}

/** None where the lock was released, or does not name a holder. */
const holderOf = (directory: string, epoch: number): Effect.Effect<Holder | undefined, File.FileError> =>
  File.using(pathOf(directory, epoch), File.flags.read, File.readAll).pipe(
    Effect.map(parseHolder),
    Effect.catchIf(File.hasCode("ENOENT"), () => Effect.undefined)
  )

const parseHolder = (bytes: Uint8Array): Holder | undefined => {
  try {
    const { host, nonce, pid, startTime }: Record<string, unknown> = JSON.parse(new TextDecoder().decode(bytes))
    if (typeof pid !== "number" || typeof host !== "string") return undefined
    return { pid, host, startTime: String(startTime), nonce: String(nonce) }
  } catch {
    return undefined
  }
}

/** A process on another host counts as alive: nothing here can tell. */
const isAlive = ({ host, nonce, pid, startTime }: Holder): boolean => {
  if (host !== hostname()) return true
  const state = processState(pid)
  if (state === undefined) return exists(pid)
  // A lock that was made while `/proc` could not be read, as with too many open files, does not say when its holder started.
  if (state.isDead || (startTime !== "" && startTime !== state.startTime)) return false
  return pid !== process.pid || holding.has(nonce)
}

const exists = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"
  }
}

/** From `/proc`, where there is one. A process that was killed but not waited for is dead. */
const processState = (pid: number): { readonly startTime: string; readonly isDead: boolean } | undefined => {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "latin1")
    // The second field, the command, may hold anything, also parentheses.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    return { startTime: fields[19] ?? "", isDead: fields[0] === "Z" || fields[0] === "X" }
  } catch {
    return undefined
  }
}
