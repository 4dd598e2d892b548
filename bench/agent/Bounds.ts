/**
 * What the agent's table must reach beside SQLite's upserts, with what was measured.
 */
import type { Row } from "../Target.ts"
import type { Measured } from "./Measure.ts"
import type { Name } from "./Stores.ts"

/** Processor time without what making the events takes. */
export const cpuOf = (measured: ReadonlyMap<Name, Measured>, name: Name): number =>
  Math.max(0, measured.get(name)!.cpu - measured.get("none")!.cpu)

export const bound = (work: string, most: number, measured: number, unit = "x"): Row => ({
  work,
  figure: `${measured.toFixed(2)} ${unit}`,
  target: `<= ${most} ${unit}`,
  holds: measured <= most
})

/** The targets, where Tidemark and SQLite's upserts were both measured. */
export const bounds = (measured: ReadonlyMap<Name, Measured>): ReadonlyArray<Row> => {
  const ours = measured.get("tidemark")
  const theirs = measured.get("sqlite upserts")
  if (ours === undefined || theirs === undefined) return []
  const { live } = measured.get("none")!
  return [
    bound(
      "processor time, over SQLite's upserts",
      1.2,
      cpuOf(measured, "tidemark") / cpuOf(measured, "sqlite upserts")
    ),
    bound("bytes written, over SQLite's upserts", 0.8, ours.written / theirs.written),
    bound("disk, most on the way, over live bytes", 3, ours.most / live),
    bound("disk, at rest for 5 s, over live bytes", 1.2, ours.rest / live),
    bound("cold start of a process to one session, over SQLite's upserts", 1, ours.cold.process / theirs.cold.process),
    bound("of it opening and reading, over SQLite's upserts", 1, ours.cold.millis / theirs.cold.millis)
  ]
}
