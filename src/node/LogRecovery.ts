/**
 * Recovery: what a new writer repairs in the log before it appends.
 *
 * The segments from the last one with entries on are read whole; opening a store reads the others anyway, and detects
 * damage in them. Damage is rejected. A torn tail, which was never acknowledged, is discarded. Unless the log was
 * closed cleanly, its last segment is copied to a new file: what was read of it may have come from a page cache whose
 * flush failed, so that it need not be on the disk. See Rebello et al., "Can Applications Recover from fsync Failures?"
 * (2020).
 *
 * @internal
 */
import { Effect } from "effect"
import type { Corrupt, Fenced, UnsupportedFormat } from "../PersistError.ts"
import type { Bounds } from "../storage/Log.ts"
import * as Segment from "../storage/Segment.ts"
import * as SegmentChain from "../storage/SegmentChain.ts"
import type * as Directory from "./Directory.ts"
import * as File from "./File.ts"
import type * as Lock from "./Lock.ts"
import * as SegmentFile from "./SegmentFile.ts"
import * as SegmentList from "./SegmentList.ts"

/** The last segment that has entries, and where they end. */
export interface Tail {
  readonly path: string
  readonly seed: number
  readonly end: number
}

export interface Recovered {
  readonly bounds: Bounds
  readonly tail: Tail | undefined
}

export const recover: (
  directory: Directory.Directory,
  lock: Lock.Lock
) => Effect.Effect<Recovered, Corrupt | Fenced | UnsupportedFormat | File.FileError> = Effect.fnUntraced(
  function*(directory, lock) {
    const { links } = yield* SegmentList.list(directory.log)
    const first = links[0]
    if (first === undefined) return { bounds: { lower: 0, upper: 0 }, tail: undefined }
    let upper = first.base
    for (const link of links.toReversed()) {
      const { run, seed } = yield* check(link)
      upper = Math.max(upper, run.next.position)
      if (link.next === undefined && run.end !== "closed") yield* close(directory, lock, link, seed, run.next)
      if (run.next.position > link.base) {
        return { bounds: { lower: first.base, upper }, tail: { path: link.path, seed, end: run.next.offset } }
      }
    }
    return { bounds: { lower: first.base, upper }, tail: undefined }
  }
)

const check = (link: SegmentChain.Link) =>
  File.using(
    link.path,
    File.flags.read,
    Effect.fnUntraced(function*(fd) {
      const { seed } = yield* SegmentList.readHeader(fd, link)
      const run = yield* SegmentList.walk(fd, seed, SegmentChain.start(link))
      if (link.next !== undefined) yield* SegmentChain.checkJoint(link, run.next, link.next)
      else if (run.end === "continued") return yield* SegmentChain.missingNext(link, run.next)
      else if (run.end === "open") yield* SegmentList.checkTail(fd, link, seed, run.next)
      return { seed, run }
    })
  )

/** What the previous writer would have done, had it not died. */
const close = (
  directory: Directory.Directory,
  lock: Lock.Lock,
  link: SegmentChain.Link,
  seed: number,
  end: SegmentChain.Point
) => SegmentFile.rewrite(directory, lock, link.path, end.offset, Segment.encodeEnd("closed", seed, end.position))
