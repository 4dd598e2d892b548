/** The runtimes that the library is for, as npm has installed them. */
import { spawnSync } from "node:child_process"
import fs from "node:fs"
import { join, resolve } from "node:path"

const root = resolve(import.meta.dirname, "../..")

const module = (path: string) => join(root, "node_modules", path)

const isWindows = process.platform === "win32"

/** How a program is started. Without the first file, the runtime is not installed. */
const commands = {
  node: [process.execPath],
  /** The oldest that is supported. A package around it keeps its name out of those that scripts run. */
  "node 22.19": [join(root, `test/node-22/node_modules/node/bin/node${isWindows ? ".exe" : ""}`)],
  bun: [module("bun/bin/bun.exe")],
  deno: [module(`deno/deno${isWindows ? ".exe" : ""}`), "run", "--allow-all", "--quiet", "--node-modules-dir=manual"]
} as const

export type Runtime = keyof typeof commands

export const all: ReadonlyArray<Runtime> = ["node", "node 22.19", "bun", "deno"]

/** The program of a runtime itself. */
export const executable = (runtime: Runtime): string => commands[runtime][0]

/** The command that runs a file. */
export const on = (runtime: Runtime, file: string): readonly [string, ...ReadonlyArray<string>] => {
  const [command, ...flags] = commands[runtime]
  return [command, ...flags, file]
}

/** Before its install script has run, a package has a small file in place of the program. */
export const isInstalled = (runtime: Runtime): boolean => {
  const file = executable(runtime)
  return fs.existsSync(file) && fs.statSync(file).size > 1_000_000
}

/** What the runtime says of itself. */
export const version = (runtime: Runtime): string =>
  spawnSync(executable(runtime), ["--version"], { encoding: "utf8" }).stdout.trim()
