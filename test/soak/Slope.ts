/**
 * Whether what was measured again and again grows: a line through noise, saws and outliers, and what it may rise at most.
 */
import { median } from "../../src/cli/Latency.ts"

/** What was measured at a moment, in seconds, of the life of a process. */
export interface Point {
  readonly at: number
  readonly life: number
  readonly value: number
}

/** What may grow, and how much while it is looked at: by a share of what it is, or by so much where that is more. */
export interface Bound {
  readonly share: number
  readonly least: number
}

export interface Judged {
  readonly median: number
  /** How much it has grown, from the beginning of what was looked at to its end. */
  readonly growth: number
  readonly allowed: number
  readonly holds: boolean
}

/** Without the first part of what there is, in which caches and budgets fill. */
export const settled = (points: ReadonlyArray<Point>, warmUp: number): ReadonlyArray<Point> => {
  const [from, to] = rangeOf(points)
  return points.filter(({ at }) => at >= from + warmUp * (to - from))
}

/** The same for each process by itself. */
export const settledLives = (points: ReadonlyArray<Point>, warmUp: number): ReadonlyArray<Point> =>
  [...Map.groupBy(points, ({ life }) => life).values()].flatMap((life) => settled(life, warmUp))

const rangeOf = (points: ReadonlyArray<Point>): readonly [from: number, to: number] => [
  points.reduce((least, { at }) => Math.min(least, at), Infinity),
  points.reduce((most, { at }) => Math.max(most, at), -Infinity)
]

/** The growth a second: the median of the slopes between any two points (Theil 1950, Sen 1968). */
export const slopeOf = (pairs: Iterable<readonly [Point, Point]>): number => {
  const slopes = Array.from(pairs, ([a, b]) => (b.value - a.value) / (b.at - a.at))
  return slopes.length === 0 ? 0 : median(slopes)
}

function* pairsOf(points: ReadonlyArray<Point>): Generator<readonly [Point, Point]> {
  for (const [i, a] of points.entries()) for (const b of points.slice(i + 1)) if (a.at < b.at) yield [a, b]
}

const judged = (points: ReadonlyArray<Point>, slope: number, seconds: number, { least, share }: Bound): Judged => {
  const middle = points.length === 0 ? 0 : median(points.map(({ value }) => value))
  const growth = slope * Math.max(0, seconds)
  const allowed = Math.max(least, share * middle)
  return { median: middle, growth, allowed, holds: growth <= allowed }
}

/** Whether it grows with the age of the store, whatever processes there were. */
export const ofStore = (points: ReadonlyArray<Point>, bound: Bound): Judged => {
  const [from, to] = rangeOf(points)
  return judged(points, slopeOf(pairsOf(points)), to - from, bound)
}

/** Whether it grows with the age of the process: points of different ones are not compared. */
export const ofProcess = (points: ReadonlyArray<Point>, bound: Bound): Judged => {
  const lives = [...Map.groupBy(points, ({ life }) => life).values()]
  const longest = lives.reduce((most, life) => {
    const [from, to] = rangeOf(life)
    return Math.max(most, to - from)
  }, 0)
  return judged(points, slopeOf(lives.flatMap((life) => [...pairsOf(life)])), longest, bound)
}

/** The last third over the first one, each by its median; 1 where there is too little of them. */
export const lateToEarly = (points: ReadonlyArray<Point>): number => {
  const third = Math.floor(points.length / 3)
  const values = points.map(({ value }) => value)
  return third === 0 ? 1 : median(values.slice(-third)) / median(values.slice(0, third))
}
