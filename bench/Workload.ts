/**
 * One run of one workload on one engine, in a process of its own: so that engines do not share a heap, and memory and
 * garbage collection are the run's.
 */
import { fork } from "node:child_process"
import type { Engine } from "./Contract.ts"
import type { Batch } from "./Data.ts"
import { emptied } from "./Measure.ts"

export type Figures = Readonly<Record<string, number>>

export interface Run {
  readonly engine: Engine
  /** What the workload does differently: how many are in flight, how many listen. */
  readonly mode: string
  /** Empty, and there until the run is over. */
  readonly directory: string
}

export type Workload = (run: Run) => Promise<Figures>

const modules: Readonly<Record<string, string>> = {
  tidemark: "./Tidemark.ts",
  raw: "./Raw.ts",
  "classic-level": "./peers/ClassicLevel.ts",
  rocksdb: "./peers/RocksDb.ts",
  lmdb: "./peers/Lmdb.ts",
  sqlite: "./peers/Sqlite.ts",
  duckdb: "./peers/DuckDb.ts",
  postgres: "./peers/Postgres.ts"
}

/** Loads the one module that has the engine, so that no peer's native code runs in another's process. */
export const engineOf = async (name: string): Promise<Engine> => {
  const { engines } = await import(modules[name.split("/")[0]!]!) as { readonly engines: ReadonlyArray<Engine> }
  return engines.find((engine) => engine.name === name)!
}

const child = new URL("./run-workload.ts", import.meta.url)

/** Runs it elsewhere. A run that ends without figures is an error with what it said. */
export const inProcess = (workload: string, engine: string, mode: string, directory: string): Promise<Figures> =>
  new Promise((resolve, reject) => {
    emptied(directory)
    const running = fork(child, [workload, engine, mode, directory], {
      execArgv: ["--conditions=tidemark-source", "--expose-gc", "--max-old-space-size=6000", "--no-warnings"],
      stdio: ["ignore", "inherit", "pipe", "ipc"],
      timeout: 20 * 60 * 1000
    })
    let figures: Figures | undefined
    let said = ""
    running.stderr!.on("data", (text: Buffer) => (said = `${said}${text}`.slice(-2000)))
    running.on("message", (message) => (figures = finite(message as Figures)))
    running.on("exit", (code, signal) => {
      if (figures === undefined) reject(new Error(`${engine} ended with ${code ?? signal}: ${said.trim()}`))
      else resolve(figures)
    })
  })

/** What could be measured: what is no number has become `null` on its way. */
const finite = (figures: Readonly<Record<string, number | null>>): Figures =>
  Object.fromEntries(Object.entries(figures).flatMap(([name, value]) => value === null ? [] : [[name, value]]))

/** Batches as an engine takes them. */
export const prepared = (engine: Engine, batches: Iterable<Batch>): Array<Batch> => {
  const all = [...batches]
  for (const batch of all) engine.prepare(batch)
  return all
}
