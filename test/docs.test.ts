/**
 * Every example compiles and runs. Examples are:
 *
 * - `ts` blocks of README.md that import something, and blocks of docs marked `ts run`;
 * - blocks after `@example` in the docstrings of src;
 * - the programs `docs/examples/*.ts`, which must exit with 0.
 *
 * A block marked `ts check` is type-checked only.
 */
import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { promisify } from "node:util"
import { afterAll } from "vitest"

interface Example {
  readonly name: string
  readonly code: string
  readonly run: boolean
}

const root = path.resolve(import.meta.dirname, "..")

const filesUnder = (folder: string, extension: string): ReadonlyArray<string> =>
  fs.existsSync(path.join(root, folder))
    ? fs.readdirSync(path.join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(extension))
      .map((name) => path.join(folder, name))
    : []

const read = (file: string): string => fs.readFileSync(path.join(root, file), "utf8")

const lineOf = (text: string, offset: number): number => text.slice(0, offset).split("\n").length

const blocksOf = (file: string, text: string, pattern: RegExp): ReadonlyArray<Example & { readonly mark: string }> =>
  [...text.matchAll(pattern)].map((match) => {
    const [, mark = "", code = ""] = match
    return { name: `${file}:${lineOf(text, match.index)}`, code, run: mark !== "check", mark }
  })

const pageExamples = (file: string, text: string): ReadonlyArray<Example> =>
  blocksOf(file, text, /^```ts(?: (run|check))?\n([^]*?)^```$/gm).filter(({ code, mark }) =>
    mark !== "" || (file === "README.md" && /^import /m.test(code))
  )

const docstringExamples = (file: string, text: string): ReadonlyArray<Example> =>
  blocksOf(file, text, /^ *\* @example.*\n(?: *\*(?! *```).*\n)* *\* ```ts(?: (run|check))?\n([^]*?)^ *\* ```$/gm)
    .map((example) => ({ ...example, code: example.code.replace(/^ *\* ?/gm, "") }))

const pages = ["README.md", ...filesUnder("docs", ".md")].filter((file) => fs.existsSync(path.join(root, file)))
const ofPages = pages.flatMap((file) => pageExamples(file, read(file)))
const ofDocstrings = filesUnder("src", ".ts").flatMap((file) => docstringExamples(file, read(file)))
const programs = filesUnder("docs/examples", ".ts")

/** Inside the repository, so that `tidemark` resolves to it; outside of node_modules, where Node runs no TypeScript. */
fs.mkdirSync(path.join(root, ".tmp"), { recursive: true })
const scratch = fs.mkdtempSync(path.join(root, ".tmp", "docs-"))
afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }))

/** Every example has a folder of its own to run in. */
const folderOf = (name: string): string => {
  const folder = path.join(scratch, name.replaceAll(/[^\w.]+/g, "-"))
  fs.mkdirSync(folder, { recursive: true })
  return folder
}

const sourceOf = (example: Example): string => path.join(folderOf(example.name), "example.ts")

for (const example of [...ofPages, ...ofDocstrings]) fs.writeFileSync(sourceOf(example), example.code)
fs.writeFileSync(
  path.join(scratch, "tsconfig.json"),
  JSON.stringify({
    extends: "../../tsconfig.json",
    include: ["."],
    // Examples of pages for browsers are among them.
    compilerOptions: {
      lib: ["ES2024", "DOM", "DOM.AsyncIterable"],
      noUnusedLocals: false,
      noUnusedParameters: false,
      plugins: []
    }
  })
)

const node = (cwd: string, ...args: ReadonlyArray<string>) =>
  promisify(execFile)(process.execPath, args, { cwd, timeout: 300_000 }).then(
    () => "",
    (error: { readonly stdout: string; readonly stderr: string }) => `${error.stdout}${error.stderr}` || String(error)
  )

/** A program that runs one example after the other and names those that fail: one start of Node for the many small ones. */
const writeAll = (examples: ReadonlyArray<Example>): string => {
  const file = path.join(scratch, "all.ts")
  const list = examples.map((example) => [example.name, folderOf(example.name), sourceOf(example)])
  fs.writeFileSync(
    file,
    `for (const [name, folder, source] of ${JSON.stringify(list)} as ReadonlyArray<[string, string, string]>) {
  process.chdir(folder)
  await import(source).catch((error) => {
    console.error(name, error)
    process.exitCode = 1
  })
}
`
  )
  return file
}

const runProgram = (cwd: string, file: string) => node(cwd, "--conditions=tidemark-source", file)

describe("extraction", () => {
  it("takes the marked blocks of a page, and of README.md also those that import", () => {
    const page = "```ts run\na\n```\ntext\n```ts check\nb\n```\n```ts\nimport c\n```\n```ts\nd\n```\n```json\ne\n```\n"
    const codes = (file: string) => pageExamples(file, page).map(({ code, run }) => [code.trim(), run])
    assert.deepStrictEqual(codes("docs/a.md"), [["a", true], ["b", false]])
    assert.deepStrictEqual(codes("README.md"), [["a", true], ["b", false], ["import c", true]])
  })

  it("takes the examples of docstrings, and says where they are", () => {
    const text = "/**\n * Text.\n *\n * @example\n * ```ts\n * const a = 1\n *\n * a\n * ```\n *\n * @since 1\n */\n"
    assert.deepStrictEqual(docstringExamples("src/A.ts", text).map(({ code, name }) => [name, code]), [
      ["src/A.ts:4", "const a = 1\n\na\n"]
    ])
  })
})

describe("examples", () => {
  it("compile", { timeout: 300_000 }, async () => {
    const compiler = path.join(root, "node_modules", "@typescript", "native", "bin", "tsc")
    const output = await node(root, compiler, "-p", scratch, "--pretty", "false")
    const ours = path.relative(root, scratch)
    // What else the program includes is checked, with its errors, by `npm run check`.
    const errors = output.split("\n").filter((line) => line.startsWith(ours) || line.startsWith("error"))
    assert.deepStrictEqual(errors, [])
  })

  it("the first program of README.md stores, changes, travels in time and watches in fifteen lines", async () => {
    const first = ofPages.find(({ name }) => name.startsWith("README.md"))
    assert.isAtMost(first!.code.split("\n").filter((line) => line.trim() !== "").length, 15)
    for (const used of [".set(", ".modify(", ".at(", ".watch("]) assert.include(first!.code, used)
    const args = ["--conditions=tidemark-source", sourceOf(first!)]
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: folderOf(`${first!.name} once more`) })
    const said = [...stdout.matchAll(/value: '([^']*)'|"value": "([^"]*)"/g)].map(([, a, b]) => a ?? b)
    assert.deepStrictEqual(said, ["Draft of a plan", "Draft", "Draft of a plan"])
  })

  it("of docstrings run", { timeout: 300_000 }, async () => {
    const file = writeAll(ofDocstrings.filter(({ run }) => run))
    assert.strictEqual(await runProgram(scratch, file), "")
  })

  for (const example of ofPages.filter(({ run }) => run)) {
    it(`${example.name} runs`, { timeout: 300_000 }, async () => {
      assert.strictEqual(await runProgram(folderOf(example.name), sourceOf(example)), "")
    })
  }

  for (const program of programs) {
    it(`${program} runs`, { timeout: 300_000 }, async () => {
      assert.strictEqual(await runProgram(folderOf(program), path.join(root, program)), "")
    })
  }
})
