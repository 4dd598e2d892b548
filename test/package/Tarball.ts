/** The tarball that `npm pack` makes of the checkout, and directories in which it is installed. */
import { spawnSync } from "node:child_process"
import fs from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join, resolve } from "node:path"

export const root = resolve(import.meta.dirname, "../..")

const compilerOf = (name: string): string => join(root, "node_modules", name, "bin/tsc")

/** Those that the published types are checked with. The package is built with the last one. */
export const compilers = {
  "TypeScript 5.9": compilerOf("typescript-5"),
  "TypeScript 6": compilerOf("typescript"),
  "TypeScript 7": compilerOf("@typescript/native")
}

/** Runs a program to its end, and returns what it prints. Throws, with all that it printed, where it fails. */
export const must = (command: string, args: ReadonlyArray<string>, cwd: string): string => {
  const { error, status, stderr, stdout } = spawnSync(command, args, { cwd, encoding: "utf8", timeout: 300_000 })
  if (status !== 0) {
    throw new Error(`${command} ${args.join(" ")} ended with ${status ?? String(error)}: ${stdout}${stderr}`)
  }
  return stdout
}

/** Runs the npm that runs the tests. */
export const npm = (args: ReadonlyArray<string>, cwd: string): string => {
  const script = process.env["npm_execpath"]
  return script === undefined ? must("npm", args, cwd) : must(process.execPath, [script, ...args], cwd)
}

/** Packs a folder. Returns the file. */
const pack = (folder: string, into: string): string =>
  join(into, npm(["pack", "--silent", "--ignore-scripts", "--pack-destination", into], folder).trim())

export interface Tarball {
  /** The packed file. */
  readonly file: string
  /** What is in it. */
  readonly contents: string
  /** A new directory with the package and its dependencies installed, and these packages of the checkout beside it. */
  readonly consumer: (name: string, packages: ReadonlyArray<string>) => string
  /** A new directory in which npm has installed the package beside some version of `effect`, without any registry. */
  readonly installed: (effect: string) => string
  readonly remove: () => void
}

/** The packages that npm installs with it. */
const dependencies = (contents: string): ReadonlyArray<string> => {
  const manifest = JSON.parse(fs.readFileSync(join(contents, "package.json"), "utf8")) as {
    readonly dependencies: Readonly<Record<string, string>>
  }
  return Object.keys(manifest.dependencies)
}

/** Builds and packs the checkout. */
export const make = (): Tarball => {
  const home = fs.mkdtempSync(join(tmpdir(), "tidemark-package-"))
  const stage = join(home, "stage")
  for (const entry of fs.readdirSync(root)) {
    const isKept = /\.(md|txt)$|^(package\.json|LICENSE|src|docs)$/.test(entry)
    if (isKept) fs.cpSync(join(root, entry), join(stage, entry), { recursive: true })
  }
  must(process.execPath, [compilers["TypeScript 7"], "-p", "src", "--outDir", join(stage, "dist")], root)
  const file = pack(stage, home)
  must("tar", ["-xzf", file, "-C", home], home)
  const contents = join(home, "package")
  return {
    file,
    contents,
    consumer: (name, packages) => {
      const directory = join(home, name)
      fs.cpSync(contents, join(directory, "node_modules/tidemark"), { recursive: true })
      for (const each of [...packages, ...dependencies(contents)]) {
        const link = join(directory, "node_modules", each)
        fs.mkdirSync(dirname(link), { recursive: true })
        fs.symlinkSync(join(root, "node_modules", each), link)
      }
      fs.writeFileSync(join(directory, "package.json"), `{"type":"module"}`)
      return directory
    },
    installed: (effect) => {
      const directory = join(home, `beside-${effect}`)
      const stub = join(directory, "stub")
      fs.mkdirSync(stub, { recursive: true })
      fs.writeFileSync(join(stub, "package.json"), JSON.stringify({ name: "effect", version: effect }))
      fs.writeFileSync(join(directory, "package.json"), `{"type":"module"}`)
      const others = dependencies(contents).map((each) => join(root, "node_modules", each))
      const files = [stub, ...others].map((folder) => pack(folder, directory))
      npm(["install", "--offline", "--no-audit", "--no-fund", file, ...files], directory)
      return directory
    },
    remove: () => fs.rmSync(home, { recursive: true, force: true })
  }
}
