import { assert, describe, it } from "@effect/vitest"
import fs from "node:fs"
import { join } from "node:path"
import { equivalents } from "./Equivalents.ts"
import { roomOf, rooms } from "./Rooms.ts"
import * as Scores from "./Scores.ts"

const root = join(import.meta.dirname, "../..")
const location = { start: { line: 2, column: 3 }, end: { line: 2, column: 8 } }
const mutant = (status: string, statusReason = "") => ({ mutatorName: "Equality", status, statusReason, location })
const report = {
  files: {
    "src/a/One.ts": {
      source: "x\n  a < b",
      mutants: [
        mutant("Killed"),
        mutant("Timeout"),
        mutant("Survived"),
        mutant("NoCoverage"),
        mutant("Ignored", "prose"),
        mutant("Ignored", "Static mutant (and \"ignoreStatic\" was enabled)")
      ]
    }
  }
}
const one = { module: "src/a/One.ts", caught: 2, missed: 1, unreached: 1, equivalent: 0, commit: "abc1234" }
const two = { module: "src/a/Two.ts", caught: 2, missed: 0, unreached: 1, equivalent: 3, commit: "def5678" }
const page = "before\n<!-- mutants: written by `npm run mutants` -->\n<!-- /mutants -->\nafter\n"

describe("scores of automatic mutants", () => {
  it("count what was caught, missed, not reached and equivalent, and leave the rest out", () => {
    assert.deepStrictEqual(Scores.scores(report, "abc1234"), [one])
  })

  it("count a survivor that is listed with its reason as equivalent, where the list says and nowhere else", () => {
    const [module, [first]] = Object.entries(equivalents)[0]!
    const [code, replacement] = first!.mutants[0]!
    const survivor = (column: number) => ({
      ...mutant("Survived"),
      replacement,
      location: { start: { line: 1, column }, end: { line: 1, column: column + code.length } }
    })
    const of = (name: string, source: string) =>
      Scores.scores({ files: { [name]: { source, mutants: [survivor(1 + source.indexOf(code))] } } }, "")[0]!
    assert.deepInclude(of(module, `${first!.line ?? ""} ${code};`), { missed: 0, equivalent: 1 })
    assert.deepInclude(of("src/other.ts", `${first!.line ?? ""} ${code};`), { missed: 1, equivalent: 0 })
  })

  it("say what survived, and where", () => {
    const found = Scores.survivors("src/a/One.ts", report)[0]
    assert.strictEqual(
      Scores.describe("src/a/One.ts", "x\n  a < b", { ...found!, replacement: "a <= b" }),
      "src/a/One.ts:2:3 Equality: a < b -> a <= b"
    )
  })

  it("are a table by module, with the sums of folders and shares that are never rounded up", () => {
    const text = Scores.update(page, [two, one], () => true)
    const rows = text.split("\n").filter((line) => line.startsWith("|")).map((line) => line.replaceAll(/ +/g, " "))
    assert.deepStrictEqual(rows.slice(2), [
      "| **src/a** | 7 | 4 | 1 | 2 | 3 | 57.1 % | |",
      "| `One.ts` | 4 | 2 | 1 | 1 | 0 | 50.0 % | abc1234 |",
      "| `Two.ts` | 3 | 2 | 0 | 1 | 3 | 66.6 % | def5678 |"
    ])
    assert.isTrue(text.startsWith("before\n") && text.endsWith("after\n"))
  })

  it("replace those of the same module, keep others, and let go those of modules that are gone", () => {
    const both = Scores.update(page, [one, two], () => true)
    assert.strictEqual(Scores.update(both, [two], () => true), both)
    assert.strictEqual(
      Scores.update(both, [{ ...two, caught: 5 }], (module) => module !== one.module),
      Scores.update(page, [{ ...two, caught: 5 }], () => true)
    )
  })

  it("need their place on the page", () => {
    assert.throws(() => Scores.update("nothing", [one], () => true), /no place/)
  })
})

describe("equivalent mutants", () => {
  const listed = Object.entries(equivalents).flatMap(([module, of]) =>
    of.flatMap(({ line = "", mutants, why }) => mutants.map(([code]) => ({ module, line, code, why })))
  )

  it.each(listed)("$module: $code is there once, and has its reason", ({ code, line, module, why }) => {
    const source = fs.readFileSync(join(root, module), "utf8").replaceAll(/\s+/g, " ")
    const lines = fs.readFileSync(join(root, module), "utf8").split("\n").filter((each) => each.includes(line))
    assert.include(source, code)
    if (line !== "") assert.lengthOf(lines, 1)
    assert.isAbove(why.length, 20)
  })
})

describe("rooms", () => {
  it.each(rooms)("$path and its tests are there", ({ path, tests }) => {
    assert.isTrue(fs.existsSync(join(root, path)))
    for (const each of tests) assert.isNotEmpty(fs.globSync(each, { cwd: root }), each)
  })

  it("are the closest ones", () => {
    assert.strictEqual(roomOf("src/engine")?.path, "src/engine/")
    assert.strictEqual(roomOf("src/engine/State.ts")?.path, "src/engine/")
    assert.strictEqual(roomOf("src/Frontier.ts")?.path, "src/")
    assert.strictEqual(roomOf("test"), undefined)
  })
})
