/**
 * Typed rows: `npm run bench -- typed`. Orders of six fields, a date and an array among them, with `Codec.schema`, beside the
 * same rows as JSON text with `Codec.string`, SQLite with JSON, and LMDB with msgpackr. What a store writes is flushed to the
 * disk batch by batch; what a store reads is decoded. Rates are medians of some rounds, in which the stores take turns.
 * `TIDEMARK_BENCH_SCALE=0.1` makes it smaller by that factor; a word chooses the works that contain it.
 */
import { Effect, Exit, Layer, Schedule, Scope, Stream } from "effect"
import * as path from "node:path"
import { DatabaseSync } from "node:sqlite"
import { Codec, type Collection, PersistClient, type Snapshot, Update } from "../src/index.ts"
import { FileStorage } from "../src/node/index.ts"
import { Order } from "../test/utils/Order.ts"
import { collect, count, emptied, median, scratch } from "./Measure.ts"
import { installPeers } from "./peers/install.ts"

installPeers()
const { open: openLmdb } = await import("lmdb")

const orderOf = (id: number, version: number): Order => ({
  id: `order-${String(id).padStart(8, "0")}`,
  customer: `customer ${id * 7919 % 9973}`,
  status: (["new", "paid", "sent"] as const)[version % 3]!,
  total: Math.round((id * 31 + version * 17) % 100_000) / 100,
  placed: new Date(1.7e12 + id * 1000),
  lines: Array.from({ length: 1 + id % 3 }, (_, i) => ({ sku: `sku-${(id + i) % 1000}`, amount: 1 + (id + i) % 9 }))
})

const rows = 1000
const rounds = 5
const ingested = count(200)
const keys = count(100_000)
const root = scratch("typed")

interface Change {
  readonly key: string
  readonly value: Order
  readonly time: number
  readonly diff: number
}

/** Batches of new orders, each with a time of its own. */
const inserts: ReadonlyArray<ReadonlyArray<Change>> = Array.from(
  { length: ingested },
  (_, time) =>
    Array.from({ length: rows }, (_, i) => {
      const value = orderOf(time * rows + i, 0)
      return { key: value.id, value, time, diff: 1 }
    })
)

/** Batches that replace orders: about ten updates for each that is left. */
const replacements = function*(): Generator<ReadonlyArray<Change>> {
  const versions = new Int32Array(keys).fill(-1)
  let id = 0
  for (let made = 0, time = 0; made < 10 * keys; made += rows, time++) {
    const batch: Array<Change> = []
    while (batch.length < rows) {
      const old = versions[id]!
      const key = orderOf(id, 0).id
      if (old >= 0) batch.push({ key, value: orderOf(id, old), time, diff: -1 })
      batch.push({ key, value: orderOf(id, ++versions[id]!), time, diff: 1 })
      id = (id + 1) % keys
    }
    yield batch
  }
}

/** A store that is open. */
interface Opened {
  readonly append: (batch: ReadonlyArray<Change>) => Promise<void>
  /** Decodes the contents, and counts them. Some fields only, if the store can. */
  readonly read: (fields?: ReadonlyArray<"id" | "status">) => Promise<number>
  readonly close: () => Promise<void>
}

type Engine = (directory: string) => Promise<Opened>

const tidemark = <V>(value: Codec.Codec<V>, of: (order: Order) => V): Engine => async (directory) => {
  const scope = Scope.makeUnsafe()
  const layer = PersistClient.layer({ maintenance: Schedule.spaced("1 second") }).pipe(
    Layer.provide(FileStorage.layer({ directory }))
  )
  const orders: Collection.Collection<string, V> = await Effect.runPromise(
    Effect.flatMap(Layer.buildWithScope(layer, scope), (context) =>
      Effect.provide(
        Effect.flatMap(PersistClient.PersistClient, (client) =>
          client.createOrLoad("orders", { key: Codec.string, value })),
        context
      ))
  )
  return {
    append: async (batch) => {
      const updates = batch.map(({ diff, key, time, value }) => Update.make(key, of(value), time, diff))
      await Effect.runPromise(orders.append(updates))
    },
    read: (select) => {
      const snapshot: Effect.Effect<Snapshot.Snapshot<string, unknown>, unknown, Scope.Scope> = select === undefined
        ? orders.snapshot()
        : orders.snapshot({ select: select as ReadonlyArray<never> })
      return Effect.runPromise(Effect.scoped(
        Effect.flatMap(
          snapshot,
          ({ contents }) => Stream.runFold(contents, () => 0, (n, [, , multiplicity]) => n + multiplicity)
        )
      ))
    },
    close: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

const sqlite: Engine = async (directory) => {
  const db = new DatabaseSync(path.join(directory, "db.sqlite"))
  db.exec(`
    PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536; PRAGMA mmap_size = 4294967296;
    CREATE TABLE orders (k TEXT PRIMARY KEY, v TEXT NOT NULL) WITHOUT ROWID
  `)
  const put = db.prepare("INSERT INTO orders (k, v) VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v")
  const all = db.prepare("SELECT k, v FROM orders")
  all.setReturnArrays(true)
  return {
    append: async (batch) => {
      db.exec("BEGIN")
      for (const { diff, key, value } of batch) if (diff > 0) put.run(key, JSON.stringify(value))
      db.exec("COMMIT")
    },
    read: async () => {
      let n = 0
      for (const row of all.iterate()) {
        const [, text] = row as unknown as [string, string]
        const order = JSON.parse(text) as { placed: string | Date }
        order.placed = new Date(order.placed)
        n++
      }
      return n
    },
    close: async () => db.close()
  }
}

const lmdb: Engine = async (directory) => {
  const db = openLmdb({
    path: directory,
    keyEncoding: "binary",
    encoding: "msgpack",
    mapSize: 16 * 2 ** 30,
    noMemInit: true,
    cache: false
  })
  return {
    append: async (batch) => {
      await db.batch(() => {
        for (const { diff, key, value } of batch) if (diff > 0) db.put(Buffer.from(key), value)
      })
      await db.flushed
    },
    read: async () => {
      let n = 0
      for (const { value } of db.getRange({})) if (value !== undefined) n++
      return n
    },
    close: () => db.close()
  }
}

const engines: Readonly<Record<string, Engine>> = {
  typed: tidemark(Codec.schema(Order), (order) => order),
  string: tidemark(Codec.string, (order) => JSON.stringify(order)),
  sqlite,
  lmdb
}

interface Rate {
  readonly perSecond: number
  /** User and system time of the process. */
  readonly processorSecondsPerMillion: number
}

const measure = async (work: () => Promise<number>): Promise<Rate> => {
  collect()
  const cpu = process.cpuUsage()
  const start = performance.now()
  const n = await work()
  const seconds = (performance.now() - start) / 1000
  const { system, user } = process.cpuUsage(cpu)
  return { perSecond: n / seconds, processorSecondsPerMillion: (user + system) / n }
}

const ingest = async (open: Engine, inFlight: number): Promise<Rate> => {
  const store = await open(emptied(path.join(root, "ingest")))
  const rate = await measure(async () => {
    let next = 0
    const one = async () => {
      while (next < inserts.length) await store.append(inserts[next++]!)
    }
    await Promise.all(Array.from({ length: inFlight }, one))
    return inserts.length * rows
  })
  await store.close()
  return rate
}

const snapshot = async (
  open: Engine,
  batches: Iterable<ReadonlyArray<Change>>,
  select?: ReadonlyArray<"id" | "status">
) => {
  const store = await open(emptied(path.join(root, "snapshot")))
  for (const batch of batches) await store.append(batch)
  const rate = await measure(() => store.read(select))
  await store.close()
  return rate
}

const works: Readonly<Record<string, (open: Engine) => Promise<Rate>>> = {
  "ingest, one in flight": (open) => ingest(open, 1),
  "ingest, 16 in flight": (open) => ingest(open, 16),
  "first read, all live": (open) => snapshot(open, inserts),
  "first read, two of six fields": (open) => snapshot(open, inserts, ["id", "status"]),
  "first read, a tenth live": (open) => snapshot(open, replacements())
}

const [, , word = ""] = process.argv
const chosen = Object.entries(works).filter(([work]) => work.includes(word))
if (chosen.length === 0) {
  console.error(`there is no work with "${word}" in it; there are ${Object.keys(works).join("; ")}`)
  process.exit(2)
}

for (const [work, run] of chosen) {
  const rates = new Map<string, Array<Rate>>(Object.keys(engines).map((name) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (const [name, open] of Object.entries(engines)) rates.get(name)!.push(await run(open))
  }
  const base = median(rates.get("typed")!.map(({ perSecond }) => perSecond))
  console.log(work)
  for (const [name, all] of rates) {
    const perSecond = median(all.map((each) => each.perSecond))
    const processor = median(all.map((each) => each.processorSecondsPerMillion))
    console.log(
      `  ${name.padEnd(8)} ${(perSecond / 1000).toFixed(0).padStart(6)} k rows/s, ${
        processor.toFixed(2)
      } s of processor ` +
        `a million, typed is ${(base / perSecond).toFixed(2)} x`
    )
  }
}
