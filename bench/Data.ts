/**
 * What the workloads write: keys of 16 bytes, values of 84, the same on every machine.
 *
 * All of it is ASCII, so that it is the same bytes as text and as bytes. Values begin with 20 characters of noise; the rest
 * has little entropy, so that compression is neither free nor impossible.
 */
export const keyBytes = 16
export const valueBytes = 84
/** What one update carries for its user. */
export const updateBytes = keyBytes + valueBytes

const noise = Buffer.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
const prose = Buffer.from("abcdefghijklmnopqrstuvwxyz0123456789 ,.:-_/\"{}[]ABCDEFGHIJKLMNOPQ")

const shuffled = (x: number): number => {
  const a = x ^ x << 13
  const b = a ^ a >>> 17
  return b ^ b << 5
}

const seedOf = (id: number, version: number): number =>
  Math.imul(id + 1, 0x9e3779b1) ^ Math.imul(version + 1, 0x85ebca6b)

/** Four characters of noise, from 24 bits. */
const fillNoise = (into: Buffer, at: number, bits: number): void => {
  into[at] = noise[bits & 63]!
  into[at + 1] = noise[bits >>> 6 & 63]!
  into[at + 2] = noise[bits >>> 12 & 63]!
  into[at + 3] = noise[bits >>> 18 & 63]!
}

/** Eight characters that spread keys evenly, and the id, which makes them unique. */
const fillKey = (into: Buffer, at: number, id: number): void => {
  const first = shuffled(seedOf(id, 0))
  fillNoise(into, at, first)
  fillNoise(into, at + 4, shuffled(first))
  for (let digit = 0; digit < 8; digit++) into[at + 8 + digit] = noise[(id >>> 4 * (7 - digit) & 15) + 48]!
}

const fillValue = (into: Buffer, at: number, id: number, version: number): void => {
  let x = seedOf(id, version + 1)
  for (let j = 0; j < 20; j += 4) {
    x = shuffled(x)
    fillNoise(into, at + j, x)
  }
  for (let j = 20; j < valueBytes; j += 4) {
    x = shuffled(x)
    into[at + j] = prose[x & 15]!
    into[at + j + 1] = prose[x >>> 4 & 31]!
    into[at + j + 2] = prose[x >>> 9 & 7]!
    into[at + j + 3] = prose[x >>> 12 & 63]!
  }
}

/** The key of an id. */
export const keyOf = (id: number): Buffer => {
  const key = Buffer.alloc(keyBytes)
  fillKey(key, 0, id)
  return key
}

/** An update as JavaScript values. */
export interface Row<A> {
  readonly key: A
  readonly value: A
  readonly time: number
  readonly diff: number
}

/** Updates in columns; as rows of bytes or of text when these are asked for, once. */
export class Batch {
  readonly length: number
  readonly time: number
  readonly keys: Buffer
  readonly values: Buffer
  readonly diffs: Float64Array
  #rows: ReadonlyArray<Row<Buffer>> | undefined
  #texts: ReadonlyArray<Row<string>> | undefined

  constructor(length: number, time: number) {
    this.length = length
    this.time = time
    this.keys = Buffer.allocUnsafeSlow(length * keyBytes)
    this.values = Buffer.allocUnsafeSlow(length * valueBytes)
    this.diffs = new Float64Array(length).fill(1)
  }

  /** Several batches as one. */
  static merged(batches: ReadonlyArray<Batch>): Batch {
    if (batches.length === 1) return batches[0]!
    const all = new Batch(batches.reduce((rows, { length }) => rows + length, 0), batches.at(-1)!.time)
    let row = 0
    for (const { diffs, keys, length, values } of batches) {
      all.keys.set(keys, row * keyBytes)
      all.values.set(values, row * valueBytes)
      all.diffs.set(diffs, row)
      row += length
    }
    if (batches[0]!.#rows !== undefined) all.#rows = batches.flatMap(({ rows }) => rows)
    return all
  }

  set(row: number, id: number, version: number, diff: number): void {
    fillKey(this.keys, row * keyBytes, id)
    fillValue(this.values, row * valueBytes, id, version)
    this.diffs[row] = diff
  }

  key(row: number): Buffer {
    return this.keys.subarray(row * keyBytes, (row + 1) * keyBytes)
  }

  value(row: number): Buffer {
    return this.values.subarray(row * valueBytes, (row + 1) * valueBytes)
  }

  get rows(): ReadonlyArray<Row<Buffer>> {
    return this.#rows ??= Array.from({ length: this.length }, (_, row) => ({
      key: this.key(row),
      value: this.value(row),
      time: this.time,
      diff: this.diffs[row]!
    }))
  }

  get texts(): ReadonlyArray<Row<string>> {
    return this.#texts ??= Array.from({ length: this.length }, (_, row) => ({
      key: this.key(row).toString("latin1"),
      value: this.value(row).toString("latin1"),
      time: this.time,
      diff: this.diffs[row]!
    }))
  }
}

/** `length` inserts of keys from `start` on. */
export const inserts = (start: number, length: number, time: number): Batch => {
  const batch = new Batch(length, time)
  for (let row = 0; row < length; row++) batch.set(row, start + row, 0, 1)
  return batch
}

/** A history: which ids a batch touches. Each id at most once in a batch; the first batches insert, the others replace. */
function* touched(updates: number, keys: number, size: number): Generator<ReadonlyArray<number>> {
  let x = 1
  let inserted = 0
  for (let made = 0, time = 1; made < updates; time++) {
    const room = Math.min(size, updates - made)
    const ids = new Set<number>()
    let rows = 0
    while (rows < room && ids.size < keys && (inserted < keys || room - rows >= 2)) {
      if (inserted < keys) {
        ids.add(inserted++)
        rows += 1
      } else {
        x = shuffled(x)
        const id = (x >>> 0) % keys
        if (ids.has(id)) continue
        ids.add(id)
        rows += 2
      }
    }
    if (rows === 0) return
    made += rows
    yield [...ids]
  }
}

/** About `updates` updates that leave `keys` rows, in batches of at most `size` at the times 1, 2, 3 and so on. */
export function* upserts(updates: number, keys: number, size: number): Generator<Batch> {
  const versions = new Int32Array(keys).fill(-1)
  let time = 0
  for (const ids of touched(updates, keys, size)) {
    const batch = new Batch(ids.reduce((rows, id) => rows + (versions[id]! < 0 ? 1 : 2), 0), ++time)
    let row = 0
    for (const id of ids) {
      if (versions[id]! >= 0) batch.set(row++, id, versions[id]!, -1)
      batch.set(row++, id, ++versions[id]!, 1)
    }
    yield batch
  }
}

/** A sum over the rows of a snapshot that does not depend on their order. */
export class Check {
  #rows = 0
  #sum = 0

  readonly add = (key: string | Uint8Array, value: string | Uint8Array, diff: number): void => {
    this.#rows += diff
    this.#sum =
      (this.#sum + codeAt(key, 15) * 65537 + codeAt(key, 14) * 257 + codeAt(value, 0) * 3 + codeAt(value, 7) * 5 +
        codeAt(value, 83) * 7) % 9007199254740881
  }

  toString(): string {
    return `${this.#rows}:${this.#sum}`
  }
}

const codeAt = (cell: string | Uint8Array, at: number): number =>
  typeof cell === "string" ? cell.charCodeAt(at) : cell[at]!

/** What the contents of `upserts` must be as of a time. */
export const expected = (updates: number, keys: number, size: number, asOf: number): string => {
  const versions = new Int32Array(keys).fill(-1)
  let time = 0
  for (const ids of touched(updates, keys, size)) {
    if (++time > asOf) break
    for (const id of ids) versions[id]! += 1
  }
  const check = new Check()
  const batch = new Batch(1, 0)
  versions.forEach((version, id) => {
    if (version < 0) return
    batch.set(0, id, version, 1)
    check.add(batch.keys, batch.values, 1)
  })
  return check.toString()
}
