// A negative control of cut.sh: `TIDEMARK_UNFLUSHED=appends|files|directories` leaves out the flushes of one kind, and the power
// cuts must notice.
import fs from "node:fs"

type Done = (error: Error | null) => void

const { O_DSYNC } = fs.constants
const { fdatasync, fsync, open } = fs

const flushesOf = (isLeftOut: (fd: number) => boolean): void => {
  const without = (flush: (fd: number, done: Done) => void) => (fd: number, done: Done) =>
    isLeftOut(fd) ? void setImmediate(done, null) : flush(fd, done)
  Object.assign(fs, { fsync: without(fsync), fdatasync: without(fdatasync) })
}

const isDirectory = (fd: number): boolean => fs.fstatSync(fd).isDirectory()

/** Leaves out the flushes that the environment names, if it names any, from here on. */
export const leaveOut = (): void => {
  switch (process.env["TIDEMARK_UNFLUSHED"]) {
    case undefined:
      return
    case "appends":
      return void Object.assign(fs, {
        open: (path: string, flags: number, ...rest: ReadonlyArray<unknown>) =>
          Reflect.apply(open, fs, [path, flags & ~O_DSYNC, ...rest])
      })
    case "files":
      return flushesOf((fd) => !isDirectory(fd))
    case "directories":
      return flushesOf(isDirectory)
    default:
      throw new Error("TIDEMARK_UNFLUSHED is appends, files or directories")
  }
}
