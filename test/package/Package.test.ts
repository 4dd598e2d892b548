// What the packed tarball does to those who install it.
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import fs from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, dirname, join, resolve } from "node:path"

const root = resolve(import.meta.dirname, "../..")
const compiler = join(root, "node_modules/typescript/bin/tsc")

let home = ""
afterAll(() => fs.rmSync(home, { recursive: true, force: true }))

const must = (command: string, args: ReadonlyArray<string>, cwd: string): string => {
  const { status, stderr, stdout } = spawnSync(command, args, { cwd, encoding: "utf8" })
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${status}: ${stdout}${stderr}`)
  return stdout
}

/** A directory with the package installed from its tarball, and these packages of the checkout beside it. */
const consumer = (name: string, packages: ReadonlyArray<string>): string => {
  const directory = join(home, name)
  fs.cpSync(join(home, "package"), join(directory, "node_modules/tidemark"), { recursive: true })
  for (const each of packages) {
    const link = join(directory, "node_modules", each)
    fs.mkdirSync(dirname(link), { recursive: true })
    fs.symlinkSync(join(root, "node_modules", each), link)
  }
  fs.writeFileSync(join(directory, "package.json"), `{"type":"module"}`)
  return directory
}

beforeAll(() => {
  home = fs.mkdtempSync(join(tmpdir(), "tidemark-package-"))
  const stage = join(home, "stage")
  for (const entry of fs.readdirSync(root)) {
    const isKept = /\.(md|txt)$|^(package\.json|LICENSE|src|docs)$/.test(entry)
    if (isKept) fs.cpSync(join(root, entry), join(stage, entry), { recursive: true })
  }
  must(process.execPath, [compiler, "-p", "src", "--outDir", join(stage, "dist")], root)
  const npm = process.env["npm_execpath"]
  const pack = ["pack", "--ignore-scripts", "--pack-destination", home]
  if (npm === undefined) must("npm", pack, stage)
  else must(process.execPath, [npm, ...pack], stage)
  const [tarball] = fs.readdirSync(home).filter((file) => file.endsWith(".tgz"))
  must("tar", ["-xzf", join(home, tarball!), "-C", home], home)
}, 600_000)

const filesOf = () => fs.readdirSync(join(home, "package"), { recursive: true, encoding: "utf8" })

interface Manifest {
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>
  readonly peerDependencies: Readonly<Record<string, string>>
}

const manifest = (): Manifest => JSON.parse(fs.readFileSync(join(home, "package/package.json"), "utf8")) as Manifest

describe("the packed tarball", () => {
  it("has what its users need, and nothing of those who work on it", () => {
    const files = filesOf()
    assert.includeMembers(files, ["README.md", "LICENSE", "AGENTS.md", "llms.txt", "CHANGELOG.md", "docs/guide.md"])
    assert.deepStrictEqual(files.filter((file) => /^(test|bench|\.)|\.tsbuildinfo$/.test(file)), [])
    const targets = Object.values(manifest().exports).flatMap((each) =>
      typeof each === "string" ? each : Object.values(each)
    )
    assert.deepStrictEqual(targets.filter((target) => !files.includes(target.slice(2))), [])
    for (const page of ["README.md", "llms.txt"]) {
      const links = [...fs.readFileSync(join(home, "package", page), "utf8").matchAll(/\]\((docs\/[^)#]+)/g)]
      assert.deepStrictEqual(links.map(([, link]) => link!).filter((link) => !files.includes(link)), [], page)
    }
  })

  it("takes the next minor version of effect", () => {
    const { peerDependencies } = manifest()
    for (const name of ["effect", "@effect/platform-node"]) assert.match(peerDependencies[name]!, /^\^4\./)
  })

  it.each([["bundler", "esnext"], ["nodenext", "nodenext"]])(
    "has types without an error, and none that is any, under %s",
    (moduleResolution, module) => {
      const beside = [
        "effect",
        "@effect",
        "@types",
        "@aws-sdk",
        "@smithy",
        "@tanstack",
        "hyparquet",
        "hyparquet-writer"
      ]
      const directory = consumer(`types-${moduleResolution}`, beside)
      const entries = Object.entries(manifest().exports).filter(([, target]) => typeof target !== "string")
      const imports = entries.map(([path], i) => `import * as entry${i} from "tidemark${path.slice(1)}"`)
      const program = `${imports.join("\n")}
export const all = [${entries.map((_, i) => `entry${i}`).join()}]
import type { CollectionEvent, PersistClient } from "tidemark"
type IsAny<A> = 0 extends 1 & A ? true : false
type Event = CollectionEvent.CollectionEvent<string, number>
type Frontier = Extract<Event, { readonly _tag: "Progress" }>["frontier"]
type Stop = PersistClient.PersistClient["Service"]["stop"]
export const isNotAny: [IsAny<Event>, IsAny<Frontier>, IsAny<Stop>] = [false, false, false]
`
      fs.writeFileSync(join(directory, "app.ts"), program)
      const flags = ["--noEmit", "--strict", "--target", "es2022", "--lib", "es2024,dom", "--skipLibCheck", "false"]
      const resolution = ["--module", module, "--moduleResolution", moduleResolution, "--types", "node"]
      const { stdout } = spawnSync(process.execPath, [compiler, ...flags, ...resolution, "app.ts"], {
        cwd: directory,
        encoding: "utf8"
      })
      assert.deepStrictEqual(stdout.split("\n").slice(0, 5).filter((line) => line !== ""), [])
    },
    600_000
  )

  it("has a tool that says in a sentence which package it lacks, and its version without any", () => {
    const bin = join(consumer("bare", ["effect"]), "node_modules/tidemark/dist/cli/bin.js")
    const run = (...args: ReadonlyArray<string>) => spawnSync(process.execPath, [bin, ...args], { encoding: "utf8" })
    const { status, stderr } = run("list")
    assert.deepStrictEqual([status, stderr.trimEnd().split("\n").length], [1, 1], stderr)
    assert.match(stderr, /^tidemark: the tool needs the package @effect\/platform-node.*npm install/)
    assert.match(run("--version").stdout, /^tidemark v\d+\.\d+\.\d+\n$/)
  })

  /** A Node.js of the machine that is too old, if there is one. */
  const old = (process.env["PATH"] ?? "").split(delimiter).map((directory) => join(directory, "node")).find((node) => {
    const [, major] = /^v(\d+)\./.exec(spawnSync(node, ["--version"], { encoding: "utf8" }).stdout ?? "") ?? []
    return major !== undefined && Number(major) >= 18 && Number(major) < 22
  })

  it.skipIf(old === undefined)("says on an old Node.js which one it needs", () => {
    const directory = consumer("old", ["effect", "@effect"])
    const needs = /Tidemark needs .*Node\.js 22\.19 or later/
    const tool = spawnSync(old!, ["node_modules/tidemark/dist/cli/bin.js", "list"], {
      cwd: directory,
      encoding: "utf8"
    })
    assert.deepStrictEqual([tool.status, tool.stderr.trimEnd().split("\n").length], [1, 1], tool.stderr)
    assert.match(tool.stderr, needs)
    const imported = ["--input-type=module", "--eval", `import "tidemark"`]
    assert.match(spawnSync(old!, imported, { cwd: directory, encoding: "utf8" }).stderr, needs)
  })
})
