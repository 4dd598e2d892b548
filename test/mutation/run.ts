// Plants the bugs of Mutants.ts in a copy of the sources, one at a time, and runs the tests that concern each: `npm run
// mutate`, `npm run mutate -- WORD` for those whose name or file contains it, or `npm run mutate -- 2/5` for the second fifth
// of them. A bug counts as caught if a test fails, or does not come to an end. Prints a line a bug, and `N of N caught`.
import { spawn } from "node:child_process"
import fs from "node:fs"
import { join } from "node:path"
import { type Mutant, mutants } from "./Mutants.ts"

const root = join(import.meta.dirname, "../..")
const copy = join(root, `.tmp/mutation-${process.pid}`)
const limitMillis = 300_000
/** A busy machine is no bug. */
const patient = ["--testTimeout", "120000"]
/** Flushes of a real disk take most of the time of many tests, and no planted bug is found by them. */
const memory = fs.existsSync("/dev/shm") ? { TMPDIR: "/dev/shm" } : {}
const word = process.argv[2] ?? ""

const choose = (): ReadonlyArray<Mutant> => {
  const part = /^(\d+)\/(\d+)$/.exec(word)
  if (part === null) return mutants.filter(({ file, name }) => name.includes(word) || file.includes(word))
  const [which, parts] = [Number(part[1]), Number(part[2])]
  return mutants.filter((_, i) => Math.floor((i * parts) / mutants.length) === which - 1)
}

const chosen = choose()
if (chosen.length === 0) throw new Error(`no planted bug is called, is in a file called, or is part ${word}`)

const prepare = (): void => {
  fs.rmSync(copy, { recursive: true, force: true })
  fs.mkdirSync(copy, { recursive: true })
  for (const name of ["src", "test", "docs", ".config", "package.json", "tsconfig.json"]) {
    fs.cpSync(join(root, name), join(copy, name), { recursive: true })
  }
  fs.symlinkSync(join(root, "node_modules"), join(copy, "node_modules"))
}

type Outcome = "passed" | "failed" | "timed out"

/** Runs tests in the copy. What they print is kept for the case that they should not have failed. */
const test = (files: ReadonlyArray<string>): Promise<{ readonly outcome: Outcome; readonly printed: string }> =>
  new Promise((resolve) => {
    const vitest = join(root, "node_modules/vitest/vitest.mjs")
    const child = spawn(process.execPath, [
      vitest,
      "run",
      "-c",
      ".config/vitest.config.ts",
      "--bail",
      "1",
      ...patient,
      ...files
    ], {
      cwd: copy,
      env: { ...process.env, ...memory },
      // A group of its own, so that its workers end with it.
      detached: true
    })
    let printed = ""
    child.stdout.on("data", (chunk) => void (printed += chunk))
    child.stderr.on("data", (chunk) => void (printed += chunk))
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      process.kill(-child.pid!, "SIGKILL")
    }, limitMillis)
    child.on("close", (code) => {
      clearTimeout(timer)
      resolve({ outcome: isLate ? "timed out" : code === 0 ? "passed" : "failed", printed })
    })
  })

/** The first test that failed, or file that did not load. */
const firstFailure = (printed: string): string =>
  // oxlint-disable-next-line no-control-regex
  /FAIL\s+(.+)/.exec(printed.replaceAll(/\u001b\[[\d;]*m/g, ""))?.[1]?.trim() ?? ""

/** Tests that have passed without a bug: only what these find is the bug's doing. */
const passing = new Set<string>()

const mustPass = async (file: string): Promise<void> => {
  if (passing.has(file)) return
  const { outcome, printed } = await test([file])
  if (outcome !== "passed") throw new Error(`${file} does not pass without a planted bug: ${outcome}\n${printed}`)
  passing.add(file)
}

const run = async ({ file, find, replace, tests }: Mutant): Promise<readonly [isCaught: boolean, by: string]> => {
  for (const each of tests) await mustPass(each)
  const path = join(copy, file)
  const sound = fs.readFileSync(path, "utf8")
  fs.writeFileSync(path, sound.replace(find, () => replace))
  try {
    for (const each of tests) {
      const { outcome, printed } = await test([each])
      if (outcome === "timed out") return [true, `${each} does not end`]
      if (outcome === "failed") return [true, firstFailure(printed)]
    }
    return [false, "nothing"]
  } finally {
    fs.writeFileSync(path, sound)
  }
}

prepare()
let caught = 0
for (const mutant of chosen) {
  const [isCaught, by] = await run(mutant)
  if (isCaught) caught++
  console.log(`${isCaught ? "caught" : "MISSED"} | ${mutant.name} | ${mutant.file} | ${by}`)
}
console.log(`${caught} of ${chosen.length} caught`)
fs.rmSync(copy, { recursive: true, force: true })
process.exitCode = caught === chosen.length ? 0 : 1
