import { assert, it } from "@effect/vitest"
import fs from "node:fs"
import { join } from "node:path"

const root = join(import.meta.dirname, "..")

const rows = fs.readFileSync(join(root, "test/README.md"), "utf8")
  .split("\n")
  .filter((line) => line.startsWith("| ") && !/^\| (\w+ +\| here|-+) /.test(line))

it("every test that the table names is there", () => {
  const missing: Array<string> = []
  let found = 0
  for (const row of rows) {
    for (const [, file, name] of row.matchAll(/`([^`]+\.test\.ts)` "([^"]+)"/g)) {
      const path = join(root, file!)
      const source = fs.existsSync(path) ? fs.readFileSync(path, "utf8") : ""
      if (source.includes(`"${name}`)) found++
      else missing.push(`${file} "${name}"`)
    }
  }
  assert.deepStrictEqual(missing, [])
  assert.isAbove(found, 150)
})

it("every row of the table names a test, or the later work it belongs to", () => {
  const holes = rows.filter((row) => !/\.test\.ts` "/.test(row) && !row.includes("| later work: "))
  assert.deepStrictEqual(holes, [])
})
