/**
 * A relation: a collection on the timeline as transactions know it, for a table or for one of its indexes. It reads
 * rows as stored bytes, so that a replaced row is retracted exactly.
 *
 * @internal
 */
import { Effect, Exit } from "effect"
import type { Columns } from "../batch/Columns.ts"
import * as Compare from "../batch/Compare.ts"
import * as Sheet from "../batch/Sheet.ts"
import { ByteWriter } from "../ByteWriter.ts"
import type { Collection } from "../client/Collection.ts"
import { type OpenViewError, rowsNow, rowsOf } from "../client/CollectionReader.ts"
import * as Rows from "../client/Rows.ts"
import type { ReadError } from "../client/Snapshot.ts"
import type { KeyRange } from "../engine/Transaction.ts"
import type { Timestamp } from "../Frontier.ts"
import { NotKeyed } from "../PersistError.ts"
import * as Platform from "../Platform.ts"
import { computing } from "../Pure.ts"
import { type Known, Row, RowCache } from "./RowCache.ts"
import { hull, type Turn, Turns } from "./Turns.ts"

/** What reading a row may fail with. */
export type RowError = OpenViewError | ReadError | NotKeyed

/** A key, and its bytes as a text that identifies it. */
export interface Located {
  readonly bytes: Uint8Array
  readonly id: string
}

export const idOf = (bytes: Uint8Array): string => Platform.latin1(bytes, 0, bytes.length)

const everything: KeyRange = { from: undefined, to: undefined }

export class Relation<in out K, in out V> {
  readonly id: number
  readonly name: string
  readonly codecs: Rows.Codecs<K, V>
  readonly collection: Collection<K, V>
  /** The last time that is complete. */
  readonly now: () => Timestamp
  private readonly cache: RowCache<V>
  /** Called when one key is written, or any key. */
  private readonly watchers = new Map<string | undefined, Set<() => void>>()
  private readonly scratch = new ByteWriter(64)
  /** Small commits share the memory of their rows. */
  readonly sheets = new Sheet.Sheets()
  /** An index shares the turns of its table. */
  readonly turns: Turns
  private readonly isIndex: boolean

  constructor(
    id: number,
    codecs: Rows.Codecs<K, V>,
    collection: Collection<K, V>,
    now: () => Timestamp,
    cacheBytes: number,
    table: { readonly turns: Turns } | undefined
  ) {
    this.id = id
    this.name = collection.name
    this.now = now
    this.codecs = codecs
    this.collection = collection
    this.cache = new RowCache(cacheBytes)
    this.turns = table?.turns ?? new Turns()
    this.isIndex = table !== undefined
  }

  /** The turn that a read of a range waits for, if others contend for it. */
  turnOver(range: KeyRange): Turn | undefined {
    return this.turns.overRange(this.isIndex ? everything : range)
  }

  /** The turn on ranges that a transaction has lost on. Those of an index concern any row of its table. */
  turnOn(ranges: ReadonlyArray<KeyRange>): Turn {
    return this.turns.ofRange(this.isIndex ? everything : hull(ranges))
  }

  /** Throws `ValueOutOfRange`. */
  locate(key: K): Located {
    const id = this.idOf(key)
    return { bytes: Platform.copyOf(this.scratch.bytes, 0, this.scratch.length), id }
  }

  private idOf(key: K): string {
    Rows.encodeKeyInto(this.codecs, key, this.scratch)
    return Platform.latin1(this.scratch.bytes, 0, this.scratch.length)
  }

  /**
   * The present row of a key from the cache, if the cache knows it. Throws `ValueOutOfRange` for a key that cannot be
   * stored.
   */
  cached(key: K) {
    const known = this.cache.get(this.idOf(key))
    return known === undefined || known.from === Infinity ? undefined : known
  }

  /**
   * The present row of a key, if it can be known at once: from the cache, or as all that may have the key is in memory.
   * Throws what `Pure.compute` handles.
   */
  present({ bytes, id }: Located): Known<V> | undefined {
    const known = this.cache.get(id)
    if (known !== undefined) return known.from === Infinity ? undefined : known
    const now = this.now()
    const columns = rowsNow(this.collection.reader, this.id, bytes, now)
    const row = columns === undefined ? undefined : this.only(columns)
    if (columns === undefined || row instanceof NotKeyed) return undefined
    const made = this.cache.reserve(id)
    this.cache.fill(id, made, row, now)
    return made
  }

  /** Whether the key is known to have been written after a time. */
  isNewer(id: string, time: Timestamp): boolean {
    const known = this.cache.get(id)
    return known !== undefined && known.from > time && known.from !== Infinity
  }

  /** The row of a key as of a time that is complete. */
  rowAt({ bytes, id }: Located, time: Timestamp): Effect.Effect<Row<V> | undefined, RowError> {
    return Effect.suspend(() => {
      const known = this.cache.get(id)
      if (known !== undefined && known.from <= time) return Effect.succeed(known.row)
      // Commits between the time and now may have been missed.
      if (known !== undefined || time < this.now()) return this.storedAt(bytes, time)
      const reserved = this.cache.reserve(id)
      return Effect.onExit(this.storedAt(bytes, time), (exit) => {
        if (Exit.isFailure(exit)) this.cache.abandon(id, reserved)
        else if (reserved.from === Infinity) this.cache.fill(id, reserved, exit.value, time)
        return Effect.void
      })
    })
  }

  /** The same, from the collection. */
  storedAt(bytes: Uint8Array, time: Timestamp): Effect.Effect<Row<V> | undefined, RowError> {
    return Effect.flatMap(rowsOf(this.collection.reader, bytes, time), (columns) =>
      computing(() => {
        const row = this.only(columns)
        return row instanceof NotKeyed ? Effect.fail(row) : Effect.succeed(row)
      }))
  }

  /** The versions of a key after a time, up to another: `undefined` where it has none. The first may be older. */
  rowsBetween(
    bytes: Uint8Array,
    after: Timestamp,
    until: Timestamp
  ): Effect.Effect<Array<Row<V> | undefined>, RowError> {
    return Effect.map(rowsOf(this.collection.reader, bytes, until, after), (columns) => {
      const byTime = new Map<number, Row<V> | undefined>()
      for (let i = 0; i < columns.length; i++) {
        const time = columns.times[i]!
        if (columns.diffs[i]! > 0) byTime.set(time, this.rowOf(columns, i))
        else if (!byTime.has(time)) byTime.set(time, undefined)
      }
      return [...byTime].toSorted(([a], [b]) => a - b).map(([, row]) => row)
    })
  }

  /** A commit has written these rows. */
  folded(columns: Columns): void {
    const { diffs, keyData, keyOffsets, length, times } = columns
    if (this.cache.isEmpty && this.watchers.size === 0) return
    for (let i = 0; i < length; i++) {
      // A row that is replaced comes before the one that replaces it.
      if (diffs[i]! < 0 && i + 1 < length && Compare.isSameKey(columns, i, columns, i + 1)) continue
      const id = Platform.latin1(keyData, keyOffsets[i]!, keyOffsets[i + 1]!)
      const known = this.cache.peek(id)
      if (known !== undefined) this.cache.fill(id, known, diffs[i]! > 0 ? this.rowOf(columns, i) : undefined, times[i]!)
      for (const watcher of this.watchers.get(id) ?? []) watcher()
    }
    if (length > 0) { for (const watcher of this.watchers.get(undefined) ?? []) watcher() }
  }

  /** Commits were missed. */
  missed(): void {
    this.cache.clear()
    for (const watchers of this.watchers.values()) for (const watcher of watchers) watcher()
  }

  /**
   * Calls the function when a commit has written the key, or, without a key, any key. Returns a function that ends it.
   */
  watch(id: string | undefined, watcher: () => void): () => void {
    const watchers = this.watchers.get(id) ?? new Set()
    this.watchers.set(id, watchers.add(watcher))
    return () => {
      watchers.delete(watcher)
      if (watchers.size === 0 && this.watchers.get(id) === watchers) this.watchers.delete(id)
    }
  }

  private only(columns: Columns): Row<V> | undefined | NotKeyed {
    if (columns.length === 0) return undefined
    if (columns.length > 1 || columns.diffs[0] !== 1) {
      return new NotKeyed({
        collection: this.name,
        detail: "a key has several values, or one with another multiplicity than 1"
      })
    }
    return this.rowOf(columns, 0)
  }

  private rowOf({ valueData, valueOffsets }: Columns, row: number): Row<V> {
    return new Row(Platform.copyOf(valueData, valueOffsets[row]!, valueOffsets[row + 1]!), this.codecs.value)
  }
}

/** A relation of any type. */
export interface AnyRelation extends Pick<Relation<never, never>, "id" | "name" | "folded" | "missed" | "watch"> {}
