/**
 * W3, reading as of a time: 1,000,000 updates leave 100,000 rows. `snapshot`: all of them after reopening, decoded, and
 * compared with what they must be; `get`: keys one by one, of a warm store.
 */
import { Check, expected, keyOf, upserts } from "../Data.ts"
import { count, median, now, settle } from "../Measure.ts"
import type { Workload } from "../Workload.ts"

const size = 1000

export const run: Workload = async ({ directory, engine, mode }) => {
  const updates = count(1_000_000)
  const keys = count(100_000)
  const opening = { directory, durable: false, seals: true }
  const filled = await engine.open(opening)
  let last = 0
  for (const batch of upserts(updates, keys, size)) {
    engine.prepare(batch)
    await filled.append(batch)
    last = batch.time
  }
  await filled.close()
  settle()
  const start = now()
  const store = await engine.open(opening)
  const open = now() - start
  const read = async (asOf: number) => {
    const check = new Check()
    const start = now()
    await store.snapshot!(asOf, check.add)
    const millis = now() - start
    if (`${check}` !== expected(updates, keys, size, asOf)) throw new Error(`${engine.name}: wrong rows as of ${asOf}`)
    return millis
  }
  if (mode === "get") {
    const wanted = Array.from({ length: count(20_000) }, (_, i) => keyOf(Math.imul(i, 7919) % keys))
    const times: Array<number> = []
    for (let round = 0; round < 4; round++) {
      const start = now()
      const found = await store.gets!(wanted, last)
      times.push((now() - start) / wanted.length * 1000)
      if (found !== wanted.length) throw new Error(`${engine.name}: ${found} of ${wanted.length} keys`)
    }
    return { micros: median(times.slice(1)), rate: 1e6 / median(times.slice(1)) }
  }
  const first = await read(last)
  const warm = [await read(last), await read(last), await read(last)]
  return { rate: updates / median(warm) * 1000, warm: median(warm), first, open, half: await read(last >> 1) }
}
