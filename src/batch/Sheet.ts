/**
 * Sheets: builders that small writes share. A write of few rows is a range of a sheet and allocates no columns of its own.
 * When its group is committed, the ranges of the group are copied together into columns.
 *
 * A sheet is used again once all of its ranges have been copied. A range that will not be copied, as its write was
 * rejected, only keeps its sheet from being used again.
 *
 * @internal
 */
import * as Columns from "./Columns.ts"

/** A sheet that is larger is given up. */
const mostRows = 1024
const mostBytes = 64 * 1024

/** Rows `start` to `end` of a sheet: those of one write. */
export class Range {
  readonly sheet: Sheet
  readonly start: number
  readonly end: number
  /** Of keys, values, times and diffs. */
  readonly bytes: number
  readonly minTime: number

  constructor(sheet: Sheet, start: number, bytes: number, minTime: number) {
    this.sheet = sheet
    this.start = start
    this.end = sheet.builder.length
    this.bytes = bytes
    this.minTime = minTime
  }
}

/** The rows of one write: columns of its own, or a range of a sheet. */
export type Rows = Columns.Columns | Range

/**
 * Builders that full sheets have given up, for any other sheet. Values of some kilobytes fill a sheet with each commit: made
 * anew, doubling by doubling, its memory would keep the garbage collector busy.
 */
const spare: Array<Columns.Builder> = []
const mostSpare = 2
/** Memory that a large row has taken is not kept. */
const mostSpareBytes = 512 * 1024

export class Sheet {
  private made: Columns.Builder | undefined
  private ranges = 0
  private isInUse = false

  /** Whether rows can be added. Not while others are being added: a codec is free to do anything. */
  get isFree(): boolean {
    return !this.isInUse
  }

  get isFull(): boolean {
    const { made } = this
    return made !== undefined && (made.length >= mostRows || made.dataBytes >= mostBytes)
  }

  get builder(): Columns.Builder {
    return this.made ??= spare.pop() ?? new Columns.Builder()
  }

  /** Adds the rows that `fill` commits to the builder, all or none. It returns the least of their times. */
  add(fill: (into: Columns.Builder) => number): Range {
    const { builder } = this
    const start = builder.length
    const before = builder.dataBytes
    this.isInUse = true
    try {
      const minTime = fill(builder)
      this.ranges++
      return new Range(this, start, builder.dataBytes - before + 16 * (builder.length - start), minTime)
    } catch (error) {
      builder.cut(start)
      throw error
    } finally {
      this.isInUse = false
    }
  }

  /** Whether these rows can have the sheet's memory: they are large, have next to all of it, and nothing is added to it any more. */
  isOnly({ bytes }: Range): boolean {
    const { keys, values } = this.builder
    return this.ranges === 1 && !this.isInUse && this.isFull && 2 * bytes >= keys.bytes.length + values.bytes.length
  }

  /** The only range keeps the memory, which the sheet gives up. */
  handOver(): void {
    this.ranges = 0
    this.made = undefined
  }

  /** One of the ranges has been copied. */
  release(): void {
    if (--this.ranges > 0 || this.isInUse) return
    const { builder } = this
    if (this.isFull) {
      this.made = undefined
      if (spare.length === mostSpare || builder.keys.bytes.length + builder.values.bytes.length > mostSpareBytes) return
      spare.push(builder)
    }
    builder.clear()
  }
}

/** One sheet after the other. */
export class Sheets {
  private sheet = new Sheet()

  /** The one that rows are added to. */
  get current(): Sheet {
    if (this.sheet.isFull) this.sheet = new Sheet()
    return this.sheet
  }
}

/** A row whose time is not known yet. */
export interface Untimed {
  readonly key: Uint8Array
  readonly value: Uint8Array
  readonly diff: number
}

/** Adds rows, at time 0. */
export const addRows = (sheets: Sheets, rows: ReadonlyArray<Untimed>): Range =>
  sheets.current.add((into) => {
    for (const { diff, key, value } of rows) into.add(key, value, 0, diff)
    return 0
  })

export const bytesOf = (rows: Rows): number => rows instanceof Range ? rows.bytes : Columns.goodputBytes(rows)

export const lengthOf = (rows: Rows): number => rows instanceof Range ? rows.end - rows.start : rows.length

/** Gives all rows one time. */
export const setTime = (rows: Rows, time: number): void => {
  if (rows instanceof Range) rows.sheet.builder.setTimes(rows.start, rows.end, time)
  else rows.times.fill(time)
}

/** Calls the function with the place of each key. */
export const eachKey = (rows: Rows, visit: (bytes: Uint8Array, start: number, end: number) => void): void => {
  if (rows instanceof Range) {
    const { end, sheet: { builder }, start } = rows
    for (let row = start; row < end; row++) visit(builder.keys.bytes, builder.keyStart(row), builder.keyStart(row + 1))
  } else {
    const { keyData, keyOffsets, length } = rows
    for (let row = 0; row < length; row++) visit(keyData, keyOffsets[row]!, keyOffsets[row + 1]!)
  }
}

/** The rows as columns. Those of a range are valid until it is released. */
export const view = (rows: Rows): Columns.Columns =>
  rows instanceof Range ? Columns.slice(rows.sheet.builder.view(), rows.start, rows.end) : rows

/** All rows, one after the other, as columns of their own. The ranges among them are released. */
export const gather = (parts: ReadonlyArray<Rows>): Columns.Columns => {
  const [first] = parts
  if (parts.length === 1 && !(first instanceof Range)) return first!
  if (parts.length === 1 && first instanceof Range && first.sheet.isOnly(first)) {
    const columns = view(first)
    first.sheet.handOver()
    return columns
  }
  const gathered = Columns.copyStretches(stretches(parts))
  for (const part of parts) if (part instanceof Range) part.sheet.release()
  return gathered
}

/** Ranges that are next to each other are one stretch. */
const stretches = (parts: ReadonlyArray<Rows>): Array<Columns.Stretch> => {
  const found: Array<Columns.Stretch> = []
  for (let i = 0; i < parts.length;) {
    const first = parts[i++]!
    if (!(first instanceof Range)) {
      found.push({ from: first, start: 0, end: first.length })
      continue
    }
    const { sheet, start } = first
    let { end } = first
    for (; i < parts.length; i++) {
      const next = parts[i]!
      if (!(next instanceof Range) || next.sheet !== sheet || next.start !== end) break
      end = next.end
    }
    found.push(sheet.builder.stretch(start, end))
  }
  return found
}
