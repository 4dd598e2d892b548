/**
 * The gate: what must hold before a change is taken. Every part runs even when one before it has failed, so that one
 * run shows everything, and says how long it took; the tests come last, and their last line is the summary.
 *
 * `gate.ts quick` leaves out the tests that start servers or processes, and has few seeds: for people who work on the code.
 */
import { spawnSync } from "node:child_process"

const isQuick = process.argv[2] === "quick"

const run = (script: string, env: Readonly<Record<string, string>> = {}): boolean => {
  const start = performance.now()
  const { status } = spawnSync(`npm run --silent ${script}`, {
    shell: true,
    stdio: "inherit",
    env: { ...process.env, ...env }
  })
  // The tests tell themselves what they cost, before their summary.
  if (!script.startsWith("test")) console.log(`${script}: ${((performance.now() - start) / 1000).toFixed(1)} s`)
  return status === 0
}

const failed = ["lint", "check"].filter((script) => !run(script))
for (const script of failed) console.error(`"npm run ${script}" failed`)

const tests = isQuick ? "test:unit:quick" : "test:unit"
const short: Readonly<Record<string, string>> = isQuick ? { TIDEMARK_SEEDS: "2" } : {}
const passed = run(tests, { ...short, TIDEMARK_FAILED_PARTS: String(failed.length) })
process.exitCode = passed && failed.length === 0 ? 0 : 1
