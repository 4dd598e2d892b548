/**
 * The engine on a bucket, and on Postgres with a bucket, against the bare S3 client:
 * `npm run bench -- s3 [append|ingest|pair|follow]`.
 *
 * Runs on the gateway of the tests (`TIDEMARK_S3=ceph`), or where `TIDEMARK_BENCH_S3` names an endpoint with a bucket "tidemark" and the keys
 * test/test. Every figure is a ratio to what the client alone reaches on the same store in the same run, or a time that
 * has a target of its own. Updates have 16-byte keys and 84-byte values. `TIDEMARK_BENCH_SCALE=0.1` makes everything
 * smaller by that factor.
 */
import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3"
import { Context, Deferred, Effect, Layer, Stream } from "effect"
import { type Blob, Codec, Log, Metrics, PersistClient, Update } from "../src/index.ts"
import { PostgresStorage } from "../src/postgres/index.ts"
import { S3Storage } from "../src/s3/index.ts"
import { server } from "../test/postgres/Server.ts"
import { bucket, options } from "../test/s3/Buckets.ts"
import { gateway } from "../test/s3/Gateway.ts"
import { count, median, now, quantile } from "./Measure.ts"
import { print, type Row } from "./Target.ts"

const endpoint = process.env["TIDEMARK_BENCH_S3"] ?? await gateway()
if (endpoint === undefined) {
  console.error("name a store: TIDEMARK_S3=ceph, or the endpoint of one as TIDEMARK_BENCH_S3")
  process.exit(1)
}

/** Where each store of the benchmark lies: the defaults of users, but for the addresses. */
const place = (): S3Storage.Options => ({
  ...options(endpoint),
  shortestPoll: undefined,
  longestPoll: undefined,
  retry: undefined
})

const bare = new S3Client({
  endpoint,
  region: "us-east-1",
  forcePathStyle: true,
  credentials: { accessKeyId: "test", secretAccessKey: "test" },
  requestChecksumCalculation: "WHEN_REQUIRED"
})

/** Bytes a second of the client alone: one put after the other, as appends are. */
const barePuts = async (bytes: number, puts: number): Promise<number> => {
  const { prefix } = place()
  const body = new Uint8Array(bytes).fill(7)
  const start = now()
  for (let i = 0; i < puts; i++) {
    await bare.send(new PutObjectCommand({ Bucket: bucket, Key: `${prefix}/${i}`, Body: body, IfNoneMatch: "*" }))
  }
  return bytes * puts / (now() - start) * 1000
}

const keys = Array.from({ length: 100_000 }, (_, i) => `key-${String(i).padStart(12, "0")}`)
const values = Array.from({ length: 10_007 }, (_, i) => String(i * 2654435761 % 4294967296).padStart(12, "0").repeat(7))

/** The rows of a batch are made when it is written, as an application would, of strings that are there. */
const rows = (batch: number, length: number): Array<Update.Update<string, string>> =>
  Array.from(
    { length },
    (_, i) =>
      Update.insert(keys[(batch * length + i) % keys.length]!, values[(batch * 1009 + i * 7) % values.length]!, batch)
  )

type Storage = Layer.Layer<Log.Log | Blob.Blob>

/** Rows a second in bytes, against puts of the bare client that are as large as the commits were. */
const ingestRound = (storage: Storage, updates: number, rowsOfBatch: number, inFlight: number) =>
  Effect.gen(function*() {
    const persist = yield* PersistClient.make()
    const { writer } = yield* persist.createOrLoad("rows", { key: Codec.string, value: Codec.string })
    for (let i = 0; i < 5; i++) yield* writer.append(rows(i, rowsOfBatch))
    const before = { bytes: yield* Metrics.total(Metrics.commitBytes), commits: yield* Metrics.total(Metrics.commits) }
    const start = now()
    yield* Effect.forEach(
      Array.from({ length: count(updates / rowsOfBatch) }, (_, i) => 5 + i),
      (i) => Effect.suspend(() => writer.append(rows(i, rowsOfBatch))),
      { concurrency: inFlight, discard: true }
    )
    const seconds = (now() - start) / 1000
    const bytes = (yield* Metrics.total(Metrics.commitBytes)) - before.bytes
    const commits = (yield* Metrics.total(Metrics.commits)) - before.commits
    const part = Math.round(bytes / commits)
    const raw = yield* Effect.promise(() => barePuts(part, commits))
    return { ratio: bytes / seconds / raw, rate: bytes / seconds, part }
  }).pipe(Effect.scoped, Effect.provide(storage))

const ingestInto = Effect.fnUntraced(function*(what: string, storage: () => Storage, updates: number) {
  const found: Array<Row> = []
  for (const [rowsOfBatch, inFlight] of [[1000, 1], [1000, 16], [5000, 32]] as const) {
    const rounds: Array<Effect.Success<ReturnType<typeof ingestRound>>> = []
    for (let round = 0; round < 3; round++) {
      rounds.push(yield* ingestRound(storage(), updates, rowsOfBatch, inFlight))
    }
    const ratio = median(rounds.map((round) => round.ratio))
    const { part, rate } = rounds[1]!
    found.push({
      work: `${what}, batches of ${rowsOfBatch}, ${inFlight} in flight`,
      figure: `${(ratio * 100).toFixed(0)} % of the bare client (${(rate / 1e6).toFixed(1)} MB/s, appends of ${
        (part / 1024).toFixed(0)
      } KiB; rounds ${rounds.map((round) => (round.ratio * 100).toFixed(0)).join(", ")})`,
      target: ">= 60 %",
      holds: ratio >= 0.6
    })
  }
  return found
})

const ingest = ingestInto("ingest", () => S3Storage.layer(place()), 400_000)

/** Order in Postgres, bytes in the bucket: so much that merges put parts into the bucket meanwhile. */
const pair = Effect.acquireUseRelease(
  Effect.promise(server),
  (postgres) => {
    if (postgres === undefined) return Effect.succeed([])
    const storage = () =>
      Layer.merge(PostgresStorage.layerLog({ url: postgres.newStore() }), S3Storage.layerBlob(place()))
    return ingestInto("ingest, order in Postgres", storage, 2_000_000)
  },
  (postgres) => Effect.promise(async () => postgres?.remove())
)

/** Appends of one size through the log, each followed by a put of the bare client, so that both meet the same weather. */
const append = Effect.gen(function*() {
  const found: Array<Row> = []
  for (const bytes of [100_000, 1_400_000, 5_000_000]) {
    const entry = new Uint8Array(bytes).fill(7)
    const { prefix } = place()
    const times: Array<number> = []
    const bareTimes: Array<number> = []
    yield* Effect.scoped(Effect.gen(function*() {
      const log = Context.get(yield* Layer.build(S3Storage.layer(place())), Log.Log)
      const writer = yield* log.acquire
      for (let i = 0; i < count(60); i++) {
        const start = now()
        yield* writer.append(i, [entry])
        const middle = now()
        yield* Effect.promise(() =>
          bare.send(new PutObjectCommand({ Bucket: bucket, Key: `${prefix}/${i}`, Body: entry, IfNoneMatch: "*" }))
        )
        times.push(middle - start)
        bareTimes.push(now() - middle)
      }
    }))
    const ratio = median(bareTimes) / median(times)
    found.push({
      work: `an append of ${(bytes / 1000).toFixed(0)} kB to the log`,
      figure: `${(ratio * 100).toFixed(0)} % of the bare client (p50 ${median(times).toFixed(1)} ms, ${
        median(bareTimes).toFixed(1)
      } ms)`,
      target: ">= 60 %",
      holds: ratio >= 0.6
    })
  }
  return found
})

/** From the acknowledgement of an append to the entry in the hands of a follower of the log, and of a client. */
const follow = Effect.gen(function*() {
  const made = place()
  const client = <A>(layer: Layer.Layer<A>) => Layer.build(Layer.fresh(layer))
  const storage = yield* client(S3Storage.layer(made))
  const persist = yield* Effect.provide(PersistClient.make(), storage)
  const { writer } = yield* persist.createOrLoad("rows", { key: Codec.string, value: Codec.string })
  const reading = yield* Effect.provide(PersistClient.makeReadOnly(), yield* client(S3Storage.layer(made)))
  const { reader } = yield* reading.load("rows", { key: Codec.string, value: Codec.string })
  const { events } = yield* reader.listen()
  let seen = yield* Deferred.make<number>()
  yield* Effect.forkScoped(Stream.runForEach(events, () => Effect.suspend(() => Deferred.succeed(seen, now()))))
  const delays: Array<number> = []
  for (let i = 0; i < count(300); i++) {
    seen = yield* Deferred.make<number>()
    yield* writer.append(rows(i, 1))
    const acknowledged = now()
    delays.push(Math.max(0, (yield* Deferred.await(seen)) - acknowledged))
    // Writes at no particular place between two looks of the follower.
    yield* Effect.sleep(5 + i * 7 % 20)
  }
  const p50 = median(delays)
  const row: Row = {
    work: "a follower sees a write, after its acknowledgement",
    figure: `p50 ${p50.toFixed(1)} ms, p95 ${quantile(delays, 0.95).toFixed(1)} ms, p99 ${
      quantile(delays, 0.99).toFixed(1)
    } ms`,
    target: "p50 < 20 ms",
    holds: p50 < 20
  }
  return [row]
}).pipe(Effect.scoped)

const sections = { append, ingest, pair, follow }

const chosen = process.argv[2]
const names = Object.keys(sections).filter((name) => chosen === undefined || name === chosen)
const found: Array<Row> = []
for (const name of names) {
  found.push(...await Effect.runPromise(sections[name as keyof typeof sections] as Effect.Effect<Array<Row>>))
}
bare.destroy()
print(found)
