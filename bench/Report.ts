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

/** For each workload and mode: an engine a row, a figure a column. */
export const figureTables = (samples: ReadonlyArray<Sample>): string =>
  [...new Set(samples.map(({ mode, workload }) => `${workload} ${mode}`.trim()))].map((title) => {
    const own = samples.filter(({ mode, workload }) => `${workload} ${mode}`.trim() === title)
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
