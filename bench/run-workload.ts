/**
 * The process of one run: its arguments are the workload, the engine, the mode and the directory.
 */
import { engineOf, type Workload } from "./Workload.ts"

process.once("disconnect", () => process.exit(1))
const [workload, engine, mode, directory] = process.argv.slice(2) as [string, string, string, string]
const { run } = await import(`./workloads/${workload}.ts`) as { readonly run: Workload }
const figures = await run({ engine: await engineOf(engine), mode, directory })
// Listeners and pools may still be open, and are not what is measured.
process.send!(figures, () => process.exit(0))
