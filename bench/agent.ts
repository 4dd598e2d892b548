/**
 * The event table of a coding agent, in Tidemark and in SQLite's two ways: `npm run bench -- agent [SCALE]`.
 *
 * Parts of 0.5 to 20 KiB are rewritten dozens of times while they are streamed in, and `since` follows. At scale 1 that is
 * 330,000 updates, 1 GB given and 32 MB live; the default is a tenth. Every store runs in a process of its own; processor
 * time is that of all its threads, user and system, without what making the events takes.
 */
import { fork } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import type { Figures, Opened } from "./agent/run.ts"
import type { Name } from "./agent/Stores.ts"
import { median } from "./Measure.ts"
import { table } from "./Report.ts"
import { machine } from "./Samples.ts"

const scale = Number(process.argv[2] ?? "0.1")
const only = process.argv[3]?.split(",")
const base = fs.mkdtempSync(path.join(process.env["TIDEMARK_BENCH_DIR"] ?? os.tmpdir(), "tidemark-bench-"))
process.on("exit", () => fs.rmSync(base, { recursive: true, force: true }))

const child = <A>(what: string, name: Name, directory: string): Promise<A> =>
  new Promise((resolve, reject) => {
    const running = fork(path.join(import.meta.dirname, "agent/run.ts"), [what, name, directory, String(scale)], {
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

const measure = async (name: Name): Promise<Figures & { readonly cold: Opened }> => {
  const directory = path.join(base, name.replace(" ", "-"))
  fs.mkdirSync(directory)
  const figures = await child<Figures>("write", name, directory)
  if (name === "none") return { ...figures, cold: { millis: 0, cpu: 0 } }
  const openings: Array<Opened> = []
  for (let round = 0; round < 5; round++) openings.push(await child<Opened>("open", name, directory))
  const compacted = await child<number>("compact", name, directory)
  const cold = { millis: median(openings.map(({ millis }) => millis)), cpu: median(openings.map(({ cpu }) => cpu)) }
  return { ...figures, compacted, cold }
}

const names = (["none", "sqlite events", "sqlite upserts", "tidemark"] as const)
  .filter((name) => name === "none" || only === undefined || only.some((each) => name.startsWith(each)))
const measured = new Map<Name, Awaited<ReturnType<typeof measure>>>()
for (const name of names) measured.set(name, await measure(name))

const making = measured.get("none")!.cpu
const cpuOf = ({ cpu }: Figures): number => Math.max(0, cpu - making)
const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`

const figures: ReadonlyArray<readonly [string, (of: Figures & { readonly cold: Opened }) => string]> = [
  ["processor time", (of) => `${cpuOf(of).toFixed(1)} s`],
  ["time to write", ({ seconds }) => `${seconds.toFixed(1)} s`],
  ["bytes written", ({ written }) => mb(written)],
  ["disk, most on the way", ({ most }) => mb(most)],
  ["disk, at rest for 5 s", ({ rest }) => mb(rest)],
  ["disk, closed", ({ end }) => mb(end)],
  ["disk, after compact", ({ compacted }) => mb(compacted)],
  ["resident memory, most", ({ memory }) => mb(memory)],
  ["longest hold of the event loop", ({ hold }) => `${hold.toFixed(0)} ms`],
  [
    "cold start to one session",
    ({ cold }) => `${cold.millis.toFixed(0)} ms (${(cold.cpu * 1000).toFixed(0)} ms of processor time)`
  ]
]
const stores = names.filter((name) => name !== "none")
const { given, live } = measured.get("none")!
console.log(`\n${machine()}, agent table at ${scale}: ${mb(given)} given, ${mb(live)} live\n`)
console.log(
  table(["", ...stores], figures.map(([title, of]) => [title, ...stores.map((name) => of(measured.get(name)!))]))
)

const ours = measured.get("tidemark")
const theirs = measured.get("sqlite upserts")
if (ours !== undefined && theirs !== undefined) {
  const targets: ReadonlyArray<readonly [string, number, number]> = [
    ["processor time, over SQLite's upserts", cpuOf(ours) / cpuOf(theirs), 1.2],
    ["bytes written, over SQLite's upserts", ours.written / theirs.written, 0.8],
    ["disk, most on the way, over live bytes", ours.most / live, 3],
    ["disk, at rest for 5 s, over live bytes", ours.rest / live, 1.2],
    ["cold start to one session, over SQLite's upserts", ours.cold.millis / theirs.cold.millis, 1]
  ]
  console.log("")
  console.log(table(
    ["target", "at most", "measured", "holds"],
    targets.map((
      [title, value, most]
    ) => [title, `${most} x`, `${value.toFixed(2)} x`, value <= most ? "yes" : "**no**"])
  ))
}
