/**
 * Applications of people who have nothing but the packed tarball and its peers: the programs of the README, word for word,
 * and one that compacts its store and opens it again. On each runtime, bundled and not.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import fs from "node:fs"
import { join } from "node:path"
import * as Runtimes from "../utils/Runtimes.ts"
import * as Bundlers from "./Bundlers.ts"
import { compilers, must, type Tarball } from "./Tarball.ts"

/** The programs of an application, by name: each is a file `<name>.ts`. */
export const programs = ["readme1", "readme2", "store"] as const

type Program = typeof programs[number]

export interface Consumer {
  readonly name: string
  readonly runtime: Runtimes.Runtime
  /** Those that the gate runs; `npm run consumers` runs all that are possible. */
  readonly quick: ReadonlyArray<Program>
  readonly whole: ReadonlyArray<Program>
  readonly build: Bundlers.Build
  /** Whether merges run in a worker, and not, with a warning, in the thread of the program. */
  readonly hasWorker: boolean
}

const consumer = (
  name: string,
  runtime: Runtimes.Runtime,
  build: Bundlers.Build,
  options: Partial<Pick<Consumer, "quick" | "whole" | "hasWorker">> = {}
): Consumer => ({ name, runtime, build, quick: [], whole: programs, hasWorker: false, ...options })

const { worker } = Bundlers
const quick = ["store"] as const

export const consumers: ReadonlyArray<Consumer> = [
  consumer("Node", "node", Bundlers.plain("node"), { quick: programs, hasWorker: true }),
  consumer("Node 22.19", "node 22.19", Bundlers.plain("node 22.19"), { quick: programs, hasWorker: true }),
  consumer("Bun", "bun", Bundlers.plain("bun"), { quick: programs, hasWorker: true }),
  consumer("Deno", "deno", Bundlers.plain("deno"), { quick: programs, hasWorker: true }),
  consumer("esbuild, ESM, on Node", "node", Bundlers.esbuild("node"), { quick: programs }),
  consumer("esbuild, ESM, on Bun", "bun", Bundlers.esbuild("bun")),
  consumer("esbuild, ESM, on Deno", "deno", Bundlers.esbuild("deno")),
  // The programs of the README await at their top, which CommonJS cannot.
  consumer("esbuild, CommonJS", "node", Bundlers.esbuildCommonJs, { quick, whole: quick }),
  consumer("rolldown", "node", Bundlers.rolldown()),
  consumer("rolldown, with the worker", "node", Bundlers.rolldown(worker), { quick, hasWorker: true }),
  consumer("vite build --ssr", "node", Bundlers.vite()),
  consumer("vite, with the worker", "node", Bundlers.vite(worker), { quick, hasWorker: true }),
  consumer("bun build", "bun", Bundlers.bunBundle()),
  consumer("bun build, with the worker", "bun", Bundlers.bunBundle(worker), { quick, hasWorker: true }),
  consumer("bun build --compile", "bun", Bundlers.bunCompile(), { quick: programs }),
  consumer("--compile, with the worker", "bun", Bundlers.bunCompile(worker), { quick, hasWorker: true }),
  consumer("asar of a bundle", "node", Bundlers.archivedBundle([]), { quick }),
  consumer("asar, the worker unpacked", "node", Bundlers.archivedBundle(["--unpack", "**/MergeWorker.js"]), {
    quick,
    hasWorker: true
  }),
  consumer("asar of packages", "node", Bundlers.archived([])),
  consumer(
    "asar, packages unpacked",
    "node",
    Bundlers.archived(["--unpack-dir", "node_modules/{tidemark,effect,@noble,fzstd}"]),
    { hasWorker: true }
  )
]

/** The peers, required and optional, and what their types and those of Node.js need. */
const peers = ["effect", "@effect", "@types", "@aws-sdk", "@smithy", "@tanstack", "hyparquet", "hyparquet-writer"]

/** A program that imports every entry point, and fails to compile where a type became `any`. */
const entryPoints = (tarball: Tarball): string => {
  const { exports } = JSON.parse(fs.readFileSync(join(tarball.contents, "package.json"), "utf8")) as Manifest
  const paths = Object.entries(exports).flatMap(([path, target]) => typeof target === "string" ? [] : path.slice(1))
  const imports = paths.map((path, i) => `import * as entry${i} from "tidemark${path}"`)
  return `${imports.join("\n")}
export const all = [${paths.map((_, i) => `entry${i}`).join()}]
import type { CollectionEvent, PersistClient } from "tidemark"
type IsAny<A> = 0 extends 1 & A ? true : false
type Event = CollectionEvent.CollectionEvent<string, number>
type Frontier = Extract<Event, { readonly _tag: "Progress" }>["frontier"]
type Stop = PersistClient.PersistClient["Service"]["stop"]
export const isNotAny: [IsAny<Event>, IsAny<Frontier>, IsAny<Stop>] = [false, false, false]
`
}

export interface Manifest {
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>
  readonly peerDependencies: Readonly<Record<string, string>>
  readonly peerDependenciesMeta: Readonly<Record<string, { readonly optional: boolean }>>
}

/** A directory with the package and the programs. */
export const application = (tarball: Tarball): string => {
  const directory = tarball.consumer("application", peers)
  const readme = fs.readFileSync(join(tarball.contents, "README.md"), "utf8")
  const blocks = [...readme.matchAll(/^```ts\n(import .*?)^```$/gms)].map(([, code]) => code!)
  if (blocks.length !== 2) throw new Error(`the README has ${blocks.length} programs, and not 2`)
  blocks.forEach((code, i) => fs.writeFileSync(join(directory, `readme${i + 1}.ts`), code))
  const copies = { "../node/BundleProgram": "store", ContractProgram: "contract", KillProgram: "kill" }
  for (const [from, to] of Object.entries(copies)) {
    fs.copyFileSync(join(import.meta.dirname, `${from}.ts`), join(directory, `${to}.ts`))
  }
  fs.writeFileSync(join(directory, "entries.ts"), entryPoints(tarball))
  return directory
}

/** Type-checks all programs, and the declarations that they import. Returns what is wrong. */
export const typeErrors = (
  directory: string,
  moduleResolution: "bundler" | "nodenext",
  compiler: keyof typeof compilers
): string => {
  const files = ["entries", ...programs].map((each) => `${each}.ts`)
  const module = moduleResolution === "bundler" ? "esnext" : "nodenext"
  const flags = ["--noEmit", "--strict", "--skipLibCheck", "false", "--types", "node", "--target", "es2022"]
  const resolution = ["--lib", "es2024,dom", "--module", module, "--moduleResolution", moduleResolution]
  try {
    return must(process.execPath, [compilers[compiler], ...flags, ...resolution, ...files], directory)
  } catch (error) {
    return String(error)
  }
}

interface Found {
  readonly rows: number
  readonly before: number
  readonly after: number
  readonly warnings: ReadonlyArray<string>
}

const matches = (pattern: RegExp) => (printed: string): ReadonlyArray<string> => {
  // Runtimes print values in their own ways.
  if (!pattern.test(printed.replaceAll("'", "\""))) throw new Error(`it printed ${printed}`)
  return []
}

/** Throw where a program has printed something else than the README says, or the store was not compacted. Return warnings. */
export const checks: Readonly<Record<Program, (printed: string) => ReadonlyArray<string>>> = {
  readme1: matches(/"Draft of a plan".*"Draft".*"Draft of a plan"/s),
  readme2: matches(/as of 1.*"ordered".*as of 2.*"shipped"/s),
  store: (printed) => {
    const found = JSON.parse(printed) as Found
    if (found.rows !== 1 || found.before === 0 || found.after > found.before / 10) {
      throw new Error(`the store was not compacted: ${printed}`)
    }
    return found.warnings
  }
}

/** Runs programs. Throws where one fails, prints something else than it should, or merges elsewhere than it should. */
export const check = (
  directory: string,
  { build, hasWorker, name }: Consumer,
  programs: ReadonlyArray<Program>
): void => {
  for (const program of programs) {
    const [command, ...args] = build(directory, program)
    const warnings = checks[program](must(command!, [...args, `store of ${name}`], directory))
    const expected = program === "store" && !hasWorker ? ["Warn merging"] : []
    if (warnings.map((line) => line.slice(0, 12)).join() !== expected.join()) {
      throw new Error(`${program} warned: ${warnings.join() || "nothing"}`)
    }
  }
}

/** Runs the contract of storage on files in a runtime. Returns how many rules hold; throws where one does not. */
export const contract = (directory: string, runtime: Runtimes.Runtime): number => {
  const [command, ...rest] = Runtimes.on(runtime, "contract.ts")
  const printed = must(command, [...rest, join(directory, `contract on ${runtime}`)], directory)
  return Number(/^(\d+) rules hold$/m.exec(printed)?.[1] ?? 0)
}

/** Kills a writer in a runtime again and again. Returns how many appends it had acknowledged, and how many are found. */
export const kills = async (directory: string, runtime: Runtimes.Runtime, times: number) => {
  const store = `killed on ${runtime}`
  const [command, ...rest] = Runtimes.on(runtime, "kill.ts")
  let acknowledged = 0
  for (let time = 0; time < times; time++) {
    const writer = spawn(command, [...rest, "write", store], { cwd: directory, stdio: ["ignore", "pipe", "inherit"] })
    const enough = acknowledged + 50
    let pending = ""
    writer.stdout.on("data", (bytes) => {
      const lines = `${pending}${bytes}`.split("\n")
      pending = lines.pop()!
      for (const line of lines) acknowledged = Number(line) + 1
      if (acknowledged >= enough) writer.kill("SIGKILL")
    })
    const [code, signal] = await once(writer, "close")
    if (signal !== "SIGKILL") throw new Error(`the writer ended with ${code}, and was not killed`)
  }
  return { acknowledged, found: Number(must(command, [...rest, "read", store], directory)) }
}
