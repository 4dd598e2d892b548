/**
 * The feed: the newest commits, kept in memory for those who follow.
 *
 * It is bounded in bytes. A follower holds nothing but a position, and pulls; one that is too slow finds that its
 * position is no longer kept, and reads the log instead. So no listener, however slow, makes memory grow.
 *
 * @internal
 */
import { Deferred, Effect } from "effect"
import * as Columns from "../batch/Columns.ts"
import type { Change } from "../engine/Commit.ts"

export interface Entry {
  readonly position: number
  readonly changes: ReadonlyArray<Change>
}

export interface Feed {
  /** The position after the newest commit. */
  readonly upper: () => number
  readonly publish: (entry: Entry) => void
  /** Goes on at another position: what came before it is only in the log. */
  readonly reset: (upper: number) => void
  /** The commits from `position` on, or `undefined` where some of them are no longer kept. */
  readonly from: (position: number) => ReadonlyArray<Entry> | undefined
  /** Waits until there is something at or after `position`. False once the feed is closed and has nothing there. */
  readonly await: (position: number) => Effect.Effect<boolean>
  readonly close: () => void
}

export const make = (start: number, maxBytes: number): Feed => {
  let entries: Array<Entry & { readonly bytes: number }> = []
  let upper = start
  let bytes = 0
  let isClosed = false
  let changed = Deferred.makeUnsafe<void>()

  const wake = () => {
    Deferred.doneUnsafe(changed, Effect.void)
    changed = Deferred.makeUnsafe()
  }

  return {
    upper: () => upper,
    publish: (entry) => {
      const size = sizeOf(entry)
      entries.push({ ...entry, bytes: size })
      bytes += size
      let dropped = 0
      while (bytes > maxBytes && dropped < entries.length - 1) bytes -= entries[dropped++]!.bytes
      if (dropped > 0) entries = entries.slice(dropped)
      upper = entry.position + 1
      wake()
    },
    reset: (position) => {
      entries = []
      bytes = 0
      upper = position
      wake()
    },
    from: (position) => {
      if (position >= upper) return []
      const first = entries[0]?.position
      if (first === undefined || position < first) return undefined
      return entries.slice(position - first)
    },
    await: (position) =>
      Effect.suspend(function loop(): Effect.Effect<boolean> {
        if (upper > position) return Effect.succeed(true)
        if (isClosed) return Effect.succeed(false)
        return Effect.flatMap(Deferred.await(changed), () => Effect.suspend(loop))
      }),
    close: () => {
      isClosed = true
      wake()
    }
  }
}

const sizeOf = (entry: Entry): number =>
  entry.changes.reduce((sum, change) => sum + (change._tag === "Write" ? Columns.goodputBytes(change.columns) : 0), 64)
