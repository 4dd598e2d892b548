/**
 * Draws what `bench/results` holds into `docs/performance`, and puts its tables into `docs/performance.md`, between two
 * comments: `npm run bench -- pictures`, then `npm run format`.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { median } from "./Measure.ts"
import { figureTables, number, slopeTable, targetTable } from "./Report.ts"
import { load, type Sample } from "./Samples.ts"

interface Picture {
  readonly workload: string
  readonly mode: string
  readonly figure: string
  readonly title: string
}

const pictures: ReadonlyArray<Picture> = [
  { workload: "w1", mode: "one", figure: "rate", title: "W1, one batch at a time: updates a second" },
  { workload: "w1", mode: "sixteen", figure: "rate", title: "W1, 16 batches in flight: updates a second" },
  { workload: "w2", mode: "sixtyfour", figure: "rate", title: "W2, 64 writers: acknowledgements a second" },
  { workload: "w2", mode: "one", figure: "p50", title: "W2, one writer: p50 in milliseconds (less is better)" },
  { workload: "w3", mode: "snapshot", figure: "rate", title: "W3, snapshot: updates read a second" },
  { workload: "w4", mode: "one", figure: "rate", title: "W4, one listener: updates a second" },
  { workload: "w4", mode: "ten", figure: "rate", title: "W4, ten listeners: updates a second" },
  { workload: "w5", mode: "", figure: "ready", title: "W5, crash to first snapshot: milliseconds (less is better)" },
  { workload: "w6", mode: "", figure: "rate", title: "W6, bounded history: updates a second" },
  { workload: "w6", mode: "", figure: "space", title: "W6, bytes on disk over live bytes (less is better)" },
  {
    workload: "openloop",
    mode: "10000",
    figure: "write p99",
    title: "Open loop, 10,000 updates a second: p99 in milliseconds (less is better)"
  }
]

const barHeight = 22
const labelWidth = 150
const barWidth = 420
const width = labelWidth + barWidth + 90

/** One bar an engine, Tidemark's in another colour, the spread of the rounds as a line. */
const drawn = ({ figure, mode, title, workload }: Picture, samples: ReadonlyArray<Sample>): string => {
  const own = samples.filter((each) => each.workload === workload && each.mode === mode)
  const bars = [...new Set(own.map(({ engine }) => engine))].flatMap((engine) => {
    const values = own.filter((each) => each.engine === engine).flatMap(({ figures }) => figures[figure] ?? [])
    return values.length === 0 ? [] : [{ engine, values }]
  })
  const most = Math.max(...bars.flatMap(({ values }) => values))
  const x = (value: number): string => (labelWidth + value / most * barWidth).toFixed(1)
  const rows = bars.map(({ engine, values }, i) => {
    const top = 40 + i * barHeight
    const middle = top + 8
    const color = engine.startsWith("tidemark") ? "#1f6f8b" : engine.startsWith("raw") ? "#666" : "#b8c4cc"
    const value = median(values)
    return [
      `<text x="${labelWidth - 8}" y="${top + 12}" text-anchor="end">${engine}</text>`,
      `<rect x="${labelWidth}" y="${top}" width="${
        (value / most * barWidth).toFixed(1)
      }" height="16" fill="${color}"/>`,
      `<path d="M${x(Math.min(...values))} ${middle}H${x(Math.max(...values))}" stroke="#333"/>`,
      `<text x="${Number(x(Math.max(...values))) + 6}" y="${top + 12}">${number(value)}</text>`
    ].join("\n")
  })
  const height = 40 + bars.length * barHeight + 10
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" ` +
    `font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    `<text x="12" y="22" font-size="14" font-weight="bold">${title}</text>`,
    ...rows,
    "</svg>",
    ""
  ].join("\n")
}

const docs = path.join(import.meta.dirname, "../docs")
const saved = load()
const samples = saved.flatMap((each) => each.samples)

fs.mkdirSync(path.join(docs, "performance"), { recursive: true })
const drawings = pictures
  .filter((picture) => samples.some(({ mode, workload }) => workload === picture.workload && mode === picture.mode))
  .map((picture) => {
    const { figure, mode, title, workload } = picture
    const name = `performance/${workload}-${mode}-${figure}.svg`.replace(/[ -]+/g, "-")
    fs.writeFileSync(path.join(docs, name), drawn(picture, samples))
    return `![${title}](${name})`
  })

const measured = [
  "<!-- measured -->",
  targetTable(samples),
  "### Costs at 10 and 100 times as much",
  slopeTable(samples),
  "### Pictures",
  ...drawings,
  "### The figures behind them",
  saved.map(({ machine, samples }) => `- ${samples[0]?.workload}: ${machine}`).join("\n"),
  figureTables(samples),
  "<!-- /measured -->"
].join("\n\n")

const page = path.join(docs, "performance.md")
const text = fs.readFileSync(page, "utf8")
fs.writeFileSync(page, text.replace(/<!-- measured -->[^]*<!-- \/measured -->/, () => measured))
