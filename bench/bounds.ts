/**
 * History is bounded, and nothing grows that should not: `npm run bench -- bounds [SCALE]` prints every target with what was
 * measured. At scale 1 the agent's table has 330,000 updates, and there are 10,000 collections and fifteen values of 16 MiB; the
 * default is a tenth.
 */
import { fork } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Agent from "./agent/measure.ts"
import type { Figures } from "./bounds/run.ts"
import { boundTable } from "./Report.ts"
import { machine } from "./Samples.ts"

const scale = Number(process.argv[2] ?? "0.1")
const parent = process.env["TIDEMARK_BENCH_DIR"] ?? os.tmpdir()

const child = (what: string, directory: string, ...args: ReadonlyArray<number>): Promise<Figures> =>
  new Promise((resolve, reject) => {
    const file = path.join(import.meta.dirname, "bounds/run.ts")
    const running = fork(file, [what, directory, ...args.map(String)], {
      execArgv: ["--conditions=tidemark-source", "--no-warnings"],
      stdio: ["ignore", "inherit", "inherit", "ipc"]
    })
    let answer: Figures | undefined
    running.on("message", (message) => (answer = message as Figures))
    running.on(
      "exit",
      (code) => answer === undefined ? reject(new Error(`${what} ended with ${code}`)) : resolve(answer)
    )
  })

const inDirectory = async <A>(use: (directory: string) => Promise<A>): Promise<A> => {
  const directory = fs.mkdtempSync(path.join(parent, "tidemark-bench-"))
  try {
    return await use(directory)
  } finally {
    fs.rmSync(directory, { recursive: true, force: true })
  }
}

const collections = (count: number) =>
  inDirectory(async (directory) => {
    const writes = Math.round(150_000 * scale)
    const written = await child("write", directory, count, writes)
    const opened = await child("open", directory, count, writes)
    return { ...written, opening: opened.cpu }
  })

const agent = Agent.bounds(await Agent.measure(scale, ["sqlite upserts", "tidemark"]))
const few = await collections(Math.max(2, Math.round(100 * scale)))
const many = await collections(Math.max(200, Math.round(10_000 * scale)))
const large = await inDirectory((directory) => child("large", directory, Math.max(2, Math.round(15 * scale))))

/** The budgets of a client with default options: rows in memory, commands that wait, decoded blocks, recent commits. */
const budgets = (64 + 64 + 64 + 8) * 1024 * 1024

console.log(`\n${machine()}, bounds at ${scale}\n`)
console.log(boundTable([
  ...agent.map((bound) => ({ ...bound, work: `agent table: ${bound.work}` })),
  { work: "100 x collections, the same writes: processor time", most: 2, measured: many.cpu / few.cpu, unit: "x" },
  { work: "100 x collections: files", most: 2, measured: many.files / few.files, unit: "x" },
  { work: "100 x collections: processor time of opening", most: 10, measured: many.opening / few.opening, unit: "x" },
  { work: "100 x collections: idle, of a core", most: 1, measured: 100 * many.idle, unit: "%" },
  { work: "values of 16 MiB: longest hold of the event loop", most: 20, measured: large.hold, unit: "ms" },
  {
    work: "values of 16 MiB: memory beyond the budgets",
    most: 150,
    measured: (large.memory - budgets) / 1e6,
    unit: "MB"
  }
]))
