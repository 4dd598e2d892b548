/**
 * Writes the playground: a page with the whole engine, and the inspector beside it.
 */
import { build } from "esbuild"
import fs from "node:fs"
import { join } from "node:path"
import { html } from "../src/server/InspectorPage.ts"

const source = join(import.meta.dirname, "../site/playground")

/** The inspector, which asks the page around it instead of a server. */
const inspector = html.replace(
  "<meta charset",
  "<script>window.fetch = (...request) => parent.tidemarkFetch(...request)</script><meta charset"
)

export const write = async (folder: string): Promise<void> => {
  await build({
    entryPoints: { main: join(source, "main.ts"), worker: join(source, "../../src/web/OpfsWorker.ts") },
    outdir: folder,
    bundle: true,
    minify: true,
    format: "esm",
    conditions: ["tidemark-source"]
  })
  fs.copyFileSync(join(source, "index.html"), join(folder, "index.html"))
  fs.writeFileSync(join(folder, "inspector.html"), inspector)
}
