/**
 * Writes and flushes a frame: what an append waits for.
 *
 * It uses callbacks, and allocates no effect.
 *
 * @internal
 */
import fs from "node:fs"
import * as File from "./File.ts"

/** See `FileStorage.Options`. */
export type Flush = "durable" | "drive-cache" | "blocking"

/** Writes the first `length` bytes at `offset`, flushes them, and then calls `done`. */
export type FrameWrite = (
  fd: number,
  bytes: Uint8Array,
  length: number,
  offset: number,
  done: (error: NodeJS.ErrnoException | null) => void
) => void

export const of = (flush: Flush): FrameWrite => {
  if (flush === "blocking") return blocking
  return writing(flush === "durable" ? File.rules.writesFlush : File.rules.writeThrough !== 0)
}

/** Frees the event loop while the drive works. */
const writing = (writesFlush: boolean): FrameWrite => (fd, bytes, length, offset, done) => {
  let written = 0
  const writeRest = (): void => fs.write(fd, bytes, written, File.atOnce(length - written), offset + written, onWritten)
  const onWritten = (error: NodeJS.ErrnoException | null, count: number): void => {
    if (error) return done(error)
    written += count
    if (written < length) writeRest()
    else if (writesFlush) done(null)
    else fs.fdatasync(fd, done)
  }
  writeRest()
}

/** Blocks the event loop, and saves the two changes of threads that `writing` costs. */
const blocking: FrameWrite = (fd, bytes, length, offset, done) => {
  try {
    for (let written = 0; written < length;) {
      written += fs.writeSync(fd, bytes, written, File.atOnce(length - written), offset + written)
    }
    if (!File.rules.writesFlush) fs.fdatasyncSync(fd)
  } catch (error) {
    return done(error as NodeJS.ErrnoException)
  }
  done(null)
}
