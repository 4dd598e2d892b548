/**
 * The writer's watch over named holds: which blobs they keep, and which holds have expired.
 *
 * The writer first commits that a blob is unnamed, then lists the holds, then deletes the blob. A reader that takes a
 * hold first stores the hold, then checks that the log still names all its blobs. So either the writer sees the hold,
 * or the reader sees the commit. The reader's side is in `Hold`.
 *
 * The clocks of two processes are never compared. A hold expires when the writer has seen no new heartbeat for the
 * hold's lease, as the writer's own clock measures it. Between two checks at most a quarter of the lease counts. So a
 * writer that was suspended, or has just opened the store, gives all holders time to send a heartbeat. A hold that
 * cannot be read keeps every blob, and expires like the others.
 *
 * @internal
 */
import { Clock, Effect } from "effect"
import type { StorageError } from "../PersistError.ts"
import type { Blob } from "../storage/Blob.ts"
import * as HoldFiles from "./HoldFiles.ts"

export interface HoldWatch {
  /**
   * Those of the blobs that some hold keeps. It lists the holds, unless the last check found that all of the blobs are
   * kept.
   */
  readonly held: (keys: ReadonlyArray<string>) => Effect.Effect<ReadonlySet<string>, StorageError>
  /** Releases all holds. */
  readonly release: Effect.Effect<void, StorageError>
}

interface Seen {
  readonly keeps: HoldFiles.Keeps
  /** The heartbeats at the last check. */
  beats: string
  /** How long they have been the same. */
  silentMillis: number
  lookedAt: number
}

/** The share of a lease that may pass between two checks, and the pause between two heartbeats. */
export const share = 0.25

export const make = (blob: Blob["Service"]): HoldWatch => {
  const seen = new Map<string, Seen>()
  let lookAgainAt = -Infinity

  /** Records the present heartbeats of a hold. False if it has expired. */
  const note = Effect.fnUntraced(function*(found: HoldFiles.Found, now: number) {
    const { base, leaseMillis } = found
    const beats = found.beats.join()
    const known = seen.get(base)
    if (known === undefined) {
      const keeps = yield* HoldFiles.keptBy(found, blob)
      if (keeps !== undefined) seen.set(base, { keeps, beats, silentMillis: 0, lookedAt: now })
      return true
    }
    const passed = Math.min(now - known.lookedAt, leaseMillis * share)
    known.silentMillis = known.beats === beats ? known.silentMillis + passed : 0
    known.beats = beats
    known.lookedAt = now
    return known.silentMillis < leaseMillis
  })

  const look = Effect.fnUntraced(function*(now: number) {
    const kept: Array<HoldFiles.Found> = []
    for (const found of yield* HoldFiles.list(blob)) {
      // Without a state it is the remainder of a released hold.
      if (found.hasState && (yield* note(found, now))) kept.push(found)
      else yield* HoldFiles.remove(found, blob)
    }
    const bases = new Set(kept.map(({ base }) => base))
    for (const base of seen.keys()) if (!bases.has(base)) seen.delete(base)
    lookAgainAt = now + share * Math.min(Infinity, ...kept.map(({ leaseMillis }) => leaseMillis))
  })

  const keptOf = (keys: ReadonlyArray<string>): ReadonlySet<string> => {
    const all = [...seen.values()]
    return new Set(keys.filter((key) => all.some(({ keeps }) => keeps(key))))
  }

  return {
    release: Effect.flatMap(HoldFiles.list(blob), (found) => {
      seen.clear()
      return Effect.forEach(found, (hold) => HoldFiles.remove(hold, blob), { discard: true })
    }),
    held: Effect.fnUntraced(function*(keys) {
      const now = Number((yield* Clock.monotonicTimeNanos) / 1_000_000n)
      const known = keptOf(keys)
      if (now < lookAgainAt && known.size === keys.length) return known
      yield* look(now)
      return keptOf(keys)
    })
  }
}
