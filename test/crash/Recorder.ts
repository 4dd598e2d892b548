/**
 * Records the operations on files below a directory, while they are done for real: the functions of `node:fs` that change
 * something are replaced, for the whole process, for the time of a scope.
 *
 * Writes and flushes are two events, as a crash may come between: the data is on its way from the first on, and on the
 * disk with the second. Changes of directories are one, with their end.
 */
import { Effect } from "effect"
import fs from "node:fs"
import { relative } from "node:path"

/** Paths are relative to the directory, which itself is `""`. Files are identified by the number of the open that made them. */
export type Event =
  | { readonly _tag: "create"; readonly path: string; readonly file: number }
  | { readonly _tag: "open"; readonly path: string; readonly file: number }
  | { readonly _tag: "write"; readonly file: number; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly _tag: "truncate"; readonly file: number; readonly size: number }
  | { readonly _tag: "flush"; readonly file: number }
  | { readonly _tag: "directory"; readonly path: string }
  | { readonly _tag: "rename" | "link"; readonly path: string; readonly to: string }
  | { readonly _tag: "remove"; readonly path: string }
  /** The replies, as far as the recorder is asked to note them. */
  | { readonly _tag: "note"; readonly note: unknown }

export interface Recording {
  readonly events: Array<Event>
}

type Callback = (error: NodeJS.ErrnoException | null, value: never) => void
type Call = (...args: ReadonlyArray<unknown>) => void

const { O_CREAT, O_DSYNC, O_RDWR, O_TRUNC } = fs.constants

export const record = (directory: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => start(directory)),
      ({ originals }) => Effect.sync(() => Object.assign(fs, originals))
    ),
    ({ events }): Recording => ({ events })
  )

const start = (directory: string) => {
  const events: Array<Event> = []
  const files = new Map<number, { readonly file: number; readonly flushes: boolean }>()
  let opened = 0

  const nameOf = (path: unknown): string | undefined => {
    const name = relative(directory, String(path))
    return name.startsWith("..") ? undefined : name
  }
  const note = (event: Event | undefined): void => void (event !== undefined && events.push(event))

  /** Does the call, and afterwards, if it has succeeded, notes what it was. */
  const after = (call: Call, args: ReadonlyArray<unknown>, say: (value: never) => void): void => {
    const done = args.at(-1) as Callback
    call(...args.slice(0, -1), (error: NodeJS.ErrnoException | null, value: never) => {
      if (!error) say(value)
      done(error, value)
    })
  }

  const onPaths = (name: "rename" | "link") => (call: Call) => (...args: ReadonlyArray<unknown>) => {
    const [path, to] = [nameOf(args[0]), nameOf(args[1])]
    after(call, args, () => path !== undefined && to !== undefined && note({ _tag: name, path, to }))
  }

  const onFlush = (call: Call) => (...args: ReadonlyArray<unknown>) => {
    const known = files.get(args[0] as number)
    after(call, args, () => known && note({ _tag: "flush", file: known.file }))
  }

  const replacements: Record<string, (call: Call) => Call> = {
    open: (call) => (...args) => {
      const path = nameOf(args[0])
      const flags = args[1] as number
      const exists = fs.existsSync(String(args[0]))
      after(call, args, (fd: number) => {
        files.delete(fd)
        if (path === undefined) return
        const file = opened++
        files.set(fd, { file, flushes: (flags & O_RDWR) !== 0 && (flags & O_DSYNC) !== 0 })
        const isNew = !exists && (flags & O_CREAT) !== 0
        note({ _tag: isNew ? "create" : "open", path, file })
        if (!isNew && (flags & O_TRUNC) !== 0) note({ _tag: "truncate", file, size: 0 })
      })
    },
    write: (call) => (...args) => {
      const [fd, bytes, from, length, offset] = args as [number, Uint8Array, number, number, number]
      const known = files.get(fd)
      if (known) note({ _tag: "write", file: known.file, offset, bytes: bytes.slice(from, from + length) })
      after(call, args, () => known?.flushes && note({ _tag: "flush", file: known.file }))
    },
    ftruncate: (call) => (...args) => {
      const known = files.get(args[0] as number)
      after(call, args, () => known && note({ _tag: "truncate", file: known.file, size: args[1] as number }))
    },
    fsync: onFlush,
    fdatasync: onFlush,
    rename: onPaths("rename"),
    link: onPaths("link"),
    unlink: (call) => (...args) => {
      const path = nameOf(args[0])
      after(call, args, () => path !== undefined && note({ _tag: "remove", path }))
    },
    mkdir: (call) => (...args) => {
      const path = nameOf(args[0])
      after(
        call,
        args,
        (first: string | undefined) => path !== undefined && first !== undefined && note({ _tag: "directory", path })
      )
    }
  }

  const real = { ...fs } as unknown as Record<string, Call>
  const originals: Record<string, Call> = {}
  for (const [name, replace] of Object.entries(replacements)) {
    originals[name] = real[name]!
    Object.assign(fs, { [name]: replace(real[name]!) })
  }
  return { events, originals }
}
