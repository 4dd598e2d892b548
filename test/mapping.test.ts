import { assert, it } from "@effect/vitest"
import fs from "node:fs"
import { join } from "node:path"

const root = join(import.meta.dirname, "..")

const rows = fs.readFileSync(join(root, "test/README.md"), "utf8")
  .split("\n")
  .filter((line) => line.startsWith("| ") && !/^\| (\w+ +\| here|-+) /.test(line))

/** The numbers of the specification's requirements, and of its command traces, from one on to another. */
const requirements: ReadonlyArray<readonly [number, number]> = [
  [1, 10],
  [20, 57],
  [70, 88],
  [100, 123],
  [140, 152],
  [160, 172],
  [190, 199]
]
const traces = 15

const range = (from: number, to: number): ReadonlyArray<number> =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i)

/** What the first cell of a row stands for: `F027 to F031`, `F041, F042`, `T3`. */
const numbersOf = (row: string): ReadonlyArray<string> =>
  [...row.split("|")[1]!.matchAll(/\b([FT])(\d+)(?: to [FT](\d+))?/g)].flatMap(([, letter, from, to]) =>
    range(Number(from), Number(to ?? from)).map((number) => `${letter}${number}`)
  )

/** Whether what begins with this title is left out: how a test or a suite is begun stands on its line, or on the one before. */
const isSkipped = (source: string, name: string): boolean => {
  const lines = source.split("\n")
  const at = lines.findIndex((line) => line.includes(`"${name}`))
  return /\.(skip|todo)\(/.test(lines.slice(Math.max(0, at - 1), at + 1).join("\n").split(`"${name}`)[0]!)
}

const named = rows.flatMap((row) =>
  [...row.matchAll(/`([^`]+\.test\.ts)` "([^"]+)"/g)].map(([, file, name]) => ({ file: file!, name: name! }))
)

const sourceOf = (file: string): string => {
  const path = join(root, file)
  return fs.existsSync(path) ? fs.readFileSync(path, "utf8") : ""
}

it("every test that the table names is there", () => {
  const missing = named.filter(({ file, name }) => !sourceOf(file).includes(`"${name}`))
  assert.deepStrictEqual(missing, [])
  assert.isAbove(named.length, 150)
})

it("no test that the table names is skipped", () => {
  assert.deepStrictEqual(named.filter(({ file, name }) => isSkipped(sourceOf(file), name)), [])
  assert.isTrue(isSkipped(`it.effect.skip("a name", () =>`, "a name"))
  assert.isTrue(isSkipped(`it.todo(\n  "a name", () =>`, "a name"))
  assert.isFalse(isSkipped(`it.effect("a name", () => it.skip("another"))`, "a name"))
})

it("every row of the table names a test, or the later work it belongs to", () => {
  const holes = rows.filter((row) => !/\.test\.ts` "/.test(row) && !/\| later work: /.test(row))
  assert.deepStrictEqual(holes, [])
})

it("every requirement and trace of the specification has a row, and no other has", () => {
  const wanted = [
    ...requirements.flatMap(([from, to]) => range(from, to).map((number) => `F${number}`)),
    ...range(1, traces).map((number) => `T${number}`)
  ]
  const found = new Set(rows.flatMap(numbersOf))
  assert.deepStrictEqual(wanted.filter((each) => !found.has(each)), [])
  assert.deepStrictEqual([...found].filter((each) => !wanted.includes(each)), [])
})
