/**
 * What a run of a simulation keeps of everything that its seed decides. A seed alone keeps all of it; a shrunk history
 * keeps a few scheduling choices, faults and steps, by their numbers, and does without the others.
 *
 * As text it is what a failure prints: `17`, or `17:c4,9:f0:s` for seed 17 with two choices, one fault and no step.
 *
 * @internal
 */
export interface Choices {
  /** Where the scheduler departs from "first come, first served, until it waits". */
  readonly choices?: ReadonlySet<number> | undefined
  readonly faults?: ReadonlySet<number> | undefined
  /** The effects that the program itself declares to be steps. */
  readonly steps?: ReadonlySet<number> | undefined
}

export type Kind = keyof Choices

/** In the order in which leaving them out makes a history shorter. */
export const kinds: ReadonlyArray<Kind> = ["steps", "faults", "choices"]

export const all: Choices = {}

/** A run of a seed, and what of it is kept. */
export interface Replay {
  readonly seed: number
  readonly kept: Choices
}

export const print = ({ kept, seed }: Replay): string => {
  const parts = kinds.flatMap((kind) => {
    const numbers = kept[kind]
    return numbers === undefined ? [] : [`:${kind[0]}${[...numbers].join(",")}`]
  })
  return `${seed}${parts.join("")}`
}

/** Undefined where the text is not what `print` has made. */
export const parse = (text: string): Replay | undefined => {
  if (!/^\d+(:[cfs](\d+(,\d+)*)?)*$/.test(text)) return undefined
  const [seed, ...parts] = text.split(":")
  const kept = Object.fromEntries(parts.map((part) => {
    const numbers = part.slice(1).split(",").filter((number) => number !== "").map(Number)
    return [kinds.find((kind) => kind.startsWith(part[0]!))!, new Set(numbers)]
  }))
  return { seed: Number(seed), kept }
}

/** Numbers things of one kind as they come up, and says which of them are kept. */
export interface Counter {
  readonly next: () => boolean
  readonly count: () => number
}

export const counter = (kept: ReadonlySet<number> | undefined): Counter => {
  let count = 0
  return {
    next: () => {
      const number = count++
      return kept === undefined || kept.has(number)
    },
    count: () => count
  }
}
