/**
 * Programs as they are deployed: bundled, with the worker that merges beside them. A process that runs sources as they are
 * takes memory and processor time for reading them, in each of its threads.
 */
import { build } from "esbuild"
import * as fs from "node:fs"
import * as path from "node:path"

/** Bundles the program in a new directory below `base`. Returns its file. */
export const bundled = async (program: string, base: string): Promise<string> => {
  const outdir = fs.mkdtempSync(path.join(base, "program-"))
  const worker = path.join(import.meta.dirname, "../src/node/MergeWorker.ts")
  await build({
    entryPoints: { program, MergeWorker: worker },
    outdir,
    bundle: true,
    splitting: true,
    platform: "node",
    format: "esm",
    conditions: ["tidemark-source"],
    logLevel: "error"
  })
  fs.writeFileSync(path.join(outdir, "package.json"), `{ "type": "module" }`)
  return path.join(outdir, "program.js")
}
