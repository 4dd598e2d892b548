/**
 * The feed: the newest commits, kept in memory for listeners.
 *
 * It is bounded in bytes. A listener keeps only a position, and pulls. If the feed no longer has the commits from this
 * position on, a slow listener reads the log instead. So a slow listener does not make memory grow.
 *
 * @internal
 */
import { Deferred, Effect } from "effect"
import * as Columns from "../batch/Columns.ts"
import type { Change } from "../engine/Commit.ts"
import type { StorageError } from "../PersistError.ts"

export interface Entry {
  readonly position: number
  readonly changes: ReadonlyArray<Change>
}

export interface Feed {
  /** The position after the newest commit. */
  readonly upper: () => number
  readonly publish: (entry: Entry) => void
  /** Continues at another position. Earlier commits are only in the log. */
  readonly reset: (upper: number) => void
  /** The commits from `position` on, or `undefined` where some of them are no longer kept. */
  readonly from: (position: number) => ReadonlyArray<Entry> | undefined
  /**
   * Waits until there is something at or after `position`. False once the feed is closed and has nothing there; fails with the
   * reason if it was closed with one.
   */
  readonly await: (position: number) => Effect.Effect<boolean, StorageError>
  /** Closes the feed, with the error that has ended the store, unless the store was stopped. The first call counts. */
  readonly close: (reason?: StorageError) => void
}

interface FeedEntry extends Entry {
  readonly bytes: number
}

const nothing: FeedEntry = { position: -1, changes: [], bytes: 0 }

export const make = (start: number, maxBytes: number): Feed => {
  let entries: Array<FeedEntry> = []
  /**
   * How many commits at the beginning have been dropped. Compacting the array each time would make every commit copy
   * all the others.
   */
  let gone = 0
  let upper = start
  let bytes = 0
  let closed: Effect.Effect<false, StorageError> | undefined
  let changed = Deferred.makeUnsafe<void>()

  /** Waiting fibers may run at once, and wait again: they must find the next signal, not this one. */
  const wake = () => {
    const waited = changed
    changed = Deferred.makeUnsafe()
    Deferred.doneUnsafe(waited, Effect.void)
  }

  return {
    upper: () => upper,
    publish: (entry) => {
      const size = sizeOf(entry)
      entries.push({ ...entry, bytes: size })
      bytes += size
      while (bytes > maxBytes && gone < entries.length - 1) {
        bytes -= entries[gone]!.bytes
        entries[gone++] = nothing
      }
      if (2 * gone > entries.length) {
        entries = entries.slice(gone)
        gone = 0
      }
      upper = entry.position + 1
      wake()
    },
    reset: (position) => {
      entries = []
      gone = 0
      bytes = 0
      upper = position
      wake()
    },
    from: (position) => {
      if (position >= upper) return []
      const first = entries[gone]?.position
      if (first === undefined || position < first) return undefined
      return entries.slice(gone + position - first)
    },
    await: (position) =>
      Effect.suspend(function loop(): Effect.Effect<boolean, StorageError> {
        if (upper > position) return Effect.succeed(true)
        if (closed !== undefined) return closed
        return Effect.flatMap(Deferred.await(changed), () => Effect.suspend(loop))
      }),
    close: (reason) => {
      closed ??= reason === undefined ? Effect.succeed(false) : Effect.fail(reason)
      wake()
    }
  }
}

const sizeOf = (entry: Entry): number =>
  entry.changes.reduce((sum, change) => sum + (change._tag === "Write" ? Columns.goodputBytes(change.columns) : 0), 64)
