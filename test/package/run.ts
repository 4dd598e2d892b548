// `npm run consumers`: every application of `Consumers.ts`, one line each. Ends with 1 where one fails.
import * as Runtimes from "../utils/Runtimes.ts"
import * as Browser from "../web/Browser.ts"
import { application, check, consumers, contract, kills, typeErrors } from "./Consumers.ts"
import * as InBrowser from "./InBrowser.ts"
import * as Tarball from "./Tarball.ts"

let failures = 0

const line = async (name: string, work: () => string | Promise<string>): Promise<void> => {
  const start = performance.now()
  let outcome: string
  try {
    outcome = await work()
  } catch (error) {
    failures++
    outcome = `FAILED: ${String(error)}`
  }
  console.log(`${name.padEnd(28)} ${((performance.now() - start) / 1000).toFixed(1).padStart(6)} s  ${outcome}`)
}

const tarball = Tarball.make()
try {
  const directory = application(tarball)
  for (const resolution of ["bundler", "nodenext"] as const) {
    for (const compiler of ["TypeScript 5.9", "TypeScript 6", "TypeScript 7"] as const) {
      await line(`types, ${resolution}, ${compiler}`, () => {
        const errors = typeErrors(directory, resolution, compiler)
        if (errors !== "") throw new Error(errors)
        return "no error"
      })
    }
  }
  for (const consumer of consumers) {
    await line(consumer.name, () => {
      if (!Runtimes.isInstalled(consumer.runtime)) return `SKIPPED: ${consumer.runtime} is not installed`
      check(directory, consumer, consumer.whole)
      return `runs, compacts, opens again; merges ${
        consumer.hasWorker ? "in a worker" : "in its own thread, and says so"
      }`
    })
  }
  for (const storage of InBrowser.storages) {
    await line(`Chromium, ${storage}`, async () => {
      if (Browser.executable === undefined) return "SKIPPED: Chromium is not installed"
      await InBrowser.check(directory, storage)
      return "runs, compacts, opens again"
    })
  }
  for (const runtime of Runtimes.all.filter(Runtimes.isInstalled)) {
    await line(`contract on ${runtime}`, () => `${contract(directory, runtime)} rules hold`)
    await line(`kills on ${runtime}`, async () => {
      const { acknowledged, found } = await kills(directory, runtime, 20)
      if (found < acknowledged) throw new Error(`${acknowledged} acknowledged appends, and ${found} found`)
      return `${acknowledged} acknowledged appends, ${found} found`
    })
  }
} finally {
  tarball.remove()
}
process.exitCode = failures > 0 ? 1 : 0
