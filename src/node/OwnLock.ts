/**
 * The lock of one opener of a store: taken for each epoch that it begins, kept alive by heartbeats, and released when
 * its last writer is closed.
 *
 * @internal
 */
import { Effect, FiberHandle, type Scope } from "effect"
import { Fenced, type Locked } from "../PersistError.ts"
import type * as Directory from "./Directory.ts"
import * as File from "./File.ts"
import * as Lease from "./Lease.ts"
import * as Lock from "./Lock.ts"
import type * as LockHolder from "./LockHolder.ts"
import * as SegmentList from "./SegmentList.ts"

export interface Options {
  readonly directory: Directory.Directory
  readonly machine: LockHolder.Machine
  readonly leaseMillis: number
  readonly waitMillis: number
}

export interface OwnLock {
  /** Begins a new epoch. With `after`, fails with `Fenced` where another opener has begun a later one than that. */
  readonly take: (after: number | undefined) => Effect.Effect<Lock.Lock, File.FileError | Locked | Fenced>
  /** To be called when a writer has got the epoch. */
  readonly give: (epoch: number) => void
  readonly release: Effect.Effect<void>
}

export const make: (options: Options) => Effect.Effect<OwnLock, never, Scope.Scope> = Effect.fnUntraced(
  function*({ directory, leaseMillis, machine, waitMillis }) {
    const nonce = yield* Lock.makeNonce
    const heartbeats = yield* FiberHandle.make<void>()
    let lock: Lock.Lock | undefined
    /** The last epoch that a writer got. */
    let given = 0

    const lastEpoch = Effect.map(SegmentList.list(directory.log), ({ links }) => links.at(-1)?.epoch ?? 0)

    /** Fails where the log has an epoch after `after` that is not of a failed attempt of this opener. */
    const lastEpochAfter = (after: number) =>
      Effect.flatMap(lastEpoch, (current) =>
        current <= after || (current > given && current === lock?.epoch)
          ? Effect.succeed(current)
          : Effect.fail(new Fenced({ epoch: after, current })))

    return {
      take: Effect.fnUntraced(function*(after) {
        const last = after === undefined ? lastEpoch : lastEpochAfter(after)
        if (after !== undefined) yield* last
        // A failed attempt left its epoch to be used again, and at most an empty segment of it.
        if (lock !== undefined && lock.epoch > given && Lock.isHeld(lock)) return lock
        const before = lock
        const taken = yield* Lock.acquire({ directory, machine, nonce, leaseMillis, waitMillis, lastEpoch: last })
        lock = taken
        yield* FiberHandle.run(heartbeats, Lease.keep({ ...taken, isHeld: () => Lock.isHeld(taken) }, leaseMillis))
        if (before !== undefined) yield* File.close(before.fd)
        return taken
      }),
      give: (epoch) => {
        given = epoch
      },
      release: Effect.suspend(() => {
        if (lock === undefined) return Effect.void
        const released = lock
        lock = undefined
        return Effect.andThen(FiberHandle.clear(heartbeats), Lock.release(released, nonce))
      })
    }
  }
)
