/**
 * The history of a simulation as it was saved: what each process asked, and what the answers were.
 */
import type { Json } from "./Api.ts"

export interface Operation {
  /** One opening of the store by a process. */
  readonly client: string
  readonly call: { readonly _tag: string } & { readonly [name: string]: Json }
  readonly outcome: "ok" | "failed" | "unknown"
  readonly invoked: number
  /** Absent where there was no answer. */
  readonly completed?: number
  readonly reply?: Json
}

export interface Violation {
  readonly kind: string
  readonly operation: number
  readonly others: ReadonlyArray<number>
  readonly detail: string
}

export interface Recording {
  readonly replay: string
  readonly problem: string
  readonly history: ReadonlyArray<Operation>
  readonly violations: ReadonlyArray<Violation>
}

const isOperation = (each: Operation | null): boolean =>
  typeof each?.client === "string" && typeof each.call?._tag === "string" && typeof each.invoked === "number"

/** Throws what is wrong with the file, in words. */
export const parse = (text: string): Recording => {
  const refused = new Error("This file is no history of a simulation: \"tidemark simulate --save FILE\" writes one.")
  let found: Recording & { readonly tidemarkHistory?: number } | null
  try {
    found = JSON.parse(text) as Recording
  } catch {
    throw refused
  }
  if (found?.tidemarkHistory === undefined) throw refused
  if (found.tidemarkHistory !== 1) {
    throw new Error(`This file is of version ${found.tidemarkHistory}, which a newer inspector reads.`)
  }
  const { history, violations } = found
  if (!Array.isArray(history) || !Array.isArray(violations) || !history.every(isOperation)) throw refused
  return found
}

/** An operation between two of the moments at which anything happened, which are counted from 0. */
export interface Placed {
  readonly index: number
  readonly operation: Operation
  readonly begin: number
  readonly end: number
}

/** One row for each client, and more where its operations overlap. */
export interface Lane {
  readonly client: string
  readonly rows: ReadonlyArray<ReadonlyArray<Placed>>
}

export interface Lanes {
  readonly lanes: ReadonlyArray<Lane>
  readonly moments: number
  /** The indices of the operations in the order in which they were asked. */
  readonly steps: ReadonlyArray<number>
}

export const lanesOf = ({ history }: Recording): Lanes => {
  const times = history.flatMap(({ completed, invoked }) => completed === undefined ? [invoked] : [invoked, completed])
  const moments = new Map([...new Set(times)].toSorted((a, b) => a - b).map((time, moment) => [time, moment]))
  const placed = history
    .map((operation, index): Placed => {
      const begin = moments.get(operation.invoked)!
      // Subscriptions, and what a killed process asked, never end: bars to the end of all would hide the others.
      const end = operation.completed === undefined ? begin : moments.get(operation.completed)!
      return { index, operation, begin, end }
    })
    .toSorted((a, b) => a.begin - b.begin)
  const byClient = new Map<string, Array<Array<Placed>>>()
  for (const each of placed) {
    const rows = byClient.get(each.operation.client) ?? []
    byClient.set(each.operation.client, rows)
    const free = rows.find((row) => row.at(-1)!.end < each.begin)
    if (free === undefined) rows.push([each])
    else free.push(each)
  }
  return {
    lanes: [...byClient].map(([client, rows]) => ({ client, rows })),
    moments: moments.size,
    steps: placed.map(({ index }) => index)
  }
}

/** How an operation is marked: those whose answer is wrong, and those that it contradicts. */
export const marksOf = ({ violations }: Recording): ReadonlyMap<number, "wrong" | "against"> => {
  const marks = new Map<number, "wrong" | "against">()
  for (const { others } of violations) for (const other of others) marks.set(other, "against")
  for (const { operation } of violations) marks.set(operation, "wrong")
  return marks
}
