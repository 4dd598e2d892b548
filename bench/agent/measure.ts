/**
 * Measures every store at the agent's table, each in processes of its own, and what the targets are.
 */
import { fork } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { median } from "../Measure.ts"
import type { Figures, Opened } from "./run.ts"
import type { Name } from "./Stores.ts"

export type Measured = Figures & { readonly cold: Opened }

const child = <A>(what: string, name: Name, directory: string, scale: number): Promise<A> =>
  new Promise((resolve, reject) => {
    const running = fork(path.join(import.meta.dirname, "run.ts"), [what, name, directory, String(scale)], {
      execArgv: ["--conditions=tidemark-source", "--no-warnings"],
      stdio: ["ignore", "inherit", "inherit", "ipc"]
    })
    let answer: A | undefined
    running.on("message", (message) => (answer = message as A))
    running.on(
      "exit",
      (code) => answer === undefined ? reject(new Error(`${name} ended with ${code}`)) : resolve(answer)
    )
  })

const measureOne = async (name: Name, base: string, scale: number): Promise<Measured> => {
  const directory = path.join(base, name.replace(" ", "-"))
  fs.mkdirSync(directory)
  const figures = await child<Figures>("write", name, directory, scale)
  if (name === "none") return { ...figures, cold: { millis: 0, cpu: 0 } }
  const openings: Array<Opened> = []
  for (let round = 0; round < 5; round++) openings.push(await child<Opened>("open", name, directory, scale))
  const compacted = await child<number>("compact", name, directory, scale)
  const cold = { millis: median(openings.map(({ millis }) => millis)), cpu: median(openings.map(({ cpu }) => cpu)) }
  return { ...figures, compacted, cold }
}

/** All stores at a scale, or those whose names begin as wanted. */
export const measure = async (scale: number, wanted: ReadonlyArray<string> | undefined) => {
  const base = fs.mkdtempSync(path.join(process.env["TIDEMARK_BENCH_DIR"] ?? os.tmpdir(), "tidemark-bench-"))
  try {
    const measured = new Map<Name, Measured>()
    for (const name of ["none", "sqlite events", "sqlite upserts", "tidemark"] as const) {
      if (name !== "none" && wanted !== undefined && !wanted.some((each) => name.startsWith(each))) continue
      measured.set(name, await measureOne(name, base, scale))
    }
    return measured
  } finally {
    fs.rmSync(base, { recursive: true, force: true })
  }
}

/** Processor time without what making the events takes. */
export const cpuOf = (measured: ReadonlyMap<Name, Measured>, name: Name): number =>
  Math.max(0, measured.get(name)!.cpu - measured.get("none")!.cpu)

/** What is measured, as a row of a table of targets, with the most that it may be. */
export interface Bound {
  readonly work: string
  readonly most: number
  readonly measured: number
  readonly unit: string
}

/** The targets of the agent's table, where Tidemark and SQLite's upserts were both measured. */
export const bounds = (measured: ReadonlyMap<Name, Measured>): ReadonlyArray<Bound> => {
  const ours = measured.get("tidemark")
  const theirs = measured.get("sqlite upserts")
  if (ours === undefined || theirs === undefined) return []
  const { live } = measured.get("none")!
  const ratio = (work: string, most: number, measured: number): Bound => ({ work, most, measured, unit: "x" })
  return [
    ratio(
      "processor time, over SQLite's upserts",
      1.2,
      cpuOf(measured, "tidemark") / cpuOf(measured, "sqlite upserts")
    ),
    ratio("bytes written, over SQLite's upserts", 0.8, ours.written / theirs.written),
    ratio("disk, most on the way, over live bytes", 3, ours.most / live),
    ratio("disk, at rest for 5 s, over live bytes", 1.2, ours.rest / live),
    ratio("cold start to one session, over SQLite's upserts", 1, ours.cold.millis / theirs.cold.millis)
  ]
}
