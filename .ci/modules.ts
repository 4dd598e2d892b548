/**
 * The tables of modules in `docs/architecture.md`, made of the first sentence of each module's header.
 *
 * `node .ci/modules.ts` writes them anew. A test checks that the page is what this would write.
 */
import * as fs from "node:fs"
import * as path from "node:path"

const root = path.resolve(import.meta.dirname, "..")
const page = path.join(root, "docs", "architecture.md")
const begin = "<!-- modules: written by .ci/modules.ts -->\n"
const end = "<!-- /modules -->\n"

/** The rooms in the order of the page, each with what it is for. A folder that is missing here comes last, without. */
const rooms: ReadonlyArray<readonly [folder: string, title: string]> = [
  ["", "times, updates, typed values to bytes and back"],
  ["batch", "columnar updates, pure"],
  ["engine", "the state machine, pure"],
  ["storage", "the two services and their memory layer"],
  ["runtime", "the fibers around the engine"],
  ["client", "what applications call"],
  ["tables", "one value a key, with transactions"],
  ["operators", "flows"],
  ["formats", "flows from and to other programs"],
  ["parquet", "the same for Parquet files"],
  ["backup", "the store in another place, as of some positions"],
  ["views", "what is computed from collections"],
  ["testing", "what users also get"],
  ["testing/storage", "contracts of the two services, faults, a simulated disk"],
  ["testing/simulation", "one seed, one history"],
  ["testing/history", "what was requested and what was replied, judged"],
  ["testing/nemesis", "processes that try to break a promise"],
  ["node", "files and worker threads"],
  ["web", "storage and platform of browsers"],
  ["config", "where a store lies, as configuration"],
  ["postgres", "log and blobs in a database"],
  ["s3", "log and blobs in a bucket"],
  ["server", "a store over HTTP"],
  ["services", "services of Effect, on tables"],
  ["cli", "the tool"],
  ["cli/commands", "one module a command"]
]

interface Module {
  readonly name: string
  readonly room: string
  readonly sentence: string
}

/** The first sentence of the first docstring of a source, or nothing. */
export const sentenceOf = (source: string): string => {
  const header = /^(?:#!.*\n)?\/\*\*\n([^]*?)\n ?\*\//.exec(source)?.[1] ?? ""
  const paragraph = header.split(/\n \*\s*\n/)[0]!.replaceAll(/^ \* ?/gm, "").replaceAll("\n", " ").trim()
  return /^.*?\.(?= [A-Z]|$)/.exec(paragraph)?.[0] ?? paragraph
}

const known = rooms.map(([folder]) => folder)

const roomOf = (folder: string): string =>
  known.filter((room) => room !== "" && (folder === room || folder.startsWith(`${room}/`)))
    .toSorted((a, b) => b.length - a.length)[0] ?? folder

const modules = (): ReadonlyArray<Module> =>
  fs.readdirSync(path.join(root, "src"), { recursive: true, encoding: "utf8" })
    .map((file) => file.replaceAll(path.sep, "/"))
    // What an `index.ts` owns is an entry point, which package.json lists.
    .filter((file) => file.endsWith(".ts") && !/(?:^|\/)index\.ts$/.test(file))
    .toSorted()
    .map((file) => ({
      name: file.slice(0, -".ts".length),
      room: roomOf(path.posix.dirname(file) === "." ? "" : path.posix.dirname(file)),
      sentence: sentenceOf(fs.readFileSync(path.join(root, "src", file), "utf8"))
    }))

const cell = (text: string): string => text.replaceAll("|", "\\|")

const table = (rows: ReadonlyArray<Module>): string => {
  const cells = [["module", "what it owns"], ...rows.map(({ name, sentence }) => [`\`${name}\``, cell(sentence)])]
  const widths = [0, 1].map((column) => Math.max(...cells.map((row) => row[column]!.length)))
  const line = (row: ReadonlyArray<string>) => `| ${row.map((text, i) => text.padEnd(widths[i]!)).join(" | ")} |`
  return [line(cells[0]!), line(widths.map((width) => "-".repeat(width))), ...cells.slice(1).map(line)].join("\n")
}

const heading = (room: string, title: string | undefined): string =>
  room === "" ? `### Vocabulary: ${title}` : `### \`${room}/\`${title === undefined ? "" : `: ${title}`}`

/** The section as it should be. */
export const section = (): string => {
  const all = modules()
  const others = [...new Set(all.map(({ room }) => room))].filter((room) => !known.includes(room)).toSorted()
  const titled: ReadonlyArray<readonly [string, string | undefined]> = [
    ...rooms,
    ...others.map((room) => [room, undefined] as const)
  ]
  const tables = titled.flatMap(([room, title]) => {
    const rows = all.filter((module) => module.room === room)
    return rows.length === 0 ? [] : [`${heading(room, title)}\n\n${table(rows)}\n`]
  })
  return `${begin}\n${tables.join("\n")}\n${end}`
}

/** A page with the section as it should be. */
export const withSection = (text: string): string => {
  const from = text.indexOf(begin)
  const to = text.indexOf(end)
  if (from < 0 || to < from) throw new Error("docs/architecture.md has lost the marks around its tables of modules")
  return text.slice(0, from) + section() + text.slice(to + end.length)
}

if (import.meta.main) fs.writeFileSync(page, withSection(fs.readFileSync(page, "utf8")))
