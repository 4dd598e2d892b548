/**
 * Tidemark, its peers and the bare disk at the same work: `npm run bench [-- WORKLOAD ...] [--engines tidemark,raw]`.
 *
 * A round runs every engine once, each in a process of its own, one after the other: ratios are taken within a round, and
 * the medians are over `TIDEMARK_BENCH_RUNS` rounds (5). `TIDEMARK_BENCH_SCALE=0.1` makes everything smaller by that factor,
 * `TIDEMARK_BENCH_DIR` says where the data lies. Samples are kept in `bench/results`, or
 * where `TIDEMARK_BENCH_RESULTS` says.
 */
import { Effect } from "effect"
import * as fs from "node:fs"
import * as path from "node:path"
import { parseArgs } from "node:util"
import { query, type Server, server } from "../test/postgres/Server.ts"
import { loadAverage, scratch } from "./Measure.ts"
import { installPeers } from "./peers/install.ts"
import { figureTables, number, slopeTable, targetTable } from "./Report.ts"
import { machine, type Sample, save } from "./Samples.ts"
import { inProcess } from "./Workload.ts"

const ours = ["tidemark/strings", "tidemark/bytes"]
const logs = ["classic-level/log", "rocksdb/log", "lmdb/log", "sqlite/log", "duckdb/log", "postgres/log"]
const keyed = ["classic-level/keyed", "rocksdb/keyed", "lmdb/keyed", "sqlite/keyed"]
const upserts = ["classic-level/upsert", "rocksdb/upsert", "lmdb/upsert", "sqlite/upsert"]
const listening = ["classic-level/log", "sqlite/log", "postgres/log"]

/** Which engines run a workload, mode by mode. */
const plan: Readonly<Record<string, Readonly<Record<string, ReadonlyArray<string>>>>> = {
  w1: { one: [...ours, "raw/append", ...logs], sixteen: [...ours, ...logs] },
  w2: { one: [...ours, "raw/append", ...logs], sixtyfour: [...ours, ...logs] },
  w3: { snapshot: [...ours, ...logs, ...keyed], get: [...ours, "lmdb/upsert"] },
  w4: { one: [...ours, ...listening], ten: [...ours, ...listening] },
  w5: { "": [...ours, ...logs.filter((name) => name !== "postgres/log")] },
  w6: { "": [...ours, ...upserts, "sqlite/log", "duckdb/log", "postgres/log"] },
  openloop: Object.fromEntries(
    ["1000", "10000", "100000"].map((rate) => [rate, [...ours, "lmdb/log", "rocksdb/log", ...listening]])
  ),
  compaction: { "": ["tidemark/strings"] },
  package: { "": ["tidemark/strings"] },
  slopes: Object.fromEntries(
    ["history", "keys", "collections", "listeners"].flatMap((what) =>
      [1, 10, 100].map((factor) => [`${what} ${factor}`, ["tidemark/strings"]])
    )
  )
}

const { positionals, values } = parseArgs({ allowPositionals: true, options: { engines: { type: "string" } } })
const rounds = Number(process.env["TIDEMARK_BENCH_RUNS"] ?? "5")
const wanted = values.engines?.split(",")
const isWanted = (engine: string) => wanted === undefined || wanted.some((prefix) => engine.startsWith(prefix))
const workloads = positionals.length === 0 ? Object.keys(plan) : positionals
const unknown = workloads.find((workload) => plan[workload] === undefined)
if (unknown !== undefined) {
  console.error(`there is no workload "${unknown}"; there are ${Object.keys(plan).join(", ")}`)
  process.exit(2)
}

const engines = workloads.flatMap((workload) => Object.values(plan[workload]!).flat()).filter(isWanted)
const needsPeers = workloads.some((name) => name === "openloop" || name === "package") ||
  engines.some((engine) => !/^(?:tidemark|raw)\//.test(engine))
if (needsPeers) installPeers()

const base = scratch("suite")

/** A server with as much memory as the other peers take, on a socket. */
const bootPostgres = async (): Promise<Server | undefined> => {
  const booted = await server()
  if (booted === undefined) return undefined
  const ask = (sql: string) => Effect.runPromise(query(booted.url, sql))
  await ask("ALTER SYSTEM SET shared_buffers = '1GB'")
  await ask("ALTER SYSTEM SET max_wal_size = '4GB'")
  await ask("ALTER SYSTEM SET work_mem = '256MB'")
  const [row] = await ask("SHOW unix_socket_directories")
  process.env["TIDEMARK_BENCH_POSTGRES"] = `${Object.values(row!)[0]}/.s.PGSQL.${new URL(booted.url).port}`
  await booted.stopImmediately()
  await booted.start()
  return booted
}

const booted = engines.includes("postgres/log") ? await bootPostgres() : undefined

const measure = async (workload: string, mode: string, engine: string, round: number): Promise<Array<Sample>> => {
  const directory = path.join(base, `${workload}-${mode}-${engine}-${round}`.replace(/[ /]/g, "-"))
  const title = `${workload} ${mode} ${engine}, round ${round + 1} of ${rounds}`
  try {
    const figures = await inProcess(workload, engine, mode, directory)
    const load = loadAverage()
    console.error(
      `${title}: ${Object.entries(figures).map(([name, value]) => `${name} ${number(value)}`).join(", ")}; load ${load}`
    )
    return [{ workload, mode, engine, round, load, figures }]
  } catch (error) {
    console.error(`${title}: ${error}`)
    process.exitCode = 1
    return []
  } finally {
    fs.rmSync(directory, { recursive: true, force: true })
  }
}

const all: Array<Sample> = []
for (const workload of workloads) {
  const samples: Array<Sample> = []
  for (let round = 0; round < rounds; round++) {
    for (const [mode, planned] of Object.entries(plan[workload]!)) {
      for (const engine of planned.filter(isWanted)) {
        if (engine === "postgres/log" && booted === undefined) continue
        samples.push(...await measure(workload, mode, engine, round))
      }
    }
  }
  save(workload, samples)
  all.push(...samples)
}
await booted?.remove()
const tables = [targetTable(all), slopeTable(all), figureTables(all)]
console.log(["", `${machine()}, ${rounds} rounds`, ...tables.filter((each) => each !== "")].join("\n\n"))
