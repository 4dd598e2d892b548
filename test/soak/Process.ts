// `node Process.ts DIRECTORY SEED INTERVAL LEAK`: the writer of a soak. Says what it measures as lines of JSON, one every
// INTERVAL milliseconds; ends when its input does.
import { Effect, Layer } from "effect"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { FileStorage } from "tidemark/node"
import { median } from "../../src/cli/Latency.ts"
import * as Prng from "../../src/testing/Prng.ts"
import * as Load from "./Load.ts"

/** What the process has measured since it measured last. */
export interface Measured {
  /** Bytes that are in use after a collection of garbage, in the heap. */
  readonly heap: number
  /** The same of buffers, of which work that is under way has some. */
  readonly buffers: number
  readonly resident: number
  /** Milliseconds: how long the event loop was late, at most. */
  readonly delay: number
  /** Milliseconds: the medians, or null where there was none. */
  readonly write: number | null
  readonly read: number | null
  /** How many of both there were. */
  readonly operations: number
}

const [, , directory = "", seed = "0", interval = "1000", leak = "none"] = process.argv

setFlagsFromString("--expose-gc")
const collect = runInNewContext("gc") as () => void

const delay = monitorEventLoopDelay({ resolution: 5 })
const taken: { readonly write: Array<number>; readonly read: Array<number> } = { write: [], read: [] }

const medianOf = (values: ReadonlyArray<number>): number | null => values.length === 0 ? null : median(values)

const measure = Effect.sync(() => {
  const { max } = delay
  // What the first one frees may be freed behind it.
  collect()
  collect()
  const { arrayBuffers, heapUsed, rss } = process.memoryUsage()
  const measured: Measured = {
    heap: heapUsed,
    buffers: arrayBuffers,
    resident: rss,
    delay: max / 1e6,
    write: medianOf(taken.write),
    read: medianOf(taken.read),
    operations: taken.write.length + taken.read.length
  }
  taken.write.length = 0
  taken.read.length = 0
  process.stdout.write(`${JSON.stringify(measured)}\n`)
  // The collection was not the store's.
  delay.reset()
})

const told = Effect.callback<void>((resume) => void process.stdin.once("end", () => resume(Effect.void)).resume())

const load = Load.run({
  random: Prng.make(Number(seed)),
  leak: leak as Load.Leak,
  took: (what, millis) => void taken[what].push(millis)
})

const storage = FileStorage.layer({ directory, segmentBytes: 1024 * 1024, waitForLock: "10 seconds" })

delay.enable()
Effect.all([load, Effect.forever(Effect.andThen(Effect.sleep(Number(interval)), measure))], {
  concurrency: "unbounded",
  discard: true
}).pipe(
  Effect.raceFirst(told),
  Effect.provide(Load.layer.pipe(Layer.provide(storage))),
  Effect.runPromise
).catch((error: unknown) => {
  console.error(error)
  process.exitCode = 1
})
