// What the packed tarball does to those who install it.
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { build } from "esbuild"
import { spawnSync } from "node:child_process"
import fs from "node:fs"
import { delimiter, join } from "node:path"
import { gzipSync } from "node:zlib"
import { publint } from "publint"
import { rolldown } from "rolldown"
import * as Runtimes from "../utils/Runtimes.ts"
import * as Browser from "../web/Browser.ts"
import * as Consumers from "./Consumers.ts"
import * as InBrowser from "./InBrowser.ts"
import * as Tarball from "./Tarball.ts"

let tarball: Tarball.Tarball
let directory = ""

beforeAll(() => {
  tarball = Tarball.make()
  directory = Consumers.application(tarball)
}, 600_000)
afterAll(() => tarball.remove())

const filesOf = () => fs.readdirSync(tarball.contents, { recursive: true, encoding: "utf8" })

const manifest = (): Consumers.Manifest =>
  JSON.parse(fs.readFileSync(join(tarball.contents, "package.json"), "utf8")) as Consumers.Manifest

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
      const links = [...fs.readFileSync(join(tarball.contents, page), "utf8").matchAll(/\]\((docs\/[^)#]+)/g)]
      assert.deepStrictEqual(links.map(([, link]) => link!).filter((link) => !files.includes(link)), [], page)
    }
  })

  it.each(["tidemark/worker", "tidemark/web/worker"])("a program that only imports %s has all of it", async (name) => {
    const { outputFiles: [bundle] } = await build({
      stdin: { contents: `import "${name}"`, resolveDir: directory },
      bundle: true,
      format: "esm",
      platform: "node",
      write: false
    })
    assert.isAbove(bundle!.contents.length, 1_000)
  })

  it("says how it is installed, with the peers that it cannot do without", () => {
    const { peerDependencies, peerDependenciesMeta } = manifest()
    const needed = Object.keys(peerDependencies).filter((name) => peerDependenciesMeta[name]?.optional !== true)
    for (const page of ["README.md", "docs/start.md", "llms.txt"]) {
      const [, packages] =
        /npm install (tidemark[^.\n]*)/.exec(fs.readFileSync(join(tarball.contents, page), "utf8")) ?? []
      assert.deepStrictEqual(packages?.split(" "), ["tidemark", ...needed], page)
    }
  })

  it("is installed by npm beside the next minor version of effect, and its tool is found by npx", () => {
    const { version } = JSON.parse(fs.readFileSync(join(Tarball.root, "node_modules/effect/package.json"), "utf8"))
    const [major, minor] = version.split(".").map(Number)
    const there = tarball.installed(`${major}.${minor + 1}.0`)
    assert.match(Tarball.npm(["exec", "--offline", "--", "tidemark", "--version"], there), /^tidemark v\d/)
    assert.throws(() => Tarball.npm(["exec", "--offline", "--", "tidemark", "list"], there), /npm install @effect/)
  })

  it.each([["nodenext", "TypeScript 5.9"], ["bundler", "TypeScript 6"], ["nodenext", "TypeScript 7"]] as const)(
    "has types without an error, and none that is any, under %s with %s, and the programs of the README compile",
    (resolution, compiler) => assert.strictEqual(Consumers.typeErrors(directory, resolution, compiler), ""),
    600_000
  )

  it("has a tool that says in a sentence which package it lacks, and its version without any", () => {
    const bin = join(tarball.consumer("bare", ["effect"]), "node_modules/tidemark/dist/cli/bin.js")
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
    const directory = tarball.consumer("old", ["effect", "@effect"])
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

describe("an application that has only the tarball and its peers", () => {
  for (const consumer of Consumers.consumers.filter(({ quick }) => quick.length > 0)) {
    const isWhole = consumer.quick === Consumers.programs
    it.skipIf(!Runtimes.isInstalled(consumer.runtime))(
      `${isWhole ? "runs the programs of the README, " : ""}compacts its store and opens it again: ${consumer.name}`,
      () => {
        Consumers.check(directory, consumer, consumer.quick)
      },
      600_000
    )
  }
})

describe.skipIf(Browser.executable === undefined)("an application in a browser that has only the tarball", () => {
  it.each(InBrowser.storages)(
    "runs the programs of the README, compacts its store and opens it again: %s",
    (storage) => InBrowser.check(directory, storage),
    600_000
  )
})

it.skipIf(!Runtimes.isInstalled("node 22.19"))(
  "the oldest Node.js that is tested is the oldest that is supported",
  () => {
    const { engines } = JSON.parse(fs.readFileSync(join(Tarball.root, "package.json"), "utf8"))
    assert.strictEqual(`>=${Runtimes.version("node 22.19").slice(1)}`, engines.node)
  }
)

describe("a runtime that is not the one of the tests", () => {
  for (const runtime of Runtimes.all.filter((each) => each !== "node")) {
    describe.skipIf(!Runtimes.isInstalled(runtime))(runtime, () => {
      it("keeps the contract of storage on files", () => {
        assert.isAbove(Consumers.contract(directory, runtime), 20)
      }, 600_000)

      it("has every acknowledged append after its writer was killed", async () => {
        const { acknowledged, found } = await Consumers.kills(directory, runtime, 2)
        assert.isAtLeast(acknowledged, 100)
        assert.isAtLeast(found, acknowledged)
      }, 600_000)
    })
  }
})

/** The size of a bundle apart from Effect, in bytes, minified and compressed. */
const sizeOf = async (code: string, platform: "node" | "browser" = "node"): Promise<number> => {
  const input = join(directory, "size.mjs")
  fs.writeFileSync(input, code)
  const bundle = await rolldown({ input, platform, external: /^effect(\/|$)/ })
  const { output: [{ code: minified }] } = await bundle.generate({ format: "esm", minify: true })
  return gzipSync(minified, { level: 9 }).length
}

/** The same by a bundler that keeps the whole of a namespace of which anything is used. */
const sizeByNamespaces = async (code: string): Promise<number> => {
  const { outputFiles: [bundle] } = await build({
    stdin: { contents: code, resolveDir: directory },
    bundle: true,
    minify: true,
    format: "esm",
    platform: "node",
    external: ["effect"],
    write: false
  })
  return gzipSync(bundle!.contents, { level: 9 }).length
}

describe("the core", () => {
  /** Without a storage: an application brings the one that it uses. */
  const application = `import { Codec, PersistClient, Update } from "tidemark"
console.log(PersistClient.layer, PersistClient.PersistClient, Codec.schema, Update.insert)`

  it("is at most 60 kB in the bundle of an application, and little more by esbuild", async () => {
    assert.isAtMost(await sizeOf(application), 60_000)
    assert.isAtMost(await sizeByNamespaces(application), 65_000)
  })

  it("needs nothing of Node.js in a browser, where its platform adds at most 10 kB, and its storages as much", async () => {
    const [there, here] = [await sizeOf(application, "browser"), await sizeOf(application)]
    const stored = await sizeOf(`export * from "tidemark/web"\n${application}`, "browser")
    console.log(
      `core: ${here} bytes; the platform of browsers: ${there - here} more; its storages: ${stored - there} more`
    )
    assert.isAtMost(there - here, 10_000)
    assert.isAtMost(stored - there, 10_000)
  })
})

describe("the tools that look at packages", () => {
  it("publint finds nothing but a matter of taste", async () => {
    const { messages } = await publint({ pkgDir: tarball.contents, strict: true, pack: false })
    // It prefers conditions to the field `browser`. With those, sources that run as they are would need one, too.
    assert.deepStrictEqual(messages.map(({ code }) => code), ["USE_EXPORTS_OR_IMPORTS_BROWSER"])
  })

  it("attw finds nothing, of ESM: there is no CommonJS", () => {
    const attw = join(Tarball.root, "node_modules/@arethetypeswrong/cli/dist/index.js")
    Tarball.must(process.execPath, [attw, tarball.file, "--profile", "esm-only", "--no-emoji"], directory)
  }, 600_000)
})
