import { assert, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as path from "node:path"
import { section, sentenceOf, withSection } from "../.ci/modules.ts"
import tests from "../.config/tests.ts"
import * as PersistError from "../src/PersistError.ts"
import * as Metrics from "../src/runtime/Metrics.ts"
import * as ServerMetrics from "../src/server/Metrics.ts"
import * as Version from "../src/Version.ts"

const root = path.resolve(import.meta.dirname, "..")

const ignored = new Set(["node_modules", ".git", "dist", "coverage", ".tidemark", ".tmp", "results"])

/** Paths relative to the root, with forward slashes. */
const filesUnder = (folder: string): ReadonlyArray<string> =>
  fs.readdirSync(path.join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const name = path.posix.join(folder, entry.name)
    if (ignored.has(entry.name)) return []
    return entry.isDirectory() ? filesUnder(name) : entry.isFile() ? [name] : []
  })

const read = (file: string): string => fs.readFileSync(path.join(root, file), "utf8")

const files = filesUnder(".")
const typescript = files.filter((file) => file.endsWith(".ts"))
const sources = typescript.filter((file) => file.startsWith("src/"))

/** Which folders a folder of `src` may import from. Files directly in `src` are `vocabulary`, `index.ts` is `entry`. */
const allowed: Readonly<Record<string, ReadonlyArray<string>>> = {
  vocabulary: [],
  batch: ["vocabulary"],
  engine: ["vocabulary", "batch"],
  storage: ["vocabulary", "batch"],
  runtime: ["vocabulary", "batch", "engine", "storage"],
  client: ["vocabulary", "batch", "engine", "storage", "runtime"],
  operators: ["vocabulary", "batch", "engine", "storage", "runtime", "client"],
  views: ["vocabulary", "client", "operators"],
  tables: ["vocabulary", "batch", "engine", "runtime", "client"],
  formats: ["vocabulary", "client", "operators"],
  parquet: ["vocabulary", "client", "formats"],
  entry: ["vocabulary", "storage", "runtime", "client", "operators"],
  backup: ["vocabulary", "engine", "storage", "runtime"],
  testing: ["vocabulary", "batch", "engine", "storage", "runtime", "client", "operators"],
  node: ["vocabulary", "batch", "engine", "storage", "runtime"],
  web: ["vocabulary", "storage"],
  postgres: ["vocabulary", "storage"],
  s3: ["vocabulary", "storage", "runtime"],
  server: ["entry", "vocabulary", "engine", "storage", "runtime", "client", "operators"],
  services: ["vocabulary", "client", "tables"],
  config: ["vocabulary", "storage", "node", "postgres", "s3"],
  cli: [
    "entry",
    "vocabulary",
    "batch",
    "engine",
    "storage",
    "runtime",
    "client",
    "operators",
    "tables",
    "formats",
    "parquet",
    "backup",
    "testing",
    "node",
    "postgres",
    "s3",
    "config",
    "server"
  ]
}

const roomOf = (file: string): string => {
  const [, folder, rest] = file.split("/")
  if (rest !== undefined) return folder!
  return folder === "index.ts" ? "entry" : "vocabulary"
}

const importPattern = /(?:\bfrom|\bimport|\bimport\(|\bnew URL\()\s*"(\.[^"]+)"/g

/** The imports of a file that its room may not have. */
const wrongImports = (file: string, text: string): ReadonlyArray<string> =>
  [...text.matchAll(importPattern)]
    .map((match) => path.posix.join(path.posix.dirname(file), match[1]!))
    .filter((target) => target.startsWith("src/") || !target.startsWith("docs/"))
    .filter((target) => {
      const room = roomOf(file)
      return roomOf(target) !== room && !allowed[room]?.includes(roomOf(target))
    })

describe("import directions", () => {
  it("every folder of src is in the table", () => {
    assert.deepStrictEqual(sources.map(roomOf).filter((room) => allowed[room] === undefined), [])
  })

  it("nothing imports against the order", () => {
    const wrong = sources.flatMap((file) => wrongImports(file, read(file)).map((target) => `${file} imports ${target}`))
    assert.deepStrictEqual(wrong, [])
  })

  it.each([
    ["src/Codec.ts", `import type { Columns } from "./batch/Columns.ts"`, ["src/batch/Columns.ts"]],
    ["src/batch/Sort.ts", `export * from "../engine/Trace.ts"`, ["src/engine/Trace.ts"]],
    ["src/engine/Trace.ts", `import {\n  Log\n} from "../storage/Log.ts"`, ["src/storage/Log.ts"]],
    ["src/runtime/Runtime.ts", `const x = await import("../client/Snapshot.ts")`, ["src/client/Snapshot.ts"]],
    ["src/client/Snapshot.ts", `import "../node/FileLog.ts"`, ["src/node/FileLog.ts"]],
    ["src/runtime/Pool.ts", `new Worker(new URL("../node/Worker.ts", import.meta.url))`, ["src/node/Worker.ts"]],
    ["src/index.ts", `export * as Nemesis from "./testing/nemesis/Nemesis.ts"`, ["src/testing/nemesis/Nemesis.ts"]],
    ["src/node/FileLog.ts", `import * as Codec from "../index.ts"`, ["src/index.ts"]],
    ["src/engine/Trace.ts", `import * as Columns from "../batch/Columns.ts"\nimport "./Spine.ts"`, []],
    ["src/client/Snapshot.ts", `import * as Frontier from "../Frontier.ts"`, []]
  ])("%s: %s", (file, text, expected) => {
    assert.deepStrictEqual(wrongImports(file, text), expected)
  })
})

describe("the site", () => {
  it("has every page in its menu, and nothing else", () => {
    const linked = [...read("site/.vitepress/config.ts").matchAll(/page\("[^"]+", "([^"]+)"\)/g)].map(([, name]) =>
      `${name}.md`
    )
    const pages = fs.readdirSync(path.join(root, "docs")).filter((name) => name.endsWith(".md"))
    assert.sameMembers(linked, [...pages, "decisions/README.md"])
  })
})

describe("platform", () => {
  const mayTouchIt = (file: string): boolean =>
    file === "src/Platform.ts" || file.startsWith("src/node/") || file.startsWith("src/cli/")

  it("the names of browsers are known to what runs there alone", () => {
    const { compilerOptions, exclude } = JSON.parse(read("tsconfig.json"))
    assert.deepStrictEqual(compilerOptions.lib, ["ES2024"])
    const web = JSON.parse(read("src/web/tsconfig.json"))
    assert.deepStrictEqual(web.include.slice(1).map((file: string) => file.replace("../../", "")), exclude.slice(1))
    // What is built has all of it.
    assert.deepStrictEqual(JSON.parse(read("src/tsconfig.json")).exclude, [])
    assert.match(read(".ci/check.ts"), /"src\/web"/)
  })

  it("only Platform.ts, node and cli import node:*", () => {
    const touching = sources.filter((file) => /^(?! \*).*\b(?:from|import\(?)\s*"node:/m.test(read(file)))
    assert.include(touching, "src/Platform.ts")
    assert.deepStrictEqual(touching.filter((file) => !mayTouchIt(file)), [])
  })
})

/** Lines that match, as `file:line`. */
const find = (candidates: ReadonlyArray<string>, pattern: RegExp): ReadonlyArray<string> =>
  candidates.flatMap((file) =>
    read(file).split("\n").flatMap((line, index) => pattern.test(line) ? [`${file}:${index + 1}`] : [])
  )

const maxLines = 600
// Written so that this file does not find itself.
const unfinished = /\b(?:TOD[O]|FIXM[E]|XX[X])\b/
const castToAny = /\bas an[y]\b|<an[y]>/
const machinePath = /(?<![\w.*)/])\/(?:work|root|home|Users)\/\w/
const registryHost = /\bregistry\.[\w-]+\.\w+|"resolved":\s*"http|^\s*(?:@[\w-]+:)?registry\s*=/

describe("files", () => {
  it("no source is too long to be read", () => {
    assert.deepStrictEqual(sources.filter((file) => read(file).split("\n").length > maxLines), [])
  })

  it("nothing is left unfinished", () => {
    assert.deepStrictEqual(find(typescript, unfinished), [])
  })

  it("nothing is cast to any", () => {
    assert.deepStrictEqual(find(sources, castToAny), [])
  })

  it("nothing depends on one machine or one registry", () => {
    assert.deepStrictEqual(find(files, machinePath), [])
    assert.deepStrictEqual(find(files, registryHost), [])
  })

  it.each([
    [unfinished, ["//", "TO", "DO", ": later"]],
    [castToAny, ["value as", " any"]],
    [machinePath, ["cd /", "root/project"]],
    [machinePath, ["\"/", "home/somebody/x\""]],
    [registryHost, ["registry", "=https://example.org"]],
    [registryHost, ["\"resolved\":", " \"https://example.org/x.tgz\""]]
  ])("%s finds what it is for", (pattern, parts) => {
    assert.match(parts.join(""), pattern)
  })
})

describe("test files", () => {
  // Lists of a configuration and of what it extends are added to each other.
  it("are chosen by each project alone, so that none is run twice", () => {
    assert.isDefined(tests.test)
    assert.isUndefined(tests.test.include)
  })
})

describe("lock files", () => {
  it.each(["package-lock.json", "bench/package-lock.json"])(
    "%s has every optional package, of other platforms too: npm ci asks for it",
    (file) => {
      const { packages } = JSON.parse(read(file)) as {
        readonly packages: Readonly<
          Record<string, { readonly optionalDependencies?: Readonly<Record<string, string>> }>
        >
      }
      const wanted = Object.values(packages).flatMap((each) => Object.keys(each.optionalDependencies ?? {}))
      assert.isAbove(wanted.length, 5)
      const names = Object.keys(packages)
      assert.deepStrictEqual(wanted.filter((name) => !names.some((each) => each.endsWith(`node_modules/${name}`))), [])
    }
  )
})

describe("documentation", () => {
  it("the package and its code have one version, which the changelog and the release page have", () => {
    const { version } = JSON.parse(read("package.json")) as { readonly version: string }
    assert.strictEqual(Version.version, version)
    assert.include(read("CHANGELOG.md"), `## [${version}]`)
    assert.include(read("docs/releases.md"), `| ${version} `)
  })

  const page = "docs/architecture.md"

  it("the architecture page has the headers of all modules: node .ci/modules.ts writes them", () => {
    assert.strictEqual(read(page), withSection(read(page)))
    assert.deepStrictEqual([...section().matchAll(/^\| `(.*)` +\| +\|$/gm)].map(([, name]) => name), [])
  })

  it.each([
    ["/**\n * One thing. Another one.\n */\n", "One thing."],
    [
      "#!/usr/bin/env node\n/**\n * A thing, e.g. `x.y`,\n * over lines.\n *\n * More.\n */\n",
      "A thing, e.g. `x.y`, over lines."
    ],
    ["export const a = 1\n", ""]
  ])("the header of a module is its first sentence", (source, expected) => {
    assert.strictEqual(sentenceOf(source), expected)
  })

  it("the ways of a write and of a read name files that are there", () => {
    const named = [...read(page).matchAll(/^(?:[<-][->] |\w+ +)?([a-z]\w*\/[A-Z]\w+)/gm)].map((match) => match[1]!)
    assert.isAbove(named.length, 30)
    assert.deepStrictEqual(named.filter((name) => !files.includes(`src/${name}.ts`)), [])
  })

  it("the reference of every export is written where neither the linter nor the formatter looks", () => {
    const { scripts } = JSON.parse(read("package.json"))
    assert.strictEqual(path.join(".config", JSON.parse(read(".config/typedoc.json")).out), path.join("dist", "api"))
    assert.match(scripts.docs, /--options \.config\/typedoc\.json$/)
    assert.notMatch(`${scripts.lint} ${scripts.format}`, /\bdist\b|"\*\*/)
  })

  it("every page is linked from README.md, or from a page that is", () => {
    const linked = new Set(["README.md"])
    for (const page of linked) {
      for (const [, target] of read(page).matchAll(/\]\((?!\w+:|#)([^)#\s]+\.md)/g)) {
        linked.add(path.posix.join(path.posix.dirname(page), target!))
      }
    }
    const pages = files.filter((file) => /^docs\/[\w/-]+\.md$/.test(file))
    assert.deepStrictEqual(pages.filter((page) => !linked.has(page)), [])
  })

  it("every link between pages leads to a file", () => {
    const pages = files.filter((file) => file.endsWith(".md") && !file.startsWith("test/"))
    const links = pages.flatMap((file) =>
      [...read(file).matchAll(/\]\((?!\w+:|#)([^)#\s]+)/g)].map((match) => ({ file, target: match[1]! }))
    )
    assert.isAbove(links.length, 80)
    const broken = links.filter(({ file, target }) => !fs.existsSync(path.join(root, path.dirname(file), target)))
    assert.deepStrictEqual(broken, [])
  })

  it("the board for Grafana shows metrics that there are, by their attributes", () => {
    const all = new Set(
      [...Object.values(Metrics), ...Object.values(ServerMetrics)].flatMap((each) =>
        typeof each === "function" ? [] : each.type === "Histogram" ? `${each.id}_bucket` : each.id
      )
    )
    const shown = new Set(read("docs/grafana.json").match(/tidemark_\w+/g))
    assert.isAbove(shown.size, 20)
    assert.deepStrictEqual([...shown].filter((name) => !all.has(name)), [])
  })

  it("the guide has every error and every metric", () => {
    const guide = read("docs/guide.md")
    const errors = Object.values(PersistError).filter((each) => typeof each === "function").map(({ name }) => name)
    const metrics = Object.values(Metrics).flatMap((each) => typeof each === "function" ? [] : [each.id])
    assert.isAbove(errors.length, 15)
    assert.isAbove(metrics.length, 35)
    assert.deepStrictEqual([...errors, ...metrics].filter((name) => !guide.includes(`\`${name}\``)), [])
  })
})
