/**
 * What measuring needs: quantiles, the clock, what the machine wrote.
 */
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"

export { median, quantile } from "../src/cli/Latency.ts"

export const scale = Number(process.env["TIDEMARK_BENCH_SCALE"] ?? "1")

/** `n` at the chosen scale. */
export const count = (n: number): number => Math.max(1, Math.round(n * scale))

export const now = (): number => performance.now()

/** Writes back what others have left in the page cache, so that it does not slow down what is measured next. */
export const settle = (): void => {
  execFileSync("sync")
  collect()
}

/** Seconds of processor time of this process so far, in the kernel and outside of it, in all of its threads. */
export const processorSeconds = (): number => {
  const { system, user } = process.cpuUsage()
  return (system + user) / 1e6
}

/** What was made for a measurement goes where young garbage is not looked for: nobody measures the way there. */
export const collect = (): void => globalThis.gc?.()

/** Bytes that all of the machine has written to the disk of a directory; `NaN` where the system does not tell. */
export const diskBytes = (directory: string): number => {
  if (!fs.existsSync("/proc/diskstats")) return Number.NaN
  const { dev } = fs.statSync(directory)
  const line = fs.readFileSync("/proc/diskstats", "utf8").split("\n")
    .map((each) => each.trim().split(/\s+/))
    .find(([major, minor]) => Number(major) === dev >> 8 && Number(minor) === (dev & 0xff))
  return line === undefined ? Number.NaN : Number(line[9]) * 512
}

/** Bytes that the files of a directory take on disk. A store at work may remove one after it was listed. */
export const sizeOf = (directory: string): number =>
  fs.readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((total, entry) => total + diskSizeOf(path.join(entry.parentPath, entry.name)), 0)

export const filesOf = (directory: string): number =>
  fs.readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).length

const diskSizeOf = (file: string): number => (fs.statSync(file, { throwIfNoEntry: false })?.blocks ?? 0) * 512

/** A new directory that is there as long as this process, below `TIDEMARK_BENCH_DIR`. */
export const scratch = (name: string): string => {
  const directory = fs.mkdtempSync(
    path.join(process.env["TIDEMARK_BENCH_DIR"] ?? os.tmpdir(), `tidemark-bench-${name}-`)
  )
  process.on("exit", () => fs.rmSync(directory, { recursive: true, force: true }))
  return directory
}

export const emptied = (directory: string): string => {
  fs.rmSync(directory, { recursive: true, force: true })
  fs.mkdirSync(directory, { recursive: true })
  return directory
}

export const loadAverage = (): string =>
  fs.existsSync("/proc/loadavg") ? fs.readFileSync("/proc/loadavg", "utf8").split(" ").slice(0, 3).join(" ") : "unknown"
