/** Point reads of rows in memory alone: `npm run bench -- reads`. They are in `npm run bench -- bounds`, too. */
import { Effect } from "effect"
import { scale, scratch } from "./Measure.ts"
import * as PointReads from "./PointReads.ts"
import { print } from "./Target.ts"

const [directory, ofMemory] = process.argv.slice(2)
if (directory !== undefined) await Effect.runPromise(PointReads.fill(directory, Number(ofMemory)))
else print(await PointReads.rows(scratch("reads"), scale))
