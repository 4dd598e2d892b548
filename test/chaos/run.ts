// `TIDEMARK_CHAOS_SECONDS=3600 npm run chaos`, or `npm run chaos -- [SECONDS [SEED]]`: default 300, and a seed of the day.
// One store lives through all of it.
import { Cause, Effect, Exit, Fiber } from "effect"
import { execFile } from "node:child_process"
import { mkdtempSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { NemesisFound } from "../../src/testing/nemesis/Nemesis.ts"
import { server } from "../postgres/Server.ts"
import { bucket } from "../s3/Buckets.ts"
import { ceph, inProcess } from "../s3/Endpoints.ts"
import * as Chaos from "./Chaos.ts"

const [, , total = process.env["TIDEMARK_CHAOS_SECONDS"] ?? "300", first = String(Date.now() % 1_000_000)] =
  process.argv

/** An idle machine acknowledges six times as many, with a load of one for each core. */
const leastPerMinute = 60

const postgres = await server()
if (postgres === undefined) process.exit(1)

const summary = (report: Chaos.Report): string => {
  const { failed, ok, unknown } = report.writes
  const took = report.takeOvers.toSorted((a, b) => a - b)
  const at = (part: number) => `${Math.round(took[Math.floor((took.length - 1) * part)] ?? 0)} ms`
  return [
    ...Object.entries(report.faults).map(([kind, count]) => `${kind}: ${count}`),
    `requests to the bucket (${ceph === undefined ? "in this process" : "Ceph"}): ${report.requests}`,
    `commands: ${ok} acknowledged, ${failed} refused, ${unknown} unknown; ${report.reads} reads`,
    `writers: ${report.writers}, in ${report.generations} generations`,
    `from the end of a writer to the next, with 1000 ms of detection: median ${at(0.5)}, at most ${
      at(1)
    }, of ${took.length}`
  ].join("\n")
}

const progress = ({ generations, reads, writes: { ok, unknown } }: Chaos.Report): void =>
  console.log(`generation ${generations} is in order: ${ok} acknowledged, ${unknown} unknown, ${reads} reads so far`)

/** `tidemark verify`, on the store as the run has left it. */
const verify = (
  { endpoint, prefix, url }: { readonly endpoint: string; readonly prefix: string; readonly url: string }
) => {
  const place = `s3://${bucket}/${prefix}?endpoint=${encodeURIComponent(endpoint)}`
  return promisify(execFile)(process.execPath, ["src/cli/bin.ts", "verify", "--store", `${url} ${place}`], {
    cwd: join(import.meta.dirname, "../.."),
    env: { ...process.env, AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test" }
  })
}

const whole = Effect.gen(function*() {
  const endpoint = ceph ?? (yield* inProcess.endpoint)
  console.log(`npm run chaos -- ${total} ${first}`)
  const report = yield* Chaos.run({
    seed: Number(first),
    seconds: Number(total),
    leastPerMinute,
    postgres,
    endpoint,
    onGeneration: progress,
    onEnd: (store) => Effect.promise(() => verify(store)).pipe(Effect.map(({ stdout }) => console.log(stdout.trim())))
  })
  console.log(summary(report))
  console.log(`0 violations in ${total} s, ${Math.round(report.seconds)} s of them with faults`)
})

const running = Effect.runFork(Effect.scoped(whole))
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => void Effect.runFork(Fiber.interrupt(running)))
}
const exit = await Effect.runPromise(Fiber.await(running))
await postgres.remove()
if (Exit.isFailure(exit)) {
  const found = Cause.squash(exit.cause)
  console.log(found instanceof NemesisFound ? found.message : Cause.pretty(exit.cause))
  if (found instanceof NemesisFound) {
    const path = join(mkdtempSync(join(tmpdir(), "chaos-")), "history.json")
    writeFileSync(path, JSON.stringify(found.history))
    console.log(`everything that was asked and answered: ${path}`)
  }
  process.exitCode = 1
}
