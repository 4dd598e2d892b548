/**
 * What the core entry point weighs: the time of its import beyond that of `effect`, and its size, minified and compressed.
 */
import { execFileSync } from "node:child_process"
import { createRequire } from "node:module"
import * as path from "node:path"
import { gzipSync } from "node:zlib"
import { median } from "../Measure.ts"
import type { Workload } from "../Workload.ts"

const root = path.resolve(import.meta.dirname, "../..")

/** Milliseconds of importing a module after `effect`, in a process of its own. */
const importMillis = (file: string): number => {
  const program = `await import("effect")
    const start = performance.now()
    await import(${JSON.stringify(file)})
    console.log(performance.now() - start)`
  return Number(execFileSync(process.execPath, ["--input-type=module", "-e", program], { cwd: root, encoding: "utf8" }))
}

export const run: Workload = async () => {
  // In the checkout, so that it finds `effect`.
  const built = path.join(import.meta.dirname, "../results/built")
  const compiler = createRequire(import.meta.url).resolve("typescript/lib/tsc.js")
  execFileSync(process.execPath, [compiler, "-p", path.join(root, "src"), "--outDir", built])
  const entry = path.join(built, "index.js")
  const { build } = await import("esbuild")
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    platform: "node",
    external: ["effect", "effect/*"]
  })
  return {
    importMillis: median(Array.from({ length: 9 }, () => importMillis(entry))),
    kilobytes: gzipSync(outputFiles[0]!.contents, { level: 9 }).length / 1000
  }
}
