/**
 * Appends to the active segment: one append is one frame, one positional write and one flush.
 *
 * It uses callbacks and no generator: a commit waits for this.
 *
 * @internal
 */
import { Effect } from "effect"
import { ByteWriter } from "../ByteWriter.ts"
import { OutOfSpace, type StorageError } from "../PersistError.ts"
import * as Segment from "../storage/Segment.ts"
import type { Authority } from "./Authority.ts"
import * as File from "./File.ts"
import * as FrameWrite from "./FrameWrite.ts"
import * as SegmentFile from "./SegmentFile.ts"
import type { Turn } from "./Turn.ts"

export interface FrameAppender {
  /** Everything below this position is durable. */
  readonly upper: () => number
  readonly active: () => SegmentFile.Active
  /** Where the next frame begins in the active segment. */
  readonly offset: () => number
  readonly hasRoom: (size: number) => boolean
  /** Appends one frame, for which there must be room, and ends the turn. Returns the new upper. */
  readonly append: (entries: ReadonlyArray<Uint8Array>) => Effect.Effect<number, StorageError>
  /** Continues in another segment, which is empty. */
  readonly moveTo: (segment: SegmentFile.Active) => void
  /** Has the next append move to another segment. False, without an effect, while an append is under way. */
  readonly fill: () => boolean
}

export interface Options {
  readonly segment: SegmentFile.Active
  readonly upper: number
  readonly turn: Turn
  readonly authority: Authority
  readonly flush: FrameWrite.Flush
  /** Called after every durable append. */
  readonly onAppend: () => void
}

const smallBuffer = 64 * 1024
/** A frame buffer that a rare large append has grown beyond this is discarded. */
const keptBuffer = 4 * 1024 * 1024

export const make = ({ authority, flush, onAppend, segment, turn, ...options }: Options): FrameAppender => {
  const write = FrameWrite.of(flush)
  let active = segment
  let offset = Segment.headerBytes
  let upper = options.upper
  let pending = upper
  let frame = new ByteWriter(smallBuffer)
  let resume: (result: Effect.Effect<number, StorageError>) => void

  const end = (): void => {
    if (frame.bytes.length > keptBuffer) frame = new ByteWriter(smallBuffer)
    turn.end()
  }

  const writeFrame = Effect.callback<number, StorageError>((done) => {
    resume = done
    write(active.fd, frame.bytes, frame.length, offset, onWritten)
  })

  const onWritten = (error: NodeJS.ErrnoException | null): void => error ? fail(error) : acknowledge()

  /** An append is acknowledged only after the lock was checked, which comes after the flush. */
  const acknowledge = (): void => {
    if (!authority.isHeld()) return resume(Effect.ensuring(authority.overtaken, Effect.sync(end)))
    offset += frame.length
    upper = pending
    end()
    onAppend()
    resume(Effect.succeed(upper))
  }

  const fail = (error: NodeJS.ErrnoException): void =>
    resume(Effect.ensuring(failed(File.failure(error)), Effect.sync(end)))

  /** What a write without space has left is removed, so that it is never read. The next append rotates. */
  const failed = (error: File.FileError): Effect.Effect<never, StorageError> => {
    if (!File.isFull(error)) return authority.giveUp(error)
    fill()
    return Effect.matchEffect(SegmentFile.cut(active.fd, offset), {
      onFailure: () => authority.giveUp(error),
      onSuccess: () => Effect.fail(new OutOfSpace({ location: active.path, detail: error.detail }))
    })
  }

  const fill = (): void => void (active = { ...active, capacity: offset })

  return {
    upper: () => upper,
    active: () => active,
    offset: () => offset,
    hasRoom: (size) => offset + size <= active.capacity,
    append: (entries) => {
      pending = upper + entries.length
      Segment.encodeData(frame, active.seed, upper, entries)
      return writeFrame
    },
    moveTo: (next) => {
      active = next
      offset = Segment.headerBytes
    },
    fill: () => {
      if (turn.isTaken()) return false
      fill()
      return true
    }
  }
}
