// Starts a program of an archive of Electron: `InArchive ARCHIVE FILE ARGUMENTS...`. Its modules are read from the archive, by
// the names that they have in it. Threads read none of it, as in Electron before 18.
import { extractAll, extractFile } from "@electron/asar"
import { mkdtempSync, rmSync } from "node:fs"
import { registerHooks } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"

const [archive, file] = process.argv.splice(2, 2) as [string, string]

/** Where names are looked up. What is found is not read here. */
const copy = mkdtempSync(join(tmpdir(), "tidemark-archive-"))
extractAll(archive, copy)
process.once("exit", () => rmSync(copy, { recursive: true, force: true }))

const [inArchive, inCopy] = [`${pathToFileURL(archive)}/`, `${pathToFileURL(copy)}/`]

const moved = (url: string | undefined, from: string, to: string) =>
  url?.startsWith(from) === true ? to + url.slice(from.length) : url

registerHooks({
  resolve: (specifier, context, next) => {
    const parentURL = moved(context.parentURL, inArchive, inCopy)
    const found = next(moved(specifier, inArchive, inCopy)!, { ...context, parentURL })
    return { ...found, url: moved(found.url, inCopy, inArchive)! }
  },
  load: (url, context, next) =>
    url.startsWith(inArchive)
      ? {
        format: "module",
        source: extractFile(archive, decodeURIComponent(url.slice(inArchive.length))),
        shortCircuit: true
      }
      : next(url, context)
})

const program = pathToFileURL(join(archive, file))
process.argv[1] = fileURLToPath(program)
await import(program.href)
