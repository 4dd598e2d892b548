/**
 * Types and Effect's own diagnostics of each project, by one compiler: TypeScript 7 with Effect's language service in it. What
 * tsconfig.json calls a warning or an error ends it with a failure; suggestions are for editors.
 */
import { execFileSync, spawnSync } from "node:child_process"

const service = "node_modules/@effect/tsgo/dist/effect-tsgo.cjs"
const compiler = execFileSync(process.execPath, [service, "get-exe-path"], { encoding: "utf8" }).trim()
const suggestion = / suggestion TS\d+: /

let failed = false
for (const project of ["tsconfig.json", "src/web", "inspector"]) {
  const { status, stdout } = spawnSync(compiler, ["-p", project, "--pretty", "false"], { encoding: "utf8" })
  for (const line of stdout.split("\n")) if (line !== "" && !suggestion.test(line)) console.log(line)
  if (status !== 0) failed = true
}
process.exitCode = failed ? 1 : 0
