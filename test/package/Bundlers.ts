/** How the programs of an application are started: as they are, by each bundler, and from an archive of Electron. */
import fs from "node:fs"
import { join } from "node:path"
import * as Runtimes from "../utils/Runtimes.ts"
import { must, root } from "./Tarball.ts"

/** Makes a program in the directory of an application ready, and returns the command that runs it. */
export type Build = (directory: string, program: string) => ReadonlyArray<string>

const module = (path: string) => join(root, "node_modules", path)

const bun = Runtimes.executable("bun")

export const esbuildCli = module("esbuild/bin/esbuild")

export const plain = (runtime: Runtimes.Runtime): Build => (_, program) => Runtimes.on(runtime, `${program}.ts`)

/** What is bundled beside a program, by the names that it gets. */
export type Others = Readonly<Record<string, string>>

export const worker: Others = { MergeWorker: "tidemark/worker" }

const folderOf = (bundler: string, program: string, others: Others): string =>
  join(bundler, [program, ...Object.keys(others)].join("-"))

const node = ["--bundle", "--platform=node", "--log-level=error"]

export const esbuild = (runtime: Runtimes.Runtime): Build => (directory, program) => {
  const out = `esbuild/${program}.mjs`
  must(esbuildCli, [`${program}.ts`, ...node, "--format=esm", `--outfile=${out}`], directory)
  return Runtimes.on(runtime, out)
}

/** What esbuild makes for Node.js unless it is told otherwise. */
export const esbuildCommonJs: Build = (directory, program) => {
  const out = `esbuild/${program}.cjs`
  must(esbuildCli, [`${program}.ts`, ...node, `--outfile=${out}`], directory)
  return Runtimes.on("node", out)
}

const configured = (directory: string, name: string, config: unknown): string => {
  fs.writeFileSync(join(directory, name), `export default ${JSON.stringify(config)}`)
  return name
}

export const rolldown = (others: Others = {}): Build => (directory, program) => {
  const dir = folderOf("rolldown", program, others)
  const input = { app: `${program}.ts`, ...others }
  const config = configured(directory, "rolldown.config.mjs", {
    input,
    platform: "node",
    output: { dir, format: "esm" }
  })
  must(process.execPath, [module("rolldown/bin/cli.mjs"), "--config", config], directory)
  return Runtimes.on("node", join(dir, "app.js"))
}

export const vite = (others: Others = {}): Build => (directory, program) => {
  const outDir = folderOf("vite", program, others)
  const input = { app: `${program}.ts`, ...others }
  const build = { ssr: true, outDir, rollupOptions: { input } }
  const config = configured(directory, "vite.config.mjs", { ssr: { noExternal: true }, logLevel: "error", build })
  must(process.execPath, [module("vite/bin/vite.js"), "build", "--config", config], directory)
  return Runtimes.on("node", join(outDir, "app.js"))
}

/** Bun takes files, and no names of packages: each of the others is a file that imports the package. */
const filesOf = (directory: string, others: Others): ReadonlyArray<string> =>
  Object.entries(others).map(([name, from]) => {
    fs.writeFileSync(join(directory, `${name}.ts`), `import "${from}"`)
    return `${name}.ts`
  })

export const bunBundle = (others: Others = {}): Build => (directory, program) => {
  const out = folderOf("bun", program, others)
  must(bun, ["build", `${program}.ts`, ...filesOf(directory, others), "--target=bun", `--outdir=${out}`], directory)
  return Runtimes.on("bun", join(out, `${program}.js`))
}

export const bunCompile = (others: Others = {}): Build => (directory, program) => {
  const out = join(directory, folderOf("compiled", program, others))
  must(bun, ["build", "--compile", `${program}.ts`, ...filesOf(directory, others), `--outfile=${out}`], directory)
  return [out]
}

/** Packs a folder as an archive, with what a pattern names beside it, and returns the command that runs its `main.js`. */
const packed = (folder: string, unpack: ReadonlyArray<string>): ReadonlyArray<string> => {
  const archive = `${folder}.asar`
  must(process.execPath, [module("@electron/asar/bin/asar.mjs"), "pack", folder, archive, ...unpack], root)
  fs.rmSync(folder, { recursive: true })
  return [...Runtimes.on("node", join(import.meta.dirname, "InArchive.ts")), archive, "main.js"]
}

const manifest = `{"type":"module"}`

/** The bundle and its worker in an archive, the worker unpacked or not. */
export const archivedBundle = (unpack: ReadonlyArray<string>): Build => (directory, program) => {
  const folder = join(directory, `bundle${unpack.length}`, program)
  const entries = Object.entries({ main: `${program}.ts`, ...worker }).map(([name, from]) => `${name}=${from}`)
  must(esbuildCli, [...entries, ...node, "--format=esm", `--outdir=${folder}`], directory)
  fs.writeFileSync(join(folder, "package.json"), manifest)
  return packed(folder, unpack)
}

/** Of a package, what runs. */
const isNeeded = (path: string): boolean => fs.statSync(path).isDirectory() || /\.js$|\bpackage\.json$/.test(path)

/** The program and its packages in an archive, as they are, some of them unpacked or none. */
export const archived = (unpack: ReadonlyArray<string>): Build => (directory, program) => {
  const folder = join(directory, `packages${unpack.length}`, program)
  const flags = ["--log-level=error", "--format=esm", `--outfile=${join(folder, "main.js")}`]
  must(esbuildCli, [`${program}.ts`, ...flags], directory)
  fs.writeFileSync(join(folder, "package.json"), manifest)
  for (const each of ["tidemark", "effect", "@noble/hashes", "fzstd"]) {
    const from = fs.realpathSync(join(directory, "node_modules", each))
    fs.cpSync(from, join(folder, "node_modules", each), { recursive: true, filter: isNeeded })
  }
  return packed(folder, unpack)
}
