/**
 * One store grows old under a mixed load, and nothing else may grow: the memory of its process, its files, its disk, and, where
 * the machine has little else to do, how long it takes and how late the event loop is.
 *
 * In the first half, processes are killed and closed in turns; the second half is one process.
 */
import { Effect, type Scope } from "effect"
import { join } from "node:path"
import { bundled } from "../../bench/Bundle.ts"
import { filesOf, sizeOf } from "../../bench/Measure.ts"
import { table } from "../../bench/Report.ts"
import * as Child from "../utils/Child.ts"
import type { Leak } from "./Load.ts"
import type { Measured } from "./Process.ts"
import * as Slope from "./Slope.ts"

export interface Options {
  /** An empty directory. The store is `store` in it. */
  readonly directory: string
  readonly seconds: number
  readonly leak?: Leak | undefined
  /** Whether latencies and delays may fail it: only where nobody else uses the machine. */
  readonly judgesTimes: boolean
  readonly onSample?: ((sample: Sample) => void) | undefined
}

export interface Sample extends Measured {
  /** Seconds since the beginning. */
  readonly at: number
  readonly life: number
  readonly disk: number
  readonly files: number
}

interface Row {
  readonly what: string
  readonly median: string
  readonly change: string
  readonly allowed: string
  readonly holds: boolean
}

export interface Report {
  readonly rows: ReadonlyArray<Row>
  readonly lives: number
  readonly operations: number
  readonly samples: ReadonlyArray<Sample>
}

/** Lives of the first half, as many as there can be of 30 to 300 seconds each, and of 5 where the run is short. */
const livesOf = (seconds: number): ReadonlyArray<{ readonly until: number; readonly isKilled: boolean }> => {
  const count = Math.min(12, Math.max(2, Math.floor(seconds / 2 / 30)))
  const lives = Array.from({ length: count }, (_, i) => ({
    until: (i + 1) * seconds / 2 / count,
    isKilled: i % 2 === 0
  }))
  return [...lives, { until: seconds, isKilled: false }]
}

export const storeIn = (directory: string): string => join(directory, "store")

const secondsSince = (start: number): number => (performance.now() - start) / 1000

/** A process under load until a moment, and what it says. Dies with what is wrong if it ends before. */
const life = Effect.fnUntraced(function*(
  { directory, leak = "none", onSample, seconds }: Options,
  program: string,
  start: number,
  number: number,
  { isKilled, until }: { readonly until: number; readonly isKilled: boolean }
): Effect.fn.Return<ReadonlyArray<Sample>, never, Scope.Scope> {
  const interval = Math.max(500, Math.round(seconds * 1000 / 240))
  const store = storeIn(directory)
  const child = yield* Child.start(program, store, String(number + 1), String(interval), leak)
  const samples: Array<Sample> = []
  while (secondsSince(start) < until) {
    const line = yield* child.next
    // Its reason is on standard error.
    if (!line.startsWith("{")) return yield* Effect.die(new Error(`the process of life ${number} has ended by itself`))
    const measured = JSON.parse(line) as Measured
    const sample = {
      ...measured,
      at: secondsSince(start),
      life: number,
      disk: sizeOf(store),
      files: filesOf(store)
    }
    samples.push(sample)
    onSample?.(sample)
  }
  if (isKilled) yield* child.kill("SIGKILL")
  yield* ended(child)
  return samples
})

/** Its input ends; it closes its store. */
const ended = ({ process }: Child.Child) =>
  Effect.callback<void>((resume) => {
    if (process.exitCode !== null || process.signalCode !== null) return resume(Effect.void)
    process.once(
      "exit",
      (code) => resume(code === 1 ? Effect.die(new Error("it did not close its store")) : Effect.void)
    )
    process.stdin!.end()
    process.stdout!.resume()
  })

const mebibyte = 1024 * 1024

/** What settles in the beginning, of the run and of each process. */
const warmUp = 1 / 3

const bytes = (value: number): string => `${(value / mebibyte).toFixed(1)} MiB`
const plain = (value: number): string => value.toFixed(0)
const millis = (value: number): string => `${value.toFixed(1)} ms`

/** The most that the last third of a run may take longer than the first. */
const slower = 3

const rowsOf = (samples: ReadonlyArray<Sample>, judgesTimes: boolean): ReadonlyArray<Row> => {
  const points = (what: keyof Measured | "disk" | "files") =>
    samples.flatMap(({ [what]: value, at, life }): ReadonlyArray<Slope.Point> =>
      value === null ? [] : [{ at, life, value }]
    )
  const row = (
    what: string,
    { allowed, growth, holds, median }: Slope.Judged,
    show: (value: number) => string
  ): Row => ({
    what,
    median: show(median),
    change: `${growth < 0 ? "" : "+"}${show(growth)}`,
    allowed: `+${show(allowed)}`,
    holds
  })
  const ofStore = (what: "disk" | "files", bound: Slope.Bound) =>
    Slope.ofStore(Slope.settled(points(what), warmUp), bound)
  const times = (["write", "read", "delay"] as const).map((what): Row => {
    const settled = Slope.settledLives(points(what), warmUp)
    const ratio = Slope.lateToEarly(settled)
    return {
      what: what === "delay" ? "the event loop is late, at most" : `a ${what} takes`,
      median: millis(Slope.ofStore(settled, { share: 0, least: 0 }).median),
      change: `x ${ratio.toFixed(2)}`,
      allowed: judgesTimes ? `x ${slower}` : "is not judged",
      holds: !judgesTimes || ratio <= slower
    }
  })
  const ofProcess = (what: "heap" | "buffers", bound: Slope.Bound) =>
    Slope.ofProcess(Slope.settledLives(points(what), warmUp), bound)
  return [
    row("heap of one process", ofProcess("heap", { share: 0.1, least: 8 * mebibyte }), bytes),
    row("buffers of one process", ofProcess("buffers", { share: 1, least: 16 * mebibyte }), bytes),
    row("disk", ofStore("disk", { share: 0.25, least: 6 * mebibyte }), bytes),
    row("files", ofStore("files", { share: 0.25, least: 12 }), plain),
    ...times
  ]
}

/** A run on a new store in the directory. */
export const run = Effect.fnUntraced(function*(options: Options): Effect.fn.Return<Report> {
  // A process that reads sources as they are takes seconds to start, and memory.
  const program = yield* Effect.promise(() => bundled(join(import.meta.dirname, "Process.ts"), options.directory))
  const start = performance.now()
  const lives = livesOf(options.seconds)
  const samples: Array<Sample> = []
  for (const [number, each] of lives.entries()) {
    samples.push(...yield* Effect.scoped(life(options, program, start, number, each)))
  }
  return {
    rows: rowsOf(samples, options.judgesTimes),
    lives: lives.length,
    operations: samples.reduce((sum, { operations }) => sum + operations, 0),
    samples
  }
})

/** The report as a table. */
export const shown = ({ rows }: Report): string =>
  table(
    ["what", "median", "from the warm-up to the end", "allowed", "holds"],
    rows.map(({ allowed, change, holds, median, what }) => [what, median, change, allowed, holds ? "yes" : "**no**"])
  )
