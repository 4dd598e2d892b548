/**
 * Opening a store and reading one session, in a process that has loaded nothing else. Sends its figures to its parent.
 */
import { partsOfSession } from "./Session.ts"
import type { Store } from "./Store.ts"

export interface Opened {
  /** Milliseconds since the process was started. */
  readonly process: number
  /** Milliseconds since the modules were loaded. */
  readonly millis: number
  /** Seconds of processor time since the process was started. */
  readonly cpu: number
}

export const openingOf = async (open: (directory: string) => Promise<Store>): Promise<void> => {
  const loaded = performance.now()
  const store = await open(process.argv[2]!)
  const rows = await store.session("ses_000003")
  const at = performance.now()
  const { system, user } = process.cpuUsage()
  await store.close()
  if (rows.length !== partsOfSession) throw new Error(`the session has ${rows.length} parts`)
  process.send!({ process: at, millis: at - loaded, cpu: (system + user) / 1e6 } satisfies Opened)
  process.disconnect()
}
