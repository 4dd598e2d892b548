/**
 * A directory on a disk of so many bytes: what does not fit is refused by `node:fs` as a full disk refuses it.
 */
import { Effect, type Scope } from "effect"
import fs from "node:fs"
import { join } from "node:path"

export interface SmallDisk {
  /** Bytes that still fit. */
  readonly free: () => number
  /** Somebody else takes all that is free; a negative number gives back. */
  readonly take: (bytes: number) => void
}

const used = (directory: string): number =>
  fs.readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { name, parentPath }) => {
      // Maintenance may remove it meanwhile.
      const found = fs.statSync(join(parentPath, name), { throwIfNoEntry: false })
      return sum + (found?.size ?? 0)
    }, 0)

/** Until the scope closes. All files that the process writes meanwhile count as files of this disk. */
export const make = (directory: string, bytes: number): Effect.Effect<SmallDisk, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const real = { write: fs.write, statfs: fs.statfs }
        let capacity = bytes
        const free = (): number => capacity - used(directory)
        const write = (...args: ReadonlyArray<unknown>): void => {
          const [fd, , , length, offset] = args as [number, Uint8Array, number, number, number]
          const done = args.at(-1) as (error: Error) => void
          const growth = offset + length - fs.fstatSync(fd).size
          if (growth <= 0 || growth <= free()) return Reflect.apply(real.write, fs, args)
          const error = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" })
          process.nextTick(done, error)
        }
        const statfs = (...args: ReadonlyArray<unknown>): void =>
          (args.at(-1) as (error: null, stats: object) => void)(null, { bavail: Math.max(0, free()), bsize: 1 })
        Object.assign(fs, { write, statfs })
        const take = (taken: number): void => void (capacity -= taken)
        return { real, disk: { free, take } }
      }),
      ({ real }) => Effect.sync(() => void Object.assign(fs, real))
    ),
    ({ disk }) => disk
  )
