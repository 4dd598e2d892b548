/** Which test files start nothing: no server, no process of their own. A helper that starts one takes its tests out by itself. */
import fs from "node:fs"
import { dirname, join, relative } from "node:path"

const root = join(import.meta.dirname, "../..")

/** A file of `test`, and what it imports from there, directly or not. */
const reach = (file: string, found = new Set<string>()): ReadonlySet<string> => {
  if (found.has(file)) return found
  found.add(file)
  for (const [, path] of fs.readFileSync(file, "utf8").matchAll(/(?:from|import)\s*\(?"(\.[^"]+\.ts)"/g)) {
    const imported = join(dirname(file), path!)
    if (!relative(join(root, "test"), imported).startsWith("..") && fs.existsSync(imported)) reach(imported, found)
  }
  return found
}

const startsProcesses = (file: string): boolean =>
  [...reach(file)].some((each) => /from "node:child_process"/.test(fs.readFileSync(each, "utf8")))

/** The test files that do start processes, from the root of the checkout. */
export const slowFiles: ReadonlyArray<string> = fs.readdirSync(join(root, "test"), {
  recursive: true,
  encoding: "utf8"
})
  .filter((file) => file.endsWith(".test.ts"))
  .map((file) => join(root, "test", file))
  .filter(startsProcesses)
  .map((file) => relative(root, file))
