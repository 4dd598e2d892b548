/**
 * The page of the server, made of `inspector/`: one module with one text, so that serving it needs no files.
 *
 * `node .ci/inspector.ts` writes it anew. A test checks that it is what this would write.
 */
import { build } from "esbuild"
import * as fs from "node:fs"
import * as path from "node:path"

const root = path.resolve(import.meta.dirname, "..")

/** Where it is, from the root of the checkout. */
export const target = "src/server/InspectorPage.ts"

const bundled = async (entry: string): Promise<string> => {
  const { outputFiles } = await build({
    entryPoints: [path.join(root, "inspector", entry)],
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    target: "es2024",
    charset: "utf8",
    legalComments: "none",
    jsx: "automatic",
    jsxImportSource: "preact"
  })
  return new TextDecoder().decode(outputFiles[0]!.contents).trim()
}

/** The module as it should be. */
export const page = async (): Promise<string> => {
  const [script, style] = await Promise.all([bundled("main.tsx"), bundled("style.css")])
  const html = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Tidemark</title>
<style>${style}</style>
<div id="app"></div>
<script type="module">${script.replaceAll("</script", String.raw`<\/script`)}</script>
</html>
`
  return `/**
 * The page at \`/\`, written by \`.ci/inspector.ts\` from \`inspector/\`.
 *
 * @internal
 */
export const html = ${JSON.stringify(html)}
`
}

if (process.argv[1] === import.meta.filename) fs.writeFileSync(path.join(root, target), await page())
