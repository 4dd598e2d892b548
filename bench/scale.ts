/**
 * The engine on Postgres against bare statements: `npm run bench -- scale [commit|writers|follow|takeover|standby]`.
 *
 * Runs on the server of the tests, or where `TIDEMARK_BENCH_POSTGRES` names a database. Every figure is a ratio to what
 * `INSERT ... RETURNING` on one connection reaches on the same server in the same run, or a time that has a target of its
 * own. `TIDEMARK_BENCH_SCALE=0.1` makes everything smaller by that factor.
 */
import * as PgConnection from "@effect/sql-pg/PgConnection"
import { Deferred, Effect, Layer, Redacted, type Scope, Stream } from "effect"
import { join } from "node:path"
import { Codec, PersistClient, Update } from "../src/index.ts"
import { PostgresStorage } from "../src/postgres/index.ts"
import { server } from "../test/postgres/Server.ts"
import { detectionMillis } from "../test/postgres/Standby.ts"
import * as Child from "../test/utils/Child.ts"
import { count, median, now, quantile } from "./Measure.ts"
import { print, type Row } from "./Target.ts"

const given = process.env["TIDEMARK_BENCH_POSTGRES"]
const booted = given === undefined ? await server() : undefined
const url = given ?? booted?.url
if (url === undefined) process.exit(1)

const ms = (value: number): string => `${value.toFixed(2)} ms`

const run = `${process.pid}_${Math.round(now())}`
let stores = 0
const newStore = (): PostgresStorage.Options => ({ url, schema: `bench_${run}_${stores++}` })

const text = { key: Codec.string, value: Codec.string }
const row = (i: number) => Update.insert(`key-${String(i).padStart(12, "0")}`, "v".repeat(84), i)

/** One row of 100 bytes, appended by a statement on a connection of its own. */
const bare = Effect.gen(function*() {
  const connection = yield* PgConnection.make({ url: Redacted.make(url) })
  const table = `bench_${run}_${stores++}`
  yield* connection.query(`CREATE TABLE ${table} (position bigint PRIMARY KEY, bytes bytea NOT NULL)`)
  yield* Effect.addFinalizer(() => Effect.ignore(connection.query(`DROP TABLE ${table}`)))
  const bytes = new Uint8Array(100).fill(7)
  let position = 0n
  return Effect.suspend(() =>
    connection.query(`INSERT INTO ${table} (position, bytes) VALUES ($1, $2) RETURNING position`, [position++, bytes])
  )
})

const client = (options: PostgresStorage.Options) =>
  Effect.flatMap(
    Layer.build(PostgresStorage.layer(options)),
    (storage) => Effect.provide(PersistClient.make(), storage)
  )

/** Small writes and bare statements in turns, so that both meet the same weather. */
const commit = Effect.gen(function*() {
  const { writer } = yield* (yield* client(newStore())).createOrLoad("rows", text)
  const insert = yield* bare
  const times: Array<number> = []
  const bareTimes: Array<number> = []
  const warmUp = 200
  for (let i = 0; i < warmUp + count(2_000); i++) {
    const start = now()
    yield* writer.append([row(i)])
    const middle = now()
    yield* insert
    const end = now()
    if (i < warmUp) continue
    times.push(middle - start)
    bareTimes.push(end - middle)
  }
  const ratio = median(times) / median(bareTimes)
  const found: Row = {
    work: "a commit of one small write, p50, against a bare INSERT ... RETURNING",
    figure: `${ratio.toFixed(2)} x (${ms(median(times))} against ${ms(median(bareTimes))}; p99 ${
      ms(quantile(times, 0.99))
    } against ${ms(quantile(bareTimes, 0.99))})`,
    target: "<= 1.5 x",
    holds: ratio <= 1.5
  }
  return [found]
})

/** Writers that each wait for their write before the next, all in one process: they share commits. */
const writers = Effect.gen(function*() {
  const { writer } = yield* (yield* client(newStore())).createOrLoad("rows", text)
  const insert = yield* bare
  const ratios: Array<number> = []
  const rates: Array<number> = []
  const each = count(500)
  for (let round = 0; round < 4; round++) {
    const start = now()
    yield* Effect.forEach(
      Array.from({ length: 64 }, (_, writerNumber) => writerNumber),
      (writerNumber) =>
        Effect.forEach(
          Array.from({ length: each }, (_, i) => writerNumber * each + i),
          (i) => writer.append([row(i)]),
          {
            discard: true
          }
        ),
      { concurrency: "unbounded", discard: true }
    )
    const middle = now()
    const inserts = count(2_000)
    for (let i = 0; i < inserts; i++) yield* insert
    const end = now()
    // The first round warms up.
    if (round === 0) continue
    rates.push(64 * each / (middle - start) * 1000)
    ratios.push(64 * each / (middle - start) / (inserts / (end - middle)))
  }
  const found: Row = {
    work: "64 writers, writes a second, against bare statements on one connection",
    figure: `${median(ratios).toFixed(1)} x (${median(rates).toFixed(0)} writes/s; rounds ${
      ratios.map((ratio) => ratio.toFixed(1)).join(", ")
    })`,
    target: ">= 10 x",
    holds: median(ratios) >= 10
  }
  return [found]
})

/** From the acknowledgement of a write to the row in the hands of a follower over connections of its own. */
const follow = Effect.gen(function*() {
  const place = newStore()
  const { writer } = yield* (yield* client(place)).createOrLoad("rows", text)
  const storage = yield* Layer.build(Layer.fresh(PostgresStorage.layer(place)))
  const { reader } = yield* (yield* Effect.provide(PersistClient.makeReadOnly(), storage)).load("rows", text)
  const { events } = yield* reader.listen()
  let seen = yield* Deferred.make<number>()
  yield* Effect.forkScoped(Stream.runForEach(events, () => Effect.suspend(() => Deferred.succeed(seen, now()))))
  const delays: Array<number> = []
  for (let i = 0; i < count(300); i++) {
    seen = yield* Deferred.make<number>()
    yield* writer.append([row(i)])
    const acknowledged = now()
    delays.push(Math.max(0, (yield* Deferred.await(seen)) - acknowledged))
    // Writes at no particular place between two looks of the follower.
    yield* Effect.sleep(5 + i * 7 % 20)
  }
  const p50 = median(delays)
  const found: Row = {
    work: "a follower sees a write, after its acknowledgement",
    figure: `p50 ${ms(p50)}, p95 ${ms(quantile(delays, 0.95))}, p99 ${ms(quantile(delays, 0.99))}`,
    target: "p50 < 20 ms",
    holds: p50 < 20
  }
  return [found]
})

/**
 * From the decision to take over from a writer that says nothing any more to the first write that is acknowledged. The one
 * before then wakes up, and writes.
 */
const takeover = Effect.gen(function*() {
  const place = newStore()
  const opened = Effect.flatMap(client(place), (persist) => persist.createOrLoad("rows", text))
  const first = yield* opened
  for (let i = 0; i < count(5_000); i += 50) {
    yield* Effect.forEach(Array.from({ length: 50 }, (_, j) => i + j), (i) => first.writer.append([row(i)]), {
      concurrency: "unbounded"
    })
  }
  const times: Array<number> = []
  let writerNumber = first.writer
  let fenced = 0
  const rounds = 20
  for (let round = 0; round < rounds; round++) {
    const zombie = writerNumber
    const start = now()
    writerNumber = (yield* opened).writer
    yield* writerNumber.append([row(round)])
    times.push(now() - start)
    const refusal = yield* Effect.result(zombie.append([row(round)]))
    if (refusal._tag === "Failure" && refusal.failure._tag === "Fenced") fenced++
  }
  const found: Row = {
    work: "a take-over of a store of 5,000 writes, to its first write",
    figure: `median ${ms(median(times))}, longest ${ms(Math.max(...times))}`,
    target: "< 1 s",
    holds: Math.max(...times) < 1_000
  }
  const zombies: Row = {
    work: "a write of the one that was taken over",
    figure: `${fenced} of ${rounds} \`Fenced\``,
    target: "all",
    holds: fenced === rounds
  }
  return [found, zombies]
})

/**
 * Processes that run docs/examples/standby.ts. The one that writes is killed, and the time counts until another has written.
 */
const standby = Effect.gen(function*() {
  const place = `${url}${url.includes("?") ? "&" : "?"}schema=${newStore().schema}`
  const script = join(import.meta.dirname, "../test/postgres/Standby.ts")
  const start = (name: string) => Child.start(script, name, place)
  const acknowledged: Array<string> = []
  /** Reads what it says until it has written so many rows. */
  const until = (child: Child.Child, rows: number) =>
    Effect.repeat(
      Effect.tap(child.next, (line) => Effect.sync(() => void (/ \d+$/.test(line) && acknowledged.push(line)))),
      { until: (line) => line.endsWith(` ${rows}`) }
    )
  let writing = yield* start("0")
  yield* until(writing, 1)
  const beyond: Array<number> = []
  for (let round = 1; round <= 10; round++) {
    const next = yield* start(String(round))
    // By then the other one has begun to stand by.
    yield* until(writing, 100)
    yield* writing.kill("SIGKILL")
    const killed = now()
    yield* until(next, 1)
    beyond.push(now() - killed - detectionMillis)
    writing = next
  }
  yield* writing.kill("SIGKILL")
  const storage = yield* Layer.build(PostgresStorage.layer({ url: place }))
  const { reader } = yield* (yield* Effect.provide(PersistClient.makeReadOnly(), storage)).load("orders", text)
  const { contents } = yield* reader.snapshot()
  const found = new Set((yield* Stream.runCollect(contents)).map(([key]) => key))
  const lost = acknowledged.filter((row) => !found.has(row)).length
  const rows: ReadonlyArray<Row> = [{
    work: "a writer is killed, and a standby writes: beyond the detection time",
    figure: `median ${ms(median(beyond))}, longest ${ms(Math.max(...beyond))}`,
    target: "< 1 s",
    holds: Math.max(...beyond) < 1_000
  }, {
    work: "acknowledged rows that are lost by these take-overs",
    figure: `${lost} of ${acknowledged.length}`,
    target: "none",
    holds: lost === 0
  }]
  return rows
})

const sections: Readonly<Record<string, Effect.Effect<ReadonlyArray<Row>, unknown, Scope.Scope>>> = {
  commit,
  writers,
  follow,
  takeover,
  standby
}

const chosen = process.argv[2]
const found: Array<Row> = []
for (const [name, section] of Object.entries(sections)) {
  if (chosen === undefined || name === chosen) found.push(...await Effect.runPromise(Effect.scoped(section)))
}
await booted?.remove()
print(found)
