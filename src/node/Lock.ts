/**
 * Write authority over a store directory: the files `lock/<epoch>`.
 *
 * The process that creates the file of an epoch owns that epoch, until the file is removed. A lock file appears with
 * its content, by `link`, so that exactly one process gets an epoch. A released file stays, empty, until the next epoch
 * begins, so that no epoch is issued twice. The holder checks for its file after every flush. If it was stopped during
 * a takeover, it finds out before it acknowledges anything.
 *
 * @internal
 */
import { Cause, Clock, Effect, Random } from "effect"
import fs from "node:fs"
import { dirname, join } from "node:path"
import { Fenced, Locked } from "../PersistError.ts"
import * as Directory from "./Directory.ts"
import * as File from "./File.ts"
import * as Lease from "./Lease.ts"
import * as LockHolder from "./LockHolder.ts"

export interface Lock {
  readonly epoch: number
  readonly path: string
  /** The file is open for as long as the lock is needed, so that its inode number is not reused. */
  readonly fd: number
  readonly ino: bigint
}

let openers = 0

export const makeNonce: Effect.Effect<string> = Effect.map(Random.nextInt, (random) => `${++openers}-${random}`)

/**
 * Whether this process still has the lock. If its file was removed before its epoch came into the log, another process
 * may have got the same epoch, and made a file of the same name. This is one cheap system call, without the thread
 * pool.
 */
export const isHeld = ({ ino, path }: Lock): boolean => {
  try {
    return fs.statSync(path, { bigint: true }).ino === ino
  } catch {
    return false
  }
}

/**
 * Fails once the lock is lost. After a process was stopped, any number of other writers may have come and gone: it must
 * not act on what it read before.
 */
export const confirm = (lock: Lock): Effect.Effect<void, Fenced | File.FileError> =>
  Effect.suspend(() =>
    isHeld(lock) ? Effect.void : Effect.flatMap(
      highest(dirname(lock.path)),
      (current) => Effect.fail(new Fenced({ epoch: lock.epoch, current }))
    )
  )

/** The highest epoch that was ever issued, as far as the directory shows. */
export const highest = (directory: string): Effect.Effect<number, File.FileError> =>
  Effect.map(epochs(directory), (all) => Math.max(0, ...all))

const epochs = (directory: string): Effect.Effect<ReadonlyArray<number>, File.FileError> =>
  Effect.map(
    File.listOrNone(directory),
    (names) => names.map(({ name }) => name).filter((name) => /^\d{16}$/.test(name)).map(Number)
  )

const pathOf = (directory: string, epoch: number): string => join(directory, String(epoch).padStart(16, "0"))

/** The opener that checks the lock of a store. */
export interface Opener {
  readonly directory: Directory.Directory
  readonly machine: LockHolder.Machine
  /** A lock of this opener does not lock it out. */
  readonly nonce: string
}

export interface Options extends Opener {
  /** How long the holder's heartbeats may be missing before another process takes the lock over. */
  readonly leaseMillis: number
  /** How long to wait for a holder that is alive. */
  readonly waitMillis: number
  /** The last epoch in the log. */
  readonly lastEpoch: Effect.Effect<number, File.FileError | Fenced>
}

/** Begins a new epoch, unless a living process other than this opener holds the last one. */
export const acquire = Effect.fnUntraced(function*(options: Options) {
  const { lastEpoch, nonce } = options
  const directory = options.directory.lock
  for (;;) {
    const last = yield* untilFree(options, options.waitMillis)
    const epoch = Math.max(last, yield* lastEpoch) + 1
    const lock = yield* create(options, epoch)
    if (lock === undefined) continue
    LockHolder.holding.add(nonce)
    // Between the check and the creation, other writers may have come and gone. The lock directory is read first,
    // because other writers leave it last.
    const settled = Effect.gen(function*() {
      const others = yield* epochs(directory)
      if (Math.max(0, ...others) > epoch || (yield* lastEpoch) >= epoch) return false
      for (const older of others) if (older < epoch) yield* File.remove(pathOf(directory, older))
      return true
    })
    const isSettled = Effect.onError(settled, (cause) =>
      // Who may not follow the last epoch must not lock out its writer.
      Cause.squash(cause) instanceof Fenced ? release(lock, nonce) : File.close(lock.fd))
    if (yield* isSettled) return lock
    yield* release(lock, nonce)
  }
})

/**
 * Waits until the last epoch has no holder, and returns that epoch. For a holder that cannot be looked up, it waits for
 * a heartbeat, or for the end of its lease. For a holder that is alive, it waits no longer than requested.
 */
const untilFree = Effect.fnUntraced(function*({ directory, machine, nonce }: Opener, waitMillis: number) {
  const clock = yield* Clock.Clock
  const begun = clock.monotonicTimeNanosUnsafe()
  let watch: Lease.Watch | undefined
  for (;;) {
    const epoch = yield* highest(directory.lock)
    const found = yield* read(directory.lock, epoch)
    if (found === undefined || found.holder.nonce === nonce) return epoch
    const { host, leaseMillis, pid } = found.holder
    const liveness = LockHolder.liveness(found.holder, machine)
    if (liveness === "dead") return epoch
    const at = clock.monotonicTimeNanosUnsafe()
    watch = Lease.look(watch, { epoch, at, modified: found.modified }, leaseMillis)
    if (liveness === "unknown" && leaseMillis !== undefined && watch.silentMillis >= leaseMillis) return epoch
    if ((liveness === "alive" || leaseMillis === undefined || watch.isAlive) && at - begun >= nanos(waitMillis)) {
      const left = liveness === "alive" || leaseMillis === undefined ? undefined : leaseMillis - watch.silentMillis
      return yield* new Locked({ location: directory.root, pid, host, leaseMillis: left })
    }
    yield* Effect.interruptible(Effect.sleep(Lease.pauseOf(leaseMillis)))
  }
})

const nanos = (millis: number): bigint => BigInt(Math.ceil(millis * 1_000_000))

/** Releases the lock. */
export const release = (lock: Lock, nonce: string): Effect.Effect<void> =>
  Effect.suspend(() => {
    LockHolder.holding.delete(nonce)
    return Effect.andThen(isHeld(lock) ? Effect.ignore(cut(lock.path)) : Effect.void, File.close(lock.fd))
  })

/**
 * Removes the lock of a holder that is not seen to be alive. The next writer gets the next epoch, so that a holder that
 * is alive after all is fenced. None if the store has no holder.
 */
export const unlock = Effect.fnUntraced(function*(opener: Opener) {
  const { lock, root } = opener.directory
  const epoch = yield* highest(lock)
  const holder = (yield* read(lock, epoch))?.holder
  const liveness = holder === undefined ? "dead" : LockHolder.liveness(holder, opener.machine)
  if (holder === undefined || liveness === "dead") return undefined
  const { host, leaseMillis, pid } = holder
  if (liveness === "alive") return yield* new Locked({ location: root, pid, host })
  if (leaseMillis !== undefined) yield* untilFree(opener, 0)
  yield* Effect.catchIf(cut(pathOf(lock, epoch)), File.hasCode("ENOENT"), () => Effect.void)
  return { host, pid }
})

/** An empty file names no holder, and keeps its epoch from being issued again. */
const cut = (path: string): Effect.Effect<void, File.FileError> =>
  File.using(path, File.flags.append, (fd) => File.truncate(fd, 0))

/** Whether a process that may be alive has begun a later epoch. */
export const isSucceeded = (
  { lock }: Directory.Directory,
  machine: LockHolder.Machine,
  epoch: number
): Effect.Effect<boolean, File.FileError> =>
  Effect.flatMap(highest(lock), (last) =>
    last <= epoch
      ? Effect.succeed(false)
      : Effect.map(
        read(lock, last),
        (found) => found !== undefined && LockHolder.liveness(found.holder, machine) !== "dead"
      ))

/** None where the epoch is taken. */
const create = (
  { directory, leaseMillis, machine, nonce }: Options,
  epoch: number
): Effect.Effect<Lock | undefined, File.FileError> => {
  const prepared = Directory.temporaryPath(directory)
  const path = pathOf(directory.lock, epoch)
  const content = LockHolder.encode(LockHolder.self(machine, nonce, leaseMillis))
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

/** The holder of an epoch, and its last heartbeat. None if the lock was released, or does not name a holder. */
const read = (directory: string, epoch: number) =>
  // The file is opened anew each time: network file systems then ask the server.
  File.using(pathOf(directory, epoch), File.flags.read, (fd) =>
    Effect.zipWith(File.status(fd), File.readAll(fd), ({ mtimeNs }, bytes) => {
      const holder = LockHolder.decode(bytes)
      return holder === undefined ? undefined : { holder, modified: mtimeNs }
    })).pipe(Effect.catchIf(File.hasCode("ENOENT"), () =>
      Effect.undefined))
