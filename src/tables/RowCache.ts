/**
 * Current rows in memory, so that a frequently read key needs no search.
 *
 * The owner updates it when a commit becomes visible. It is bounded in bytes. It has two generations: the older one is
 * dropped when the newer one is full, and a row that is read moves to the newer one.
 *
 * @internal
 */
import { compareBytes } from "../batch/Compare.ts"
import type { Codec } from "../Codec.ts"
import type { Timestamp } from "../Frontier.ts"

/** The value of a key, as it is stored. */
export class Row<out V> {
  readonly bytes: Uint8Array
  private readonly decode: Codec<V>["decode"]
  private decoded: { readonly value: V } | undefined

  constructor(bytes: Uint8Array, { decode }: Pick<Codec<V>, "decode">) {
    this.bytes = bytes
    this.decode = decode
  }

  /** Throws `DecodeError`. */
  value(): V {
    this.decoded ??= { value: this.decode(this.bytes, 0, this.bytes.length) }
    return this.decoded.value
  }
}

/** Whether both are the same value, or none. */
export const isSame = (a: Row<unknown> | undefined, b: Row<unknown> | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && compareBytes(a.bytes, b.bytes) === 0)

/** The known state of a key from a time until now: its row, or that it has none. */
export interface Known<V> {
  /** `Infinity` as long as it is being read. */
  from: Timestamp
  row: Row<V> | undefined
}

/** Bytes that an entry takes beside those of its key and value, about. */
const entryBytes = 160

export class RowCache<V> {
  private newer = new Map<string, Known<V>>()
  private older = new Map<string, Known<V>>()
  private bytes = 0
  private readonly maxBytes: number

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
  }

  get(key: string): Known<V> | undefined {
    const known = this.newer.get(key)
    if (known !== undefined) return known
    const old = this.older.get(key)
    if (old !== undefined) this.put(key, old)
    return old
  }

  /** Reserves a key that is being read. A write meanwhile replaces the result of the read. */
  reserve(key: string): Known<V> {
    const known: Known<V> = { from: Infinity, row: undefined }
    this.put(key, known)
    return known
  }

  /** Updates the key after a commit has written it, if it is in the cache. */
  written(key: string, row: Row<V> | undefined, time: Timestamp): void {
    const known = this.newer.get(key) ?? this.older.get(key)
    if (known === undefined) return
    this.fill(key, known, row, time)
  }

  /** The row of a key that was reserved. */
  fill(key: string, known: Known<V>, row: Row<V> | undefined, time: Timestamp): void {
    known.from = time
    known.row = row
    this.put(key, known)
  }

  /** Drops a reserved key that could not be read. */
  abandon(key: string, known: Known<V>): void {
    if (known.from !== Infinity) return
    if (this.newer.get(key) === known) this.newer.delete(key)
    if (this.older.get(key) === known) this.older.delete(key)
  }

  get isEmpty(): boolean {
    return this.newer.size === 0 && this.older.size === 0
  }

  clear(): void {
    this.newer = new Map()
    this.older = new Map()
    this.bytes = 0
  }

  private put(key: string, known: Known<V>): void {
    this.bytes += entryBytes + 2 * key.length + 3 * (known.row?.bytes.length ?? 0)
    if (2 * this.bytes > this.maxBytes) {
      this.older = this.newer
      this.newer = new Map()
      this.bytes = 0
    }
    this.newer.set(key, known)
  }
}
