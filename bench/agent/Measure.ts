/**
 * The stores of the agent table, measured: each written, opened cold and compacted in processes of its own.
 */
import { build } from "esbuild"
import * as fs from "node:fs"
import * as path from "node:path"
import { bundled } from "../Bundle.ts"
import { answerOf } from "../Child.ts"
import { median } from "../Measure.ts"
import type { Opened } from "./Opening.ts"
import type { Figures } from "./run.ts"
import { modules, type Name } from "./Stores.ts"

export type Measured = Figures & { readonly cold: Opened }

/**
 * The program that opens a store, as it would be deployed: one file with nothing in it that it does not need. What is counted
 * from the start of a process would otherwise be mostly that of reading sources.
 */
const opening = async (name: Exclude<Name, "none">, base: string): Promise<string> => {
  const outfile = path.join(base, `${name.replace(" ", "-")}.mjs`)
  await build({
    stdin: {
      contents: `import { openingOf } from "./Opening.ts"; import { open } from "./${
        modules[name]
      }"; await openingOf(open)`,
      resolveDir: import.meta.dirname,
      loader: "ts"
    },
    outfile,
    bundle: true,
    minify: true,
    platform: "node",
    format: "esm",
    conditions: ["tidemark-source"],
    logLevel: "error"
  })
  return outfile
}

export const measure = async (name: Name, base: string, scale: number): Promise<Measured> => {
  const directory = path.join(base, name.replace(" ", "-"))
  fs.mkdirSync(directory)
  const run = await bundled(path.join(import.meta.dirname, "run.ts"), base)
  const child = <A>(what: string): Promise<A> => answerOf(run, [what, name, directory, String(scale)], name)
  const figures = await child<Figures>("write")
  if (name === "none") return { ...figures, cold: { process: 0, millis: 0, cpu: 0 } }
  const program = await opening(name, base)
  const openings: Array<Opened> = []
  for (let round = 0; round < 7; round++) openings.push(await answerOf<Opened>(program, [directory], name))
  const compacted = await child<number>("compact")
  const of = (figure: keyof Opened): number => median(openings.map((opened) => opened[figure]))
  return { ...figures, compacted, cold: { process: of("process"), millis: of("millis"), cpu: of("cpu") } }
}
