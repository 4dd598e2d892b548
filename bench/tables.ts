/**
 * Tables, beside collections and SQLite: `npm run bench -- tables [SCALE] [WORK,...]`.
 *
 * Work is `set`, `transact`, `contend`, `get`, `memory`, `keys` and `agent`, and all of it by default; the default scale is 0.2.
 * With scale 1, `keys` writes 100,000, 1,000,000 and 3,000,000 rows within the default budgets, which follow the scale. Every measurement runs in a process of its own. Ratios are taken within a round, one of time and one of processor time, and
 * the table has their medians over `TIDEMARK_BENCH_RUNS` rounds (3).
 */
import * as path from "node:path"
import { measure } from "./agent/Measure.ts"
import { answerOf } from "./Child.ts"
import { emptied, median, scratch } from "./Measure.ts"
import { number, table } from "./Report.ts"
import { machine } from "./Samples.ts"
import type { Figures } from "./tables/run.ts"

const scale = Number(process.argv[2] ?? "0.2")
const only = process.argv[3]?.split(",")
const rounds = Number(process.env["TIDEMARK_BENCH_RUNS"] ?? "3")
const base = scratch("tables")

const child = (what: string, directory = emptied(path.join(base, "work"))): Promise<Figures> => {
  const args = [what, directory, String(scale)]
  return answerOf(path.join(import.meta.dirname, "tables/run.ts"), args, what, ["--expose-gc"])
}

interface Measured {
  readonly work: string
  readonly against: string
  readonly bound: number
  readonly more: boolean
  readonly unit: string
  /** One a round. */
  readonly values: ReadonlyArray<number>
  /** The same, of processor time. */
  readonly cpu?: ReadonlyArray<number>
}

/** Runs the works in turn, round by round. */
const inRounds = async (...works: ReadonlyArray<string>): Promise<ReadonlyArray<ReadonlyArray<Figures>>> => {
  const found: Array<ReadonlyArray<Figures>> = []
  for (let round = 0; round < rounds; round++) {
    const figures: Array<Figures> = []
    for (const work of works) {
      figures.push(await child(work))
      const said = Object.entries(figures.at(-1)!).map(([name, value]) => `${name} ${number(value)}`)
      console.error(`${work}, round ${round + 1} of ${rounds}: ${said.join(", ")}`)
    }
    found.push(figures)
  }
  return found
}

/** How often the rate of the second the first has, and how often its processor time is that of the first. */
const rates = async (mine: string, theirs: string) => {
  const found = await inRounds(mine, theirs)
  return {
    values: found.map(([a, b]) => a!["rate"]! / b!["rate"]!),
    cpu: found.map(([a, b]) => b!["cpu"]! / a!["cpu"]!),
    more: true,
    unit: "x"
  }
}

/** What processes keep in memory that have written a store of so many keys, or have opened it again, beyond an empty one. */
const keys = async (): Promise<ReadonlyArray<Measured>> => {
  const found: Array<Measured> = []
  let empty = 0
  for (const times of [0, 1, 10, 30]) {
    const directory = emptied(path.join(base, "work"))
    for (const what of ["written", "reopened"]) {
      const figures = await child(`${what} ${times}`, directory)
      const said = Object.entries(figures).map(([name, bytes]) => `${name} ${(bytes / 1e6).toFixed(0)} MB`)
      const work = `memory of the process, ${number(times * 100_000 * scale)} small keys ${what}`
      console.error(`${work}: ${said.join(", ")}`)
      if (times === 0) empty = figures["bytes"]!
      else {
        const values = [(figures["bytes"]! - empty) / figures["budgets"]!]
        found.push({ work, against: "its budgets", bound: 1.5, more: false, unit: "x", values })
      }
    }
  }
  return found
}

const agent = async (): Promise<ReadonlyArray<Measured>> => {
  const [theirs, ours] = [await measure("sqlite upserts", base, scale), await measure("tables", base, scale)]
  const against = "SQLite's upserts"
  const most = { against, more: false, unit: "x" }
  return [
    { ...most, work: "agent table: disk, at rest", bound: 1 / 3, values: [ours.rest / theirs.rest] },
    {
      ...most,
      work: "agent table: cold start of a process to one session",
      bound: 1,
      values: [ours.cold.process / theirs.cold.process],
      cpu: [ours.cold.cpu / theirs.cold.cpu]
    },
    {
      ...most,
      work: "agent table: of it opening and reading",
      bound: 1,
      values: [ours.cold.millis / theirs.cold.millis]
    }
  ]
}

const works: Readonly<Record<string, () => Promise<ReadonlyArray<Measured>>>> = {
  set: async () => [
    { work: "set, 64 fibers", against: "the same appends", bound: 0.8, ...await rates("set", "append") }
  ],
  transact: async () => [
    {
      work: "transaction of a read and two writes, 64 fibers",
      against: "SQLite, one connection",
      bound: 5,
      ...await rates("transact", "sqlite")
    }
  ],
  contend: async () => [
    {
      work: "the same, all on one key: p99",
      against: "its p50",
      bound: 20,
      more: false,
      unit: "x",
      values: (await inRounds("contend")).map(([each]) => each!["p99"]! / each!["p50"]!)
    }
  ],
  get: async () => [
    {
      work: "get, hot",
      against: "",
      bound: 3,
      more: false,
      unit: "microseconds of processor time",
      values: (await inRounds("get")).map(([each]) => each!["micros"]!)
    }
  ],
  memory: async () => [
    {
      work: "memory with ten times the keys",
      against: "once the keys",
      bound: 1.5,
      more: false,
      unit: "x",
      values: (await inRounds("memory", "memory 10")).map(([once, ten]) => ten!["bytes"]! / once!["bytes"]!)
    }
  ],
  keys,
  agent
}

const all: Array<Measured> = []
for (const [name, run] of Object.entries(works)) {
  if (only === undefined || only.includes(name)) all.push(...await run())
}

const spread = (values: ReadonlyArray<number>): string =>
  values.length < 2
    ? number(values[0]!)
    : `${number(median(values))} (${number(Math.min(...values))} to ${number(Math.max(...values))})`

console.log(`\n${machine()}, tables at ${scale}, ${rounds} rounds\n`)
console.log(table(
  ["work", "against", "target", "measured", "by processor time", "holds"],
  all.map(({ against, bound, cpu, more, unit, values, work }) => [
    work,
    against,
    `${more ? ">=" : "<="} ${number(bound)} ${unit}`,
    spread(values),
    cpu === undefined ? "" : spread(cpu),
    (more ? median(values) >= bound : median(values) <= bound) ? "yes" : "**no**"
  ])
))
