/**
 * W1, durable ingest: 1,000,000 updates in batches of 1,000. `one`: each batch waits for the one before; `sixteen`: 16
 * batches are in flight.
 */
import { pump } from "../Contract.ts"
import { inserts, updateBytes } from "../Data.ts"
import { grouped } from "../GroupCommit.ts"
import { collect, count, diskBytes, now, processorSeconds, quantile, settle } from "../Measure.ts"
import { prepared, type Workload } from "../Workload.ts"

const size = 1000
/** Batches that are made at a time, outside of what is timed: a heap full of rows to come would measure its collection. */
const stretch = 100

export const run: Workload = async ({ directory, engine, mode }) => {
  const inFlight = mode === "one" ? 1 : 16
  const opened = await engine.open({ directory, durable: true })
  const store = engine.blocks && inFlight > 1 ? grouped(opened) : opened
  const times: Array<number> = []
  let made = 0
  let processor = 0
  const append = async (batches: number, acknowledged: (millis: number) => void) => {
    const ready = prepared(engine, Array.from({ length: batches }, () => inserts(made++ * size, size, made)))
    collect()
    const start = now()
    const used = processorSeconds()
    await pump(store, () => ready.shift(), inFlight, acknowledged)
    processor += processorSeconds() - used
    return now() - start
  }
  await append(Math.min(40, count(100)), () => {})
  settle()
  const before = diskBytes(directory)
  const batches = count(1000)
  let millis = 0
  processor = 0
  for (let done = 0; done < batches; done += stretch) {
    millis += await append(Math.min(stretch, batches - done), (each) => times.push(each))
  }
  settle()
  return {
    rate: batches * size / millis * 1000,
    processorSecondsPerMillion: processor / (batches * size) * 1e6,
    p50: quantile(times, 0.5),
    p99: quantile(times, 0.99),
    amplification: (diskBytes(directory) - before) / (batches * size * updateBytes)
  }
}
