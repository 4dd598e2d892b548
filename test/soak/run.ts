// `npm run soak -- [SECONDS [LEAK]]`: one store under mixed load, for an hour if absent. A LEAK is planted to see that it is
// noticed: `memory` or `disk`.
import { Effect, Fiber } from "effect"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import type { Leak } from "./Load.ts"
import * as Soak from "./Soak.ts"

const [, , seconds = "3600", leak = "none"] = process.argv
const directory = fs.mkdtempSync(path.join(os.tmpdir(), "tidemark-soak-"))

const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`
const took = (millis: number | null): string => millis === null ? "none" : `${millis.toFixed(1)} ms`

const progress = ({ at, buffers, delay, disk, files, heap, life, read, resident, write }: Soak.Sample): void =>
  console.log(
    `${at.toFixed(0)} s, life ${life}: heap ${mib(heap)}, buffers ${mib(buffers)}, ${
      (resident / 2 ** 20).toFixed(0)
    } MiB ` +
      `resident, ${mib(disk)} on disk in ${files} files, write ${took(write)}, ` +
      `read ${took(read)}, event loop ${delay.toFixed(0)} ms late`
  )

const whole = Effect.gen(function*() {
  const report = yield* Soak.run({
    directory,
    seconds: Number(seconds),
    leak: leak as Leak,
    judgesTimes: true,
    onSample: progress
  })
  const bin = path.join(import.meta.dirname, "../../src/cli/bin.ts")
  console.log(
    execFileSync(process.execPath, [bin, "verify", "--dir", Soak.storeIn(directory)], { encoding: "utf8" }).trim()
  )
  console.log(`\n${report.lives} processes, ${report.operations} reads and writes in ${seconds} s\n`)
  console.log(Soak.shown(report))
  if (report.rows.some(({ holds }) => !holds)) process.exitCode = 1
})

const running = Effect.runFork(
  Effect.ensuring(whole, Effect.sync(() => fs.rmSync(directory, { recursive: true, force: true })))
)
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => void Effect.runFork(Fiber.interrupt(running)))
}
await Effect.runPromise(Fiber.join(running))
