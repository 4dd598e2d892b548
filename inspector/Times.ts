/**
 * Times as people read them. A collection's times are its own: those that can be dates are shown as such, too.
 */
import type { Collection, Frontier } from "./Api.ts"

const year2000 = 946_684_800_000
const year2100 = 4_102_444_800_000

/** How many units of a time a millisecond has, if the time can be milliseconds or microseconds since 1970. */
export const perMillisecond = (time: number): number | undefined => {
  if (time >= year2000 && time < year2100) return 1
  return time >= year2000 * 1000 && time < year2100 * 1000 ? 1000 : undefined
}

/** Milliseconds since 1970, if the time can be a date. */
const millisOf = (time: number): number | undefined => {
  const unit = perMillisecond(time)
  return unit === undefined ? undefined : time / unit
}

export const format = (time: number): string => {
  const millis = millisOf(time)
  return millis === undefined ? time.toLocaleString("en").replaceAll(",", " ") : new Date(millis).toISOString()
}

export const frontier = (of: Frontier): string => of === "empty" ? "finished" : format(of)

/** How far one frontier is behind another. */
export const behind = (reached: Frontier, upper: Frontier): string => {
  if (reached === "empty") return "up to date"
  if (upper === "empty") return "behind"
  return reached >= upper ? "up to date" : `${(upper - reached).toLocaleString("en")} behind`
}

/**
 * The times as of which a collection can be read, from the first one at which something is stored; the last is unknown
 * where it is finished.
 */
export const readable = (
  { firstTime = 0, since, upper }: Collection
): { readonly first: number; readonly last: number | undefined } | undefined => {
  if (since === "empty" || (upper !== "empty" && upper <= since)) return undefined
  const first = upper === "empty" || firstTime < upper ? Math.max(since, firstTime) : since
  return { first, last: upper === "empty" ? undefined : upper - 1 }
}

type Differ = (from: number, to: number) => Promise<boolean>

/** Two neighbouring times, the first of which does not pass the test and the second does, if `low` does not and `high` does. */
const halve = async (
  low: number,
  high: number,
  passes: (time: number) => Promise<boolean>
): Promise<readonly [number, number]> => {
  if (high - low <= 1) return [low, high]
  const middle = Math.floor((low + high) / 2)
  return await passes(middle) ? halve(low, middle, passes) : halve(middle, high, passes)
}

/** The first time in `(from, to]` at which something had changed since `from`. */
export const firstChange = async (from: number, to: number, hasChanged: Differ): Promise<number | undefined> => {
  if (from >= to || !(await hasChanged(from, to))) return undefined
  const [, first] = await halve(from, to, (time) => hasChanged(from, time))
  return first
}

/** The last time before `to` at which the contents were others than at `to`; the change came right after it. */
export const lastChange = async (from: number, to: number, hasChanged: Differ): Promise<number | undefined> => {
  if (from >= to || !(await hasChanged(from, to))) return undefined
  const [last] = await halve(from, to, async (time) => !(await hasChanged(time, to)))
  return last
}
