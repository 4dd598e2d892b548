/**
 * Finds a shorter history with the same violation. It omits steps of the program, then faults, then scheduling choices,
 * as long as the violation stays the same.
 *
 * Halves are tried first, then quarters, and so on, as in delta debugging: Zeller and Hildebrandt, "Simplifying and
 * Isolating Failure-Inducing Input" (2002).
 *
 * @internal
 */
import { Effect } from "effect"
import * as Replay from "../Replay.ts"
import * as Simulation from "./Simulation.ts"
import * as Violation from "./Violation.ts"

export interface Shrunk<A, E> {
  readonly kept: Replay.Choices
  readonly outcome: Simulation.Outcome<A, E>
  /** How many histories were tried. */
  readonly runs: number
}

interface Search<A, E> {
  readonly options: Simulation.Options<A, E>
  readonly violation: string | undefined
  kept: Replay.Choices
  outcome: Simulation.Outcome<A, E>
  runsLeft: number
}

/** `failed` is the outcome of the options, `limit` the largest number of histories to try. */
export const shrink = Effect.fnUntraced(function*<A, E>(
  options: Simulation.Options<A, E>,
  failed: Simulation.Outcome<A, E>,
  limit: number
) {
  const search: Search<A, E> = {
    options,
    violation: Violation.of(failed.exit),
    kept: options.kept ?? Replay.all,
    outcome: failed,
    runsLeft: limit
  }
  // Omitting choices of one kind may make choices of another kind superfluous.
  let before: number
  do {
    before = size(search)
    for (const kind of Replay.kinds) yield* shrinkKind(search, kind)
  } while (search.runsLeft > 0 && size(search) < before)
  return { kept: search.kept, outcome: search.outcome, runs: limit - search.runsLeft } satisfies Shrunk<A, E>
})

const numbersOf = <A, E>({ kept, outcome }: Search<A, E>, kind: Replay.Kind): ReadonlyArray<number> => {
  const count = outcome.counts[kind]
  const numbers = kept[kind] ?? Array.from({ length: count }, (_, number) => number)
  return [...numbers].filter((number) => number < count)
}

const size = <A, E>(search: Search<A, E>): number =>
  Replay.kinds.reduce((sum, kind) => sum + numbersOf(search, kind).length, 0)

/** Omits ranges of the kept choices of a kind, from the end to the beginning, and then smaller ones. */
const shrinkKind = Effect.fnUntraced(function*<A, E>(search: Search<A, E>, kind: Replay.Kind) {
  for (let piece = numbersOf(search, kind).length; piece >= 1; piece = Math.floor(piece / 2)) {
    let end = numbersOf(search, kind).length
    while (end > 0) {
      const begin = Math.max(0, end - piece)
      if (search.runsLeft === 0) return
      const numbers = numbersOf(search, kind)
      yield* attempt(search, { ...search.kept, [kind]: new Set([...numbers.slice(0, begin), ...numbers.slice(end)]) })
      end = Math.min(begin, numbersOf(search, kind).length)
    }
  }
})

/** Keeps the shorter replay, if it has the same violation. */
const attempt = Effect.fnUntraced(function*<A, E>(search: Search<A, E>, kept: Replay.Choices) {
  search.runsLeft--
  const outcome = yield* Simulation.simulate({ ...search.options, kept })
  if (Violation.of(outcome.exit) === search.violation) Object.assign(search, { kept, outcome })
})
