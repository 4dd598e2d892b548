/**
 * The writer's eye on named holds: which blobs they keep, and which of them have expired.
 *
 * A blob is deleted after the commit that unnamed it, and after a look at the holds that came later still. Whoever takes a
 * hold first stores what it holds, and then makes sure that the log has not unnamed any of it. So one of the two sees the
 * other.
 *
 * No clock is compared with another one. A hold gives signs of life, and expires when the writer has seen no new one for
 * the hold's lease, as the writer's own clock measures it. Between two looks at most a quarter of the lease counts: a
 * writer that has slept, or has just opened the store, gives everybody time to show that they live. A hold that cannot be
 * read keeps every blob, and expires like the others.
 *
 * @internal
 */
import { Clock, Effect } from "effect"
import type { StorageError } from "../PersistError.ts"
import type { Blob } from "../storage/Blob.ts"
import * as HoldFiles from "./HoldFiles.ts"

export interface HoldWatch {
  /** Those of the blobs that some hold keeps. It looks, unless all of them were held a moment ago. */
  readonly held: (keys: ReadonlyArray<string>) => Effect.Effect<ReadonlySet<string>, StorageError>
  /** Gives all holds up. */
  readonly release: Effect.Effect<void, StorageError>
}

interface Seen {
  readonly keeps: HoldFiles.Keeps
  /** The signs of life at the last look. */
  beats: string
  /** How long they have been the same. */
  silentMillis: number
  lookedAt: number
}

/** The share of a lease that may pass between two looks, and the pause between two signs of life. */
export const share = 0.25

export const make = (blob: Blob["Service"]): HoldWatch => {
  const seen = new Map<string, Seen>()
  let lookAgainAt = -Infinity

  /** Notes what a hold shows now. False if it has expired. */
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
      // Without a state it is the rest of one that was given up.
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
