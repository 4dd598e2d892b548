/**
 * Rows as plain objects, and the naive way to do with them what `src/batch` does with columns.
 */
import * as Columns from "../../src/batch/Columns.ts"
import type { Prng } from "../../src/testing/Prng.ts"

export interface Row {
  readonly key: Uint8Array
  readonly value: Uint8Array
  readonly time: number
  readonly diff: number
}

export const row = (key: string, value: string, time: number, diff: number): Row => ({
  key: Buffer.from(key),
  value: Buffer.from(value),
  time,
  diff
})

export const toColumns = (rows: ReadonlyArray<Row>): Columns.Columns => {
  const builder = new Columns.Builder()
  for (const { diff, key, time, value } of rows) {
    builder.keys.raw(key)
    builder.values.raw(value)
    builder.commit(time, diff)
  }
  return builder.finish()
}

/** The same rows as a slice in the middle of other columns, so that offsets do not begin at 0. */
export const toSlice = (rows: ReadonlyArray<Row>): Columns.Columns => {
  const other = row("other", "row", 1, 1)
  return Columns.slice(toColumns([other, ...rows, other]), 1, rows.length + 1)
}

export const fromColumns = (columns: Columns.Columns): ReadonlyArray<Row> =>
  Array.from({ length: columns.length }, (_, i) => ({
    key: Columns.keyAt(columns, i).slice(),
    value: Columns.valueAt(columns, i).slice(),
    time: columns.times[i]!,
    diff: columns.diffs[i]!
  }))

/** One line a row, to compare and to read. */
export const show = (rows: ReadonlyArray<Row>): ReadonlyArray<string> =>
  rows.map(({ diff, key, time, value }) => `${hex(key)} ${hex(value)} @${time} ${diff}`)

export const showColumns = (columns: Columns.Columns): ReadonlyArray<string> => show(fromColumns(columns))

const hex = (bytes: Uint8Array): string => `[${Buffer.from(bytes).toString("hex")}]`

export const compare = (a: Row, b: Row): number =>
  Buffer.compare(a.key, b.key) || Buffer.compare(a.value, b.value) || a.time - b.time

export interface Options {
  readonly since: number
  readonly lower?: number
  readonly upper?: number
}

export const consolidate = (rows: ReadonlyArray<Row>, options: Options): ReadonlyArray<Row> => {
  const { lower = 0, since, upper = Infinity } = options
  const sums = new Map<string, Row>()
  for (const each of rows) {
    if (each.time < lower || each.time >= upper || since === Infinity) continue
    const time = Math.max(each.time, since)
    const name = `${hex(each.key)} ${hex(each.value)} ${time}`
    sums.set(name, { ...each, time, diff: (sums.get(name)?.diff ?? 0) + each.diff })
  }
  return [...sums.values()].filter((each) => each.diff !== 0).toSorted(compare)
}

/** Ways to make keys and values, each with its own way to be hard to sort. */
export const shapes: Readonly<Record<string, (prng: Prng) => Uint8Array>> = {
  random: (prng) => prng.bytes(prng.int(12)),
  "one byte": (prng) => prng.bytes(1),
  "two values a byte": (prng) => prng.bytes(10).map((byte) => byte & 1),
  empty: () => new Uint8Array(0),
  equal: () => Buffer.from("all keys are equal"),
  "zeros of any length": (prng) => new Uint8Array(prng.int(20)),
  "zeros and ones of any length": (prng) => prng.bytes(prng.int(9)).map((byte) => byte >> 7),
  "prefixes of each other": (prng) => Buffer.from("abcdefghijklmnopqrstuvwxyz").subarray(0, prng.int(27)),
  "one long prefix": (prng) => Buffer.concat([new Uint8Array(300).fill(7), prng.bytes(prng.int(3))]),
  "the ends of the range": (prng) => prng.bytes(prng.int(6)).map((byte) => byte < 128 ? 0 : 255)
}

export interface Kind {
  readonly key: (prng: Prng) => Uint8Array
  readonly value: (prng: Prng) => Uint8Array
  readonly times: number
}

export const kindOf = (prng: Prng): Kind => {
  const kinds = Object.values(shapes)
  return { key: prng.pick(kinds), value: prng.pick(kinds), times: prng.pick([1, 3, 100, Number.MAX_SAFE_INTEGER]) }
}

/** Rows that repeat and cancel often. */
export const generate = (prng: Prng, length: number, kind: Kind = kindOf(prng)): ReadonlyArray<Row> => {
  const rows: Array<Row> = []
  while (rows.length < length) {
    const time = prng.int(kind.times)
    const diff = prng.pick([1, 1, -1, 2, -3, 1000])
    const known = rows.length > 0 && prng.chance(0.3) ? prng.pick(rows) : undefined
    if (known !== undefined) rows.push({ ...known, time: prng.chance(0.5) ? known.time : time, diff })
    else rows.push({ key: kind.key(prng), value: kind.value(prng), time, diff })
  }
  return rows
}
