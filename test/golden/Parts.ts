/**
 * What the golden store of packed writes has: parts of a text, each rewritten whole as it grows.
 */
import * as Update from "../../src/Update.ts"

const parts = ["a", "b", "c"]
const steps = 20

const valueOf = (part: string, step: number): string => `${part} ${"grows and grows. ".repeat(20 + step)}`

/** What is written at a time: all parts, one step further. */
export const updatesAt = (time: number): ReadonlyArray<Update.Update<string, string>> =>
  parts.flatMap((part) => [
    ...(time === 0 ? [] : [Update.retract(part, valueOf(part, time - 1), time)]),
    Update.insert(part, valueOf(part, time), time)
  ])

/** Times in batches, and all times. */
export const stored = Array.from({ length: steps / 2 }, (_, time) => time)
export const times = Array.from({ length: steps }, (_, time) => time)

export const contentsAt = (time: number): ReadonlyArray<readonly [string, string, number]> =>
  parts.map((part) => [part, valueOf(part, time), 1])
