import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, Metric } from "effect"
import { Worker } from "node:worker_threads"
import * as WorkerMerger from "../../src/node/WorkerMerger.ts"
import { Merger } from "../../src/runtime/Merger.ts"
import * as Metrics from "../../src/runtime/Metrics.ts"
import * as Update from "../../src/Update.ts"
import * as Store from "../utils/Store.ts"

type Death = "exit" | "throw" | "memory" | "idle"

const dying = new URL("./DyingWorker.ts", import.meta.url)

const memory = { maxOldGenerationSizeMb: 24 }

/** Starts workers of which the first `deaths` die at their answer `at`, and counts them. */
const starting = (death: Death, deaths: number, at: number) => {
  const started = { count: 0 }
  const start = () =>
    new Worker(dying, {
      execArgv: [],
      ...(death === "memory" ? { resourceLimits: memory } : {}),
      workerData: { death, at: started.count++ < deaths ? at : -1 }
    })
  return { started, start }
}

/** A store whose merges run in these workers: what it warns of, and whether its space comes back. */
const merging = Effect.fnUntraced(function*(start: () => Worker) {
  const warnings: Array<string> = []
  const logger = Logger.make(({ logLevel, message }) => void warnings.push(`${logLevel} ${String(message)}`))
  return yield* Store.inScope(Effect.gen(function*() {
    const merger = yield* WorkerMerger.make({ start })
    const storage = yield* Store.memory
    const client = yield* Effect.provideService(Store.client(storage, Store.tiny), Merger, merger)
    const { reader, writer } = yield* client.createOrLoad("s", Store.text)
    for (let time = 0; time < 100; time++) {
      yield* writer.append([Update.insert("k", `${time}`.padEnd(60), time)])
      if (time > 0) yield* writer.append([Update.retract("k", `${time - 1}`.padEnd(60), time)])
      yield* writer.append([Update.insert("secret", `${time}`, time)])
      if (time % 20 === 19) yield* writer.seal(time + 1)
      if (time % 20 === 19) yield* client.maintain
    }
    yield* writer.allowCompaction(99)
    yield* client.compact("s")
    assert.deepStrictEqual(
      yield* Store.storedKeys(storage),
      yield* Store.referencedKeys(storage),
      "nothing is left over"
    )
    const { rows } = yield* writer.erase("secret")
    assert.strictEqual(rows, 100, "an erasure counts each row once")
    assert.deepStrictEqual(yield* Store.contents(reader, 99), [["k", "99".padEnd(60), 1]])
    assert.deepStrictEqual(yield* Store.storedKeys(storage), yield* Store.referencedKeys(storage))
    return { warnings, deaths: yield* Metrics.total(Metrics.mergeWorkerDeaths) }
  })).pipe(
    Effect.provide(Logger.layer([logger])),
    Effect.provideService(Metric.MetricRegistry, new Map())
  )
})

describe("a merge worker", () => {
  it.live.each(["exit", "throw", "memory"] as const)(
    "that dies once, of %s, is replaced, and its job begins anew",
    (death) =>
      Effect.gen(function*() {
        for (const at of death === "exit" ? [1, 2, 4] : [3]) {
          const { start, started } = starting(death, 1, at)
          const { deaths, warnings } = yield* merging(start)
          assert.deepStrictEqual(warnings, [])
          assert.strictEqual(deaths, 1)
          assert.strictEqual(started.count, 2)
        }
      })
  )

  it.live.each(["exit", "throw", "memory"] as const)(
    "that dies each time, of %s, is given up, with one warning",
    (death) =>
      Effect.gen(function*() {
        const { start, started } = starting(death, Infinity, 3)
        const { deaths, warnings } = yield* merging(start)
        assert.lengthOf(warnings, 1)
        assert.match(warnings[0]!, /^Warn merging goes on in the thread of the process/)
        assert.strictEqual(deaths, 2)
        assert.strictEqual(started.count, 2)
      })
  )

  it.live("that cannot be started, or loaded, is given up, with one warning", () =>
    Effect.gen(function*() {
      const starts: ReadonlyArray<() => Worker> = [
        () => {
          throw new Error("there are no threads")
        },
        () => new Worker(new URL("./Missing.ts", import.meta.url)),
        () => new Worker("syntax error", { eval: true })
      ]
      for (const start of starts) {
        const { deaths, warnings } = yield* merging(start)
        assert.lengthOf(warnings, 1)
        assert.strictEqual(deaths, 2)
      }
    }))

  it.live("that dies while it has nothing to do is replaced by the next job", () =>
    Effect.scoped(Effect.gen(function*() {
      const { start } = starting("idle", Infinity, 1)
      const workers: Array<Worker> = []
      const merger = yield* WorkerMerger.make({
        start: () => {
          workers.push(start())
          return workers.at(-1)!
        }
      })
      const nothing = { inputs: [], description: { lower: 0, upper: 1, since: 0 }, partBytes: 1000 }
      const outside = { feed: () => Effect.undefined, store: () => Effect.void }
      for (let jobs = 1; jobs <= 3; jobs++) {
        yield* merger.run(nothing, () => outside)
        assert.lengthOf(workers, jobs)
        yield* Effect.callback<void>((resume) => void workers.at(-1)!.once("exit", () => resume(Effect.void)))
      }
    })))
})
