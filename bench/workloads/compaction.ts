/**
 * Acknowledgements beside a compaction: one writer of one update each, in a store of 1 GiB of history, first alone, then
 * while all of it is rewritten, then alone again.
 */
import { inserts, updateBytes, upserts } from "../Data.ts"
import { count, median, now, quantile, settle } from "../Measure.ts"
import type { Workload } from "../Workload.ts"

export const run: Workload = async ({ directory, engine }) => {
  const keys = count(1_000_000)
  const store = await engine.open({ directory, durable: true, seals: true })
  let time = 0
  for (const batch of upserts(Math.round(2 ** 30 * (keys / 1_000_000) / updateBytes), keys, 5000)) {
    engine.prepare(batch)
    await store.append(batch)
    time = batch.time
  }
  settle()
  const history = time
  /** Milliseconds of each write until asked to stop. */
  const writing = async (goesOn: (written: number) => boolean) => {
    const times: Array<number> = []
    while (goesOn(times.length)) {
      const batch = inserts(times.length % keys, 1, ++time)
      engine.prepare(batch)
      const start = now()
      await store.append(batch)
      times.push(now() - start)
    }
    return times
  }
  const alone = (writes: number) => writing((written) => written < writes)
  await alone(count(2000))
  const before = await alone(count(5000))
  await store.allowCompaction!(history)
  const start = now()
  let isCompacting = true
  const compacting = store.compact!().finally(() => (isCompacting = false))
  const during = await writing(() => isCompacting)
  await compacting
  const seconds = (now() - start) / 1000
  const after = await alone(count(5000))
  const without = median([quantile(before, 0.99), quantile(after, 0.99)])
  return {
    without,
    during: quantile(during, 0.99),
    ratio: quantile(during, 0.99) / without,
    longest: quantile(during, 1),
    seconds,
    writes: during.length
  }
}
