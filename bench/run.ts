/**
 * `npm run bench` runs the suite, `npm run bench -- w1 w2` workloads of it, and `npm run bench -- NAME [SECTION]` the
 * benchmark `bench/NAME.ts`.
 */
import { existsSync } from "node:fs"
import { join } from "node:path"

const [name = "suite", ...rest] = process.argv.slice(2)
const isScript = /^[a-z]+[0-9]?$/.test(name) && existsSync(join(import.meta.dirname, `${name}.ts`))
if (isScript) {
  process.argv.splice(2, process.argv.length, ...rest)
  await import(`./${name}.ts`)
} else {
  await import("./suite.ts")
}
