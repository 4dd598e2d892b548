/**
 * Removes the segments whose entries are all truncated, or has them recycled.
 *
 * @internal
 */
import { Effect } from "effect"
import type * as SegmentChain from "../storage/SegmentChain.ts"
import type * as Directory from "./Directory.ts"
import * as File from "./File.ts"
import type { FrameAppender } from "./FrameAppender.ts"
import type { Lock } from "./Lock.ts"
import type * as SegmentFile from "./SegmentFile.ts"
import * as SegmentList from "./SegmentList.ts"
import type { SegmentSupply } from "./SegmentSupply.ts"

export interface Truncation {
  /** Entries below this position have been truncated. */
  readonly before: () => number
  /** Truncates the entries below `before`. Their segments stay until `run`. */
  readonly advance: (before: number) => void
  /** From now on, segments with entries below the upper are not recycled: their contents must be removed. */
  readonly recycleNone: () => void
  /** Removes or recycles the segments that have truncated entries only, except for the active one. */
  readonly run: Effect.Effect<void, File.FileError>
}

export interface Options {
  readonly directory: Directory.Directory
  readonly lock: Lock
  readonly supply: SegmentSupply
  readonly appender: FrameAppender
}

export const make = ({ appender, directory, lock, supply }: Options): Truncation => {
  let before = 0
  let recycledFrom = 0

  const isTruncated = ({ next, path }: SegmentChain.Link): boolean =>
    next !== undefined && next <= before && path !== appender.active().path

  // A writer of an older epoch may resume and write to its segments: what they have become must not matter by then.
  const mayRecycle = ({ base, epoch }: SegmentChain.Link): boolean => epoch === lock.epoch && base >= recycledFrom

  return {
    before: () => before,
    advance: (position) => void (before = Math.max(before, Math.min(position, appender.upper()))),
    recycleNone: () => void (recycledFrom = appender.upper()),
    run: Effect.gen(function*() {
      const { links } = yield* SegmentList.list(directory.log)
      const kept: Array<SegmentFile.Prepared> = []
      const wanted = supply.wanted()
      for (const link of links) {
        if (!isTruncated(link)) break
        // A power failure must not bring back a segment without those between it and the rest.
        yield* File.syncDirectory(directory.log)
        const isRecycled = kept.length < wanted && mayRecycle(link)
        const prepared = yield* isRecycled ? supply.recycle(link.path) : File.remove(link.path)
        if (prepared !== undefined) kept.push(prepared)
        supply.truncated(link.path)
      }
      if (kept.length === 0) return
      yield* File.syncDirectory(directory.log)
      supply.keep(kept)
    })
  }
}
