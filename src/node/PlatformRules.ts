/**
 * What each platform needs so that files survive a power failure, and so that other processes do not get in the way.
 *
 * On Linux and the BSDs a write through `O_DSYNC` includes a flush of the drive's cache. On macOS it ends when the drive
 * has the bytes, perhaps in its cache only; `fsync` of libuv uses `F_FULLFSYNC`, which flushes that cache. On Windows
 * there is no `O_DSYNC`, a flush needs a descriptor that may write, a directory cannot be flushed, since libuv opens it
 * to be read only, and a file that another process has open (a virus scanner, an indexer) may be refused for a moment.
 *
 * @internal
 */
import fs from "node:fs"

export interface PlatformRules {
  /** The flag with which each write is sent to the drive before it ends; 0 where there is none. */
  readonly writeThrough: number
  /** Whether such a write also flushes the cache of the drive. If it does not, a flush has to follow. */
  readonly writesFlush: boolean
  /** The flags of a descriptor that only reads, but flushes what others have written. */
  readonly readAndFlush: number
  readonly flushesDirectories: boolean
  /** The codes of a rename or a removal that may succeed soon, as another process has the file open. */
  readonly busyCodes: ReadonlyArray<string>
}

const { O_DSYNC = 0, O_RDONLY, O_RDWR } = fs.constants

export const of = (platform: NodeJS.Platform): PlatformRules => {
  const isWindows = platform === "win32"
  const writeThrough = isWindows ? 0 : O_DSYNC
  return {
    writeThrough,
    writesFlush: writeThrough !== 0 && platform !== "darwin",
    readAndFlush: isWindows ? O_RDWR : O_RDONLY,
    flushesDirectories: !isWindows,
    busyCodes: isWindows ? ["EPERM", "EACCES", "EBUSY"] : []
  }
}
