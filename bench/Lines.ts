/**
 * Batches of lines of text, as what comes from a network is.
 */
import { Update } from "../src/index.ts"

/** The text in one piece: the engine keeps texts that were put together as trees. */
const flat = (text: string): string => Buffer.from(text).toString("latin1")

export const batchRows = 1000

export const keys = Array.from({ length: 100_000 }, (_, i) => flat(`key-${String(i).padStart(12, "0")}`))

export const values = Array.from(
  { length: 10_007 },
  (_, i) => flat(String(i * 2654435761 % 4294967296).padStart(12, "0").repeat(7))
)

/** The rows of a time: keys in turn, values that differ from one time to the next. */
export const batch = (time: number): ReadonlyArray<Update.Update<string, string>> =>
  Array.from({ length: batchRows }, (_, i) =>
    Update.insert(
      keys[(time * batchRows + i) % keys.length]!,
      values[(time * 1009 + i * 7) % values.length]!,
      time
    ))
