/**
 * Converts typed rows to columns and back: encodes what is appended, decodes what is read.
 *
 * @internal
 */
import { Effect } from "effect"
import * as Columns from "../batch/Columns.ts"
import * as Compare from "../batch/Compare.ts"
import * as Sheet from "../batch/Sheet.ts"
import { ByteWriter } from "../ByteWriter.ts"
import type { Bounds, Codec, Decode, Encode } from "../Codec.ts"
import * as Frontier from "../Frontier.ts"
import { DecodeError, ValueOutOfRange } from "../PersistError.ts"
import * as Platform from "../Platform.ts"
import * as Pure from "../Pure.ts"
import { picked } from "../TypedCodec.ts"
import * as Update from "../Update.ts"

/** The codecs of a collection. */
export interface Codecs<K, V> {
  readonly key: Codec<K>
  readonly value: Codec<V>
}

/** The same codecs, for reading some fields of the values alone. */
export const selecting = <K, V>(codecs: Codecs<K, V>, fields: ReadonlyArray<string>): Codecs<K, V> => {
  const { key, value } = codecs
  const wanted = new Set(fields)
  const decode = value.select?.(fields) ?? ((bytes, start, end) => picked(value.decode(bytes, start, end), wanted))
  return { key, value: { ...value, decode } }
}

/** A row whose bytes its codecs could not decode. */
export interface Undecodable {
  readonly collection: string
  readonly key: Uint8Array
  readonly value: Uint8Array
  readonly time: number
  readonly diff: number
  readonly error: DecodeError
}

/**
 * What a read does with rows that do not decode: it fails, or skips them, or skips them and passes them to a quarantine
 * function.
 */
export type DecodePolicy = "fail" | "skip" | { readonly quarantine: (row: Undecodable) => Effect.Effect<void> }

/** The most bytes of rows that one append may have. */
export const maxWriteBytes = 256 * 1024 * 1024

/**
 * What the magnitudes of the diffs of one append may sum to. So the rows of one append can always
 * be summed.
 */
export const maxWriteDiffs = 2 ** 52 - 1

/** Encodes updates into columns, all or nothing. Fails for a time, a diff, a key or a value that cannot be stored. */
export const encode = <K, V>(
  codecs: Codecs<K, V>,
  updates: Update.Updates<K, V>
): Effect.Effect<Columns.Columns, ValueOutOfRange> => Pure.encode(() => encodeUnsafe(codecs, updates))

const encodeUnsafe = <K, V>(codecs: Codecs<K, V>, updates: Update.Updates<K, V>): Columns.Columns =>
  Symbol.iterator in updates ? encodeUpdates(codecs, Update.toArray(updates)) : encodeColumns(codecs, updates)

const encodeUpdates = <K, V>(codecs: Codecs<K, V>, rows: ReadonlyArray<Update.Update<K, V>>): Columns.Columns => {
  const { length } = rows
  return checked({
    length,
    ...encodeData(codecs, length, (row) => rows[row]!.key, (row) => rows[row]!.value),
    ...checkedNumbers(length, (row) => rows[row]!.time, (row) => rows[row]!.diff)
  })
}

const encodeColumns = <K, V>(
  codecs: Codecs<K, V>,
  { diffs = 1, keys, times, values }: Update.Columns<K, V>
): Columns.Columns => {
  const { length } = keys
  for (const [name, column] of Object.entries({ values, times, diffs })) {
    if (typeof column === "number" || column.length === length) continue
    throw new ValueOutOfRange({
      what: "columns",
      detail: `there are ${length} keys, but ${column.length} ${name}; give one of each for every row`
    })
  }
  return checked({
    length,
    ...encodeData(codecs, length, (row) => keys[row]!, (row) => values[row]!),
    ...checkedNumbers(length, (row) => Update.at(times, row), (row) => Update.at(diffs, row))
  })
}

const checkedNumbers = (length: number, timeOf: (row: number) => number, diffOf: (row: number) => number) => {
  const times = new Float64Array(length)
  const diffs = new Float64Array(length)
  let magnitude = 0
  for (let row = 0; row < length; row++) {
    const time = timeOf(row)
    const diff = diffOf(row)
    magnitude = checkNumbers(time, diff, magnitude)
    times[row] = time
    diffs[row] = diff
  }
  return { times, diffs }
}

/** The magnitude of the diffs with this one. */
const checkNumbers = (time: number, diff: number, magnitude: number): number => {
  const badTime = Frontier.checkTime("the time of an update", time)
  if (badTime !== undefined) throw badTime
  if (!Number.isSafeInteger(diff)) {
    throw new ValueOutOfRange({ what: "the diff of an update", detail: `${diff} is not an integer within 2^53 - 1` })
  }
  const sum = magnitude + Math.abs(diff)
  if (sum > maxWriteDiffs) throw tooMany
  return sum
}

/** Those of all handles: thousands of them may write a few rows each. */
const sheets = new Sheet.Sheets()

/**
 * An encoder for the writes of one handle. While other commands wait, which is when writes will share a commit, few rows
 * become a range of a sheet.
 */
export const encoder =
  <K, V>(codecs: Codecs<K, V>, othersWait: () => boolean) =>
  (updates: Update.Updates<K, V>): Effect.Effect<Sheet.Rows, ValueOutOfRange> =>
    Pure.encode(() => {
      if (!othersWait() || !(Symbol.iterator in updates)) return encodeUnsafe(codecs, updates)
      const rows = Update.toArray(updates)
      const sheet = sheets.current
      if (rows.length > fewRows || !sheet.isFree) return encodeUpdates(codecs, rows)
      return sheet.add((into) => addRows(codecs, rows, into))
    })

/** Returns the least time. */
const addRows = <K, V>(
  codecs: Codecs<K, V>,
  rows: ReadonlyArray<Update.Update<K, V>>,
  into: Columns.Builder
): number => {
  let magnitude = 0
  let minTime = Infinity
  for (let row = 0; row < rows.length; row++) {
    const { diff, key, time, value } = rows[row]!
    magnitude = checkNumbers(time, diff, magnitude)
    codecs.key.encode(key, into.keys)
    codecs.value.encode(value, into.values)
    checkRowBytes(into.pendingBytes)
    into.commit(time, diff)
    minTime = Math.min(minTime, time)
  }
  return minTime
}

const encodeData = <K, V>(
  codecs: Codecs<K, V>,
  length: number,
  keyOf: (row: number) => K,
  valueOf: (row: number) => V
): Pick<Columns.Columns, "keyData" | "keyOffsets" | "valueData" | "valueOffsets"> => {
  const columnOf = length <= fewRows ? encodeFew : encodeColumn
  const keys = columnOf(codecs.key.encode, length, keyOf)
  const values = columnOf(codecs.value.encode, length, valueOf)
  return { keyData: keys.data, keyOffsets: keys.offsets, valueData: values.data, valueOffsets: values.offsets }
}

interface Column {
  readonly data: Uint8Array
  readonly offsets: Uint32Array
}

/** Columns of at most this many rows share one buffer. Allocating one for each would cost more than encoding it. */
const fewRows = 16
const keptScratch = 64 * 1024
let scratch = new ByteWriter(1024)

const encodeFew = <A>(encode: Encode<A>, length: number, at: (row: number) => A): Column => {
  const offsets = new Uint32Array(length + 1)
  if (scratch.bytes.length > keptScratch) scratch = new ByteWriter(1024)
  scratch.clear()
  encodeRows(encode, scratch, offsets, at, 0, length)
  if (scratch.length <= keptScratch) return { data: Platform.copyOf(scratch.bytes, 0, scratch.length), offsets }
  const data = scratch.take()
  scratch = new ByteWriter(1024)
  return { data, offsets }
}

/** Texts are converted together until they have about as many characters. */
const chunkLength = 256 * 1024

const encodeColumn = <A>(encode: Encode<A>, length: number, at: (row: number) => A): Column => {
  const { text } = encode
  const data = new ByteWriter(text === undefined ? 64 * length : 0)
  const offsets = new Uint32Array(length + 1)
  for (let row = 0; row < length;) {
    if (data.length > maxWriteBytes) throw tooLarge
    row = text === undefined
      ? encodeRows(encode, data, offsets, at, row, Math.min(length, row + 1024))
      : encodeTexts(encode, text, data, offsets, at, row)
  }
  return { data: data.take(), offsets }
}

/** Encodes rows one by one. Returns the next row. */
const encodeRows = <A>(
  encode: Encode<A>,
  data: ByteWriter,
  offsets: Uint32Array,
  at: (row: number) => A,
  start: number,
  end: number
): number => {
  for (let row = start; row < end; row++) {
    encode(at(row), data)
    offsets[row + 1] = data.length
  }
  return end
}

/** Encodes a chunk of rows at once if all their text is ASCII: the lengths in bytes are then those of the texts. */
const encodeTexts = <A>(
  encode: Encode<A>,
  text: (value: A) => string,
  data: ByteWriter,
  offsets: Uint32Array,
  at: (row: number) => A,
  start: number
): number => {
  const texts: Array<string> = []
  const limit = data.length + chunkLength
  let end = data.length
  let row = start
  while (row < offsets.length - 1 && end < limit) {
    const each = text(at(row++))
    texts.push(each)
    end += each.length
    offsets[row] = end
  }
  return data.ascii(texts.join("")) ? row : encodeRows(encode, data, offsets, at, start, row)
}

/** The columns, if neither they nor one of their rows is too large. */
const checked = (columns: Columns.Columns): Columns.Columns => {
  const { keyOffsets, length, valueOffsets } = columns
  if (keyOffsets[length]! + valueOffsets[length]! > maxWriteBytes) throw tooLarge
  for (let row = 0; row < length; row++) {
    checkRowBytes(keyOffsets[row + 1]! - keyOffsets[row]! + valueOffsets[row + 1]! - valueOffsets[row]!)
  }
  return columns
}

const checkRowBytes = (bytes: number): void => {
  if (bytes <= Columns.maxRowBytes) return
  throw new ValueOutOfRange({
    what: "a row",
    detail: `its key and value have ${bytes} bytes, and a row may have ${Columns.maxRowBytes}`
  })
}

const tooLarge = new ValueOutOfRange({
  what: "a write",
  detail: `its rows have more than ${maxWriteBytes} bytes; split it into several`
})

const tooMany = new ValueOutOfRange({
  what: "a write",
  detail: "the magnitudes of its diffs sum to 2^52 or more, so that rows could not be summed later; write smaller diffs"
})

/** The bytes of one key. */
export const encodeKey = <K, V>(codecs: Codecs<K, V>, key: K): Effect.Effect<Uint8Array, ValueOutOfRange> =>
  Pure.encode(() => encodeKeyInto(codecs, key, new ByteWriter(64)))

/** The bytes of one key, valid until the writer is used again. Throws `ValueOutOfRange` for one that cannot be stored. */
export const encodeKeyInto = <K, V>(codecs: Codecs<K, V>, key: K, writer: ByteWriter): Uint8Array => {
  writer.clear()
  codecs.key.encode(key, writer)
  checkRowBytes(writer.length)
  return writer.view8()
}

/** A range of keys: at or after `from`, before `to`, and those that begin with `prefix`. */
interface Wanted<K> {
  readonly from?: K | undefined
  readonly to?: K | undefined
  readonly prefix?: unknown
}

/** The bytes between which the wanted keys are, without a bound where there is none. */
export const encodeBounds = <K, V>(
  codecs: Codecs<K, V>,
  { from, prefix, to }: Wanted<K>
): Effect.Effect<{ readonly from: Uint8Array | undefined; readonly to: Uint8Array | undefined }, ValueOutOfRange> =>
  Pure.encode(() => {
    const bytesOf = (key: K | undefined) =>
      key === undefined ? undefined : encodeKeyInto(codecs, key, new ByteWriter(64))
    const prefixed = prefix === undefined ? undefined : prefixBounds(codecs.key, prefix)
    return { from: furthest(bytesOf(from), prefixed?.from, 1), to: furthest(bytesOf(to), prefixed?.to, -1) }
  })

const prefixBounds = <K>(codec: Codec<K>, prefix: unknown): Bounds => {
  if (codec.prefixed !== undefined) return codec.prefixed(prefix)
  throw new ValueOutOfRange({
    what: "a prefix",
    detail: `codec "${codec.name}" does not keep keys that begin alike together; use Codec.tuple, or from and to`
  })
}

/** The bound that is further in a direction. */
const furthest = (a: Uint8Array | undefined, b: Uint8Array | undefined, direction: 1 | -1): Uint8Array | undefined => {
  if (a === undefined || b === undefined) return a ?? b
  return direction * Compare.compareBytes(a, b) > 0 ? a : b
}

/** Decodes each row with `make`, by the policy. */
export const decode = <K, V, A>(
  collection: string,
  codecs: Codecs<K, V>,
  policy: DecodePolicy,
  columns: Columns.Columns,
  make: (key: K, value: V, time: number, diff: number) => A
): Effect.Effect<Array<A>, DecodeError> =>
  Effect.suspend(() => {
    const rows: Array<A> = []
    const bad: Array<Undecodable> = []
    const { diffs, keyData, keyOffsets, times, valueData, valueOffsets } = columns
    const keyOf = decoderOf(codecs.key.decode, keyData, columns.length)
    const valueOf = decoderOf(codecs.value.decode, valueData, columns.length)
    for (let i = 0; i < columns.length; i++) {
      try {
        const key = keyOf(keyOffsets[i]!, keyOffsets[i + 1]!)
        const value = valueOf(valueOffsets[i]!, valueOffsets[i + 1]!)
        rows.push(make(key, value, times[i]!, diffs[i]!))
      } catch (error) {
        if (!(error instanceof DecodeError)) return Effect.die(error)
        if (policy === "fail") return Effect.fail(error)
        bad.push({
          collection,
          key: Columns.keyAt(columns, i).slice(),
          value: Columns.valueAt(columns, i).slice(),
          time: times[i]!,
          diff: diffs[i]!,
          error
        })
      }
    }
    if (bad.length === 0 || policy === "fail" || policy === "skip") return Effect.succeed(rows)
    return Effect.as(Effect.forEach(bad, policy.quarantine, { discard: true }), rows)
  })

/** Decoding together costs more than it saves for fewer. */
const someRows = 4

const decoderOf = <A>(decode: Decode<A>, bytes: Uint8Array, rows: number): (start: number, end: number) => A => {
  const together = rows < someRows ? undefined : decode.many?.(bytes)
  return together ?? ((start, end) => decode(bytes, start, end))
}
