/**
 * States of the engine, made by hand.
 */
import type * as Columns from "../../src/batch/Columns.ts"
import type * as Batch from "../../src/engine/Batch.ts"
import type * as Commit from "../../src/engine/Commit.ts"
import * as State from "../../src/engine/State.ts"
import { row, toColumns } from "../batch/Rows.ts"

export const part = (key: string, changes: Partial<Batch.Part> = {}): Batch.Part => ({
  key,
  bytes: 100,
  rows: 10,
  checksum: 0x0123456789abcdefn,
  minKey: Buffer.from("a"),
  maxKey: Buffer.from("z"),
  minTime: 0,
  maxTime: 9,
  ...changes
})

/** A batch of one part. Its rows lie at every time that its description allows. */
export const batch = (
  key: string,
  lower: number,
  upper: number,
  changes: Partial<Pick<Batch.Batch, "since" | "level"> & Omit<Batch.Part, "key">> = {}
): Batch.Batch => {
  const { level = 0, since = 0, ...rest } = changes
  const maxTime = upper === Infinity ? lower + 9 : upper - 1
  return { lower, upper, since, level, parts: [part(key, { minTime: lower, maxTime, ...rest })] }
}

export const registration = (id: number, name: string): Commit.Registration => ({
  id,
  name,
  key: { name: "string", document: "" },
  value: { name: "json", document: "{}" },
  isOnTimeline: false
})

/** A collection on the timeline. */
export const table = (id: number, name: string): Commit.Registration => ({
  ...registration(id, name),
  isOnTimeline: true
})

/** Rows with one key, at the given times. */
export const columns = (...times: ReadonlyArray<number>): Columns.Columns =>
  toColumns(times.map((time) => row("key", "value", time, 1)))

export const commit = (...changes: ReadonlyArray<Commit.Change>): Commit.Commit => ({
  writer: 7,
  attempt: 1,
  seqNo: 5,
  changes
})

export const swap = (collection: number, changes: Partial<Commit.Swap> = {}): Commit.Swap => ({
  _tag: "Swap",
  collection,
  chunksFrom: 0,
  chunksBefore: 0,
  spills: [],
  trace: [],
  newSpills: [],
  newTrace: undefined,
  traceUpper: 0,
  ...changes
})

/** A state with collections of these names, folded from commits. */
export const stateOf = (...names: ReadonlyArray<string>): State.State => {
  const state = State.make()
  names.forEach((name, id) =>
    State.apply(state, commit({ _tag: "Register", registration: registration(id, name) }), "test")
  )
  return state
}

export const apply = (state: State.State, ...changes: ReadonlyArray<Commit.Change>): Array<string> =>
  State.apply(state, commit(...changes), "test")

export const write = (collection: number, ...times: ReadonlyArray<number>): Commit.Change => ({
  _tag: "Write",
  collection,
  columns: columns(...times)
})

export const seal = (collection: number, upper: number): Commit.Change => ({ _tag: "Seal", collection, upper })

export const allowCompaction = (collection: number, since: number): Commit.Change => ({
  _tag: "AllowCompaction",
  collection,
  since
})
