/**
 * Leases on a lock: how processes that cannot look each other up find out whether the holder is alive.
 *
 * The holder updates the modification time of its lock file, four times a lease. A rival watches that time. It takes
 * the lock over once the time has not changed for a whole lease. The rival measures this with its own monotonic clock:
 * clocks of different hosts are never compared. A holder that was only stopped, or whose heartbeats did not arrive, is
 * rejected by its epoch when it continues. Leases are from Gray and Cheriton, "Leases: an efficient fault-tolerant
 * mechanism for distributed file cache consistency" (1989); the epoch is a fencing token.
 *
 * @internal
 */
import { Clock, Effect } from "effect"
import * as File from "./File.ts"

/** A lock with heartbeats. */
export interface Holding {
  readonly path: string
  /** Sets the time by the open file, not by its path: another process may have made a file of the same name. */
  readonly fd: number
  readonly isHeld: () => boolean
}

/** Sends heartbeats for as long as the lock is owned. A heartbeat that fails is skipped, without an error. */
export const keep = ({ fd, isHeld, path }: Holding, leaseMillis: number): Effect.Effect<void> => {
  let hasFailed = false
  const warn = (error: File.FileError) => {
    const isFirst = !hasFailed
    hasFailed = true
    return isFirst ? warnOf(path, error) : Effect.void
  }
  const heartbeat = Effect.flatMap(Clock.currentTimeMillis, (millis) => File.touch(fd, millis)).pipe(
    Effect.andThen(Effect.sync(() => void (hasFailed = false))),
    Effect.catch(warn)
  )
  return Effect.sleep(leaseMillis / 4).pipe(
    Effect.andThen(Effect.suspend(() => isHeld() ? Effect.as(heartbeat, true) : Effect.succeed(false))),
    Effect.repeat({ while: (goesOn: boolean) => goesOn }),
    Effect.asVoid
  )
}

const warnOf = (path: string, { detail }: File.FileError): Effect.Effect<void> =>
  Effect.logWarning(
    `a heartbeat of the lock ${path} failed (${detail}); the writer goes on, but processes on other hosts may take the ` +
      "store over from it"
  )

/** What a rival has observed of a lock. */
export interface Watch {
  readonly epoch: number
  /** The modification time of the lock file. */
  readonly modified: bigint
  /** The rival's clock when it last looked. */
  readonly at: bigint
  /** For how long that time has not changed. */
  readonly silentMillis: number
  /** Whether the holder has sent a heartbeat since the rival began to watch. */
  readonly isAlive: boolean
}

/** How often a rival looks, in milliseconds. */
export const pauseOf = (leaseMillis = Infinity): number => Math.max(1, Math.min(leaseMillis / 16, 100))

const nanosPerMilli = 1_000_000

/** What the rival knows after it has looked again. */
export const look = (
  before: Watch | undefined,
  { at, epoch, modified }: Pick<Watch, "at" | "epoch" | "modified">,
  leaseMillis: number | undefined
): Watch => {
  if (before === undefined || before.epoch !== epoch) return { epoch, modified, at, silentMillis: 0, isAlive: false }
  if (before.modified !== modified) return { epoch, modified, at, silentMillis: 0, isAlive: true }
  // The rival may have been stopped meanwhile, and the holder with it: that time counts as no evidence.
  const passed = Math.min(Number(at - before.at) / nanosPerMilli, 2 * pauseOf(leaseMillis))
  return { ...before, at, silentMillis: before.silentMillis + passed }
}
