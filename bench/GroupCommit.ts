/**
 * A group committer for engines whose commit is one blocking call: what is appended while one runs, or in the same turn
 * of the event loop, becomes one commit.
 */
import type { Store } from "./Contract.ts"
import { Batch } from "./Data.ts"

interface Waiting {
  readonly batch: Batch
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

export const grouped = (store: Store): Store => {
  let waiting: Array<Waiting> = []
  let isRunning = false
  const run = async () => {
    const group = waiting
    waiting = []
    try {
      await store.append(Batch.merged(group.map(({ batch }) => batch)))
      for (const { resolve } of group) resolve()
    } catch (error) {
      for (const { reject } of group) reject(error)
    }
    if (waiting.length > 0) setImmediate(run)
    else isRunning = false
  }
  const append = (batch: Batch) =>
    new Promise<void>((resolve, reject) => {
      waiting.push({ batch, resolve, reject })
      if (isRunning) return
      isRunning = true
      setImmediate(run)
    })
  return { ...store, append }
}
