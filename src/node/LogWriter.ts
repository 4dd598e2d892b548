/**
 * The writer of one epoch: it appends to the last segment of the log.
 *
 * One append is one frame, one positional write and one flush. Segments double in size up to the limit. The next one is
 * prepared while the current one fills, so that a short-lived writer writes few zeros and a busy one rarely waits. Once
 * the log is truncated regularly, its old segment files are recycled, and no more zeros are written. Preallocated and
 * recycled log files are those of Postgres, "WAL configuration" (`wal_recycle`).
 *
 * @internal
 */
import { Deferred, Effect, Exit, Fiber, type Scope } from "effect"
import fs from "node:fs"
import { ByteWriter } from "../ByteWriter.ts"
import { Fenced, Indeterminate, OutOfSpace, type StorageError, Unavailable } from "../PersistError.ts"
import type { Writer } from "../storage/Log.ts"
import type * as Directory from "./Directory.ts"
import * as File from "./File.ts"
import * as Lock from "./Lock.ts"
import type * as LogRecovery from "./LogRecovery.ts"
import * as Segment from "./Segment.ts"
import * as SegmentFile from "./SegmentFile.ts"
import * as SegmentList from "./SegmentList.ts"

export interface LogWriter {
  readonly writer: Writer
  /** Everything below this position is durable. */
  readonly upper: () => number
  /** Fails once this writer has lost the log. */
  readonly confirm: Effect.Effect<void, StorageError>
  /** Closes the log cleanly, unless this writer is fenced or has failed. */
  readonly close: Effect.Effect<void>
}

export interface Options {
  readonly directory: Directory.Directory
  readonly lock: Lock.Lock
  readonly segmentBytes: number
  readonly recovered: LogRecovery.Recovered
  readonly scope: Scope.Scope
  /** Called after every durable append. */
  readonly onAppend: () => void
}

const smallestSegment = 256 * 1024
/** The most truncated segments that are retained to be recycled. */
const keptSegments = 8
/** A frame buffer that a rare large append has grown beyond this is discarded. */
const keptBuffer = 4 * 1024 * 1024
const appending = "appending to the log"

export const make = Effect.fnUntraced(function*(options: Options) {
  const { directory, lock, recovered, scope, segmentBytes } = options
  const { epoch } = lock
  const refuse = File.orRefuse(appending, directory.root)

  let upper = recovered.bounds.upper
  /** Entries below this position have been truncated. */
  let forgotten = 0
  /** Segments with entries below this position are not recycled: their contents must be removed. */
  let rotatedAt = 0
  /** Why no more appends are possible. */
  let refusal: StorageError | undefined

  const smallest = Math.min(segmentBytes, smallestSegment)
  let planned = smallest
  let spare: Fiber.Fiber<SegmentFile.Prepared, File.FileError> | undefined
  const recycled: Array<SegmentFile.Prepared> = []
  /** Segments begun since the last truncation: this many are needed until the next one. */
  let begun = 0
  let offset = Segment.headerBytes
  let active: SegmentFile.Active = yield* SegmentFile.prepare(directory, planned, true).pipe(
    Effect.flatMap((prepared) => SegmentFile.begin(directory, prepared, upper, epoch)),
    Effect.tap((first) => Effect.onError(SegmentFile.enter(directory, lock, first), () => SegmentFile.abandon(first)))
  )
  /** The segment after the active one, once it may be in the log: nothing is appended until it certainly is. */
  let next: SegmentFile.Joining | undefined

  let frame = new ByteWriter(64 * 1024)
  let written = 0
  let resume: (result: Effect.Effect<number, StorageError>) => void
  let isBusy = false
  let onIdle: (() => void) | undefined

  const idle = (): void => {
    isBusy = false
    if (frame.bytes.length > keptBuffer) frame = new ByteWriter(64 * 1024)
    onIdle?.()
  }

  /** Writes the frame. It uses callbacks and no generator: a commit waits for this. */
  const writeFrame = Effect.callback<number, StorageError>((done) => {
    resume = done
    written = 0
    writeRest()
  })

  const writeRest = (): void =>
    fs.write(active.fd, frame.bytes, written, File.atOnce(frame.length - written), offset + written, onWritten)

  const onWritten = (error: NodeJS.ErrnoException | null, count: number): void => {
    if (error) return fail(error)
    written += count
    if (written < frame.length) writeRest()
    else if (File.writesFlush) acknowledge()
    else fs.fdatasync(active.fd, (error) => error ? fail(error) : acknowledge())
  }

  /** An append is acknowledged only after the lock was checked, which comes after the flush. */
  const acknowledge = (): void => {
    if (!Lock.isHeld(lock)) return resume(Effect.ensuring(overtaken, Effect.sync(idle)))
    offset += frame.length
    upper = pending
    idle()
    options.onAppend()
    resume(Effect.succeed(upper))
  }

  const fail = (error: NodeJS.ErrnoException): void =>
    resume(Effect.ensuring(failed(File.failure(error)), Effect.sync(idle)))

  let pending = upper
  const encode = (entries: ReadonlyArray<Uint8Array>): void => {
    pending = upper + entries.length
    Segment.encodeData(frame, active.seed, upper, entries)
  }

  const fenced: Effect.Effect<never, StorageError> = Effect.flatMap(
    refuse(Lock.highest(directory.lock)),
    (current) => {
      refusal = new Fenced({ epoch, current })
      return Effect.fail(refusal)
    }
  )

  /**
   * Another writer has taken the log over since the frame was written. If it did so after the write, the frame is in
   * the log.
   */
  const overtaken: Effect.Effect<never, StorageError> = Effect.flatMap(Effect.flip(fenced), (error) => {
    refusal = error
    return Effect.fail(
      new Indeterminate({ operation: appending, detail: "another writer took the log over while it was written" })
    )
  })

  const failed = (error: File.FileError): Effect.Effect<never, StorageError> => {
    const unknown = Effect.suspend(() => {
      refusal = new Unavailable({ operation: appending, detail: "an append failed before: acquire the log again" })
      return Effect.fail(new Indeterminate({ operation: appending, detail: error.detail }))
    })
    if (!File.isFull(error)) return unknown
    return Effect.matchEffect(cut, {
      onFailure: () => unknown,
      onSuccess: () => Effect.fail(new OutOfSpace({ location: active.path, detail: error.detail }))
    })
  }

  /** Removes what a failed write may have left, so that it is never read. The next append rotates. */
  const cut = Effect.suspend(() => {
    active = { ...active, capacity: offset }
    return File.truncate(active.fd, offset).pipe(
      Effect.andThen(File.truncate(active.fd, offset + Segment.openBytes)),
      Effect.andThen(File.sync(active.fd))
    )
  })

  // --- the next segment ---

  const hasRoom = (size: number): boolean => next === undefined && offset + size <= active.capacity && !isDue()

  /** Everything in the segment is truncated, and enough of its space is used to make reclaiming it worthwhile. */
  const isDue = (): boolean => forgotten === upper && upper > active.base && offset > active.capacity / 2

  const wantsSpare = (): boolean => recycled.length === 0 && spare === undefined && offset > active.capacity / 4

  const makeRoom = Effect.fnUntraced(function*(size: number) {
    while (!hasRoom(size)) yield* rotate(Segment.headerBytes + size)
    if (wantsSpare()) spare = yield* Effect.forkIn(SegmentFile.prepare(directory, planned, true), scope)
  })

  /** Continues a rotation that has failed, or begins one. */
  const rotate = Effect.fnUntraced(function*(needed: number) {
    next ??= yield* SegmentFile.begin(directory, yield* takePrepared(needed), upper, epoch)
    yield* SegmentFile.enter(directory, lock, next)
    if (upper > active.base) yield* endSegment(active.fd, offset, active.seed)
    yield* File.close(active.fd)
    active = next
    next = undefined
    begun++
    offset = Segment.headerBytes
    yield* Effect.ignore(forget)
  })

  const takePrepared = (needed: number): Effect.Effect<SegmentFile.Prepared, File.FileError> => {
    const fitting = recycled.findIndex(({ capacity }) => capacity >= needed)
    if (fitting >= 0) return Effect.succeed(recycled.splice(fitting, 1)[0]!)
    return needed > planned ? SegmentFile.prepare(directory, needed, false) : takeSpare
  }

  const takeSpare = Effect.suspend(() => {
    const preparing = spare === undefined ? SegmentFile.prepare(directory, planned, true) : Fiber.join(spare)
    spare = undefined
    planned = Math.min(segmentBytes, planned * 2)
    return preparing
  })

  const dropSpares = Effect.suspend(() => {
    const drop = Effect.forEach(recycled, ({ path }) => SegmentFile.discard(path), { discard: true })
    if (spare === undefined) return drop
    return Effect.flatMap(
      Effect.andThen(Fiber.interrupt(spare), Fiber.await(spare)),
      (exit) => Exit.isSuccess(exit) ? Effect.andThen(drop, SegmentFile.discard(exit.value.path)) : drop
    )
  })

  /** Begins a small, newly created segment, which is followed by new ones only. */
  const rotateForGood = Effect.gen(function*() {
    if (next !== undefined) yield* rotate(Segment.headerBytes)
    planned = smallest
    if (spare !== undefined) yield* Effect.ignore(Effect.flatMap(Fiber.join(spare), ({ path }) => File.remove(path)))
    spare = undefined
    for (; recycled.length > 0; recycled.shift()) yield* File.remove(recycled[0]!.path)
    rotatedAt = upper
    yield* rotate(Segment.headerBytes)
  })

  /** This write only helps `verify` to notice a lost segment; nothing else needs it, so that it may fail. */
  const endSegment = (fd: number, at: number, seed: number): Effect.Effect<void> =>
    Effect.ignore(SegmentFile.end(fd, at, Segment.encodeEnd("continued", seed, upper)))

  const forget = Effect.gen(function*() {
    const { links } = yield* SegmentList.list(directory.log)
    const kept: Array<SegmentFile.Prepared> = []
    const wanted = Math.min(begun, keptSegments)
    for (const { base, epoch: of, next: after, path } of links) {
      if (after === undefined || after > forgotten || path === active.path) break
      // A power failure must not bring back a segment without those between it and the rest.
      yield* File.syncDirectory(directory.log)
      // A writer of an older epoch may resume and write to its segments: what they have become must not matter by then.
      const mayKeep = of === epoch && base >= rotatedAt && recycled.length + kept.length < wanted
      const prepared = yield* mayKeep ? SegmentFile.recycle(directory, path, planned / 2) : File.remove(path)
      if (prepared !== undefined) kept.push(prepared)
      begun = 0
    }
    if (kept.length === 0) return
    yield* File.syncDirectory(directory.log)
    recycled.push(...kept)
  })

  const { tail } = recovered
  if (tail !== undefined) {
    yield* Effect.ignore(File.using(tail.path, File.flags.append, (fd) => endSegment(fd, tail.end, tail.seed)))
  }
  yield* Effect.ignore(Effect.flatMap(
    SegmentList.list(directory.log),
    ({ superseded }) => Effect.forEach(superseded, File.remove, { discard: true })
  ))

  const writer: Writer = {
    epoch,
    bounds: recovered.bounds,
    append: (position, entries) =>
      Effect.uninterruptible(Effect.suspend(() => {
        if (refusal !== undefined) return Effect.fail(refusal)
        if (isBusy) return Effect.die(new Error("an append while another one is under way"))
        if (position !== upper) {
          return Effect.die(new Error(`an append at ${position}, but the log ends at ${upper}`))
        }
        // This check comes before anything is written: only then does `Fenced` mean that nothing was.
        if (!Lock.isHeld(lock)) return fenced
        if (entries.length === 0) return Effect.succeed(upper)
        isBusy = true
        const size = Segment.dataSize(entries)
        if (hasRoom(size) && !wantsSpare()) {
          encode(entries)
          return writeFrame
        }
        return refuse(makeRoom(size)).pipe(
          Effect.catch((error) => Lock.isHeld(lock) ? Effect.fail(error) : fenced),
          Effect.onError(() => Effect.sync(idle)),
          Effect.flatMap(() => {
            encode(entries)
            return writeFrame
          })
        )
      })),
    truncate: (before) =>
      Effect.uninterruptible(Effect.suspend(() => {
        if (refusal !== undefined) return Effect.fail(refusal)
        if (!Lock.isHeld(lock)) return fenced
        forgotten = Math.max(forgotten, Math.min(before, upper))
        return File.orRefuse("truncating the log", directory.root)(forget)
      })),
    rotate: Effect.uninterruptible(Effect.suspend(() => {
      if (refusal !== undefined) return Effect.fail(refusal)
      if (!Lock.isHeld(lock)) return fenced
      if (isBusy) return Effect.die(new Error("a rotation while an append is under way"))
      isBusy = true
      return Effect.ensuring(File.orRefuse("rotating the log", directory.root)(rotateForGood), Effect.sync(idle))
    }))
  }

  const untilIdle = Effect.suspend(() => {
    if (!isBusy) return Effect.void
    const drained = Deferred.makeUnsafe<void>()
    onIdle = () => void Deferred.doneUnsafe(drained, Exit.void)
    return Deferred.await(drained)
  })

  const closed = new Unavailable({ operation: appending, detail: "the writer is closed" })

  /** Unless an append has failed. */
  const endCleanly = Effect.suspend(() =>
    refusal === closed && next === undefined && Lock.isHeld(lock)
      ? Effect.ignore(SegmentFile.end(active.fd, offset, Segment.encodeEnd("closed", active.seed, upper)))
      : Effect.void
  )

  const close = Effect.uninterruptible(Effect.suspend(() => {
    // From here on, an append must not come between the end of the segment and the close of its descriptor.
    refusal ??= closed
    return Effect.andThen(untilIdle, dropSpares).pipe(
      Effect.andThen(endCleanly),
      Effect.andThen(Effect.suspend(() => File.close(active.fd))),
      Effect.andThen(Effect.suspend(() => next === undefined ? Effect.void : SegmentFile.abandon(next)))
    )
  }))

  return { writer, upper: () => upper, confirm: refuse(Lock.confirm(lock)), close } satisfies LogWriter
})
