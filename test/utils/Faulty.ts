/**
 * Log and blobs that fail on demand, and count what is asked of them.
 */
import { Context, Effect, Stream } from "effect"
import { Indeterminate, type StorageError, Unavailable } from "../../src/PersistError.ts"
import { Blob } from "../../src/storage/Blob.ts"
import { Log, type Writer } from "../../src/storage/Log.ts"

export type Storage = Context.Context<Log | Blob>

type Operation = "acquire" | "append" | "truncate" | "rotate" | "bounds" | "read" | "put" | "get" | "delete" | "list"

export interface Control {
  /** Every operation fails, and does nothing. */
  isDown: boolean
  /** So many more writes (appends and puts) succeed; then everything is down. */
  writesLeft: number
  /** Operations of this kind fail, and do nothing. */
  readonly broken: Set<Operation>
  /** The next append has an unknown outcome: it was applied, or it was lost. */
  nextAppend: "applied" | "lost" | undefined
  /** Called before each operation, which waits for it. */
  before: (operation: Operation, detail: string) => Effect.Effect<void>
  /** Operations that got through. */
  readonly counts: Map<Operation, number>
}

export const count = (self: Control, ...operations: ReadonlyArray<Operation>): number =>
  operations.reduce((sum, operation) => sum + (self.counts.get(operation) ?? 0), 0)

/** Everything that changes what is stored. */
export const writes = (self: Control): number => count(self, "acquire", "append", "truncate", "put", "delete")

export const make = (inner: Storage): { readonly storage: Storage; readonly control: Control } => {
  const control: Control = {
    isDown: false,
    writesLeft: Infinity,
    broken: new Set(),
    nextAppend: undefined,
    before: () => Effect.void,
    counts: new Map()
  }
  const log = Context.get(inner, Log)
  const blob = Context.get(inner, Blob)

  const guarded = <A, E, R>(operation: Operation, run: Effect.Effect<A, E, R>, detail = "") =>
    Effect.andThen(
      Effect.suspend(() => control.before(operation, detail)),
      Effect.suspend((): Effect.Effect<A, E | Unavailable, R> => {
        const isWrite = operation === "append" || operation === "put"
        if (isWrite && control.writesLeft-- <= 0) control.isDown = true
        if (control.isDown || control.broken.has(operation)) {
          return Effect.fail(new Unavailable({ operation, detail: "made to fail" }))
        }
        control.counts.set(operation, count(control, operation) + 1)
        return run
      })
    )

  const writerOf = (writer: Writer): Writer => {
    let isUsable = true
    const uncertain = (append: Effect.Effect<number, StorageError>, outcome: "applied" | "lost") =>
      Effect.suspend(() => {
        isUsable = false
        const unknown = Effect.fail(new Indeterminate({ operation: "append", detail: "made to be unknown" }))
        return outcome === "applied" ? Effect.andThen(append, unknown) : unknown
      })
    return {
      ...writer,
      append: (position, entries) =>
        guarded(
          "append",
          Effect.suspend(() => {
            if (!isUsable) return Effect.fail(new Unavailable({ operation: "append", detail: "acquire again" }))
            const outcome = control.nextAppend
            control.nextAppend = undefined
            const append = writer.append(position, entries)
            return outcome === undefined ? append : uncertain(append, outcome)
          })
        ),
      truncate: (before) => guarded("truncate", writer.truncate(before)),
      rotate: guarded("rotate", writer.rotate)
    }
  }

  const storage = Context.make(Log, {
    ...log,
    acquire: Effect.map(guarded("acquire", log.acquire), writerOf),
    acquireAfter: (epoch) => Effect.map(guarded("acquire", log.acquireAfter(epoch)), writerOf),
    bounds: guarded("bounds", log.bounds),
    read: (from) => Stream.unwrap(guarded("read", Effect.succeed(log.read(from))))
  }).pipe(
    Context.add(Blob, {
      location: blob.location,
      put: (key, bytes) => guarded("put", blob.put(key, bytes), key),
      get: (key, range) => guarded("get", blob.get(key, range), key),
      delete: (key) => guarded("delete", blob.delete(key), key),
      list: (prefix) => Stream.unwrap(guarded("list", Effect.succeed(blob.list(prefix))))
    })
  )
  return { storage, control }
}
