/**
 * The event table of a coding agent, in Tidemark and in SQLite's two ways: `npm run bench -- agent [SCALE]`.
 *
 * Parts of 0.5 to 20 KiB are rewritten dozens of times while they are streamed in, and `since` follows. At scale 1 that is
 * 330,000 updates, 1 GB given and 32 MB live; the default is a tenth. Every store runs in a process of its own; processor
 * time is that of all its threads, user and system, without what making the events takes.
 */
import * as Bounds from "./agent/Bounds.ts"
import { measure, type Measured } from "./agent/Measure.ts"
import type { Name } from "./agent/Stores.ts"
import { scratch } from "./Measure.ts"
import { table } from "./Report.ts"
import { machine } from "./Samples.ts"
import * as Target from "./Target.ts"

const scale = Number(process.argv[2] ?? "0.1")
const only = process.argv[3]?.split(",")
const base = scratch("agent")

const names = (["none", "sqlite events", "sqlite upserts", "tidemark", "tables"] as const)
  .filter((name) => name === "none" || only === undefined || only.some((each) => name.startsWith(each)))
const measured = new Map<Name, Measured>()
for (const name of names) measured.set(name, await measure(name, base, scale))

const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`

const figures: ReadonlyArray<readonly [string, (of: Measured, name: Name) => string]> = [
  ["processor time", (_, name) => `${Bounds.cpuOf(measured, name).toFixed(1)} s`],
  ["time to write", ({ seconds }) => `${seconds.toFixed(1)} s`],
  ["bytes written", ({ written }) => mb(written)],
  ["disk, most on the way", ({ most }) => mb(most)],
  ["disk, at rest for 5 s", ({ rest }) => mb(rest)],
  ["disk, closed", ({ end }) => mb(end)],
  ["disk, after compact", ({ compacted }) => mb(compacted)],
  ["resident memory, most", ({ memory }) => mb(memory)],
  ["longest hold of the event loop", ({ hold }) => `${hold.toFixed(0)} ms`],
  ["cold start to one session", ({ cold }) => `${cold.process.toFixed(0)} ms`],
  ["of it after the program is loaded", ({ cold }) => `${cold.millis.toFixed(1)} ms`],
  ["processor time of it", ({ cold }) => `${(cold.cpu * 1000).toFixed(0)} ms`]
]
const stores = names.filter((name) => name !== "none")
const { given, live } = measured.get("none")!
console.log(`\n${machine()}, agent table at ${scale}: ${mb(given)} given, ${mb(live)} live\n`)
console.log(
  table(["", ...stores], figures.map(([title, of]) => [title, ...stores.map((name) => of(measured.get(name)!, name))]))
)

Target.print(Bounds.bounds(measured))
