/**
 * The newest writes on the timeline, by key: what transactions are validated against.
 *
 * Keys are identified by a hash of 30 bits. A collision of hashes can only cause a needless conflict: no conflict is
 * missed. Memory is bounded by two generations of keys. When the newer generation is full it becomes the older one, and
 * the previous older one is discarded. Transactions that read before then cannot be validated any more.
 *
 * @internal
 */
import type { Columns } from "../batch/Columns.ts"
import * as Hash from "../batch/Hash.ts"
import type { Frontier, Timestamp } from "../Frontier.ts"
import type { Change } from "./Commit.ts"
import type { State } from "./State.ts"

/** Keys of one generation. */
const generationKeys = 65_536

export class RecentWrites {
  /** Every write at or after it is known. */
  from: Frontier
  private newerFrom: Frontier
  private older = new Map<number, Timestamp>()
  private newer = new Map<number, Timestamp>()

  constructor(from: Frontier) {
    this.from = from
    this.newerFrom = from
  }

  /** Adds what a commit has written on the timeline. */
  fold(state: State, changes: ReadonlyArray<Change>): void {
    for (const change of changes) {
      if (change._tag !== "Write") continue
      const { registration } = state.collections.get(change.collection)!
      if (registration.isOnTimeline) this.add(change.collection, change.columns)
    }
  }

  /** Adds the rows of one table, whose times never decrease from one call to the next. */
  add(collection: number, columns: Columns): void {
    if (columns.length === 0) return
    if (this.newer.size >= generationKeys) {
      this.older = this.newer
      this.newer = new Map()
      this.from = this.newerFrom
      this.newerFrom = columns.times[0]!
    }
    const { keyData, keyOffsets, length, times } = columns
    for (let row = 0; row < length; row++) {
      this.newer.set(hashOf(collection, keyData, keyOffsets[row]!, keyOffsets[row + 1]!), times[row]!)
    }
  }

  /** Whether the key has been written after the time, or might have been. */
  isWrittenAfter(time: Timestamp, hash: number): boolean {
    return time < (this.newer.get(hash) ?? this.older.get(hash) ?? -1)
  }
}

/** Of the collection and the key, in as many bits as a small integer of the JavaScript engine has. */
export const hashOf = (collection: number, bytes: Uint8Array, start: number, end: number): number =>
  Hash.finish(Hash.add(Hash.step(Hash.empty, collection), bytes, start, end)) & 0x3fff_ffff
