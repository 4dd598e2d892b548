/**
 * Which of the choices of a seed a run of a simulation keeps. A seed alone keeps all of them. A shrunk history keeps a
 * few scheduling choices, faults and steps, by their numbers, and omits the others.
 *
 * As text it is what a failure prints: `17`, or `17:c4,9:f0:s` for seed 17 with two choices, one fault and no step.
 *
 * @internal
 */
export interface Choices {
  /** The points where the scheduler departs from "first come, first served, until it waits". */
  readonly choices?: ReadonlySet<number> | undefined
  readonly faults?: ReadonlySet<number> | undefined
  /** The effects that the program itself declares to be steps. */
  readonly steps?: ReadonlySet<number> | undefined
}

export type Kind = keyof Choices

/** In the order in which omitting them makes a history shorter. */
export const kinds: ReadonlyArray<Kind> = ["steps", "faults", "choices"]

export const all: Choices = {}

/** A run of a seed, and which choices it keeps. */
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

/** Undefined if the text was not made by `print`. */
export const parse = (text: string): Replay | undefined => {
  if (!/^\d+(:[cfs](\d+(,\d+)*)?)*$/.test(text)) return undefined
  const [seed, ...parts] = text.split(":")
  const kept = Object.fromEntries(parts.map((part) => {
    const numbers = part.slice(1).split(",").filter((number) => number !== "").map(Number)
    return [kinds.find((kind) => kind.startsWith(part[0]!))!, new Set(numbers)]
  }))
  return { seed: Number(seed), kept }
}

/** Numbers the choices of one kind in the order of their occurrence, and decides which of them are kept. */
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
