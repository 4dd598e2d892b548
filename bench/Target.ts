/**
 * Figures with a target each, as the benchmarks of one subject print them.
 */
import { table } from "./Report.ts"
import { machine } from "./Samples.ts"

export interface Row {
  readonly work: string
  readonly figure: string
  readonly target: string
  readonly holds: boolean
}

/** Prints the machine and what was measured beside each target; the process fails where a target is missed. */
export const print = (rows: ReadonlyArray<Row>): void => {
  console.log(`\n${machine()}\n`)
  console.log(table(
    ["work", "figure", "target", "holds"],
    rows.map(({ figure, holds, target, work }) => [work, figure, target, holds ? "yes" : "**no**"])
  ))
  if (rows.some(({ holds }) => !holds)) process.exitCode = 1
}
