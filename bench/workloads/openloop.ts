/**
 * An open loop: batches of 10 updates come at a fixed rate (the mode: updates a second), whether the engine keeps up or
 * not. Latency counts from when a batch was due, not from when it got its turn, so that no stall hides the ones behind it.
 */
import { build, type Histogram } from "hdr-histogram-js"
import { setTimeout } from "node:timers/promises"
import { Worker } from "node:worker_threads"
import { inserts } from "../Data.ts"
import { clock, dueAt, type Plan } from "../Generator.ts"
import { grouped } from "../GroupCommit.ts"
import { scale, settle } from "../Measure.ts"
import type { Workload } from "../Workload.ts"

const size = 10
const seconds = Math.max(1, 10 * scale)

/** Of microseconds, up to a minute. */
const histogram = (): Histogram =>
  build({ lowestDiscernibleValue: 1, highestTrackableValue: 60_000_000, numberOfSignificantValueDigits: 3 })

const percentiles = [["p50", 50], ["p90", 90], ["p99", 99], ["p999", 99.9]] as const

/** In milliseconds. */
const summary = (name: string, of: Histogram): ReadonlyArray<readonly [string, number]> => [
  ...percentiles.map(([label, percentile]) =>
    [`${name} ${label}`, of.getValueAtPercentile(percentile) / 1000] as const
  ),
  [`${name} max`, of.maxValue / 1000]
]

export const run: Workload = async ({ directory, engine, mode }) => {
  const opened = await engine.open({ directory, durable: true })
  const store = engine.blocks ? grouped(opened) : opened
  const append = (number: number) => {
    const batch = inserts(number * size, size, number)
    engine.prepare(batch)
    return store.append(batch)
  }
  for (let number = 0; number < 200; number++) await append(number)
  settle()

  const millis = 1000 * size / Number(mode)
  const plan: Plan = { start: clock() + 200, millis, batches: Math.ceil(seconds * 1000 / millis) }
  const first = 1000
  const written = histogram()
  const received = histogram()
  const micros = (batch: number) => Math.min(59_999_999, Math.max(1, Math.round((clock() - dueAt(plan, batch)) * 1000)))
  let heard = 0
  let lag = 0
  await store.listen?.((time) => {
    const end = Math.max(heard, time - first + 1)
    const due = Math.min(plan.batches, Math.floor((clock() - plan.start) / millis) + 1)
    lag = Math.max(lag, (due - heard) * size)
    for (; heard < end; heard++) received.recordValue(micros(heard))
  })
  const generator = new Worker(new URL("../Generator.ts", import.meta.url), { workerData: plan })
  let acknowledged = 0
  await new Promise<void>((resolve, reject) => {
    generator.on("message", (batch: number) => {
      append(first + batch).then(() => {
        written.recordValue(micros(batch))
        if (++acknowledged === plan.batches) resolve()
      }, reject)
    })
    generator.on("error", reject)
  })
  const elapsed = clock() - plan.start
  for (let waits = 0; waits < 100 && store.listen !== undefined && heard < plan.batches; waits++) await setTimeout(20)
  return Object.fromEntries([
    ["rate", plan.batches * size / elapsed * 1000],
    ...summary("write", written),
    ...(store.listen === undefined ? [] : [...summary("receive", received), ["lag", lag] as const])
  ])
}
