/**
 * Rotates the log: begins the next segment when the active one is full, or when all of it is truncated.
 *
 * Any step of a rotation may fail. Once the next segment may have its name, nothing is appended to the one before it:
 * the rotation is retried until it certainly is done.
 *
 * @internal
 */
import { Effect, Semaphore } from "effect"
import type { Fenced } from "../PersistError.ts"
import * as Segment from "../storage/Segment.ts"
import * as File from "./File.ts"
import type { Recovered } from "./LogRecovery.ts"
import * as SegmentFile from "./SegmentFile.ts"
import * as SegmentList from "./SegmentList.ts"
import * as Truncation from "./Truncation.ts"

export interface Rotation {
  /** Whether a frame of this size can be appended at once, with another segment prepared for those after it. */
  readonly isReady: (size: number) => boolean
  /** Makes room for a frame of this size. */
  readonly makeRoom: (size: number) => Effect.Effect<void, Fenced | File.FileError>
  /** Gives up the entries below `before`, and removes the segments that have no others. */
  readonly truncate: (before: number) => Effect.Effect<void, File.FileError>
  /** Begins a small, newly created segment, which is followed by new ones only. */
  readonly rotateForGood: Effect.Effect<void, Fenced | File.FileError>
  /** Gives back the space that a busy store needed. The next append may have to begin a segment. */
  readonly giveBack: Effect.Effect<void, File.FileError>
  /** Ends the log cleanly, unless a rotation is under way. */
  readonly end: Effect.Effect<void>
  /** Closes the files. */
  readonly close: Effect.Effect<void>
}

/** The unused bytes of the active segment are given back if they are more than this. */
const worthTrimming = 512 * 1024

/** Begins the first segment of an epoch, after what was recovered. */
export const first = Effect.fnUntraced(function*(
  { directory, lock, supply }: Omit<Truncation.Options, "appender">,
  { bounds: { upper }, tail }: Recovered
) {
  const segment = yield* SegmentFile.begin(directory, yield* supply.take(0), upper, lock.epoch)
  yield* Effect.onError(SegmentFile.enter(directory, lock, segment), () => SegmentFile.abandon(segment))
  if (tail !== undefined) {
    yield* Effect.ignore(File.using(tail.path, File.flags.append, (fd) => follow(fd, tail.end, tail.seed, upper)))
  }
  yield* Effect.ignore(Effect.flatMap(
    SegmentList.list(directory.log),
    ({ superseded }) => Effect.forEach(superseded, File.remove, { discard: true })
  ))
  return segment
})

/**
 * Writes at the end of a segment that another one follows. It only helps `verify` to notice a lost segment; nothing
 * else needs it, so that it may fail.
 */
const follow = (fd: number, at: number, seed: number, upper: number): Effect.Effect<void> =>
  Effect.ignore(SegmentFile.end(fd, at, Segment.encodeEnd("continued", seed, upper)))

export const make = (options: Truncation.Options): Rotation => {
  const { appender, directory, lock, supply } = options
  const truncation = Truncation.make(options)
  /** Segment files are renamed and removed by one operation at a time. */
  const one = Semaphore.makeUnsafe(1)
  /** The segment after the active one, once it may be in the log: nothing is appended until it certainly is. */
  let next: SegmentFile.Joining | undefined

  const hasRoom = (size: number): boolean => next === undefined && appender.hasRoom(size) && !isDue()

  /** Everything in the segment is truncated, and enough of its space is used to make reclaiming it worthwhile. */
  const isDue = (): boolean => {
    const { base, capacity } = appender.active()
    const upper = appender.upper()
    return truncation.before() === upper && upper > base && appender.offset() > capacity / 2
  }

  const wantsSpare = (): boolean => !supply.isReady() && appender.offset() > appender.active().capacity / 4

  /** Continues a rotation that has failed, or begins one. */
  const rotate = Effect.fnUntraced(function*(needed: number) {
    next ??= yield* SegmentFile.begin(directory, yield* supply.take(needed), appender.upper(), lock.epoch)
    yield* SegmentFile.enter(directory, lock, next)
    const { base, capacity, fd, path, seed } = appender.active()
    if (appender.upper() > base) yield* follow(fd, appender.offset(), seed, appender.upper())
    yield* File.close(fd)
    supply.retained(path, capacity)
    appender.moveTo(next)
    next = undefined
    yield* Effect.ignore(truncation.run)
  })

  const makeRoom = Effect.fnUntraced(function*(size: number) {
    while (!hasRoom(size)) yield* rotate(Segment.headerBytes + size)
    if (wantsSpare()) yield* supply.prepare(appender.active().capacity)
  })

  const rotateForGood = Effect.gen(function*() {
    if (next !== undefined) yield* rotate(Segment.headerBytes)
    yield* supply.clear
    truncation.recycleNone()
    yield* rotate(Segment.headerBytes)
    yield* Effect.ignore(supply.giveBack(appender.active().capacity))
  })

  const giveBack = Effect.suspend(() => {
    const { capacity, fd } = appender.active()
    const offset = appender.offset()
    const isTrimmed = next === undefined && capacity - offset > worthTrimming && appender.fill()
    return Effect.andThen(
      isTrimmed ? File.truncate(fd, offset + Segment.openBytes) : Effect.void,
      supply.giveBack(isTrimmed ? offset : capacity)
    )
  })

  return {
    isReady: (size) => hasRoom(size) && !wantsSpare(),
    makeRoom: (size) => one.withPermit(makeRoom(size)),
    truncate: (before) =>
      Effect.suspend(() => {
        truncation.advance(before)
        return one.withPermit(truncation.run)
      }),
    rotateForGood: one.withPermit(rotateForGood),
    giveBack: one.withPermit(giveBack),
    end: Effect.suspend(() => {
      const { fd, seed } = appender.active()
      if (next !== undefined) return Effect.void
      return Effect.ignore(SegmentFile.end(fd, appender.offset(), Segment.encodeEnd("closed", seed, appender.upper())))
    }),
    close: Effect.suspend(() =>
      Effect.andThen(
        File.close(appender.active().fd),
        next === undefined ? Effect.void : SegmentFile.abandon(next)
      )
    )
  }
}
