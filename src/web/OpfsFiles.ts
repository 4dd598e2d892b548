/**
 * The files of a store, for its log and blobs: in the worker that they are used in, or in one that is started for a page.
 *
 * @internal
 */
import { Effect, type Scope } from "effect"
import type { StorageError } from "../PersistError.ts"
import * as Failure from "./Failure.ts"
import * as OpfsHost from "./OpfsHost.ts"
import type { Answer, Begin, Call } from "./OpfsProtocol.ts"

/** The part of a worker that is used. */
export interface FilesWorker {
  postMessage(message: unknown): void
  addEventListener(type: "message" | "error", listener: (event: { readonly data?: unknown }) => void): void
  terminate(): void
}

export interface Files {
  readonly location: string
  readonly read: <A>(operation: string, run: (host: OpfsHost.Host) => Promise<A>) => Effect.Effect<A, StorageError>
  /** A failure that leaves open whether the change was made is `Indeterminate`. */
  readonly change: <A>(operation: string, run: (host: OpfsHost.Host) => Promise<A>) => Effect.Effect<A, StorageError>
}

/** A worker that has ended, and takes what it was asked with it. */
const ended: Failure.Failure = { name: "AbortError", message: "the worker for files does not run" }

/** A host whose methods are called in a worker. */
const remote = (worker: FilesWorker, store: string): OpfsHost.Host => {
  const waiting = new Map<number, (answer: Answer) => void>()
  let calls = 0
  let hasFailed = false

  worker.addEventListener("message", ({ data }) => {
    const answer = data as Answer
    waiting.get(answer.id)?.(answer)
    waiting.delete(answer.id)
  })
  worker.addEventListener("error", () => {
    hasFailed = true
    for (const [id, settle] of waiting) settle({ id, _tag: "Failed", failure: ended })
    waiting.clear()
  })
  const begin: Begin = { store }
  worker.postMessage(begin)

  const ask = <A>(method: keyof OpfsHost.Host, args: ReadonlyArray<unknown>): Promise<A> =>
    new Promise((resolve, reject) => {
      const id = calls++
      const settle = (answer: Answer): void =>
        answer._tag === "Done" ? resolve(answer.value as A) : reject(failed(answer.failure))
      if (hasFailed) return settle({ id, _tag: "Failed", failure: ended })
      waiting.set(id, settle)
      const call: Call = { id, method, args }
      worker.postMessage(call)
    })

  return {
    list: (folder) => ask("list", [folder]),
    read: (...args) => ask("read", args),
    publish: (path, bytes) => ask("publish", [path, bytes.slice()]),
    write: (path, offset, bytes) => ask("write", [path, offset, bytes.slice()]),
    remove: (path) => ask("remove", [path]),
    clear: (folder) => ask("clear", [folder]),
    close: (path) => ask("close", [path])
  }
}

const failed = ({ message, name }: Failure.Failure): DOMException => new DOMException(message, name)

/** Starts the worker that lies beside this module. Bundlers recognise the second form, and include it. */
const beside = (): FilesWorker => {
  const { url } = import.meta
  return url.endsWith("/OpfsFiles.ts")
    ? new Worker(new URL(url.replace(/OpfsFiles\.ts$/, "OpfsWorker.ts")), { type: "module" })
    : new Worker(new URL("./OpfsWorker.js", import.meta.url), { type: "module" })
}

export interface Options {
  readonly store: string
  /** Starts the worker, where one is needed. */
  readonly worker?: (() => FilesWorker) | undefined
}

/** Where files can be changed, no worker is needed. It ends with the scope. */
export const make: (options: Options) => Effect.Effect<Files, never, Scope.Scope> = Effect.fnUntraced(
  function*({ store, worker: start = beside }) {
    const location = `opfs:${store}`
    let started: { readonly worker: FilesWorker; readonly host: OpfsHost.Host } | undefined
    const local = OpfsHost.isAvailable() ? OpfsHost.make(store) : undefined
    yield* Effect.addFinalizer(() => Effect.sync(() => started?.worker.terminate()))

    const host = (): OpfsHost.Host => {
      if (local !== undefined) return local
      if (started === undefined) {
        const worker = start()
        started = { worker, host: remote(worker, store) }
      }
      return started.host
    }

    const run = (mayHaveHappened: boolean): Files["read"] => (operation, use) =>
      Effect.tryPromise({
        try: async () => use(host()),
        catch: (cause) => Failure.toStorageError(Failure.of(cause), operation, location, mayHaveHappened)
      })

    return { location, read: run(false), change: run(true) }
  }
)
