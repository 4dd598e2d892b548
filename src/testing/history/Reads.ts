/**
 * Checks what reads have shown: the consolidation of the commands that they must show, whole commands only.
 *
 * A snapshot of everything is checked at its place of the order. A snapshot as of a time, and a subscription, are
 * checked at the times that are complete. Both are sweeps over sorted commands, with running sums.
 *
 * @internal
 */
import { type Command, type Commands, type RowId, rowId } from "./Commands.ts"
import { frontier } from "./Facts.ts"
import type * as History from "./History.ts"
import type { Kind, Violation } from "./Violation.ts"

/** Sums of diffs by row, without zeros. */
export type Sums = Map<RowId, number>

/** What a read must show, and what it has shown. */
interface Comparison {
  readonly read: number
  readonly what: string
  readonly collection: number
  readonly expected: ReadonlyMap<RowId, number>
  readonly found: ReadonlyMap<RowId, number>
  /** Commands that are in `expected`. */
  readonly isExpected: (command: Command) => boolean
  /** The times that are compared. */
  readonly from: number
  readonly until: number
  /** The keys that are compared, if not all. */
  readonly keys?: History.Keys | undefined
}

export interface SequencedRead {
  readonly index: number
  readonly seqNo: number
  readonly completed: number
  readonly found: Sums
  /** The rows that it may show or not. */
  readonly unclear?: ReadonlySet<RowId>
  /** Up to it, the order of the reader's client is the global order. */
  readonly certainUpTo: number
  /** Whether the order of the reader's client may have branched off before this client's. */
  readonly mayBeBehind: (client: string) => boolean
}

const add = (sums: Sums, row: RowId, diff: number): void => {
  const sum = (sums.get(row) ?? 0) + diff
  if (sum === 0) sums.delete(row)
  else sums.set(row, sum)
}

const rowsOf = (command: Command, collection: number, from = 0, until = Infinity, keys?: History.Keys): Sums => {
  const sums: Sums = new Map()
  for (const [key, value, time, diff] of command.updates.get(collection) ?? []) {
    if (time >= from && time < until && isOf(keys, key)) add(sums, rowId(key, value), diff)
  }
  return sums
}

const isOf = (keys: History.Keys | undefined, key: string): boolean =>
  keys === undefined || (key >= keys.from && key < keys.to)

export const sumRows = (rows: ReadonlyArray<History.Row>): Sums => {
  const sums: Sums = new Map()
  for (const [key, value, multiplicity] of rows) add(sums, rowId(key, value), multiplicity)
  return sums
}

/** Rows at `from` or later of commands of which it is uncertain whether they were applied. */
const unsureRows = (commands: Commands, collection: number, from: number): ReadonlySet<RowId> => {
  const rows = new Set<RowId>()
  for (const command of commands.of(collection)) {
    if (command.outcome !== "unknown") continue
    const toldAt = commands.toldAt(command, collection)
    if (toldAt >= from || (toldAt >= 0 && command.isApplied)) continue
    addWritten(rows, command, collection)
  }
  return rows
}

/** Rows that a command takes back itself, at a later time, are among them: they are there at the times between. */
const addWritten = (rows: Set<RowId>, command: Command, collection: number): void => {
  for (const [key, value] of command.updates.get(collection) ?? []) rows.add(rowId(key, value))
}

/** Checks snapshots of everything in one collection, at their places of the order. */
export const checkSequenced = (
  commands: Commands,
  collection: number,
  reads: ReadonlyArray<SequencedRead>
): ReadonlyArray<Violation> => {
  const unsure = unsureRows(commands, collection, 0)
  const ordered = commands.of(collection)
    .filter(({ isApplied, seqNo }) => isApplied && seqNo !== undefined)
    .toSorted((a, b) => a.seqNo! - b.seqNo!)
  const sums: Sums = new Map()
  let next = 0
  return reads.toSorted((a, b) => a.seqNo - b.seqNo).flatMap((read) => {
    for (; next < ordered.length && ordered[next]!.seqNo! <= read.seqNo; next++) {
      for (const [row, diff] of rowsOf(ordered[next]!, collection)) add(sums, row, diff)
    }
    const { left, unclear } = leftOut(commands, collection, ordered, next, read)
    const expected = left.size === 0 ? sums : without(sums, left, collection)
    return compare(commands, new Set([...unsure, ...unclear, ...read.unclear ?? []]), {
      read: read.index,
      what: `the snapshot at ${read.seqNo}`,
      collection,
      expected,
      found: read.found,
      isExpected: (command) => command.isApplied && (command.seqNo ?? Infinity) <= read.seqNo && !left.has(command),
      from: 0,
      until: Infinity
    })
  })
}

/**
 * Sequence numbers of commands without effect are not durable. Those of a client that a newer writer has fenced may
 * therefore run ahead of the global order. Such a read may show any of the newer commands, if they are not of its
 * future.
 */
const leftOut = (
  commands: Commands,
  collection: number,
  ordered: ReadonlyArray<Command>,
  end: number,
  read: SequencedRead
) => {
  const left = new Set<Command>()
  const unclear = new Set<RowId>()
  for (let i = end - 1; i >= 0 && ordered[i]!.seqNo! > read.certainUpTo; i--) {
    const command = ordered[i]!
    if (!read.mayBeBehind(command.client)) continue
    if (commands.toldAt(command, collection) < 0) {
      for (const row of rowsOf(command, collection).keys()) unclear.add(row)
    } else if (command.invoked > read.completed || !isShown(commands, command, collection, read.found)) {
      left.add(command)
    }
  }
  return { left, unclear }
}

const isShown = (commands: Commands, command: Command, collection: number, found: Sums): boolean =>
  [...rowsOf(command, collection).keys()].some((row) => commands.ownerOf(collection, row) === command && found.has(row))

const without = (sums: Sums, left: ReadonlySet<Command>, collection: number): Sums => {
  const expected: Sums = new Map(sums)
  for (const command of left) for (const [row, diff] of rowsOf(command, collection)) add(expected, row, -diff)
  return expected
}

/** The contents as of a time, as a snapshot or the beginning of a subscription has shown them. */
export interface TimedRead {
  readonly index: number
  readonly asOf: number
  readonly found: Sums
  readonly keys?: History.Keys | undefined
}

/** The updates at times from a first one on and before another, as a subscription has delivered them. */
export interface Stretch {
  readonly index: number
  readonly from: number
  readonly until: number
  readonly updates: ReadonlyArray<History.Update>
}

/** What was read of a collection. */
export interface Reads {
  readonly sequenced: Array<SequencedRead>
  readonly timed: Array<TimedRead>
  readonly stretches: Array<Stretch>
}

/**
 * Records the deliveries of a subscription. Its first range shows contents, every other one each update once. Updates
 * without a progress after them do not count as delivered yet.
 */
export const follow = (
  reads: Reads,
  index: number,
  call: History.Call & { readonly _tag: "Subscribe" },
  events: ReadonlyArray<History.Delivered>
): ReadonlyArray<Violation> => {
  const { asOf, collection } = call
  const violations: Array<Violation> = []
  const from = frontier(call.from ?? 0)
  let reached = from
  let updates: Array<History.Update> = []
  for (const event of events) {
    if (event._tag === "Updates") {
      updates.push(...event.updates)
      continue
    }
    const until = frontier(event.frontier)
    if (until <= reached) {
      const detail = `a subscription went on from ${reached} to ${until}`
      violations.push({ kind: "FrontierRegressed", operation: index, others: [], collection, detail })
    }
    if (reached > 0) reads.stretches.push({ index, from: reached, until, updates })
    else {
      const found = sumRows(updates.map(([key, value, , diff]) => [key, value, diff]))
      reads.timed.push({ index, asOf: until - 1, found })
      const after = updates.filter(([, , time]) => time > (asOf ?? until))
      if (asOf !== undefined) reads.stretches.push({ index, from: asOf + 1, until, updates: after })
    }
    updates = []
    reached = until
  }
  return violations
}

interface Timed {
  readonly row: RowId
  readonly time: number
  readonly diff: number
}

/** What was shown of complete times of one collection. */
export const checkTimed = (
  commands: Commands,
  collection: number,
  reads: ReadonlyArray<TimedRead>,
  stretches: ReadonlyArray<Stretch>
): ReadonlyArray<Violation> => {
  const unsure = unsureRows(commands, collection, 0)
  const updates = commands.of(collection).filter(({ isApplied }) => isApplied)
    .flatMap((command) => command.updates.get(collection)!)
    .map(([key, value, time, diff]): Timed => ({ row: rowId(key, value), time, diff }))
    .toSorted((a, b) => a.time - b.time)
  const unsureOfSome = new Set(unsure)
  for (const command of commands.of(collection)) {
    if (command.outcome !== "unknown" || command.isApplied) continue
    addWritten(unsureOfSome, command, collection)
  }
  const sums: Sums = new Map()
  let next = 0
  const ofReads = reads.toSorted((a, b) => a.asOf - b.asOf).flatMap(({ asOf, found, index, keys }) => {
    for (; next < updates.length && updates[next]!.time <= asOf; next++) {
      add(sums, updates[next]!.row, updates[next]!.diff)
    }
    const what = `the contents as of ${asOf}`
    return compare(commands, keys === undefined ? unsure : unsureOfSome, {
      read: index,
      what,
      collection,
      expected: keys === undefined ? sums : ofKeys(commands, collection, asOf, keys),
      found,
      isExpected: ({ isApplied }) => isApplied,
      from: 0,
      until: asOf + 1,
      keys
    })
  })
  const ofStretches = stretches.flatMap((stretch) => {
    const found = stretch.updates.map(([key, value, time, diff]): Timed => ({ row: rowId(key, value), time, diff }))
    const { from, index, until } = stretch
    const unsure = unsureRows(commands, collection, from)
    const times = new Set([...found, ...between(updates, from, until)].map(({ time }) => time))
    const foundBy = byTime(found)
    const expectedBy = byTime(between(updates, from, until))
    return [...times].toSorted((a, b) => a - b).flatMap((time) =>
      compare(commands, unsure, {
        read: index,
        what: `the subscription's updates at ${time}`,
        collection,
        expected: time < from || time >= until ? empty : expectedBy.get(time) ?? empty,
        found: foundBy.get(time) ?? empty,
        isExpected: (command) => command.isApplied && time >= from && time < until,
        from: time,
        until: time + 1
      })
    )
  })
  return [...ofReads, ...ofStretches]
}

const ofKeys = (commands: Commands, collection: number, asOf: number, keys: History.Keys): Sums => {
  const sums: Sums = new Map()
  for (const command of commands.of(collection)) {
    if (!command.isApplied) continue
    for (const [row, diff] of rowsOf(command, collection, 0, asOf + 1, keys)) add(sums, row, diff)
  }
  return sums
}

const empty: Sums = new Map()

const between = (updates: ReadonlyArray<Timed>, from: number, until: number): ReadonlyArray<Timed> => {
  const first = firstAt(updates, from)
  return updates.slice(first, firstAt(updates, until))
}

const firstAt = (updates: ReadonlyArray<Timed>, time: number): number => {
  let low = 0
  let high = updates.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (updates[middle]!.time < time) low = middle + 1
    else high = middle
  }
  return low
}

const byTime = (updates: ReadonlyArray<Timed>): ReadonlyMap<number, Sums> => {
  const times = new Map<number, Sums>()
  for (const { diff, row, time } of updates) {
    const sums = times.get(time) ?? new Map<RowId, number>()
    times.set(time, sums)
    add(sums, row, diff)
  }
  return times
}

const compare = (
  commands: Commands,
  unsure: ReadonlySet<RowId>,
  comparison: Comparison
): ReadonlyArray<Violation> => {
  const { expected, found } = comparison
  const excess: Sums = new Map()
  for (const [row, sum] of found) if (sum !== expected.get(row) && !unsure.has(row)) add(excess, row, sum)
  for (const [row, sum] of expected) if (sum !== found.get(row) && !unsure.has(row)) add(excess, row, -sum)
  return excess.size === 0 ? [] : explain(commands, comparison, excess)
}

/** Names the commands that explain a difference. */
const explain = (commands: Commands, comparison: Comparison, excess: Sums): ReadonlyArray<Violation> => {
  const { collection, from, keys, until } = comparison
  const violations: Array<Violation> = []
  const violation = (kind: Kind, others: ReadonlyArray<number>, detail: string): void =>
    void violations.push({
      kind,
      operation: comparison.read,
      others,
      collection,
      detail: `${comparison.what} ${detail}`
    })

  const owners = new Set([...excess.keys()].map((row) => commands.ownerOf(collection, row)))
  for (const owner of owners) {
    if (owner === undefined) continue
    const rows = rowsOf(owner, collection, from, until, keys)
    const times = timesShown(commands, owner, collection, rows, excess)
    for (const row of rowsOf(owner, collection).keys()) if (!rows.has(row)) excess.delete(row)
    if (times === undefined) {
      for (const row of rows.keys()) if (commands.ownerOf(collection, row) === owner) excess.delete(row)
      violation("HalfCommand", [owner.index], "shows a part of a command only")
      continue
    }
    for (const [row, diff] of rows) add(excess, row, -times * diff)
    if (comparison.isExpected(owner)) {
      if (times === -1) violation("LostWrite", [owner.index], "does not show a write that was applied")
      else violation("DoubledWrite", [owner.index], `shows a write ${times + 1} times`)
    } else if (owner.outcome === "failed") {
      violation("FailedWriteVisible", [owner.index], "shows a write that was reported as failed")
    } else violation("FutureWrite", [owner.index], "shows a write that is of a later place or time")
  }
  for (const [row, sum] of excess) {
    const suspects = commands.of(collection)
      .filter((command) => Math.abs(rowsOf(command, collection, from, until, keys).get(row) ?? 0) === Math.abs(sum))
      .map(({ index }) => index)
    if (suspects.length > 0) violation("HalfCommand", suspects, "shows a part of a command only, one of these")
    else violation("WrongSum", [], `is wrong by ${sum} in the row ${JSON.stringify(row)}, as no command explains`)
  }
  return violations
}

/** How many times too often all own rows of a command are shown, or undefined if they differ. */
const timesShown = (
  commands: Commands,
  command: Command,
  collection: number,
  rows: Sums,
  excess: Sums
): number | undefined => {
  const own = [...rows].filter(([row]) => commands.ownerOf(collection, row) === command)
  // Shown outside of its times, if no row is within them.
  if (own.length === 0) return 1
  const times = own.map(([row, diff]) => (excess.get(row) ?? 0) / diff)
  return times.every((each) => each === times[0]) && times[0] !== 0 ? times[0] : undefined
}
