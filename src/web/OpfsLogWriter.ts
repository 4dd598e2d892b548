/**
 * The writer of one epoch of a log in the origin private file system: each append is a write and a flush of the last segment.
 *
 * @internal
 */
import { Effect, Random, type Scope } from "effect"
import { ByteWriter } from "../ByteWriter.ts"
import { Fenced, Indeterminate, type StorageError } from "../PersistError.ts"
import type { Bounds, Writer } from "../storage/Log.ts"
import * as LogRules from "../storage/LogRules.ts"
import * as Segment from "../storage/Segment.ts"
import * as WriterStatus from "../storage/WriterStatus.ts"
import type { Files } from "./OpfsFiles.ts"
import { folder } from "./OpfsLogReader.ts"

/** A segment of the log, as far as truncation needs it. */
export interface Earlier {
  readonly path: string
  readonly base: number
}

export interface Options {
  readonly files: Files
  readonly epoch: number
  readonly segmentBytes: number
  /** The segments before this writer's. */
  readonly before: ReadonlyArray<Earlier>
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

/** The segment that is appended to. */
interface Active extends Earlier {
  readonly seed: number
  offset: number
}

/** A frame buffer that a rare large append has grown beyond this is discarded. */
const keptBuffer = 4 * 1024 * 1024
const appending = "appending to the log"

/** Publishes an empty segment. */
const publishSegment = Effect.fnUntraced(function*({ change }: Files, base: number, epoch: number) {
  const salt = (yield* Random.nextInt) >>> 0
  const header = Segment.encodeHeader({ base, epoch, salt })
  const path = `${folder}/${Segment.fileName(base, epoch)}`
  yield* change("adding a segment to the log", (host) => host.publish(path, header))
  const { seed } = Segment.decodeHeader(header, path, base, epoch)
  const active: Active = { path, base, seed, offset: Segment.headerBytes }
  return active
})

export const make: (options: Options) => Effect.Effect<OpfsLogWriter, StorageError, Scope.Scope> = Effect.fnUntraced(
  function*({ before, current, epoch, files, onAppend, segmentBytes, ...options }) {
    const { change } = files
    let kept: ReadonlyArray<Earlier> = before
    let upper = options.upper
    let active = yield* publishSegment(files, upper, epoch)
    let frame = new ByteWriter()

    /** Says that nothing more follows in a segment, and whether another one does. */
    const end = ({ offset, path, seed }: Active, kind: "continued" | "closed") =>
      change("ending a segment of the log", async (host) => {
        await host.write(path, offset, Segment.encodeEnd(kind, seed, upper))
        await host.close(path)
      })

    /** Whether there may be a frame behind those that are known: an append of unknown outcome. */
    let isUnsettled = false

    // The scope's finalizers run in the opposite order: the status is closed before the segment ends.
    yield* Effect.addFinalizer(() =>
      current() === epoch && !isUnsettled ? Effect.ignore(end(active, "closed")) : Effect.void
    )
    const { settling, whileOpen } = yield* WriterStatus.make

    const whileOurs = <A>(operation: string, run: () => Effect.Effect<A, StorageError>) =>
      whileOpen(operation, () => {
        const now = current()
        return now === epoch ? run() : Effect.fail(new Fenced({ epoch, current: now }))
      })

    const moveOn = Effect.gen(function*() {
      const full = active
      active = yield* publishSegment(files, upper, epoch)
      kept = [...kept, full]
      // Without its end the segment is still followed by the next one, as their positions say.
      yield* Effect.ignore(end(full, "continued"))
    })

    const write = (entries: ReadonlyArray<Uint8Array>) =>
      Effect.suspend(() => {
        Segment.encodeData(frame, active.seed, upper, entries)
        const { offset, path } = active
        isUnsettled = true
        return change(appending, (host) => host.write(path, offset, frame.view8()))
      }).pipe(
        Effect.tapError(({ _tag }) => Effect.sync(() => void (isUnsettled = _tag !== "OutOfSpace"))),
        Effect.andThen(Effect.suspend(() => {
          // What was flushed by a writer that had lost the log may have been read by the next one, or not.
          if (current() !== epoch) {
            return Effect.fail(
              new Indeterminate({ operation: appending, detail: "another tab has taken the store over" })
            )
          }
          isUnsettled = false
          active.offset += frame.length
          upper += entries.length
          if (frame.bytes.length > keptBuffer) frame = new ByteWriter()
          onAppend()
          return Effect.succeed(upper)
        }))
      )

    const append = (entries: ReadonlyArray<Uint8Array>) => {
      const isFull = active.offset + Segment.dataSize(entries) > segmentBytes && upper > active.base
      return settling(isFull ? Effect.andThen(moveOn, write(entries)) : write(entries))
    }

    const truncate = Effect.fnUntraced(function*(position: number) {
      // Where all of a large segment is given up, the next append goes to another one.
      if (position >= upper && upper > active.base && active.offset > segmentBytes / 2) yield* settling(moveOn)
      const all = [...kept, active]
      const gone = kept.filter((_, i) => all[i + 1]!.base <= position)
      yield* change("truncating the log", async (host) => {
        for (const { path } of gone) await host.remove(path)
      })
      kept = kept.slice(gone.length)
    })

    const writer: Writer = {
      epoch,
      bounds: { lower: (before[0] ?? active).base, upper } satisfies Bounds,
      append: (position, entries) =>
        whileOurs(appending, () => {
          LogRules.checkAppend(position, upper)
          return entries.length === 0 ? Effect.succeed(upper) : append(entries)
        }),
      truncate: (position) => whileOurs("truncating the log", () => truncate(position)),
      rotate: whileOurs("rotating the log", () => upper === active.base ? Effect.void : settling(moveOn))
    }
    return { writer, upper: () => upper, lower: () => (kept[0] ?? active).base }
  }
)
