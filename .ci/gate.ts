/**
 * The gate: what must hold before a change is taken. Every part runs even when one before it has failed, so that one
 * run shows everything; the tests come last, and their last line is the summary.
 */
import { spawnSync } from "node:child_process"

const run = (script: string, env: Readonly<Record<string, string>> = {}): boolean =>
  spawnSync(`npm run --silent ${script}`, { shell: true, stdio: "inherit", env: { ...process.env, ...env } }).status ===
    0

const failed = ["lint", "check"].filter((script) => !run(script))
for (const script of failed) console.error(`"npm run ${script}" failed`)

const passed = run("test:unit", { TIDEMARK_FAILED_PARTS: String(failed.length) })
process.exitCode = passed && failed.length === 0 ? 0 : 1
