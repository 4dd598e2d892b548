/**
 * The tables, as Markdown: ratios to targets first, then the figures behind them.
 */
import { median } from "./Measure.ts"
import type { Sample } from "./Samples.ts"
import { type Outcome, outcomes } from "./Targets.ts"

export const number = (value: number): string => {
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)} M`
  if (value >= 1e4) return `${(value / 1e3).toFixed(0)} k`
  if (value >= 100) return value.toFixed(0)
  return value >= 10 ? value.toFixed(1) : value.toFixed(2)
}

const withSpread = (values: ReadonlyArray<number>): string =>
  values.length === 1
    ? number(values[0]!)
    : `${number(median(values))} (${number(Math.min(...values))} to ${number(Math.max(...values))})`

const rowOf = ({ holds, ratios, target: { bound, kind, more, unit, work } }: Outcome): ReadonlyArray<string> => [
  work,
  kind.against,
  `${more ? ">=" : "<="} ${number(bound)} ${unit}`,
  `${withSpread(ratios)} ${unit}`,
  holds ? "yes" : "**no**"
]

export const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string =>
  [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n")

export const targetTable = (samples: ReadonlyArray<Sample>): string =>
  table(["work", "against", "target", "measured (spread)", "holds"], outcomes(samples).map(rowOf))

/** What costs how much more when there is 10 and 100 times as much of something. */
export const slopeTable = (all: ReadonlyArray<Sample>): string => {
  const samples = all.filter(({ workload }) => workload === "slopes")
  if (samples.length === 0) return ""
  const names = Object.keys(samples[0]!.figures)
  const cell = (what: string, name: string): string => {
    const at = (factor: number) =>
      median(samples.filter(({ mode }) => mode === `${what} ${factor}`).map(({ figures }) => figures[name]!))
    return [number(at(1)), ...[10, 100].map((factor) => `${number(at(factor) / at(1))} x`)].join(", ")
  }
  const dimensions = [...new Set(samples.map(({ mode }) => mode.split(" ")[0]!))]
  return table(
    ["more of: once, 10 times, 100 times", ...names],
    dimensions.map((what) => [what, ...names.map((name) => cell(what, name))])
  )
}

const titleOf = ({ mode, workload }: Sample): string => `${workload} ${mode}`.trim()

/** For each workload and mode: an engine a row, a figure a column. */
export const figureTables = (samples: ReadonlyArray<Sample>): string =>
  [...new Set(samples.filter(({ workload }) => workload !== "slopes").map(titleOf))].map((title) => {
    const own = samples.filter((sample) => titleOf(sample) === title)
    const names = [...new Set(own.flatMap(({ figures }) => Object.keys(figures)))]
    const rows = [...new Set(own.map(({ engine }) => engine))].map((engine) => [
      engine,
      ...names.map((name) => {
        const values = own.filter((each) => each.engine === engine).flatMap(({ figures }) => figures[name] ?? [])
        return values.length === 0 ? "" : withSpread(values)
      })
    ])
    return `**${title}**\n\n${table(["engine", ...names], rows)}`
  }).join("\n\n")
