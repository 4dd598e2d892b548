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
export class Known<V> {
  /** `Infinity` as long as it is being read. */
  from: Timestamp = Infinity
  row: Row<V> | undefined
  /** The generation that it is in, and how many bytes of it are counted there. */
  generation: ReadonlyMap<string, Known<V>> | undefined
  counted = 0
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
    const known = new Known<V>()
    this.put(key, known)
    return known
  }

  /** What is known of a key, which this does not keep in the cache for longer. */
  peek(key: string): Known<V> | undefined {
    return this.newer.get(key) ?? this.older.get(key)
  }

  /**
   * The row of a key that is in the cache, or was reserved. What the cache has dropped since then stays out: it has not been
   * told what commits have written meanwhile.
   */
  fill(key: string, known: Known<V>, row: Row<V> | undefined, time: Timestamp): void {
    if (known.generation !== this.newer && known.generation !== this.older) return
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

  /** Moves a key to the newer generation. Its bytes are counted there once, however often it is written. */
  private put(key: string, known: Known<V>): void {
    const bytes = entryBytes + 2 * key.length + 3 * (known.row?.bytes.length ?? 0)
    const more = known.generation === this.newer ? bytes - known.counted : bytes
    if (2 * (this.bytes + more) > this.maxBytes) {
      this.older = this.newer
      this.newer = new Map()
      this.bytes = 0
    }
    this.bytes += known.generation === this.newer ? more : bytes
    known.counted = bytes
    if (known.generation === this.newer) return
    known.generation = this.newer
    this.newer.set(key, known)
  }
}
