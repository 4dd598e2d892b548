/**
 * Latencies: their quantiles, and a plot of them for terminals.
 *
 * @internal
 */

/** The value below which a share `q` of the values lies. */
export const quantile = (values: ArrayLike<number>, q: number): number => {
  const sorted = Float64Array.from(values).toSorted()
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN
}

export const median = (values: ArrayLike<number>): number => quantile(values, 0.5)

export const millis = (value: number): string => `${value.toFixed(value < 10 ? 2 : 0)} ms`

/** Two buckets for each doubling. */
const bucketOf = (value: number): number => Math.floor(2 * Math.log2(value))

const width = 40

/** A line for each bucket from the least to the greatest value, with a bar for its number of values. */
export const plot = (values: ReadonlyArray<number>): string => {
  const counts = new Map<number, number>()
  for (const value of values) counts.set(bucketOf(value), (counts.get(bucketOf(value)) ?? 0) + 1)
  const buckets = [...counts.keys()]
  const first = Math.min(...buckets)
  const most = Math.max(...counts.values())
  return Array.from({ length: Math.max(...buckets) - first + 1 }, (_, i) => {
    const count = counts.get(first + i) ?? 0
    const from = millis(2 ** ((first + i) / 2)).padStart(9)
    return `${from} ${"#".repeat(Math.ceil(count / most * width)).padEnd(width)} ${count}`
  }).join("\n")
}
