/**
 * The speed of plain appends to a disk: the upper limit for a durable store.
 *
 * @internal
 */
import fs from "node:fs"

export interface RawDisk {
  /** Appends that many bytes, and waits until they are on disk. It blocks, which is the fastest way. */
  readonly append: (bytes: number) => void
  readonly close: () => void
}

/** Makes a file to append to. */
export const open = (path: string): RawDisk => {
  const fd = fs.openSync(path, "w")
  let filler = Buffer.alloc(4096, 7)
  return {
    append: (bytes) => {
      if (filler.length < bytes) filler = Buffer.alloc(bytes, 7)
      fs.writeSync(fd, filler, 0, bytes)
      fs.fdatasyncSync(fd)
    },
    close: () => fs.closeSync(fd)
  }
}
