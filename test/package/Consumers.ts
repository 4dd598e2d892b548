/**
 * Applications of people who have nothing but the packed tarball and its peers: the programs of the README, word for word,
 * and one that compacts its store and opens it again. On each runtime, bundled and not.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import fs from "node:fs"
import { join } from "node:path"
import { compilers, must, root, type Tarball } from "./Tarball.ts"

const module = (path: string) => join(root, "node_modules", path)

/** How a program is started, by runtime: without a file of it, the runtime is not installed. */
const runtimes = {
  node: [process.execPath],
  /** The oldest that is supported. A package around it keeps its name out of those that scripts run. */
  "node 22.19": [join(root, "test/node-22/node_modules/node/bin/node")],
  bun: [module("bun/bin/bun.exe")],
  deno: [module("deno/deno"), "run", "--allow-all", "--quiet", "--node-modules-dir=manual"]
} as const

export type Runtime = keyof typeof runtimes

const on = (runtime: Runtime, file: string) => [...runtimes[runtime], file]

export const allRuntimes: ReadonlyArray<Runtime> = ["node", "node 22.19", "bun", "deno"]

export const isInstalled = (runtime: Runtime): boolean => {
  const file = runtimes[runtime][0]
  return fs.existsSync(file) && fs.statSync(file).size > 1_000_000
}

/** What the runtime says of itself. */
export const version = (runtime: Runtime): string => must(runtimes[runtime][0], ["--version"], root).trim()

/** The programs of an application, by name: each is a file `<name>.ts`. */
export const programs = ["readme1", "readme2", "store"] as const

type Program = typeof programs[number]

/** Makes a program in the directory of an application ready, and returns the command that runs it. */
type Build = (directory: string, program: Program) => ReadonlyArray<string>

export interface Consumer {
  readonly name: string
  readonly runtime: Runtime
  /** Whether the gate has it. */
  readonly isQuick: boolean
  readonly build: Build
}

const plain = (runtime: Runtime): Build => (_, program) => on(runtime, `${program}.ts`)

export const esbuildCli = module("esbuild/bin/esbuild")

const esbuild = (runtime: Runtime): Build => (directory, program) => {
  const out = `esbuild/${program}.mjs`
  const flags = ["--bundle", "--platform=node", "--log-level=error", "--format=esm", `--outfile=${out}`]
  must(esbuildCli, [`${program}.ts`, ...flags], directory)
  return on(runtime, out)
}

const rolldown: Build = (directory, program) => {
  const out = `rolldown/${program}`
  const cli = module("rolldown/bin/cli.mjs")
  must(process.execPath, [cli, `${program}.ts`, "--platform", "node", "--format", "esm", "--dir", out], directory)
  return on("node", `${out}/${program}.js`)
}

const vite: Build = (directory, program) => {
  const out = `vite/${program}`
  const config = `export default { ssr: { noExternal: true }, logLevel: "error" }`
  fs.writeFileSync(join(directory, "vite.config.mjs"), config)
  must(process.execPath, [module("vite/bin/vite.js"), "build", "--ssr", `${program}.ts`, "--outDir", out], directory)
  return on("node", `${out}/${program}.js`)
}

const bunBundle: Build = (directory, program) => {
  const out = `bun/${program}.js`
  must(runtimes.bun[0], ["build", `${program}.ts`, "--target=bun", `--outfile=${out}`], directory)
  return on("bun", out)
}

const bunCompile: Build = (directory, program) => {
  const out = join(directory, "compiled", program)
  must(runtimes.bun[0], ["build", "--compile", `${program}.ts`, `--outfile=${out}`], directory)
  return [out]
}

export const consumers: ReadonlyArray<Consumer> = [
  { name: "Node", runtime: "node", isQuick: true, build: plain("node") },
  { name: "Node 22.19", runtime: "node 22.19", isQuick: true, build: plain("node 22.19") },
  { name: "Bun", runtime: "bun", isQuick: true, build: plain("bun") },
  { name: "Deno", runtime: "deno", isQuick: true, build: plain("deno") },
  { name: "esbuild, ESM, on Node", runtime: "node", isQuick: true, build: esbuild("node") },
  { name: "esbuild, ESM, on Bun", runtime: "bun", isQuick: false, build: esbuild("bun") },
  { name: "esbuild, ESM, on Deno", runtime: "deno", isQuick: false, build: esbuild("deno") },
  { name: "rolldown", runtime: "node", isQuick: false, build: rolldown },
  { name: "vite build --ssr", runtime: "node", isQuick: false, build: vite },
  { name: "bun build", runtime: "bun", isQuick: false, build: bunBundle },
  { name: "bun build --compile", runtime: "bun", isQuick: true, build: bunCompile }
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

interface Output {
  readonly first: string
  readonly second: string
  /** What is said of a store that was compacted, as JSON. */
  readonly store: string
}

/** Throws where the programs have printed something else than the README says, or the store was not compacted. */
export const checkOutput = (name: string, { first, second, store }: Output): ReadonlyArray<string> => {
  // Runtimes print values in their own ways.
  if (!/"Draft of a plan".*"Draft".*"Draft of a plan"/s.test(first.replaceAll("'", "\""))) {
    throw new Error(`${name}: the first program printed ${first}`)
  }
  if (!/as of 1.*"ordered".*as of 2.*"shipped"/s.test(second.replaceAll("'", "\""))) {
    throw new Error(`${name}: the second program printed ${second}`)
  }
  const found = JSON.parse(store) as Found
  if (found.rows !== 1 || found.before === 0 || found.after > found.before / 10) {
    throw new Error(`${name}: the store was not compacted: ${store}`)
  }
  return found.warnings
}

/** Runs the programs. Throws where one fails, prints something else than the README says, or its store is not compacted. */
export const check = (directory: string, { build, name }: Consumer): ReadonlyArray<string> => {
  const run = (program: Program, ...args: ReadonlyArray<string>): string => {
    const [command, ...rest] = build(directory, program)
    return must(command!, [...rest, ...args], directory)
  }
  return checkOutput(name, { first: run("readme1"), second: run("readme2"), store: run("store", `store of ${name}`) })
}

/** Runs the contract of storage on files in a runtime. Returns how many rules hold; throws where one does not. */
export const contract = (directory: string, runtime: Runtime): number => {
  const [command, ...rest] = on(runtime, "contract.ts")
  const printed = must(command!, [...rest, join(directory, `contract on ${runtime}`)], directory)
  return Number(/^(\d+) rules hold$/m.exec(printed)?.[1] ?? 0)
}

/** Kills a writer in a runtime again and again. Returns how many appends it had acknowledged, and how many are found. */
export const kills = async (directory: string, runtime: Runtime, times: number) => {
  const store = `killed on ${runtime}`
  const [command, ...rest] = on(runtime, "kill.ts")
  let acknowledged = 0
  for (let time = 0; time < times; time++) {
    const writer = spawn(command!, [...rest, "write", store], { cwd: directory, stdio: ["ignore", "pipe", "inherit"] })
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
  return { acknowledged, found: Number(must(command!, [...rest, "read", store], directory)) }
}
