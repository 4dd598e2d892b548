/**
 * Supplies the files that become segments.
 *
 * Segments grow with the log up to the limit, so that what is prepared or recycled is in proportion to it. The next one
 * is prepared while the current one fills: a short-lived writer writes few zeros, and a busy one rarely waits. Once the
 * log is truncated regularly, its old segment files are recycled, and no more zeros are written. A store that rests
 * gives them back. Preallocated and recycled log files are those of Postgres, "WAL configuration" (`wal_recycle`).
 *
 * @internal
 */
import { Effect, Exit, Fiber, type Scope } from "effect"
import type * as Directory from "./Directory.ts"
import * as File from "./File.ts"
import type { Reserve } from "./Reserve.ts"
import * as SegmentFile from "./SegmentFile.ts"

export interface SegmentSupply {
  /** A file whose frames may take `needed` bytes. */
  readonly take: (needed: number) => Effect.Effect<SegmentFile.Prepared, File.FileError>
  /** Whether the next file is there, or is being prepared. */
  readonly isReady: () => boolean
  /** Begins to prepare the file after a segment of `capacity` bytes, and what is reserved for such segments. */
  readonly prepare: (capacity: number) => Effect.Effect<void>
  /** Of the segments that are truncated now, how many are to be recycled. */
  readonly wanted: () => number
  /** The file of a truncated segment, renamed, unless it is too small. Then it is removed. */
  readonly recycle: (path: string) => Effect.Effect<SegmentFile.Prepared | undefined, File.FileError>
  /** Notes that a full segment is in the log. */
  readonly retained: (path: string, capacity: number) => void
  /** Notes that a segment was truncated: what is needed from now on is counted anew. */
  readonly truncated: (path: string) => void
  /** Keeps recycled files, whose old names are gone for good. */
  readonly keep: (files: ReadonlyArray<SegmentFile.Prepared>) => void
  /** Removes everything: files that are taken from here on are small, and have never been segments. */
  readonly clear: Effect.Effect<void, File.FileError>
  /** Removes everything, if it is much, and reduces the reserve to what a last segment of `capacity` bytes needs. */
  readonly giveBack: (capacity: number) => Effect.Effect<void, File.FileError>
}

export interface Options {
  readonly directory: Directory.Directory
  readonly segmentBytes: number
  readonly reserve: Reserve
  /** In which files are prepared. */
  readonly scope: Scope.Scope
}

const smallestSegment = 256 * 1024
/** The most truncated segments that are retained to be recycled. */
const keptSegments = 4
/** A segment is planned to be this share of the log. */
const segmentShare = 0.25
/**
 * What opening the store and making it smaller may take beyond a copy of the last segment, in smallest segments: one that
 * opening begins, one that a compaction begins, and two for its rollup and its rows, if they are few.
 */
const reservedSegments = 4

export const make = ({ directory, reserve, scope, segmentBytes }: Options): SegmentSupply => {
  const smallest = Math.min(segmentBytes, smallestSegment)
  let planned = smallest
  let spare: Fiber.Fiber<SegmentFile.Prepared, File.FileError> | undefined
  const recycled: Array<SegmentFile.Prepared> = []
  /** The capacities of this writer's full segments in the log, by path. */
  const retained = new Map<string, number>()
  /** Files taken since the last truncation: this many are needed until the next one. */
  let taken = 0

  const reservedFor = (capacity: number): number => capacity + reservedSegments * smallest

  const takeSpare = Effect.suspend(() => {
    const preparing = spare === undefined ? SegmentFile.prepare(directory, planned, true) : Fiber.join(spare)
    spare = undefined
    const logBytes = [...retained.values()].reduce((sum, capacity) => sum + capacity, 0)
    planned = Math.min(segmentBytes, Math.max(smallest, logBytes * segmentShare))
    return preparing
  })

  const take = (needed: number) =>
    Effect.suspend(() => {
      taken++
      const fitting = recycled.findIndex(({ capacity }) => capacity >= needed)
      if (fitting >= 0) return Effect.succeed(recycled.splice(fitting, 1)[0]!)
      return needed > planned ? SegmentFile.prepare(directory, needed, false) : takeSpare
    })

  const dropSpare = Effect.suspend(() => {
    if (spare === undefined) return Effect.void
    const preparing = spare
    spare = undefined
    return Effect.flatMap(
      Effect.andThen(Fiber.interrupt(preparing), Fiber.await(preparing)),
      (exit) => Exit.isSuccess(exit) ? File.remove(exit.value.path) : Effect.void
    )
  })

  /** Files that cannot be removed stay in the list, for the next attempt. */
  const dropRecycled = Effect.gen(function*() {
    for (; recycled.length > 0; recycled.shift()) yield* File.remove(recycled[0]!.path)
  })

  const clear = Effect.suspend(() => {
    planned = smallest
    return Effect.andThen(dropSpare, dropRecycled)
  })

  return {
    take,
    isReady: () => recycled.length > 0 || spare !== undefined,
    prepare: Effect.fnUntraced(function*(capacity) {
      spare = yield* Effect.forkIn(SegmentFile.prepare(directory, planned, true), scope)
      yield* Effect.forkIn(Effect.ignore(reserve.keep(reservedFor(Math.max(capacity, planned)))), scope)
    }),
    wanted: () => Math.min(taken, keptSegments) - recycled.length,
    recycle: (path) => SegmentFile.recycle(directory, path, planned / 2),
    retained: (path, capacity) => void retained.set(path, capacity),
    truncated: (path) => {
      retained.delete(path)
      taken = 0
    },
    keep: (files) => void recycled.push(...files),
    clear,
    giveBack: (capacity) =>
      Effect.suspend(() => recycled.length > 0 || planned > 2 * smallest ? clear : Effect.void).pipe(
        Effect.andThen(reserve.shrink(reservedFor(Math.max(smallest, capacity))))
      )
  }
}
