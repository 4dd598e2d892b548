/**
 * Times, and frontiers over them.
 *
 * A **timestamp** is a non-negative safe integer; its unit is the application's. A **frontier** is the boundary between
 * times that are settled and times that are not: the first time that is *not* settled, or empty when all are. As times
 * are totally ordered, a frontier is one number, and the empty frontier is `Infinity`: the greatest of all, so that
 * frontiers compare with `<` and `>` and join with `Math.max`. The idea and the words are those of timely and
 * differential dataflow, where a frontier is an antichain.
 *
 * - `upper` (moved by `seal`): nothing at a time below it will ever be added.
 * - `since` (moved by `allowCompaction`): times below it may no longer be distinguished.
 *
 * @since 0.1.0
 */
import { ValueOutOfRange } from "./PersistError.ts"

/**
 * A point in logical time: an integer in [0, 2^53 - 1], in a unit of the application's choice.
 *
 * @category models
 * @since 0.1.0
 */
export type Timestamp = number

/**
 * The first time that is not settled, or `empty` (`Infinity`) when every time is.
 *
 * @category models
 * @since 0.1.0
 */
export type Frontier = number

/**
 * The frontier of a new collection: nothing is settled.
 *
 * @category constructors
 * @since 0.1.0
 */
export const initial: Frontier = 0

/**
 * The empty frontier: every time is settled, for ever.
 *
 * @category constructors
 * @since 0.1.0
 */
export const empty: Frontier = Infinity

/**
 * @category predicates
 * @since 0.1.0
 */
export const isEmpty = (frontier: Frontier): boolean => frontier === Infinity

/**
 * @category predicates
 * @since 0.1.0
 */
export const isTimestamp = (u: unknown): u is Timestamp => Number.isSafeInteger(u) && (u as number) >= 0

/**
 * @category predicates
 * @since 0.1.0
 */
export const isFrontier = (u: unknown): u is Frontier => u === Infinity || isTimestamp(u)

/**
 * Whether `time` is below the frontier: for an upper, whether it is complete.
 *
 * @example
 * ```ts
 * import { Frontier } from "tidemark"
 *
 * Frontier.isSettled(2, 1) // true: sealed up to 2, so 1 is complete
 * Frontier.isSettled(2, 2) // false
 * ```
 *
 * @category predicates
 * @since 0.1.0
 */
export const isSettled = (frontier: Frontier, time: Timestamp): boolean => time < frontier

/**
 * The last time below the frontier; `undefined` for the initial frontier, which has none.
 *
 * @category combinators
 * @since 0.1.0
 */
export const lastSettled = (frontier: Frontier): Timestamp | undefined =>
  frontier === 0 ? undefined : Math.min(frontier - 1, Number.MAX_SAFE_INTEGER)

/**
 * The time that an update at `time` is advanced to once history before `since` may be compacted.
 *
 * @category combinators
 * @since 0.1.0
 */
export const advance = (time: Timestamp, since: Frontier): number => time < since ? since : time

/**
 * The later of two frontiers.
 *
 * @category combinators
 * @since 0.1.0
 */
export const join = (a: Frontier, b: Frontier): Frontier => Math.max(a, b)

/**
 * The earlier of two frontiers.
 *
 * @category combinators
 * @since 0.1.0
 */
export const meet = (a: Frontier, b: Frontier): Frontier => Math.min(a, b)

/**
 * For people: the number, or `empty`.
 *
 * @category formatting
 * @since 0.1.0
 */
export const format = (frontier: Frontier): string => frontier === Infinity ? "empty" : String(frontier)

/**
 * In JSON, which has no infinity: the number, or `"empty"`.
 *
 * @category formatting
 * @since 0.1.0
 */
export const toJson = (frontier: Frontier): number | "empty" => frontier === Infinity ? "empty" : frontier

/**
 * Validates a frontier that a caller passes: a non-negative safe integer, or `empty`. Anything else is returned as the
 * error.
 *
 * @category guards
 * @since 0.1.0
 */
export const check = (what: string, frontier: number): ValueOutOfRange | undefined =>
  isFrontier(frontier) ? undefined : outOfRange(what, frontier)

/**
 * Validates a timestamp that a caller passes: a non-negative safe integer. Anything else is returned as the error.
 *
 * @category guards
 * @since 0.1.0
 */
export const checkTime = (what: string, time: number): ValueOutOfRange | undefined =>
  isTimestamp(time) ? undefined : outOfRange(what, time)

const outOfRange = (what: string, value: number): ValueOutOfRange =>
  new ValueOutOfRange({
    what,
    detail: `${value} is not an integer between 0 and 2^53 - 1; milliseconds, microseconds, offsets and sequence ` +
      "numbers fit, nanoseconds since 1970 do not"
  })
