/**
 * The gate: what must hold before a change is taken. Every part runs even when another has failed, so that one run shows
 * everything, and says how long it took. Lint and types run beside the tests, on the processor that a test leaves idle while
 * it waits. The last line is the summary: the tests, and each other part that failed as one failure more.
 *
 * `gate.ts quick` leaves out the tests that start servers or processes, and has few seeds: for people who work on the code.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"

const summary = /^(?<passed>\d+) passed, (?<failed>\d+) failed, (?<skipped>\d+) skipped$/

/** npm as a program of Node.js: on Windows it is a script of the shell, which cannot be started without one. */
const npm = process.env["npm_execpath"]
const [command, ...first] = npm === undefined ? ["npm"] as const : [process.execPath, npm] as const

/** Runs a script of `package.json`. Returns whether it succeeded. */
const run = async (
  script: string,
  onLine: (line: string) => void,
  env: Readonly<Record<string, string>> = {}
): Promise<boolean> => {
  const child = spawn(command, [...first, "run", "--silent", script], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env }
  })
  for (const output of [child.stdout, child.stderr]) createInterface(output).on("line", onLine)
  const [status] = await once(child, "close")
  return status === 0
}

/** Shows what a part printed in one piece, with what it took. */
const runPart = async (script: string): Promise<boolean> => {
  const start = performance.now()
  const lines: Array<string> = []
  const passed = await run(script, (line) => void lines.push(line))
  lines.push(`${script}: ${((performance.now() - start) / 1000).toFixed(1)} s`)
  if (!passed) lines.push(`"npm run ${script}" failed`)
  console.log(lines.join("\n"))
  return passed
}

const runParts = async (): Promise<number> => {
  let failed = 0
  for (const script of ["lint", "check"]) if (!await runPart(script)) failed++
  return failed
}

const runTests = async () => {
  const isQuick = process.argv[2] === "quick"
  let counts: Readonly<Record<string, string>> | undefined
  const onLine = (line: string): void => {
    const found = summary.exec(line)?.groups
    if (found === undefined) console.log(line)
    else counts = found
  }
  const passed = isQuick
    ? await run("test:unit:quick", onLine, { TIDEMARK_SEEDS: "2" })
    : await run("test:unit", onLine)
  // Tests that end without a summary have failed as a whole.
  return { passed: passed && counts !== undefined, counts: counts ?? { passed: "0", failed: "1", skipped: "0" } }
}

const [failedParts, { counts, passed }] = await Promise.all([runParts(), runTests()])
console.log(`${counts.passed} passed, ${Number(counts.failed) + failedParts} failed, ${counts.skipped} skipped`)
process.exitCode = passed && failedParts === 0 ? 0 : 1
