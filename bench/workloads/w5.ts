/**
 * W5, reopening after a crash: a process that has written 1,000,000 updates, all of which are still in the log, is killed;
 * then the store is opened, and read to the end.
 */
import { fork } from "node:child_process"
import { once } from "node:events"
import { Check, inserts } from "../Data.ts"
import { count, now, settle, sizeOf } from "../Measure.ts"
import { engineOf, prepared, type Workload } from "../Workload.ts"

const size = 1000
const opening = (directory: string) => ({ directory, durable: true, wholeLog: true })

export const run: Workload = async ({ directory, engine }) => {
  const updates = count(1000) * size
  const child = fork(import.meta.filename, [engine.name, directory], { stdio: ["ignore", "inherit", "inherit", "ipc"] })
  await once(child, "message")
  child.kill("SIGKILL")
  await once(child, "exit")
  settle()
  const bytes = sizeOf(directory)
  const start = now()
  const store = await engine.open(opening(directory))
  const open = now() - start
  const check = new Check()
  let rows = 0
  await store.snapshot!(Number.MAX_SAFE_INTEGER - 1, (key, value, diff) => {
    rows += diff
    check.add(key, value, diff)
  })
  const ready = now() - start
  if (rows !== updates) throw new Error(`${engine.name}: ${rows} rows of ${updates}`)
  return { ready, open, snapshot: ready - open, megabytes: bytes / 1e6 }
}

if (process.argv[1] === import.meta.filename) {
  const [name, directory] = process.argv.slice(2) as [string, string]
  const engine = await engineOf(name)
  const store = await engine.open(opening(directory))
  for (let batch = 0; batch < count(1000); batch++) {
    const [next] = prepared(engine, [inserts(batch * size, size, batch)])
    await store.append(next!)
  }
  process.send!("written")
  // Until it is killed.
  setInterval(() => {}, 1000)
}
