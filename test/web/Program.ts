// What the tests have a browser do. It is bundled once, and runs in a page and in a dedicated worker: `tidemark(where, method,
// ...args)` calls one of the methods below in the one or the other. Lines that a method prints go to the console of the page.
import { Effect, Exit, Layer, Schedule, Scope, Stream } from "effect"
import * as PersistClient from "../../src/client/PersistClient.ts"
import * as Codec from "../../src/Codec.ts"
import { Blob } from "../../src/storage/Blob.ts"
import type { Log } from "../../src/storage/Log.ts"
import * as BlobContract from "../../src/testing/storage/BlobContract.ts"
import * as LogContract from "../../src/testing/storage/LogContract.ts"
import * as Update from "../../src/Update.ts"
import { IndexedDbStorage, OpfsStorage } from "../../src/web/index.ts"

export type Kind = "indexeddb" | "opfs"
export type Where = "page" | "worker"

const worker = () => new Worker("/files.js", { type: "module" })

const storage = (kind: Kind, name: string, waitForLock = 1_000): Layer.Layer<Log | Blob> =>
  kind === "opfs"
    ? OpfsStorage.layer({ name, worker, waitForLock, segmentBytes: 64 * 1024 })
    : IndexedDbStorage.layer({ name, waitForLock })

let stores = 0
const newStore = (kind: Kind) => Effect.sync(() => storage(kind, `rule-${crypto.randomUUID()}-${stores++}`))

const rules = (kind: Kind) => ({
  log: LogContract.tests(newStore(kind)),
  blob: BlobContract.tests(newStore(kind))
})

const numbers = { key: Codec.string, value: Codec.string }

const options = { maintenance: Schedule.spaced("200 millis"), grace: 0, memoryBytes: 100_000 }

const opened = <A, E>(
  kind: Kind,
  name: string,
  use: (client: PersistClient.PersistClient["Service"]) => Effect.Effect<A, E, Scope.Scope>,
  waitForLock?: number
) =>
  Effect.scoped(Effect.flatMap(PersistClient.PersistClient, use)).pipe(
    Effect.provide(PersistClient.layer(options).pipe(Layer.provide(storage(kind, name, waitForLock))))
  )

let print: (line: string) => void = (line) => console.log(line)

/** What is left of a store that is kept open. */
const scopes: Array<Scope.Closeable> = []

const methods = {
  /** Runs one rule of a contract. */
  rule: (kind: Kind, contract: "log" | "blob", index: number) =>
    Effect.runPromise(Effect.scoped(rules(kind)[contract][index]!.run)),

  /** Appends numbers from the first that is missing on, and prints each when it is durable, for ever. */
  append: (kind: Kind, name: string, bytes: number) =>
    Effect.runPromise(opened(kind, name, (client) =>
      Effect.gen(function*() {
        const { reader, writer } = yield* client.createOrLoad("numbers", numbers)
        const { contents } = yield* reader.snapshot()
        for (let next = (yield* Stream.runCollect(contents)).length;; next++) {
          yield* writer.append([Update.insert(`${next}`, "v".repeat(bytes), next)])
          if (next % 10 === 9) yield* writer.seal(next)
          print(`acknowledged ${next}`)
        }
      }))),

  /** How many numbers there are, if they are all from zero on. */
  count: (kind: Kind, name: string) =>
    Effect.runPromise(opened(kind, name, (client) =>
      Effect.gen(function*() {
        const { reader } = yield* client.createOrLoad("numbers", numbers)
        const { contents } = yield* reader.snapshot()
        const keys = new Set((yield* Stream.runCollect(contents)).map(([key]) => key))
        const missing = Array.from(keys, (_, i) => `${i}`).filter((key) => !keys.has(key))
        return missing.length === 0 ? keys.size : `${missing.length} are missing`
      }))),

  /** Opens the store, and keeps it open until the page ends. Returns the tag and the message of the error, if it fails. */
  hold: (kind: Kind, name: string, waitForLock: number) =>
    Effect.runPromise(
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        scopes.push(scope)
        yield* Layer.buildWithScope(
          PersistClient.layer(options).pipe(Layer.provide(storage(kind, name, waitForLock))),
          scope
        )
        return "open"
      }).pipe(Effect.catch(({ _tag, message }) => Effect.succeed(`${_tag}: ${message}`)))
    ),

  /** Follows the numbers with a client that only reads, and prints each. */
  follow: (kind: Kind, name: string) =>
    Effect.runPromise(
      Effect.scoped(Effect.gen(function*() {
        const client = yield* PersistClient.makeReadOnly()
        const { reader } = yield* client.load("numbers", numbers)
        yield* Stream.runForEach(reader.subscribe({ from: 0 }), (event) =>
          Effect.sync(() => {
            if (event._tag === "Progress") return
            for (const { key } of event.updates) print(`followed ${key}`)
          }))
      })).pipe(Effect.provide(storage(kind, name)))
    ),

  /** Rewrites the same keys until maintenance has replaced most of what was written. Returns the bytes before and after. */
  compact: (kind: Kind, name: string) =>
    Effect.runPromise(
      Effect.gen(function*() {
        const blobs = yield* Blob
        const bytes = Stream.runFold(blobs.list(""), () => 0, (sum, info) => sum + info.bytes)
        const client = yield* PersistClient.PersistClient
        const orders = yield* client.createOrLoad("orders", numbers)
        for (let time = 0; time < 30; time++) {
          const value = (at: number) => `${at} ${"v".repeat(100)}`
          yield* orders.append(Array.from({ length: 40 }, (_, i) => Update.insert(`k${i}`, value(time), time)))
          if (time === 0) continue
          yield* orders.append(Array.from({ length: 40 }, (_, i) => Update.retract(`k${i}`, value(time - 1), time)))
        }
        yield* orders.seal(30)
        yield* client.maintain
        const before = yield* bytes
        yield* orders.allowCompaction(29)
        yield* client.compact("orders")
        const rows = yield* orders.reader.get("k7", { asOf: 29 })
        return { before, after: yield* bytes, rows: rows.length }
      }).pipe(
        Effect.provide(
          Layer.provideMerge(PersistClient.layer({ ...options, maintenance: Schedule.recurs(0) }), storage(kind, name))
        )
      )
    ),

  /** Writes until it fails, and returns the tag of the error, and what can still be read and written after that. */
  fill: (kind: Kind, name: string) =>
    Effect.runPromise(opened(kind, name, (client) =>
      Effect.gen(function*() {
        const { reader, writer } = yield* client.createOrLoad("numbers", numbers)
        const random = () => Array.from({ length: 5_000 }, () => crypto.randomUUID()).join("")
        let count = 0
        const append = Effect.suspend(() => writer.append([Update.insert(`${count}`, random(), count)]))
        const exit = yield* Effect.exit(Effect.forever(Effect.tap(append, () => Effect.sync(() => count++))))
        const error = Exit.isFailure(exit) ? exit.cause.reasons[0] : undefined
        const tag = error?._tag === "Fail" ? error.error._tag : String(error)
        const { contents } = yield* reader.snapshot()
        return { tag, count, found: (yield* Stream.runCollect(contents)).length }
      })))
}

export type Methods = typeof methods

type Call = { readonly id: number; readonly method: keyof Methods; readonly args: ReadonlyArray<unknown> }

const call = ({ args, method }: Omit<Call, "id">): Promise<unknown> =>
  (methods[method] as (...args: ReadonlyArray<unknown>) => Promise<unknown>)(...args)

if (typeof document === "undefined") {
  const scope = globalThis as unknown as Pick<Worker, "addEventListener" | "postMessage">
  print = (line) => scope.postMessage({ line })
  scope.addEventListener("message", ({ data }: MessageEvent<Call>) => {
    call(data).then(
      (value) => scope.postMessage({ id: data.id, value }),
      (cause) => scope.postMessage({ id: data.id, error: String(cause) })
    )
  })
} else {
  let calls = 0
  let started: Worker | undefined
  const inWorker = (method: keyof Methods, args: ReadonlyArray<unknown>): Promise<unknown> =>
    new Promise((resolve, reject) => {
      started ??= new Worker("/program.js", { type: "module" })
      const id = calls++
      started.addEventListener("error", ({ message }) => reject(new Error(message)))
      started.addEventListener("message", ({ data }) => {
        if (data.line !== undefined && id === 0) print(data.line)
        if (data.id !== id) return
        if (data.error === undefined) resolve(data.value)
        else reject(new Error(data.error))
      })
      const asked: Call = { id, method, args }
      started.postMessage(asked)
    })
  Object.assign(globalThis, {
    tidemark: (where: Where, method: keyof Methods, ...args: ReadonlyArray<unknown>) =>
      where === "page" ? call({ method, args }) : inWorker(method, args)
  })
}
