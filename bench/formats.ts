/**
 * What sources and sinks cost: `npm run bench -- formats`. Exports 1,000,000 updates of a store on files to Parquet, NDJSON
 * and CSV, beside the same snapshot read plainly, and has DuckDB read what was written. `TIDEMARK_BENCH_SCALE=0.1` makes it
 * smaller by that factor.
 */
import { DuckDBInstance } from "@duckdb/node-api"
import { Effect, Layer, Stream } from "effect"
import * as fs from "node:fs"
import * as path from "node:path"
import { Csv, Ndjson } from "../src/formats/index.ts"
import { Codec, PersistClient } from "../src/index.ts"
import { FileStorage } from "../src/node/index.ts"
import { type Flow, replay } from "../src/operators/index.ts"
import { Parquet } from "../src/parquet/index.ts"
import { batch, batchRows, keys } from "./Lines.ts"
import { count, median, scratch } from "./Measure.ts"
import { machine } from "./Samples.ts"

const batches = count(1000)
const total = batches * batchRows
const rounds = 5
const target = 500_000

const directory = scratch("formats")

type Rows = Stream.Stream<Exclude<Flow.Event<string, string>, { readonly _tag: "Errors" }>, unknown>

/** Seconds that a snapshot takes on its way into a file of the name. */
const measure = <A>(name: string, use: (flow: Rows) => Stream.Stream<A, unknown>) =>
  Effect.gen(function*() {
    const client = yield* PersistClient.PersistClient
    const { reader } = yield* client.load("rows", { key: Codec.string, value: Codec.string })
    const file = fs.openSync(path.join(directory, name), "w")
    globalThis.gc?.()
    const start = performance.now()
    const flow = replay(yield* reader.snapshot()).pipe(Stream.filter((event) => event._tag !== "Errors"))
    yield* Stream.runForEach(use(flow), (part) =>
      Effect.sync(() => {
        if (part instanceof Uint8Array) fs.writeSync(file, part)
      }))
    const seconds = (performance.now() - start) / 1000
    fs.closeSync(file)
    return seconds
  }).pipe(Effect.scoped)

const ways = {
  plainly: (flow: Rows) => flow,
  parquet: Parquet.encode({ key: "text", value: "text" }),
  ndjson: Ndjson.encode,
  csv: Csv.encode
}

const program = Effect.gen(function*() {
  const client = yield* PersistClient.PersistClient
  const { writer } = yield* client.createOrLoad("rows", { key: Codec.string, value: Codec.string })
  for (let time = 0; time < batches; time++) yield* writer.append(batch(time))
  yield* writer.seal(batches)

  const seconds = new Map<string, Array<number>>()
  // In turns, without the first round, in which the code is not optimised yet.
  for (let round = -1; round < rounds; round++) {
    for (const [name, way] of Object.entries(ways)) {
      const took = yield* measure(`rows.${name}`, way as (flow: Rows) => Stream.Stream<unknown, unknown>)
      if (round >= 0) seconds.set(name, [...(seconds.get(name) ?? []), took])
    }
  }
  return seconds
}).pipe(
  Effect.provide(
    PersistClient.layer().pipe(Layer.provide(FileStorage.layer({ directory: path.join(directory, "s") })))
  ),
  Effect.orDie
)

/** What another engine finds in the file: how many rows, and their sums. */
const readByDuckDb = async (file: string): Promise<string> => {
  const connection = await (await DuckDBInstance.create(":memory:", { threads: "2" })).connect()
  const found = await connection.runAndReadAll(
    `SELECT count(*)::INTEGER, sum(diff)::INTEGER, max("time")::INTEGER, min(key), typeof(any_value(value)) FROM '${file}'`
  )
  const [row] = found.getRows()
  const expected = [total, total, batches - 1, keys[0], "VARCHAR"]
  if (JSON.stringify(row) !== JSON.stringify(expected)) {
    throw new Error(`DuckDB found ${JSON.stringify(row)} instead of ${JSON.stringify(expected)}`)
  }
  return `DuckDB read all ${total} rows of rows.parquet, and their times and diffs`
}

try {
  const seconds = await Effect.runPromise(program)
  const secondsOf = (name: string): number => median(seconds.get(name)!)
  console.log(`\n${machine()}, ${total} updates\n`)
  console.log(
    "| way | updates a second | time beside a plain read | bytes | target | holds |\n|---|---|---|---|---|---|"
  )
  for (const name of Object.keys(ways)) {
    const speed = total / secondsOf(name)
    const { size } = fs.statSync(path.join(directory, `rows.${name}`))
    const holds = name !== "parquet" || speed >= target
    const goal = name === "parquet" ? `>= ${target}` : ""
    const ratio = (secondsOf(name) / secondsOf("plainly")).toFixed(2)
    console.log(
      `| ${name} | ${Math.round(speed)} | ${ratio} | ${size} | ${goal} | ${
        goal === "" ? "" : holds ? "yes" : "**no**"
      } |`
    )
    if (!holds) process.exitCode = 1
  }
  console.log(`\n${await readByDuckDb(path.join(directory, "rows.parquet"))}`)
} finally {
  fs.rmSync(directory, { recursive: true, force: true })
}
