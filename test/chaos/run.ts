// `npm run chaos -- [SECONDS [SEED]]`: default 300, and a seed of the day.
import { Cause, Effect, Exit } from "effect"
import { mkdtempSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NemesisFound } from "../../src/testing/Nemesis.ts"
import { server } from "../postgres/Server.ts"
import { fake } from "../s3/Fake.ts"
import { gateway } from "../s3/Gateway.ts"
import * as Chaos from "./Chaos.ts"

const [, , total = "300", first = String(Date.now() % 1_000_000)] = process.argv

/** Each round begins with an empty store, so that a history can be judged in memory. */
const longestRound = 60

const postgres = await server()
if (postgres === undefined) process.exit(1)
const ceph = await gateway()

const sum = (counts: ReadonlyArray<Readonly<Record<string, number>>>): Record<string, number> => {
  const sums: Record<string, number> = {}
  for (const each of counts) for (const [kind, count] of Object.entries(each)) sums[kind] = (sums[kind] ?? 0) + count
  return sums
}

const summary = (reports: ReadonlyArray<Chaos.Report>): string => {
  const total = (of: (report: Chaos.Report) => number) => reports.reduce((sum, report) => sum + of(report), 0)
  const { failed, ok, unknown } = sum(reports.map(({ writes }) => writes))
  const took = reports.flatMap(({ takeOvers }) => takeOvers).toSorted((a, b) => a - b)
  const at = (part: number) => `${Math.round(took[Math.floor((took.length - 1) * part)] ?? 0)} ms`
  return [
    ...Object.entries(sum(reports.map(({ faults }) => faults))).map(([kind, count]) => `${kind}: ${count}`),
    `requests to the bucket (${ceph === undefined ? "in this process" : "Ceph"}): ${total(({ requests }) => requests)}`,
    `commands: ${ok} acknowledged, ${failed} refused, ${unknown} unknown; ${total(({ reads }) => reads)} reads`,
    `writers: ${total(({ writers }) => writers)}`,
    `from the end of a writer to the next, with 1000 ms of detection: median ${at(0.5)}, at most ${
      at(1)
    }, of ${took.length}`
  ].join("\n")
}

const rounds = Effect.gen(function*() {
  const endpoint = ceph ?? (yield* fake).endpoint
  const reports: Array<Chaos.Report> = []
  for (let left = Number(total), seed = Number(first); left > 0; left -= longestRound, seed++) {
    const seconds = Math.min(left, longestRound)
    console.log(`npm run chaos -- ${seconds} ${seed}`)
    reports.push(yield* Chaos.run({ seed, seconds, postgres, endpoint }))
  }
  console.log(summary(reports))
  console.log(`0 violations in ${total} s of chaos`)
})

const exit = await Effect.runPromiseExit(Effect.scoped(rounds))
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
