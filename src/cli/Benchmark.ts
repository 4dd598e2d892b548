/**
 * The speed of a new store in a directory, beside plain appends to the same disk in the same run.
 *
 * @internal
 */
import { Clock, Effect, Layer, Stream } from "effect"
import fs from "node:fs"
import path from "node:path"
import * as PersistClient from "../client/PersistClient.ts"
import * as Codec from "../Codec.ts"
import { FileStorage } from "../node/index.ts"
import * as Metrics from "../runtime/Metrics.ts"
import * as Update from "../Update.ts"
import { Failure } from "./Failure.ts"
import { median, quantile } from "./Latency.ts"
import * as Progress from "./Progress.ts"
import * as RawDisk from "./RawDisk.ts"

const text = { key: Codec.string, value: Codec.string }

const batchRows = 1000

/** Updates of 100 bytes: keys of 16, values of 84. */
const rows = (start: number, length: number): Array<Update.Update<string, string>> =>
  Array.from({ length }, (_, i) => {
    const key = `key-${String(start + i).padStart(12, "0")}`
    return Update.insert(key, `${key}, `.repeat(5).slice(0, 84), 0)
  })

/** The value, and how many milliseconds it took. */
const timed = Effect.fnUntraced(function*<A, E, R>(work: Effect.Effect<A, E, R>) {
  const clock = yield* Clock.Clock
  const start = clock.currentTimeNanosUnsafe()
  const value = yield* work
  return { value, millis: Number(clock.currentTimeNanosUnsafe() - start) / 1e6 }
})

const millisOf = <E, R>(work: Effect.Effect<unknown, E, R>) => Effect.map(timed(work), ({ millis }) => millis)

const committed = Metrics.total(Metrics.commitBytes)
const commits = Metrics.total(Metrics.commits)

/** Appends of that many bytes each. */
const raw = (directory: string, bytes: number, appends: number) =>
  Effect.acquireUseRelease(
    Effect.sync(() => RawDisk.open(path.join(directory, "raw"))),
    (disk) => Effect.forEach(Array.from({ length: appends }), () => millisOf(Effect.sync(() => disk.append(bytes)))),
    (disk) => Effect.sync(disk.close)
  )

const total = (values: ReadonlyArray<number>): number => values.reduce((sum, each) => sum + each, 0)

export interface Result {
  /** Updates a second, in batches of 1,000: one after the other, and 16 at a time. */
  readonly ingest: number
  readonly pipelined: number
  /** Updates a second of plain appends, of the bytes that the first of the two wrote. */
  readonly rawIngest: number
  /** Milliseconds of writes of one update. */
  readonly writes: ReadonlyArray<number>
  /** The median of the milliseconds of a plain append. */
  readonly rawWrite: number
  /** Acknowledgements a second to 64 writers of one update each, and how many share a flush. */
  readonly acknowledgements: number
  readonly sharing: number
  /** Rows a second of a snapshot. */
  readonly snapshot: number
  /** Milliseconds of opening the store again. */
  readonly open: number
}

/** A directory below the given one, which is removed afterwards. */
const scratch = (below: string) =>
  Effect.acquireRelease(
    Effect.try({
      try: () => fs.mkdtempSync(path.join(below, "tidemark-bench-")),
      catch: (error) => new Failure({ message: `cannot write in ${below}: ${String(error)}` })
    }),
    (directory) => Effect.sync(() => fs.rmSync(directory, { recursive: true, force: true }))
  )

/** Writes about `updates` updates in a new directory below the given one. */
export const run = Effect.fnUntraced(function*(below: string, updates: number) {
  const directory = yield* scratch(below)
  const client = PersistClient.layer().pipe(
    Layer.provide(FileStorage.layer({ directory: path.join(directory, "store") }))
  )
  const batches = Math.max(1, Math.round(updates / batchRows))
  const singles = Math.max(64, Math.round(updates / 200))
  const progress = yield* Progress.make({ label: "measuring", total: batches * 2 + singles * 2 })
  const progressed = (done: number) => Effect.sync(() => progress.add(done))

  const measured = Effect.gen(function*() {
    const persist = yield* PersistClient.PersistClient
    const { reader, writer } = yield* persist.createOrLoad("rows", text)
    const append = (start: number, length: number, done: number) =>
      Effect.andThen(Effect.suspend(() => writer.append(rows(start, length))), progressed(done))
    for (let i = 0; i < Math.min(20, batches); i++) yield* append(i, batchRows, 0)

    const bytesBefore = yield* committed
    const ingest: Array<number> = []
    for (let i = 0; i < batches; i++) ingest.push(yield* millisOf(append(i * batchRows, batchRows, 1)))
    const bytes = (yield* committed) - bytesBefore
    const rawIngest = yield* raw(directory, Math.round(bytes / batches), batches)
    const pipelined = yield* millisOf(
      Effect.forEach(Array.from({ length: batches }), (_, i) => append(i * batchRows, batchRows, 1), {
        concurrency: 16,
        discard: true
      })
    )

    const writes: Array<number> = []
    for (let i = 0; i < singles; i++) writes.push(yield* millisOf(append(i, 1, 1)))
    const rawWrites = yield* raw(directory, 256, singles)
    const commitsBefore = yield* commits
    const shared = yield* millisOf(Effect.forEach(
      Array.from({ length: singles }),
      (_, i) => append(i, 1, 1),
      { concurrency: 64, discard: true }
    ))
    const sharing = singles / ((yield* commits) - commitsBefore)

    const snapshot = yield* timed(Effect.scoped(
      Effect.flatMap(reader.snapshot(), ({ contents }) => Stream.runCount(contents))
    ))
    return {
      ingest: batches * batchRows / total(ingest) * 1000,
      pipelined: batches * batchRows / pipelined * 1000,
      rawIngest: batches * batchRows / total(rawIngest) * 1000,
      writes,
      rawWrite: median(rawWrites),
      acknowledgements: singles / shared * 1000,
      sharing,
      snapshot: snapshot.value / snapshot.millis * 1000
    }
  })
  const figures = yield* Effect.provide(measured, client)
  const open = yield* millisOf(Effect.scoped(Layer.build(client)))
  return { ...figures, open } satisfies Result
}, Effect.scoped)

/** The figures of a result for programs and people, without the single latencies. */
export const summary = ({ writes, ...figures }: Result) => ({
  ...figures,
  ingestOfRaw: figures.ingest / figures.rawIngest,
  write50: median(writes),
  write99: quantile(writes, 0.99),
  writeOverRaw: median(writes) / figures.rawWrite
})
