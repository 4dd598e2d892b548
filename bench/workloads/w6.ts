/**
 * W6, bounded history: 10,000,000 updates onto 100,000 keys, while the history before the newest tenth may go; at the end
 * all of it, and the store becomes as small as it can.
 */
import { updateBytes, upserts } from "../Data.ts"
import { count, diskBytes, now, quantile, settle, sizeOf } from "../Measure.ts"
import type { Workload } from "../Workload.ts"

export const run: Workload = async ({ directory, engine }) => {
  const updates = count(10_000_000)
  const keys = count(100_000)
  const store = await engine.open({ directory, durable: true, seals: true })
  settle()
  const before = diskBytes(directory)
  const times: Array<number> = []
  let millis = 0
  let written = 0
  let last = 0
  const timed = async (work: () => Promise<unknown> | undefined) => {
    const start = now()
    await work()
    const taken = now() - start
    millis += taken
    return taken
  }
  let next = updates / 10
  for (const batch of upserts(updates, keys, 1000)) {
    engine.prepare(batch)
    const start = now()
    await store.append(batch)
    times.push(now() - start)
    written += batch.length
    last = batch.time
    if (written >= next) {
      next += updates / 10
      await timed(() => store.allowCompaction?.(last))
    }
  }
  millis += times.reduce((total, each) => total + each, 0)
  const compact = await timed(() => store.compact?.())
  const bytes = await store.bytes?.()
  await store.close()
  settle()
  return {
    rate: written / millis * 1000,
    space: (bytes ?? sizeOf(directory)) / (keys * updateBytes),
    amplification: (diskBytes(directory) - before) / (written * updateBytes),
    p99: quantile(times, 0.99),
    longest: times.reduce((a, b) => Math.max(a, b), 0),
    compact
  }
}
