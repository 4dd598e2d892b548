/**
 * The workspace of one attempt of a transaction: its reads, as of one time, and its pending writes.
 *
 * It reads its own writes. Committing it is one command: the owner checks whether any key or range that was read has
 * been written since (optimistic concurrency control: Kung and Robinson, 1981).
 *
 * @internal
 */
import { Effect } from "effect"
import * as Columns from "../batch/Columns.ts"
import * as Sheet from "../batch/Sheet.ts"
import { maxWriteBytes } from "../client/Rows.ts"
import type { KeyRange, Reads } from "../engine/Transaction.ts"
import type { Timestamp } from "../Frontier.ts"
import { type Conflict, type InvalidRequest, ValueOutOfRange } from "../PersistError.ts"
import { computing } from "../Pure.ts"
import * as Command from "../runtime/Command.ts"
import type { Store } from "../runtime/Store.ts"
import type { Located, Relation, RowError } from "./Relation.ts"
import { isSame, type Row } from "./RowCache.ts"
import type { Turn } from "./Turns.ts"

/** The new state of a key. */
export interface Written<V> {
  readonly bytes: Uint8Array
  readonly before: Row<V> | undefined
  after: Row<V> | undefined
}

/** An index entry that is added or removed. */
export interface Entry {
  readonly key: Uint8Array
  readonly value: Uint8Array
  diff: number
}

/** What takes index entries. */
export interface Entries {
  /** Adds an index entry, or removes one. */
  entry<K, V>(relation: Relation<K, V>, id: string, key: Uint8Array, value: Uint8Array, diff: number): void
}

/** What the attempts of one transaction hand on. */
export interface Contest {
  last: Workspace | undefined
  /** The turn on what the last one has lost on, which the next one takes. */
  lostOn: (() => Turn) | undefined
}

interface Part {
  readonly id: number
  readonly name: string
  readonly relation: Pick<Relation<never, never>, "isNewer" | "sheets" | "turnOn" | "turns">
  readonly keys: Map<string, Uint8Array>
  readonly ranges: Array<KeyRange>
  readonly rows: Map<string, Written<unknown>>
  readonly entries: Map<string, Entry>
}

export class Workspace implements Entries {
  readonly store: Store
  private time: Timestamp
  private readonly parts = new Map<number, Part>()
  private readonly contest: Contest
  private turn: Turn | undefined

  constructor(store: Store, contest: Contest) {
    this.store = store
    this.contest = contest
    this.time = this.last()
  }

  /** Everything is read as of this time. */
  get readAt(): Timestamp {
    return this.time
  }

  /** The row of a key, which counts as read. */
  get<K, V>(relation: Relation<K, V>, located: Located): Effect.Effect<Row<V> | undefined, RowError> {
    const read = () => {
      const part = this.partOf(relation)
      const written = part.rows.get(located.id) as Written<V> | undefined
      if (written !== undefined) return Effect.succeed(written.after)
      part.keys.set(located.id, located.bytes)
      return relation.rowAt(located, this.time)
    }
    if (this.parts.size > 0) return read()
    const over = relation.turns.over(located)
    return over === undefined && this.contest.lostOn === undefined ? read() : Effect.flatMap(this.ready(over), read)
  }

  /**
   * Waits for the turn on what the last attempt has lost on, or for another one, and reads as of now. Only the first
   * read can wait: it determines the time of all.
   */
  ready(over?: Turn): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.parts.size > 0) return Effect.void
      const turn = this.contest.lostOn?.() ?? over
      if (turn === undefined) return Effect.void
      this.contest.lostOn = undefined
      return Effect.map(turn.take(() => void (this.turn = turn)), () => void (this.time = this.last()))
    })
  }

  /** Releases the turn. */
  end(): void {
    this.turn?.release()
    this.turn = undefined
  }

  private last(): Timestamp {
    return Math.max(0, this.store.state().timeline.upper - 1)
  }

  /** Replaces a row that was read. */
  put<K, V>(
    relation: Relation<K, V>,
    { bytes, id }: Located,
    current: Row<V> | undefined,
    after: Row<V> | undefined
  ): void {
    const { rows } = this.partOf(relation)
    const written = rows.get(id)
    if (written === undefined) rows.set(id, { bytes, before: current, after })
    else written.after = after
  }

  entry<K, V>(relation: Relation<K, V>, id: string, key: Uint8Array, value: Uint8Array, diff: number): void {
    const { entries } = this.partOf(relation)
    const known = entries.get(id)
    if (known === undefined) entries.set(id, { key, value, diff })
    else known.diff += diff
  }

  /** Records that a range was read. Returns the workspace's own writes in it. */
  range<K, V>(relation: Relation<K, V>, range: KeyRange): {
    readonly rows: ReadonlyMap<string, Written<V>>
    readonly entries: ReadonlyMap<string, Entry>
  } {
    const part = this.partOf(relation)
    part.ranges.push(range)
    return { rows: part.rows as ReadonlyMap<string, Written<V>>, entries: part.entries }
  }

  /** Makes the writes durable, and returns their time. Without writes, it returns the time of the reads. */
  readonly commit: Effect.Effect<Timestamp, CommitError> = computing(() =>
    this.isDirty() ? this.store.submit(this.request()) : Effect.succeed(this.readAt)
  )

  /** The turn on what a conflict was about: a key that was written after it was read, or the ranges that were read. */
  turnAfter({ reason, table }: Conflict): (() => Turn) | undefined {
    for (const { keys, name, ranges, relation } of this.parts.values()) {
      if (name !== table) continue
      if (reason === "RangeChanged" && ranges.length > 0) return () => relation.turnOn(ranges)
      for (const id of keys.keys()) if (relation.isNewer(id, this.time)) return () => relation.turns.ofKey(id)
    }
    return undefined
  }

  private isDirty(): boolean {
    for (const { entries, rows } of this.parts.values()) {
      for (const { after, before } of rows.values()) if (!isSame(before, after)) return true
      for (const { diff } of entries.values()) if (diff !== 0) return true
    }
    return false
  }

  private request(): Command.Transact {
    const reads: Array<Reads> = []
    const writes: Array<Command.Transact["writes"][number]> = []
    let room = maxWriteBytes
    for (const part of this.parts.values()) {
      const { id, keys, name, ranges, relation } = part
      if (keys.size > 0 || ranges.length > 0) reads.push({ id, name, keys: [...keys.values()], ranges })
      const rows = rowsOf(part)
      if (rows.length === 0) continue
      room = roomAfter(rows, name, room)
      writes.push({ id, name, columns: Sheet.addRows(relation.sheets, rows) })
    }
    return new Command.Transact({ readAt: this.readAt, reads, writes })
  }

  private partOf(relation: Pick<Part, "id" | "name"> & Part["relation"]): Part {
    const { id, name } = relation
    const known = this.parts.get(id)
    if (known !== undefined) return known
    const part: Part = { id, name, relation, keys: new Map(), ranges: [], rows: new Map(), entries: new Map() }
    this.parts.set(id, part)
    return part
  }
}

/** What a commit may fail with. */
export type CommitError = Command.Failure | Conflict | InvalidRequest | ValueOutOfRange

/** The rows that a transaction writes to one table. The owner assigns their times. */
const rowsOf = ({ entries, rows }: Part): ReadonlyArray<Sheet.Untimed> => {
  const written: Array<Sheet.Untimed> = []
  for (const { after, before, bytes } of rows.values()) {
    if (!isSame(before, after)) replace(written, bytes, before, after)
  }
  for (const entry of entries.values()) if (entry.diff !== 0) written.push(entry)
  return written
}

/** Adds the rows that replace one by another. */
export const replace = (
  written: Array<Sheet.Untimed>,
  key: Uint8Array,
  before: Row<unknown> | undefined,
  after: Row<unknown> | undefined
): void => {
  if (before !== undefined) written.push({ key, value: before.bytes, diff: -1 })
  if (after !== undefined) written.push({ key, value: after.bytes, diff: 1 })
}

/** How much room is left after the rows of a table. Throws where there is not enough. */
export const roomAfter = (rows: ReadonlyArray<Sheet.Untimed>, table: string, room: number): number => {
  let left = room
  for (const { key, value } of rows) {
    const size = key.length + value.length
    left -= size + 16
    if (size > Columns.maxRowBytes) throw rowTooLarge(table, size)
    if (left < 0) throw tooLarge(table)
  }
  return left
}

const rowTooLarge = (table: string, size: number) =>
  new ValueOutOfRange({
    what: `a row of table "${table}"`,
    detail: `its key and value have ${size} bytes, and a row may have ${Columns.maxRowBytes}`
  })

const tooLarge = (table: string) =>
  new ValueOutOfRange({
    what: "a transaction",
    detail:
      `its rows have more than ${maxWriteBytes} bytes, the last of them in table "${table}"; split it into several`
  })
