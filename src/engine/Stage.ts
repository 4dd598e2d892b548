/**
 * A stage: the commands of one group, validated in order against the state that includes the earlier ones, and not
 * durable yet.
 *
 * Staging changes nothing but the stage. When the commit that it yields is durable, folding it makes everything visible
 * at once; if the commit fails, dropping the stage rolls everything back, sequence numbers included.
 *
 * @internal
 */
import type * as Columns from "../batch/Columns.ts"
import * as Sheet from "../batch/Sheet.ts"
import type { Frontier, Timestamp } from "../Frontier.ts"
import { Conflict, InvalidRequest, UpperMismatch, ValueOutOfRange } from "../PersistError.ts"
import type { Collection } from "./Collection.ts"
import type { Change, Commit } from "./Commit.ts"
import { hashOf, RecentWrites } from "./RecentWrites.ts"
import type { State } from "./State.ts"
import * as Transaction from "./Transaction.ts"

/** A collection as a handle names it. The name is for messages: a destroyed collection is not in the state. */
export type Target = Transaction.Target

/** Rows for a collection, and its new upper, if its present upper is the expected one. */
export interface Conditional extends Target {
  readonly columns: Columns.Columns
  readonly expected: Frontier
  readonly upper: Frontier
}

/** The position of a read in the order of commands: it sees exactly what is staged before it. */
export interface Place {
  readonly collection: number
  readonly seqNo: number
  readonly upper: Frontier
  readonly since: Frontier
  /** How many of the staged writes to the collection come before it. */
  readonly writes: number
}

/** Columns of at least this many bytes are appended as they are; smaller ones of a group share a chunk. */
const ownChunkBytes = 64 * 1024

interface Pending {
  readonly live: Collection
  bytes: number
  rows: number
  upper: Frontier
  since: Frontier
  readonly writes: Array<Columns.Columns>
  /** Small writes that will share a chunk. */
  open: Array<Sheet.Rows>
}

export class Stage {
  seqNo: number
  /** Bytes of rows staged. */
  bytes = 0
  /** The upper of the timeline. */
  private timeline: Frontier
  /** Hashes of the keys on the timeline that what is staged has written. */
  private readonly written = new Set<number>()
  private readonly state: State
  private readonly recent: RecentWrites
  private readonly pending = new Map<number, Pending>()

  constructor(state: State, recent = new RecentWrites(state.timeline.upper)) {
    this.state = state
    this.recent = recent
    this.seqNo = state.seqNo
    this.timeline = state.timeline.upper
  }

  /** Whether there is something to make durable. Rejected commands, and commands that change nothing, are not. */
  get isDirty(): boolean {
    if (this.timeline !== this.state.timeline.upper) return true
    for (const { live, open, since, upper, writes } of this.pending.values()) {
      if (open.length > 0 || writes.length > 0 || upper !== live.upper || since !== live.since) return true
    }
    return false
  }

  /** What is staged for each collection: how many rows, of how many bytes. */
  *totals(): Iterable<{ readonly collection: string; readonly rows: number; readonly bytes: number }> {
    for (const { bytes, live, rows } of this.pending.values()) {
      if (rows > 0) yield { collection: live.registration.name, rows, bytes }
    }
  }

  /** Appends rows to collections: all, or none where one of them lies below a seal. */
  write(targets: ReadonlyArray<Target & { readonly columns: Sheet.Rows }>): number | InvalidRequest {
    const seqNo = ++this.seqNo
    for (const target of targets) {
      const pending = this.writable(target, seqNo)
      if (pending instanceof InvalidRequest) return pending
      const late = firstBelow(target.columns, pending.upper)
      if (late !== undefined) {
        return new InvalidRequest({
          seqNo,
          collection: target.name,
          reason: "TimeSealed",
          detail: `an update at time ${late} lies below the seal ${format(pending.upper)}; write at or after the seal`
        })
      }
    }
    for (const target of targets) this.append(this.pendingOf(target.id)!, target.columns)
    return seqNo
  }

  /** Moves the uppers of collections: all, or none where one of them would move back. */
  seal(targets: ReadonlyArray<Target>, upper: Frontier): number | InvalidRequest {
    const seqNo = ++this.seqNo
    for (const target of targets) {
      const pending = this.writable(target, seqNo)
      if (pending instanceof InvalidRequest) return pending
      if (upper < pending.upper) {
        return new InvalidRequest({
          seqNo,
          collection: target.name,
          reason: "SealRegressed",
          detail: `it is sealed up to ${format(pending.upper)}, and a seal never moves back to ${format(upper)}`
        })
      }
    }
    for (const target of targets) this.pendingOf(target.id)!.upper = upper
    return seqNo
  }

  /** Moves the sinces of collections: all, or none where one of them would move back. */
  allowCompaction(targets: ReadonlyArray<Target & { readonly since: Frontier }>): number | InvalidRequest {
    const seqNo = ++this.seqNo
    for (const target of targets) {
      const pending = this.pendingOf(target.id)
      if (pending === undefined) return destroyed(seqNo, target)
      if (target.since < pending.since) {
        return new InvalidRequest({
          seqNo,
          collection: target.name,
          reason: "SinceRegressed",
          detail: `history before ${format(pending.since)} is given up already, and a since never moves back to ${
            format(target.since)
          }`
        })
      }
    }
    for (const target of targets) {
      const pending = this.pendingOf(target.id)!
      pending.since = Math.max(pending.since, target.since)
    }
    return seqNo
  }

  /**
   * Appends rows to collections and moves their uppers in one step: all, or none where one of them has another upper than
   * is expected. A collection is named at most once.
   */
  compareAndAppend(targets: ReadonlyArray<Conditional>): number | InvalidRequest | UpperMismatch {
    const seqNo = this.seqNo + 1
    for (const target of targets) {
      const pending = this.writable(target, seqNo)
      if (pending instanceof InvalidRequest) {
        this.seqNo = seqNo
        return pending
      }
      if (pending.upper !== target.expected) {
        return new UpperMismatch({ collection: target.name, expected: target.expected, actual: pending.upper })
      }
    }
    for (const target of targets) {
      const pending = this.pendingOf(target.id)!
      this.append(pending, target.columns)
      pending.upper = target.upper
    }
    this.seqNo = seqNo
    return seqNo
  }

  /**
   * Appends at the next time of the timeline, and returns it, if nothing that was read has been written since. The time
   * is that of the clock. If the clock has not advanced, or has moved back, it is the upper of the timeline.
   */
  transact(
    { readAt, reads, writes }: Transaction.Transaction,
    now: Timestamp
  ): Timestamp | Conflict | InvalidRequest | ValueOutOfRange {
    for (const target of writes) if (this.pendingOf(target.id) === undefined) return destroyed(++this.seqNo, target)
    if (readAt + 1 < this.recent.from) return new Conflict({ table: reads[0]?.name ?? "", reason: "TooOld" })
    for (const read of reads) {
      const reason = this.conflict(read, readAt)
      if (reason !== undefined) return new Conflict({ table: read.name, reason })
    }
    const time = Math.max(now, this.timeline)
    const advanced = this.advance(time)
    if (typeof advanced !== "number") return advanced
    for (const { columns, id } of writes) {
      Sheet.setTime(columns, time)
      Sheet.eachKey(columns, (bytes, start, end) => this.written.add(hashOf(id, bytes, start, end)))
      this.append(this.pendingOf(id)!, columns)
    }
    return time
  }

  /** Completes a time for all collections on the timeline. */
  advance(time: Timestamp): Timestamp | ValueOutOfRange {
    if (time >= Number.MAX_SAFE_INTEGER) {
      return new ValueOutOfRange({
        what: "the time of a commit",
        detail: `the clock says ${time} microseconds, which is beyond the year 2255; set it right`
      })
    }
    this.seqNo++
    this.timeline = Math.max(this.timeline, time + 1)
    return time
  }

  /** Why the rows that were read may have changed since. */
  private conflict(read: Transaction.Reads, readAt: Timestamp): Conflict["reason"] | undefined {
    const live = this.state.collections.get(read.id)
    if (live === undefined) return undefined
    for (const key of read.keys) {
      const hash = hashOf(read.id, key, 0, key.length)
      if (this.written.has(hash) || this.recent.isWrittenAfter(readAt, hash)) return "KeyChanged"
    }
    const pending = this.pending.get(read.id)
    for (const range of read.ranges) {
      const isStaged = pending !== undefined &&
        [...pending.writes, ...pending.open].some((rows) => Transaction.touches(range, Sheet.view(rows)))
      if (isStaged || Transaction.isWrittenAfter(live, range, readAt)) return "RangeChanged"
    }
    return undefined
  }

  /** The position of a read among the commands staged so far, or `undefined` where the collection is not live. */
  place(collection: number): Place | undefined {
    const live = this.state.collections.get(collection)
    if (live === undefined) return undefined
    const pending = this.pending.get(collection)
    if (pending !== undefined) close(pending)
    const { upper, since } = pending ?? live
    return {
      collection,
      seqNo: this.seqNo,
      upper: live.registration.isOnTimeline ? this.timeline : upper,
      since,
      writes: pending?.writes.length ?? 0
    }
  }

  /** The commit of everything staged. Appends come before seals, so that each change is valid at its position. */
  commit(writer: number, attempt: number): Commit {
    const changes: Array<Change> = []
    for (const [collection, pending] of this.pending) {
      close(pending)
      for (const columns of pending.writes) changes.push({ _tag: "Write", collection, columns })
    }
    for (const [collection, { live, since, upper }] of this.pending) {
      if (upper !== live.upper) changes.push({ _tag: "Seal", collection, upper })
      if (since !== live.since) changes.push({ _tag: "AllowCompaction", collection, since })
    }
    if (this.timeline !== this.state.timeline.upper) changes.push({ _tag: "Timeline", upper: this.timeline })
    return { writer, attempt, seqNo: this.seqNo, changes }
  }

  /** What is staged of a live collection that is not on the timeline, or why the target is no such collection. */
  private writable(target: Target, seqNo: number): Pending | InvalidRequest {
    const pending = this.pendingOf(target.id)
    if (pending === undefined) return destroyed(seqNo, target)
    return pending.live.registration.isOnTimeline ? onTimeline(seqNo, target) : pending
  }

  private pendingOf(collection: number): Pending | undefined {
    const known = this.pending.get(collection)
    if (known !== undefined) return known
    const live = this.state.collections.get(collection)
    if (live === undefined) return undefined
    const pending: Pending = { live, bytes: 0, rows: 0, upper: live.upper, since: live.since, writes: [], open: [] }
    this.pending.set(collection, pending)
    return pending
  }

  private append(pending: Pending, rows: Sheet.Rows): void {
    const length = Sheet.lengthOf(rows)
    if (length === 0) return
    const size = Sheet.bytesOf(rows)
    this.bytes += size
    pending.bytes += size
    pending.rows += length
    if (size >= ownChunkBytes) close(pending)
    pending.open.push(rows)
    if (size >= ownChunkBytes) close(pending)
  }
}

const close = (pending: Pending): void => {
  if (pending.open.length === 0) return
  pending.writes.push(Sheet.gather(pending.open))
  pending.open = []
}

const firstBelow = (rows: Sheet.Rows, upper: Frontier): number | undefined => {
  if (rows instanceof Sheet.Range) return rows.minTime < upper ? rows.minTime : undefined
  for (let i = 0; i < rows.length; i++) if (rows.times[i]! < upper) return rows.times[i]
  return undefined
}

const destroyed = (seqNo: number, target: Target): InvalidRequest =>
  new InvalidRequest({
    seqNo,
    collection: target.name,
    reason: "CollectionDestroyed",
    detail: "the collection was destroyed; this handle is of no more use"
  })

const onTimeline = (seqNo: number, target: Target): InvalidRequest =>
  new InvalidRequest({
    seqNo,
    collection: target.name,
    reason: "OnTimeline",
    detail: "it is a table, whose times the store's timeline gives and seals; write to it through tidemark/tables"
  })

const format = (frontier: Frontier): string => frontier === Infinity ? "the end of time" : String(frontier)
