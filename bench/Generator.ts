/**
 * Says when batches are due, from a thread of its own: nothing that the engine does can hold it up. The messages wait in
 * an unbounded queue, so that a slow engine shows as latency and not as fewer requests.
 */
import { parentPort, workerData } from "node:worker_threads"

export interface Plan {
  /** When the first batch is due, in milliseconds since 1970, with fractions. */
  readonly start: number
  readonly batches: number
  /** Between two batches. */
  readonly millis: number
}

/** Milliseconds since 1970, with fractions: the same clock in all threads. */
export const clock = (): number => performance.timeOrigin + performance.now()

/** When a batch is due. */
export const dueAt = ({ millis, start }: Plan, batch: number): number => start + batch * millis

if (parentPort !== null) {
  const plan = workerData as Plan
  const sleeping = new Int32Array(new SharedArrayBuffer(4))
  for (let batch = 0; batch < plan.batches;) {
    const wait = dueAt(plan, batch) - clock()
    if (wait > 0) Atomics.wait(sleeping, 0, 0, wait)
    while (batch < plan.batches && dueAt(plan, batch) <= clock()) parentPort.postMessage(batch++, [])
  }
}
