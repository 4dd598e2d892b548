/**
 * Point reads of rows in memory: the first `get` of a store whose writer was killed with its memory full (64 MiB of rows of 100
 * bytes), and `get` while a writer ingests as fast as it can. Figures are processor time of the thread that reads.
 */
import { Effect, Fiber, Layer } from "effect"
import { fork } from "node:child_process"
import * as path from "node:path"
import { Codec, PersistClient, Update } from "../src/index.ts"
import { FileStorage } from "../src/node/index.ts"
import { bound } from "./agent/Bounds.ts"
import { median, quantile } from "./Measure.ts"
import type { Row } from "./Target.ts"

const mebibyte = 1024 * 1024
const perBatch = 1_000
const keys = 1_000_000

const keyOf = (i: number): string => `key-${String(i * 7919 % keys).padStart(12, "0")}`
const batch = (number: number) =>
  Array.from({ length: perBatch }, (_, i) => Update.insert(keyOf(number * perBatch + i), "v".repeat(84), number))

const client = (directory: string, options: PersistClient.Options = {}) =>
  PersistClient.layer(options).pipe(Layer.provide(FileStorage.layer({ directory })))

const opened = Effect.flatMap(
  PersistClient.PersistClient,
  (persist) => persist.createOrLoad("rows", { key: Codec.string, value: Codec.string })
)

/** Milliseconds of this thread's processor time. */
const used = <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<number, E, R> =>
  Effect.suspend(() => {
    const before = process.threadCpuUsage()
    return Effect.map(work, () => {
      const { system, user } = process.threadCpuUsage(before)
      return (system + user) / 1000
    })
  })

/** Fills memory, and kills the process. */
export const fill = (directory: string, scale: number) =>
  Effect.gen(function*() {
    const { writer } = yield* opened
    const batches = Math.round(scale * 64 * mebibyte / (116 * perBatch))
    for (let i = 0; i < batches; i++) yield* writer.append(batch(i))
    yield* writer.seal(batches)
    process.kill(process.pid, "SIGKILL")
    return yield* Effect.never
  }).pipe(Effect.provide(client(directory, { memoryBytes: 1024 * mebibyte, logBytes: 1024 * mebibyte })))

const firstGet = (directory: string) =>
  Effect.gen(function*() {
    const { reader } = yield* opened
    return yield* used(reader.get(keyOf(4_321)))
  }).pipe(Effect.provide(client(directory, { memoryBytes: 1024 * mebibyte, logBytes: 1024 * mebibyte })))

const duringIngest = (directory: string, scale: number) =>
  Effect.gen(function*() {
    const { reader, writer } = yield* opened
    let sealed = 0
    const writing = yield* Effect.forkChild(Effect.forever(Effect.gen(function*() {
      yield* writer.append(batch(sealed))
      yield* writer.seal(sealed + 1)
      sealed++
    })))
    yield* Effect.sleep("1 second")
    const times: Array<number> = []
    for (let i = 0; i < 2_000 * scale; i++) {
      times.push(yield* used(reader.get(keyOf(i * 17), { asOf: sealed - 1 })))
      yield* Effect.sleep("2 millis")
    }
    yield* Fiber.interrupt(writing)
    return times
  }).pipe(Effect.provide(client(directory)))

const killed = (directory: string, scale: number): Promise<void> =>
  new Promise((resolve) => {
    fork(path.join(import.meta.dirname, "reads.ts"), [directory, String(scale)], {
      execArgv: ["--conditions=tidemark-source", "--no-warnings"]
    })
      .on("exit", () => resolve())
  })

/** What was measured, in stores below a directory, beside what it may take. */
export const rows = async (base: string, scale: number): Promise<ReadonlyArray<Row>> => {
  const first: Array<number> = []
  for (let round = 0; round < 3; round++) {
    const directory = path.join(base, `killed-${round}`)
    await killed(directory, scale)
    first.push(await Effect.runPromise(firstGet(directory)))
  }
  const times = await Effect.runPromise(duringIngest(path.join(base, "ingest"), scale))
  return [
    bound("first get after a kill with memory full: processor time", 50, median(first), "ms"),
    bound("get during an ingest, p50: processor time", 2, quantile(times, 0.5), "ms"),
    bound("get during an ingest, p99: processor time", 2, quantile(times, 0.99), "ms")
  ]
}
