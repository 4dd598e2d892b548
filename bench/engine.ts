/**
 * The engine against the disk: `npm run bench -- engine`.
 *
 * Every figure is a ratio to what the same disk does with plain `write` and `fdatasync` of the same bytes in the same
 * run, or a size. Sections run in processes of their own, so that memory figures are theirs alone. Updates have 16-byte
 * keys and 84-byte values. `TIDEMARK_BENCH_SCALE=0.1` makes everything smaller by that factor.
 */
import { Effect, Layer, Stream } from "effect"
import { TestClock } from "effect/testing"
import { fork } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { Codec, Metrics, PersistClient, Update } from "../src/index.ts"
import { FileStorage } from "../src/node/index.ts"
import { count, median, now, scratch } from "./Measure.ts"
import { print, type Row } from "./Target.ts"

const client = (directory: string, options?: PersistClient.Options) =>
  PersistClient.layer(options).pipe(Layer.provide(FileStorage.layer({ directory })))

const files = (name = "files") => (persist: PersistClient.PersistClient["Service"]) =>
  persist.createOrLoad(name, { key: Codec.string, value: Codec.string })

const mebibytes = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(0)} MiB`

const keyOf = (i: number): string => `key-${String(i).padStart(12, "0")}`
const valueOf = (i: number): string => `${String(i * 2654435761 % 4294967296).padStart(12, "0")}`.repeat(7)

/** `length` updates over `keys` keys, from `start` on, at one time. */
const batch = (start: number, length: number, keys: number, time: number): Array<Update.Update<string, string>> =>
  Array.from({ length }, (_, i) => Update.insert(keyOf((start + i) % keys), valueOf(start + i), time))

/** Replaces values key by key, so that exactly one row a key stays live. */
const replacing = (start: number, length: number, keys: number, time: number): Array<Update.Update<string, string>> => {
  const updates: Array<Update.Update<string, string>> = []
  for (let i = start; i < start + length; i++) {
    const key = keyOf(i % keys)
    if (i >= keys) updates.push(Update.retract(key, valueOf(i - keys), time))
    updates.push(Update.insert(key, valueOf(i), time))
  }
  return updates
}

/** Seconds of each of `rounds` appends of `bytes` bytes and an fdatasync, to a growing file. */
const rawAppends = (directory: string, bytes: number, rounds: number): Array<number> => {
  const fd = fs.openSync(path.join(directory, `raw-${bytes}`), "w")
  const buffer = Buffer.alloc(bytes, 7)
  const times: Array<number> = []
  for (let i = 0; i < rounds; i++) {
    const start = now()
    fs.writeSync(fd, buffer)
    fs.fdatasyncSync(fd)
    times.push((now() - start) / 1000)
  }
  fs.closeSync(fd)
  return times
}

const sum = (values: ReadonlyArray<number>): number => values.reduce((total, value) => total + value, 0)

/** The text in one piece, as what comes from a network is: the engine keeps texts that were put together as trees. */
const flat = (text: string): string => Buffer.from(text).toString("latin1")

const keys = Array.from({ length: 100_000 }, (_, i) => flat(keyOf(i)))
const values = Array.from({ length: 10_007 }, (_, i) => flat(valueOf(i)))

/** 1,000,000 updates into a new store, and the disk's own time for the same bytes right after. */
const ingestRound = (inFlight: number) =>
  Effect.suspend(() => {
    const directory = scratch("ingest")
    const batches = Array.from({ length: count(1000) }, (_, i) => i)
    // The rows of a batch are made when it is written, as an application would: a heap full of rows to come would
    // measure the garbage collector.
    const rows = (i: number) =>
      Array.from({ length: 1000 }, (_, j) =>
        Update.insert(keys[(i * 1000 + j) % keys.length]!, values[(i * 1009 + j * 7) % values.length]!, i))
    return Effect.scoped(Effect.gen(function*() {
      const persist = yield* PersistClient.make()
      const { writer } = yield* files()(persist)
      for (const i of batches.slice(0, 20)) {
        yield* writer.append(rows(i))
      }
      const bytesBefore = yield* Metrics.total(Metrics.commitBytes)
      const start = now()
      yield* Effect.forEach(batches, (i) =>
        Effect.suspend(() => writer.append(rows(i))), {
        concurrency: inFlight,
        discard: true
      })
      const seconds = (now() - start) / 1000
      const bytes = (yield* Metrics.total(Metrics.commitBytes)) - bytesBefore
      return sum(rawAppends(directory, Math.round(bytes / batches.length), batches.length)) / seconds
    })).pipe(Effect.provide(FileStorage.layer({ directory })))
  })

const ingest = Effect.gen(function*() {
  const rows: Array<Row> = []
  for (const [inFlight, target] of [[1, 0.4], [16, 0.5]] as const) {
    const ratios: Array<number> = []
    // The first round is for the code to be optimised.
    yield* ingestRound(inFlight)
    for (let round = 0; round < 5; round++) ratios.push(yield* ingestRound(inFlight))
    rows.push({
      work: `durable ingest, batches of 1,000, ${inFlight} in flight`,
      figure: `${(median(ratios) * 100).toFixed(0)} % of the raw rate (${
        ratios.map((ratio) => (ratio * 100).toFixed(0)).join(", ")
      })`,
      target: `>= ${target * 100} %`,
      holds: median(ratios) >= target
    })
  }
  return rows
})

const small = Effect.gen(function*() {
  const directory = scratch("small")
  const rounds = count(2000)
  return yield* Effect.scoped(Effect.gen(function*() {
    const persist = yield* PersistClient.make()
    const { writer } = yield* files()(persist)
    // A writer of single updates runs for long: its code has been optimised.
    for (let i = 0; i < count(10_000); i++) yield* writer.append(batch(i, 1, 1000, 0))
    const times: Array<number> = []
    const raw: Array<number> = []
    for (let i = 0; i < rounds; i += 100) {
      for (let j = 0; j < 100; j++) {
        const start = now()
        yield* writer.append(batch(i + j, 1, 1000, 0))
        times.push((now() - start) / 1000)
      }
      raw.push(...rawAppends(directory, 256, 100))
    }
    const ratio = median(times) / median(raw)

    const commitsBefore = yield* Metrics.total(Metrics.commits)
    const writes = count(20_000)
    const start = now()
    yield* Effect.forEach(Array.from({ length: 64 }), (_, writerNumber) =>
      Effect.forEach(
        Array.from({ length: Math.ceil(writes / 64) }),
        (_, i) => writer.append(batch(writerNumber * 1000 + i, 1, 100_000, 0)),
        { discard: true }
      ), { concurrency: 64, discard: true })
    const seconds = (now() - start) / 1000
    const perFlush = writes / ((yield* Metrics.total(Metrics.commits)) - commitsBefore)
    const rows: Array<Row> = [
      {
        work: "one update a write, 1 writer: p50",
        figure: `${ratio.toFixed(2)} x the raw flush (${(median(times) * 1e6).toFixed(0)} us)`,
        target: "<= 1.5 x",
        holds: ratio <= 1.5
      },
      {
        work: "one update a write, 64 writers",
        figure: `${perFlush.toFixed(1)} acknowledgements a flush, ${(writes / seconds / 1000).toFixed(0)} k/s`,
        target: ">= 25",
        holds: perFlush >= 25
      }
    ]
    return rows
  })).pipe(Effect.provide(FileStorage.layer({ directory })))
})

/** Fills a store with `updates` updates over `keys` keys, in a process of its own. */
const fill = (directory: string, updates: number, keys: number): Effect.Effect<void> =>
  Effect.promise(() => runSection("filling", [directory, String(updates), String(keys)]))

const filling = Effect.gen(function*() {
  const [directory, updates, keys] = process.argv.slice(3)
  const { writer } = yield* Effect.flatMap(PersistClient.PersistClient, files()).pipe(
    Effect.provide(yield* Layer.build(client(directory!)))
  )
  for (let total = 0, time = 0, next = 0; total < Number(updates); time++, next += 5000) {
    const rows = replacing(next, 5000, Number(keys), time)
    yield* writer.append(rows)
    yield* writer.seal(time + 1)
    total += rows.length
  }
  return []
}).pipe(Effect.scoped)

const snapshot = Effect.gen(function*() {
  const directory = scratch("snapshot")
  const updates = count(1_000_000)
  const keys = count(100_000)
  yield* fill(directory, updates, keys)
  return yield* Effect.gen(function*() {
    const persist = yield* PersistClient.PersistClient
    const { reader } = yield* files()(persist)
    const { upper } = yield* persist.description("files")
    globalThis.gc?.()
    const before = process.memoryUsage.rss()
    let peak = before
    const rates: Array<number> = []
    for (let round = 0; round < 5; round++) {
      const start = now()
      let rows = 0
      yield* Effect.scoped(Effect.gen(function*() {
        const taken = yield* reader.snapshot({ asOf: upper - 1 })
        yield* Stream.runForEachArray(taken.contents, (chunk) =>
          Effect.sync(() => {
            rows += chunk.length
            peak = Math.max(peak, process.memoryUsage.rss())
          }))
      }))
      rates.push(updates / ((now() - start) / 1000))
      if (rows !== keys) throw new Error(`the snapshot has ${rows} rows instead of ${keys}`)
    }
    const rows: Array<Row> = [
      {
        work: "snapshot of 1,000,000 updates over 100,000 keys, decoded",
        figure: `${(median(rates) / 1e6).toFixed(2)} M updates/s (first ${(rates[0]! / 1e6).toFixed(2)})`,
        target: ">= 1 M/s",
        holds: median(rates) >= 1e6
      },
      {
        work: "the same: growth of resident memory",
        figure: mebibytes(peak - before),
        target: "< 256 MiB",
        holds: peak - before < 256 * 1024 * 1024
      }
    ]
    return rows
  }).pipe(Effect.provide(client(directory)))
})

const directoryBytes = (directory: string): number =>
  fs.readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((total, entry) => total + fs.statSync(path.join(entry.parentPath, entry.name)).size, 0)

const openTime = (directory: string) =>
  Effect.gen(function*() {
    const start = now()
    const seconds = yield* Effect.scoped(Effect.gen(function*() {
      yield* Layer.build(client(directory))
      return (now() - start) / 1000
    }))
    return seconds
  })

const large = Effect.gen(function*() {
  const directory = scratch("large")
  const updates = count(10_000_000)
  const keys = count(100_000)
  yield* fill(directory, updates, keys)
  const full = directoryBytes(directory)
  const openings: Array<number> = []
  for (let round = 0; round < 5; round++) openings.push(yield* openTime(directory))

  globalThis.gc?.()
  let peak = 0
  const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 20)
  const seconds = yield* Effect.gen(function*() {
    const persist = yield* PersistClient.PersistClient
    const { writer } = yield* files()(persist)
    const { upper } = yield* persist.description("files")
    const start = now()
    yield* writer.allowCompaction(upper - 1)
    yield* persist.compact("files")
    return (now() - start) / 1000
  }).pipe(Effect.provide(client(directory)))
  clearInterval(watch)
  const compacted = directoryBytes(directory)
  const live = keys * (16 + 84 + 16)
  const small = scratch("small-open")
  yield* Effect.flatMap(Effect.flatMap(PersistClient.PersistClient, files()), ({ writer }) => writer.append([])).pipe(
    Effect.provide(client(small))
  )
  const smallOpenings: Array<number> = []
  for (let round = 0; round < 5; round++) smallOpenings.push(yield* openTime(small))

  const rows: Array<Row> = [
    {
      work: "opening a store with 10,000,000 updates",
      figure: `${(median(openings) * 1000).toFixed(0)} ms (an empty store ${
        (median(smallOpenings) * 1000).toFixed(0)
      } ms)`,
      target: "< 200 ms",
      holds: median(openings) < 0.2
    },
    {
      work: "compaction of 10,000,000 updates: resident memory",
      figure: `${mebibytes(peak)} (${seconds.toFixed(1)} s, ${mebibytes(full)} to ${mebibytes(compacted)})`,
      target: "< 512 MiB",
      holds: peak < 512 * 1024 * 1024
    },
    {
      work: "bytes on disk after compaction to the last time",
      figure: `${(compacted / live).toFixed(2)} x the live rows`,
      target: "<= 1.3 x",
      holds: compacted <= 1.3 * live
    }
  ]
  return rows
})

const idle = Effect.gen(function*() {
  const directory = scratch("idle")
  /** Bytes that this process has sent towards a disk. */
  const written = (): number => {
    const line = fs.readFileSync("/proc/self/io", "utf8").split("\n").find((each) => each.startsWith("write_bytes"))
    return Number(line!.split(" ")[1])
  }
  return yield* Effect.gen(function*() {
    const { writer } = yield* Effect.flatMap(PersistClient.PersistClient, files())
    yield* writer.append(batch(0, 1000, 1000, 0))
    yield* writer.seal(1)
    yield* TestClock.adjust("1 minute")
    const before = { disk: directoryBytes(directory), io: written() }
    yield* TestClock.adjust("1 hour")
    const bytes = directoryBytes(directory) - before.disk
    const rows: Array<Row> = [{
      work: "an idle hour (virtual clock)",
      figure: `${bytes} bytes more on disk, ${written() - before.io} bytes written`,
      target: "0 bytes",
      holds: bytes === 0 && written() - before.io === 0
    }]
    return rows
  }).pipe(Effect.provide(client(directory).pipe(Layer.provideMerge(TestClock.layer()))))
})

const sections = { ingest, small, snapshot, large, idle, filling }

const runSection = (name: string, args: ReadonlyArray<string> = []): Promise<ReadonlyArray<Row>> =>
  new Promise((resolve, reject) => {
    const child = fork(import.meta.filename, [name, ...args], {
      execArgv: ["--conditions=tidemark-source", "--expose-gc"],
      stdio: ["ignore", "inherit", "inherit", "ipc"]
    })
    let rows: ReadonlyArray<Row> = []
    child.on("message", (message) => (rows = message as ReadonlyArray<Row>))
    child.on("exit", (code) => code === 0 ? resolve(rows) : reject(new Error(`section ${name} ended with ${code}`)))
  })

const chosen = process.argv[2]
if (process.send !== undefined && chosen !== undefined && chosen in sections) {
  const rows = await Effect.runPromise(sections[chosen as keyof typeof sections] as Effect.Effect<Array<Row>>)
  process.send(rows)
  process.disconnect()
} else {
  const names = chosen === undefined ? Object.keys(sections).filter((name) => name !== "filling") : [chosen]
  const rows: Array<Row> = []
  for (const name of names) rows.push(...await runSection(name))
  print(rows)
}
