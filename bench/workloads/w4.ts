/**
 * W4, live listening. Latency: batches of 100 rows, 5 ms apart, to a listener. Throughput: batches of 1,000 back to
 * back, until every listener (`one` or `ten`) has decoded every row.
 */
import { setTimeout } from "node:timers/promises"
import { inserts } from "../Data.ts"
import { count, emptied, median, now, quantile, settle } from "../Measure.ts"
import { prepared, type Workload } from "../Workload.ts"

export const run: Workload = async ({ directory, engine, mode }) => {
  const listeners = mode === "one" ? 1 : 10
  const latencies = count(400)
  const called: Array<number> = []
  const acknowledged: Array<number> = []
  const heard: Array<number> = []
  const quiet = await engine.open({ directory: emptied(`${directory}/quiet`), durable: true })
  // Of several batches that a poll finds at once only the last has a time here.
  await quiet.listen!((time) => void (heard[time] ??= now()))
  await setTimeout(50)
  for (const batch of prepared(engine, Array.from({ length: latencies }, (_, i) => inserts(i * 100, 100, i)))) {
    called[batch.time] = now()
    await quiet.append(batch)
    acknowledged[batch.time] = now()
    await setTimeout(5)
  }
  await setTimeout(100)
  const warm = called.map((_, i) => i).slice(Math.min(20, latencies >> 1)).filter((i) => heard[i] !== undefined)
  const receive = warm.map((i) => heard[i]! - called[i]!)
  const acknowledge = warm.map((i) => acknowledged[i]! - called[i]!)

  const updates = count(500) * 1000
  const busy = await engine.open({ directory: emptied(`${directory}/busy`), durable: true })
  const seen = new Float64Array(listeners)
  let touched = 0
  const done = new Promise<void>((resolve) => {
    for (let listener = 0; listener < listeners; listener++) {
      void busy.listen!((_, rows, each) => {
        each((key, value, diff) => (touched += key.length + value.length + diff))
        seen[listener]! += rows
        if (seen.every((rows) => rows === updates)) resolve()
      })
    }
  })
  await setTimeout(200)
  const batches = prepared(engine, Array.from({ length: updates / 1000 }, (_, i) => inserts(i * 1000, 1000, i)))
  settle()
  const start = now()
  for (const batch of batches) await busy.append(batch)
  await done
  const millis = now() - start
  if (touched !== updates * listeners * 101) throw new Error(`${engine.name}: a listener has not heard every row`)
  return {
    rate: updates / millis * 1000,
    receive: median(receive),
    receive99: quantile(receive, 0.99),
    acknowledge: median(acknowledge),
    receiveOverAcknowledge: median(receive) / median(acknowledge)
  }
}
