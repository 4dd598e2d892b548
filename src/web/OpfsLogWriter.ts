/**
 * The writer of one epoch of a log in the origin private file system: each append is a write and a flush of the last segment.
 *
 * @internal
 */
import { Effect, type Scope } from "effect"
import { ByteWriter } from "../ByteWriter.ts"
import { Fenced, Indeterminate, type StorageError } from "../PersistError.ts"
import type { Writer } from "../storage/Log.ts"
import * as LogRules from "../storage/LogRules.ts"
import * as Segment from "../storage/Segment.ts"
import * as WriterStatus from "../storage/WriterStatus.ts"
import type { Files } from "./OpfsFiles.ts"
import * as OpfsSegments from "./OpfsSegments.ts"

export interface Options {
  readonly files: Files
  readonly epoch: number
  readonly segmentBytes: number
  /** The segments before this writer's. */
  readonly before: ReadonlyArray<OpfsSegments.Earlier>
  readonly upper: number
  /** The epoch that has the log: another one, if this writer has lost it. */
  readonly current: () => number
  readonly onAppend: () => void
}

export interface OpfsLogWriter {
  readonly writer: Writer
  /** Everything below this position is durable. */
  readonly upper: () => number
  readonly lower: () => number
}

/** A frame buffer that a rare large append has grown beyond this is discarded. */
const keptBuffer = 4 * 1024 * 1024
const appending = "appending to the log"

export const make: (options: Options) => Effect.Effect<OpfsLogWriter, StorageError, Scope.Scope> = Effect.fnUntraced(
  function*({ before, current, epoch, files, onAppend, segmentBytes, ...options }) {
    const segments = yield* OpfsSegments.make(files, epoch, before, options.upper)
    let upper = options.upper
    let frame = new ByteWriter()
    /** Whether there may be a frame behind those that are known: an append of unknown outcome. */
    let isUnsettled = false

    // The scope's finalizers run in the opposite order: the status is closed before the segment ends.
    yield* Effect.addFinalizer(() => current() === epoch && !isUnsettled ? segments.close(upper) : Effect.void)
    const { settling, whileOpen } = yield* WriterStatus.make

    const whileOurs = <A>(operation: string, run: () => Effect.Effect<A, StorageError>) =>
      whileOpen(operation, () => {
        const now = current()
        return now === epoch ? run() : Effect.fail(new Fenced({ epoch, current: now }))
      })

    const acknowledge = Effect.fnUntraced(function*(count: number) {
      // The next writer may have read what was flushed after it had begun, or not.
      if (current() !== epoch) {
        return yield* new Indeterminate({ operation: appending, detail: "another tab has taken the store over" })
      }
      isUnsettled = false
      segments.active().offset += frame.length
      upper += count
      if (frame.bytes.length > keptBuffer) frame = new ByteWriter()
      onAppend()
      return upper
    })

    const append = Effect.fnUntraced(function*(entries: ReadonlyArray<Uint8Array>) {
      if (upper > segments.active().base && segments.active().offset + Segment.dataSize(entries) > segmentBytes) {
        yield* segments.moveOn(upper)
      }
      const { offset, path, seed } = segments.active()
      Segment.encodeData(frame, seed, upper, entries)
      isUnsettled = true
      yield* files.change(appending, (host) => host.write(path, offset, frame.view8())).pipe(
        Effect.tapError(({ _tag }) => Effect.sync(() => void (isUnsettled = _tag !== "OutOfSpace")))
      )
      return yield* acknowledge(entries.length)
    })

    const rotate = Effect.suspend(() =>
      upper === segments.active().base ? Effect.void : settling(segments.moveOn(upper))
    )

    const writer: Writer = {
      epoch,
      bounds: { lower: segments.lower(), upper },
      append: (position, entries) =>
        whileOurs(appending, () => {
          LogRules.checkAppend(position, upper)
          return entries.length === 0 ? Effect.succeed(upper) : settling(append(entries))
        }),
      truncate: (position) =>
        whileOurs("truncating the log", () => {
          // Where all of a large segment is given up, it is to be removed as well.
          const isLarge = position >= upper && segments.active().offset > segmentBytes / 2
          return Effect.andThen(isLarge ? rotate : Effect.void, segments.truncate(position))
        }),
      rotate: whileOurs("rotating the log", () => rotate)
    }
    return { writer, upper: () => upper, lower: segments.lower }
  }
)
