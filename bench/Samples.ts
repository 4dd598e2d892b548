/**
 * What was measured, kept in `bench/results`: one file a workload, so that a part can be measured again.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { loadAverage, scale } from "./Measure.ts"

export interface Sample {
  readonly workload: string
  readonly mode: string
  readonly engine: string
  readonly round: number
  /** The load of the machine when the run was over. */
  readonly load: string
  readonly figures: Readonly<Record<string, number>>
}

const directory = process.env["TIDEMARK_BENCH_RESULTS"] ?? path.join(import.meta.dirname, "results")

export const machine = (): string =>
  `node ${process.version}, ${os.cpus().length} cores (${os.cpus()[0]?.model.trim() ?? "unknown"}), ` +
  `${Math.round(os.totalmem() / 2 ** 30)} GiB, ${os.platform()} ${os.release()}, scale ${scale}, load ${loadAverage()}`

export const save = (workload: string, samples: ReadonlyArray<Sample>): void => {
  fs.mkdirSync(directory, { recursive: true })
  fs.writeFileSync(
    path.join(directory, `${workload}.json`),
    `${JSON.stringify({ machine: machine(), samples }, undefined, 1)}\n`
  )
}

export interface Saved {
  readonly machine: string
  readonly samples: ReadonlyArray<Sample>
}

/** All that is kept, workload by workload. */
export const load = (): ReadonlyArray<Saved> =>
  fs.readdirSync(directory).filter((name) => name.endsWith(".json")).toSorted()
    .map((name) => JSON.parse(fs.readFileSync(path.join(directory, name), "utf8")) as Saved)
