/**
 * The process of one measurement: its arguments are what is measured, an empty directory, and the scale. Sends its figures to
 * its parent.
 */
import { Effect, Layer, ManagedRuntime, Option } from "effect"
import * as path from "node:path"
import { DatabaseSync } from "node:sqlite"
import { setTimeout } from "node:timers/promises"
import { Codec, PersistClient, Update } from "../../src/index.ts"
import { FileStorage } from "../../src/node/index.ts"
import { Table } from "../../src/tables/index.ts"
import { keyOf, valueBytes } from "../Data.ts"
import { collect, median, quantile } from "../Measure.ts"

export type Figures = Readonly<Record<string, number>>

const [what, directory, scaleText] = process.argv.slice(2) as [string, string, string]
const scale = Number(scaleText)
const seconds = Math.max(0.5, 4 * scale)
const fibers = 64
/** Keys of each fiber. */
const own = 500

class Rows extends Table.Service<Rows>()("rows", { key: Codec.string, value: Codec.string }) {}

/** Memory is measured with little of it for caches, so that what keys take would show. */
class Small extends Table.Service<Small>()("rows", {
  key: Codec.string,
  value: Codec.string,
  cacheBytes: 256 * 1024
}) {}

const client = (options: PersistClient.Options = {}) =>
  PersistClient.layer({ grace: 0, ...options }).pipe(Layer.provide(FileStorage.layer({ directory })))

const keys = Array.from({ length: fibers * own }, (_, i) => keyOf(i).toString("latin1"))
const valueOf = (n: number): string => String(n).padEnd(valueBytes, "abcdefghijklmnopqrstuvwxyz0123456789 ,.:-_")

const cpuSeconds = (): number => {
  const { system, user } = process.cpuUsage()
  return (system + user) / 1e6
}

/** What was done a second of time and of processor time, and how long each took, in milliseconds. */
const measured = async (
  work: (until: number, took: (millis: number) => void) => Promise<unknown>
): Promise<Figures> => {
  await work(performance.now() + seconds * 250, () => undefined)
  collect()
  const times: Array<number> = []
  const before = { cpu: cpuSeconds(), at: performance.now() }
  await work(before.at + seconds * 1000, (millis) => void times.push(millis))
  const elapsed = (performance.now() - before.at) / 1000
  return {
    rate: times.length / elapsed,
    cpu: 1e6 * (cpuSeconds() - before.cpu) / times.length,
    p50: quantile(times, 0.5),
    p99: quantile(times, 0.99)
  }
}

/** All fibers do one piece of work after the other. */
const inFibers = <R, E>(
  run: ManagedRuntime.ManagedRuntime<R, E>,
  one: (fiber: number, step: number) => Effect.Effect<unknown, unknown, R>
) =>
(until: number, took: (millis: number) => void) =>
  run.runPromise(Effect.forEach(
    Array.from({ length: fibers }, (_, fiber) => fiber),
    (fiber) => {
      let step = 0
      let at = performance.now()
      return Effect.whileLoop({
        while: () => at < until,
        body: () => one(fiber, step++),
        step: () => {
          const now = performance.now()
          took(now - at)
          at = now
        }
      })
    },
    { concurrency: "unbounded", discard: true }
  ))

const withTable = async (
  one: (rows: Rows["Service"]) => (fiber: number, step: number) => Effect.Effect<unknown, unknown>
) => {
  const runtime = ManagedRuntime.make(Rows.layer.pipe(Layer.provide(client())))
  const figures = await measured(inFibers(runtime, one(await runtime.runPromise(Rows))))
  await runtime.dispose()
  return figures
}

const keyFor = (fiber: number, step: number): string => keys[fiber * own + step % own]!

/** The same updates as those of a table, whose caller knows what was there before. */
const append = async (): Promise<Figures> => {
  const runtime = ManagedRuntime.make(client())
  const { writer } = await runtime.runPromise(
    Effect.flatMap(
      PersistClient.PersistClient,
      (persist) => persist.createOrLoad("rows", { key: Codec.string, value: Codec.string })
    )
  )
  const known = new Map<string, string>()
  let time = 0
  const figures = await measured(inFibers(runtime, (fiber, step) => {
    const key = keyFor(fiber, step)
    const [before, after] = [known.get(key), valueOf(step)]
    known.set(key, after)
    time++
    return writer.append([
      ...(before === undefined ? [] : [Update.retract(key, before, time)]),
      Update.insert(key, after, time)
    ])
  }))
  await runtime.dispose()
  return figures
}

const sqlite = async (): Promise<Figures> => {
  const db = new DatabaseSync(path.join(directory, "db.sqlite"))
  db.exec(
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE rows (k TEXT PRIMARY KEY, v TEXT NOT NULL)"
  )
  const [begin, commit] = [db.prepare("BEGIN IMMEDIATE"), db.prepare("COMMIT")]
  const select = db.prepare("SELECT v FROM rows WHERE k = ?")
  const upsert = db.prepare("INSERT INTO rows (k, v) VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v")
  let step = 0
  const figures = await measured(async (until, took) => {
    for (let at = performance.now(); at < until;) {
      const fiber = step % fibers
      begin.run()
      select.get(keyFor(fiber, step))
      upsert.run(keyFor(fiber, step), valueOf(step))
      upsert.run(keyFor(fiber, step + 1), valueOf(step))
      commit.run()
      step++
      const now = performance.now()
      took(now - at)
      at = now
    }
  })
  db.close()
  return figures
}

const transaction = (rows: Rows["Service"], read: string, other: string, step: number) =>
  Table.transaction(Effect.flatMap(rows.get(read), (before) =>
    Effect.andThen(
      rows.set(read, valueOf(step + Option.match(before, { onNone: () => 0, onSome: (value) => value.length }))),
      rows.set(other, valueOf(step))
    )))

/** Microseconds of processor time that a read of a row takes that was read before. */
const get = async (): Promise<Figures> => {
  const runtime = ManagedRuntime.make(Rows.layer.pipe(Layer.provide(client())))
  const rows = await runtime.runPromise(Rows)
  const hot = keys.slice(0, 1000)
  await runtime.runPromise(
    Table.transaction(Effect.forEach(hot, (key) => rows.set(key, valueOf(1)), { discard: true }))
  )
  const reads = Math.max(20_000, 200_000 * scale)
  const round = () => {
    let i = 0
    return Effect.whileLoop({
      while: () => i < reads,
      body: () => rows.get(hot[i++ % hot.length]!),
      step: () => undefined
    })
  }
  const times: Array<number> = []
  for (let n = 0; n < 6; n++) {
    const before = cpuSeconds()
    await runtime.runPromise(round())
    times.push(1e6 * (cpuSeconds() - before) / reads)
  }
  await runtime.dispose()
  return { micros: median(times.slice(1)) }
}

/** What a store of so many keys keeps in memory after some of them were read. */
const memory = async (count: number): Promise<Figures> => {
  const options = { memoryBytes: 4 * mebibyte, logBytes: 4 * mebibyte, cacheBytes: 2 * mebibyte, partBytes: mebibyte }
  const open = () => ManagedRuntime.make(Layer.provideMerge(Small.layer, client(options)))
  const filling = open()
  const rows = await filling.runPromise(Small)
  const all = Array.from({ length: Math.ceil(count / 1000) }, (_, i) => i)
  await filling.runPromise(Effect.forEach(all, (batch) =>
    Table.transaction(Effect.forEach(
      Array.from({ length: 1000 }, (_, i) => keyOf(batch * 1000 + i).toString("latin1")),
      (key) => rows.set(key, valueOf(batch)),
      { discard: true }
    )), { discard: true }))
  await filling.runPromise(Effect.flatMap(PersistClient.PersistClient, (each) => each.compact("rows")))
  await filling.dispose()
  const runtime = open()
  const again = await runtime.runPromise(Small)
  for (let i = 0; i < 2000; i++) {
    await runtime.runPromise(again.get(keyOf(Math.imul(i, 7919) % count).toString("latin1")))
  }
  // Buffers are freed after the objects that hold them.
  for (let i = 0; i < 3; i++) {
    collect()
    await setTimeout(50)
  }
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  await runtime.dispose()
  return { bytes: heapUsed + arrayBuffers }
}

/** Memory after what is not needed was freed: buffers are freed after the objects that hold them. */
const settledMemory = async (): Promise<Figures> => {
  for (let i = 0; i < 5; i++) {
    collect()
    await setTimeout(100)
  }
  const { arrayBuffers, heapUsed, rss } = process.memoryUsage()
  const { cacheBytes, feedBytes, memoryBytes } = budgets
  return { bytes: heapUsed + arrayBuffers, rss, budgets: memoryBytes + cacheBytes + feedBytes + tableBytes }
}

const smallKey = (n: number): string => `k${String(n).padStart(9, "0")}`

/** The default budgets of a store and of a table, at the scale. */
const mebibyte = 1024 * 1024
const budgets = {
  memoryBytes: 64 * mebibyte * scale,
  cacheBytes: 64 * mebibyte * scale,
  feedBytes: 8 * mebibyte * scale,
  logBytes: 64 * mebibyte * scale
}
const tableBytes = 8 * mebibyte * scale

class Bounded extends Table.Service<Bounded>()("rows", {
  key: Codec.string,
  value: Codec.string,
  cacheBytes: tableBytes
}) {}

const openBounded = () => ManagedRuntime.make(Layer.provideMerge(Bounded.layer, client(budgets)))

/** Writes so many small rows within the budgets, and says what the process then keeps in memory. */
const written = async (count: number): Promise<Figures> => {
  const runtime = openBounded()
  const rows = await runtime.runPromise(Bounded)
  const together = 1000
  for (let first = 0; first < count; first += together) {
    await runtime.runPromise(Table.transaction(Effect.forEach(
      Array.from({ length: together }, (_, i) => first + i),
      (n) => rows.set(smallKey(n), String(n)),
      { discard: true }
    )))
  }
  const figures = await settledMemory()
  await runtime.dispose()
  return figures
}

/** What a process keeps in memory that opens such a store, and reads 20,000 of its rows. */
const reopened = async (count: number): Promise<Figures> => {
  const runtime = openBounded()
  const rows = await runtime.runPromise(Bounded)
  let n = 0
  await runtime.runPromise(Effect.whileLoop({
    while: () => n < Math.min(count, 20_000),
    body: () => rows.get(smallKey(Math.imul(n++, 7919) % count)),
    step: (value) => {
      if (Option.isNone(value)) throw new Error("a row is missing")
    }
  }))
  const figures = await settledMemory()
  await runtime.dispose()
  return figures
}

const works: Readonly<Record<string, () => Promise<Figures>>> = {
  set: () => withTable((rows) => (fiber, step) => rows.set(keyFor(fiber, step), valueOf(step))),
  append,
  transact: () =>
    withTable((rows) => (fiber, step) => transaction(rows, keyFor(fiber, step), keyFor(fiber, step + 1), step)),
  contend: () => withTable((rows) => (fiber, step) => transaction(rows, "hot", keyFor(fiber, step), step)),
  sqlite,
  get,
  memory: () => memory(Math.max(4000, Math.round(100_000 * scale))),
  "memory 10": () => memory(10 * Math.max(4000, Math.round(100_000 * scale))),
  ...Object.fromEntries([0, 1, 10, 30].flatMap((times) => {
    const count = times * Math.round(100_000 * scale)
    return [[`written ${times}`, () => written(count)], [`reopened ${times}`, () => reopened(count)]]
  }))
}

process.send!(await works[what]!(), () => process.exit(0))
