/**
 * History is bounded, and nothing grows that should not: `npm run bench -- bounds [SCALE]` prints every target with what was
 * measured. At scale 1 the agent's table has 330,000 updates, and there are 10,000 collections, fifteen values of 16 MiB, a
 * thousand commits for a hundred subscribers, and histories of 10,000,000 updates; the default is a tenth.
 */
import * as path from "node:path"
import { bound, bounds } from "./agent/Bounds.ts"
import { measure, type Measured } from "./agent/Measure.ts"
import type { Name } from "./agent/Stores.ts"
import type { Figures } from "./bounds/run.ts"
import { bundled } from "./Bundle.ts"
import { answerOf } from "./Child.ts"
import { emptied, scratch } from "./Measure.ts"
import * as PointReads from "./PointReads.ts"
import * as Target from "./Target.ts"

const scale = Number(process.argv[2] ?? "0.1")
const base = scratch("bounds")

const run = await bundled(path.join(import.meta.dirname, "bounds/run.ts"), base)
const child = (what: string, directory: string, ...args: ReadonlyArray<number>): Promise<Figures> =>
  answerOf(run, [what, directory, ...args.map(String)], what)

const collections = async (count: number) => {
  const directory = emptied(path.join(base, `${count} collections`))
  const writes = Math.round(150_000 * scale)
  const written = await child("write", directory, count, writes)
  const opened = await child("open", directory, count, writes)
  return { ...written, opening: opened.cpu }
}

const agent = new Map<Name, Measured>()
for (const name of ["none", "sqlite upserts", "tidemark"] as const) agent.set(name, await measure(name, base, scale))
const few = await collections(Math.max(2, Math.round(100 * scale)))
const many = await collections(Math.max(200, Math.round(10_000 * scale)))
const large = await child("large", emptied(path.join(base, "large")), Math.max(2, Math.round(15 * scale)))

const commits = Math.max(50, Math.round(1_000 * scale))
const subscribed = (subscribers: number) =>
  child("subscribe", emptied(path.join(base, `${subscribers} subscribers`)), subscribers, commits)
const one = await subscribed(1)
const hundred = await subscribed(100)

/** The processor time of opening a store of so many keys and updates, and reading one row of it. */
const opening = async (keys: number, updates: number): Promise<number> => {
  const directory = emptied(path.join(base, `${updates} updates of ${keys} keys`))
  await child("grow", directory, keys, updates)
  return (await child("reopen", directory, keys, updates)).cpu
}

const updates = Math.round(100 * scale) * 1_000
const small = await opening(1_000, updates)
const longer = await opening(1_000, 100 * updates)
const wider = await opening(100_000, 100 * updates)

// Memory is as full as it gets at any scale.
const reads = await PointReads.rows(path.join(base, "reads"), 1)

/** The budgets of a client with default options: rows in memory, commands that wait, decoded blocks, recent commits. */
const budgets = (64 + 64 + 64 + 8) * 1024 * 1024

Target.print([
  ...bounds(agent).map((row) => ({ ...row, work: `agent table: ${row.work}` })),
  bound("100 x collections, the same writes: processor time", 2, many.cpu / few.cpu),
  bound("100 x collections: files", 2, many.files / few.files),
  bound("100 x collections: processor time of opening", 10, many.opening / few.opening),
  bound("100 x collections: idle, of a core", 1, 100 * many.idle, "%"),
  bound("100 subscribers against one, commits of 1,000 rows: processor time", 3, hundred.cpu / one.cpu),
  bound("100 x history: processor time of opening and the first row", 1.5, longer / small),
  bound("100 x history and keys: processor time of opening and the first row", 1.5, wider / small),
  ...reads,
  bound("values of 16 MiB: longest hold of the event loop", 20, large.hold, "ms"),
  bound("values of 16 MiB: memory beyond the budgets", 150, (large.memory - budgets) / 1e6, "MB")
])
