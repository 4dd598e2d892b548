/**
 * The stores of the agent table, measured: each written, opened cold and compacted in processes of its own.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { answerOf } from "../Child.ts"
import { median } from "../Measure.ts"
import type { Figures, Opened } from "./run.ts"
import type { Name } from "./Stores.ts"

export type Measured = Figures & { readonly cold: Opened }

export const measure = async (name: Name, base: string, scale: number): Promise<Measured> => {
  const directory = path.join(base, name.replace(" ", "-"))
  fs.mkdirSync(directory)
  const child = <A>(what: string): Promise<A> =>
    answerOf(path.join(import.meta.dirname, "run.ts"), [what, name, directory, String(scale)], name)
  const figures = await child<Figures>("write")
  if (name === "none") return { ...figures, cold: { millis: 0, cpu: 0 } }
  const openings: Array<Opened> = []
  for (let round = 0; round < 5; round++) openings.push(await child<Opened>("open"))
  const compacted = await child<number>("compact")
  const cold = { millis: median(openings.map(({ millis }) => millis)), cpu: median(openings.map(({ cpu }) => cpu)) }
  return { ...figures, compacted, cold }
}
