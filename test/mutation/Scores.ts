/** What came out of automatic mutants, and its table in `docs/evidence.md`. */
import { isEquivalent } from "./Equivalents.ts"

/** The part of a mutation report that is read here; see the schema of `mutation-testing-report-schema`. */
export interface Report {
  readonly files: Readonly<Record<string, { readonly source: string; readonly mutants: ReadonlyArray<Mutant> }>>
}

export interface Mutant {
  readonly mutatorName: string
  readonly status: string
  readonly statusReason?: string
  readonly replacement?: string
  readonly location: { readonly start: Position; readonly end: Position }
}

/** Both from 1. */
interface Position {
  readonly line: number
  readonly column: number
}

/** A line of the table. */
export interface Score {
  readonly module: string
  readonly caught: number
  readonly missed: number
  /** No test runs the code. */
  readonly unreached: number
  /** Ones that change nothing, as `Equivalents.ts` explains. */
  readonly equivalent: number
  /** The commit whose code and tests they are of. */
  readonly commit: string
}

/** Not counted: what no test can be asked about one by one (constants of a module), and prose. */
const isLeftOut = ({ status, statusReason }: Mutant): boolean =>
  status === "CompileError" || (status === "Ignored" && /^(?:Static mutant|prose$)/.test(statusReason ?? ""))

const isUncaught = ({ status }: Mutant): boolean => status === "Survived" || status === "NoCoverage"

/** The code that a mutant replaces. */
const textOf = (source: string, { location: { end, start } }: Mutant): string => {
  const lines = source.split("\n").slice(start.line - 1, end.line)
  lines.push(lines.pop()!.slice(0, end.column - 1))
  return [lines[0]!.slice(start.column - 1), ...lines.slice(1)].join("\n")
}

const changesNothing = (module: string, source: string, mutant: Mutant): boolean =>
  isEquivalent(
    module,
    textOf(source, mutant),
    mutant.replacement ?? "",
    source.split("\n")[mutant.location.start.line - 1]!
  )

/** What no test noticed, though the code means something else. */
export const survivors = (module: string, report: Report): ReadonlyArray<Mutant> => {
  const { mutants, source } = report.files[module]!
  return mutants.filter((mutant) => isUncaught(mutant) && !changesNothing(module, source, mutant))
}

export const scores = (report: Report, commit: string): ReadonlyArray<Score> =>
  Object.entries(report.files).map(([module, { mutants, source }]) => {
    const counted = mutants.filter((mutant) => !isLeftOut(mutant))
    const survived = survivors(module, report)
    const count = (among: ReadonlyArray<Mutant>, ...statuses: ReadonlyArray<string>) =>
      among.filter(({ status }) => statuses.includes(status)).length
    return {
      module,
      caught: count(counted, "Killed", "Timeout", "RuntimeError"),
      missed: count(survived, "Survived"),
      unreached: count(survived, "NoCoverage"),
      equivalent: counted.filter((mutant) => isUncaught(mutant) && changesNothing(module, source, mutant)).length,
      commit
    }
  })

const total = ({ caught, missed, unreached }: Score): number => caught + missed + unreached

const percent = (score: Score): string =>
  total(score) === 0 ? "" : `${(Math.floor((1000 * score.caught) / total(score)) / 10).toFixed(1)} %`

const sum = (module: string, of: ReadonlyArray<Score>): Score => ({
  module,
  caught: of.reduce((n, each) => n + each.caught, 0),
  missed: of.reduce((n, each) => n + each.missed, 0),
  unreached: of.reduce((n, each) => n + each.unreached, 0),
  equivalent: of.reduce((n, each) => n + each.equivalent, 0),
  commit: ""
})

const folder = (module: string): string => module.slice(0, module.lastIndexOf("/"))

const head = ["module", "mutants", "caught", "missed", "not reached", "equivalent", "score", "commit"]
const begin = "<!-- mutants: written by `npm run mutants` -->"
const end = "<!-- /mutants -->"

const cells = (name: string, score: Score): ReadonlyArray<string> => [
  name,
  ...[total(score), score.caught, score.missed, score.unreached, score.equivalent].map(String),
  percent(score),
  score.commit
]

/** The modules, each folder with its sum before them. */
const table = (of: ReadonlyArray<Score>): string => {
  const sorted = of.toSorted((a, b) => a.module < b.module ? -1 : 1)
  const folders = [...new Set(sorted.map(({ module }) => folder(module)))].toSorted()
  const body = folders.flatMap((each) => {
    const within = sorted.filter(({ module }) => folder(module) === each)
    return [
      cells(`**${each}**`, sum(each, within)),
      ...within.map((score) => cells(`\`${score.module.slice(each.length + 1)}\``, score))
    ]
  })
  const widths = head.map((title, i) => Math.max(title.length, ...body.map((row) => row[i]!.length)))
  const line = (row: ReadonlyArray<string>) => `| ${row.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...body.map(line)].join("\n")
}

/** Reads the table back. */
const parse = (text: string): ReadonlyArray<Score> => {
  let within = ""
  return text.split("\n").flatMap((line) => {
    const row = line.split("|").slice(1, -1).map((cell) => cell.trim())
    const name = row[0] ?? ""
    if (name.startsWith("**")) within = name.slice(2, -2)
    if (!name.startsWith("`")) return []
    const [caught, missed, unreached, equivalent] = row.slice(2, 6).map(Number)
    return [{
      module: `${within}/${name.slice(1, -1)}`,
      caught: caught!,
      missed: missed!,
      unreached: unreached!,
      equivalent: equivalent!,
      commit: row[7] ?? ""
    }]
  })
}

/** The page with the lines of these modules in place of older ones; `exists` says which modules there still are. */
export const update = (page: string, of: ReadonlyArray<Score>, exists: (module: string) => boolean): string => {
  const from = page.indexOf(begin)
  const to = page.indexOf(end)
  if (from < 0 || to < from) throw new Error(`the page has no place for the table, between "${begin}" and "${end}"`)
  const fresh = new Set(of.map(({ module }) => module))
  const kept = parse(page.slice(from, to)).filter(({ module }) => !fresh.has(module) && exists(module))
  return `${page.slice(0, from)}${begin}\n\n${table([...kept, ...of])}\n\n${page.slice(to)}`
}

/** Where a survivor is and what it does. */
export const describe = (
  file: string,
  source: string,
  { location, mutatorName, replacement, status }: Mutant
): string => {
  const { end: { column: last, line: lastLine }, start: { column, line } } = location
  const lines = source.split("\n")
  const text = lastLine === line
    ? lines[line - 1]!.slice(column - 1, last - 1)
    : `${lines[line - 1]!.slice(column - 1)} ...`
  const note = status === "NoCoverage" ? " (no test comes here)" : ""
  return `${file}:${line}:${column} ${mutatorName}${note}: ${text} -> ${
    (replacement ?? "").replaceAll(/\s+/g, " ").slice(0, 120)
  }`
}
