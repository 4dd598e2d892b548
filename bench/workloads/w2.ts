/**
 * W2, small durable writes: one update each, from `one` writer or from `sixtyfour` at a time.
 */
import { pump } from "../Contract.ts"
import { type Batch, inserts } from "../Data.ts"
import { grouped } from "../GroupCommit.ts"
import { now, processorSeconds, quantile, scale, settle } from "../Measure.ts"
import { prepared, type Workload } from "../Workload.ts"

const seconds = Math.max(0.2, 3 * scale)

export const run: Workload = async ({ directory, engine, mode }) => {
  const writers = mode === "one" ? 1 : 64
  const opened = await engine.open({ directory, durable: true })
  const store = engine.blocks && writers > 1 ? grouped(opened) : opened
  const pool = prepared(engine, Array.from({ length: 20_000 }, (_, i) => inserts(i, 1, i + 1)))
  const append = async (duration: number) => {
    const times: Array<number> = []
    const start = now()
    const used = processorSeconds()
    const end = start + duration * 1000
    let taken = 0
    const next = (): Batch | undefined => now() < end ? pool[taken++ % pool.length] : undefined
    await pump(store, next, writers, (millis) => times.push(millis))
    return { times, seconds: (now() - start) / 1000, processor: processorSeconds() - used }
  }
  await append(seconds / 4)
  settle()
  const before = await store.flushes?.()
  const { processor, seconds: elapsed, times } = await append(seconds)
  const flushes = before === undefined ? Number.NaN : await store.flushes!() - before
  return {
    rate: times.length / elapsed,
    processorSecondsPerMillion: processor / times.length * 1e6,
    p50: quantile(times, 0.5),
    p99: quantile(times, 0.99),
    acknowledgementsAFlush: times.length / flushes
  }
}
