import { assert, describe, it } from "@effect/vitest"
import fs from "node:fs"
import { join } from "node:path"
import { mutants } from "./Mutants.ts"

const root = join(import.meta.dirname, "../..")

// Whether the tests catch the mutants is for `npm run mutate`: it takes minutes.
describe("mutants", () => {
  it("are at least 40, with names of their own", () => {
    assert.isAtLeast(mutants.length, 40)
    assert.strictEqual(new Set(mutants.map(({ name }) => name)).size, mutants.length)
  })

  it.each(mutants)("$name: there is exactly one place for it, and its tests", ({ file, find, replace, tests }) => {
    assert.strictEqual(fs.readFileSync(join(root, file), "utf8").split(find).length - 1, 1, file)
    assert.notStrictEqual(find, replace)
    for (const test of tests) assert.isTrue(fs.existsSync(join(root, test)), test)
    assert.isNotEmpty(tests)
  })
})
