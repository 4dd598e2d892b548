/**
 * Consolidation lent to the peers that have none: it works on bytes, so that what is compared is the engines and not what
 * a `Map` costs.
 */
import type { OnRow } from "../Contract.ts"
import { keyBytes, updateBytes, valueBytes } from "../Data.ts"

const rowWords = updateBytes / 4

/** Sums the diffs of equal rows that come in any order: open addressing over their bytes. */
export class Unordered {
  #slots = new Int32Array(1 << 21).fill(-1)
  #capacity = 1 << 20
  #words = new Uint32Array(this.#capacity * rowWords)
  #bytes = Buffer.from(this.#words.buffer)
  #diffs = new Float64Array(this.#capacity)
  #hashes = new Int32Array(this.#capacity)
  #length = 0

  /** The row is `bytes[at .. at + 100]`. */
  add(bytes: Uint8Array, at: number, diff: number): void {
    if (this.#length === this.#capacity) this.#grow()
    this.#bytes.set(bytes.subarray(at, at + updateBytes), this.#length * updateBytes)
    const mask = this.#slots.length - 1
    const hash = this.#hash(this.#length)
    let slot = hash & mask
    for (let row = this.#slots[slot]!; row !== -1; row = this.#slots[slot]!) {
      if (this.#hashes[row] === hash && this.#equal(row, this.#length)) {
        this.#diffs[row]! += diff
        return
      }
      slot = slot + 1 & mask
    }
    this.#slots[slot] = this.#length
    this.#hashes[this.#length] = hash
    this.#diffs[this.#length] = diff
    this.#length += 1
  }

  emit(onRow: OnRow): void {
    for (let row = 0; row < this.#length; row++) {
      if (this.#diffs[row] === 0) continue
      const at = row * updateBytes
      onRow(
        this.#bytes.subarray(at, at + keyBytes),
        this.#bytes.subarray(at + keyBytes, at + updateBytes),
        this.#diffs[row]!
      )
    }
  }

  #hash(row: number): number {
    const words = this.#words
    let hash = 0x811c9dc5
    for (let at = row * rowWords; at < (row + 1) * rowWords; at++) {
      hash = Math.imul(hash ^ words[at]! ^ hash >>> 15, 0x85ebca6b)
    }
    return hash ^ hash >>> 16
  }

  #equal(a: number, b: number): boolean {
    const words = this.#words
    for (let word = 0; word < rowWords; word++) {
      if (words[a * rowWords + word] !== words[b * rowWords + word]) return false
    }
    return true
  }

  #grow(): void {
    this.#capacity *= 2
    const words = new Uint32Array(this.#capacity * rowWords)
    const diffs = new Float64Array(this.#capacity)
    const hashes = new Int32Array(this.#capacity)
    words.set(this.#words)
    diffs.set(this.#diffs)
    hashes.set(this.#hashes)
    this.#words = words
    this.#bytes = Buffer.from(words.buffer)
    this.#diffs = diffs
    this.#hashes = hashes
    this.#slots = new Int32Array(this.#capacity * 2).fill(-1)
    const mask = this.#slots.length - 1
    for (let row = 0; row < this.#length; row++) {
      let slot = hashes[row]! & mask
      while (this.#slots[slot] !== -1) slot = slot + 1 & mask
      this.#slots[slot] = row
    }
  }
}

/** Sums the diffs of equal rows that come by key: it holds the rows of one key only. */
export class ByKey {
  #key: Buffer | undefined
  #values: Array<Buffer> = []
  #diffs: Array<number> = []
  readonly #onRow: OnRow

  constructor(onRow: OnRow) {
    this.#onRow = onRow
  }

  /** `key` begins with the row's key, and `stored` ends with its value. */
  add(key: Buffer, stored: Buffer, diff: number): void {
    if (this.#key === undefined || this.#key.compare(key, 0, keyBytes) !== 0) {
      this.flush()
      this.#key = key.subarray(0, keyBytes)
    }
    const value = stored.subarray(stored.length - valueBytes)
    const known = this.#values.findIndex((each) => each.equals(value))
    if (known === -1) {
      this.#values.push(value)
      this.#diffs.push(diff)
      return
    }
    this.#diffs[known]! += diff
    if (this.#diffs[known] === 0) {
      this.#values.splice(known, 1)
      this.#diffs.splice(known, 1)
    }
  }

  flush(): void {
    this.#values.forEach((value, i) => this.#onRow(this.#key!, value, this.#diffs[i]!))
    this.#values = []
    this.#diffs = []
    this.#key = undefined
  }
}
