// A merge worker that dies as `workerData` says: of which death, and at which of its answers.
import { parentPort, workerData } from "node:worker_threads"

const { at, death } = workerData as { readonly at: number; readonly death: "exit" | "throw" | "memory" | "idle" }
const port = parentPort!
const answer = port.postMessage.bind(port)
let answers = 0

const fill = () => {
  const filled: Array<unknown> = []
  for (let i = 0; i < 1_000_000; i++) filled.push(Array.from({ length: 10_000 }, () => i))
}

port.postMessage = (...message: Parameters<typeof answer>) => {
  answers++
  if (answers === at && death === "exit") process.exit(3)
  if (answers === at && death === "throw") throw new Error("a crash")
  if (answers === at && death === "memory") fill()
  answer(...message)
  if (answers === at) {
    setTimeout(() => {
      throw new Error("a crash")
    }, 20)
  }
}

await import("../../src/node/MergeWorker.ts")
