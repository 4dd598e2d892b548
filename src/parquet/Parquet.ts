/**
 * Updates as Parquet files, a row group at a time: columns `key`, `value`, `time` and `diff`.
 *
 * @since 0.1.0
 */
import { Effect, type Schema, Stream } from "effect"
import {
  type AsyncBuffer,
  type FileMetaData,
  type KeyValue,
  parquetMetadataAsync,
  parquetReadObjects,
  type SchemaElement
} from "hyparquet"
import { ByteWriter, ParquetWriter } from "hyparquet-writer"
import type { CollectionEvent } from "../client/CollectionEvent.ts"
import * as ExactJson from "../ExactJson.ts"
import { cell } from "../formats/Cell.ts"
import * as Intake from "../formats/Intake.ts"
import * as Frontier from "../Frontier.ts"
import { InvalidInput } from "../PersistError.ts"
import * as Platform from "../Platform.ts"
import * as Decimals from "./Decimals.ts"
import * as Texts from "./Texts.ts"

type Json = Schema.Json

/**
 * How keys and values are stored. `json`: as JSON texts with the JSON type, so that `decode` restores the values.
 * `text`: as texts, with other values as JSON. Default: `json`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Columns {
  readonly key?: "json" | "text" | undefined
  readonly value?: "json" | "text" | undefined
}

/** Rows of a row group. */
const groupRows = 50_000

/** The key in the metadata of a file that has its frontier. */
const upperKey = "tidemark.upper"

/**
 * Encodes a flow as a Parquet file. Its frontier is stored in the file's metadata. Memory depends on the size of a row
 * group of 50,000 rows, not on that of the file.
 *
 * @see {@link decode}
 *
 * @example
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { Update } from "tidemark"
 * import { Flow } from "tidemark/operators"
 * import { Parquet } from "tidemark/parquet"
 *
 * const flow = Stream.make(Flow.updates([Update.insert("o-1", { total: 5 }, 1)]), Flow.progress(2)).pipe(
 *   Stream.filter((event) => event._tag !== "Errors")
 * )
 * const bytes = await Effect.runPromise(Stream.runCollect(Parquet.encode()(flow)))
 * const file = await new Blob(bytes.map((part) => part.slice())).arrayBuffer()
 *
 * const events = await Effect.runPromise(Stream.runCollect(Parquet.decode(file)))
 * if (events[0]?._tag !== "Updates" || events[1]?._tag !== "Progress") throw new Error("all of it comes back")
 * ```
 *
 * @category sinks
 * @since 0.1.0
 */
export const encode =
  (columns: Columns = {}) =>
  <E, R>(flow: Stream.Stream<CollectionEvent<Json, Json>, E, R>): Stream.Stream<Uint8Array, E, R> =>
    Stream.suspend(() => {
      const file = makeFile(columns, true)
      return written(
        Stream.map(flow, (event) => {
          if (event._tag === "Updates") {
            for (const { diff, key, time, value } of event.updates) file.add(key, value, diff, time)
          } else file.complete(event.frontier)
          return file.bytes()
        }),
        file
      )
    })

/**
 * Encodes the contents of a snapshot as a Parquet file with the columns `key`, `value` and `diff`.
 *
 * @category sinks
 * @since 0.1.0
 */
export const contents = (columns: Columns = {}) =>
<E, R>(
  rows: Stream.Stream<readonly [key: Json, value: Json, multiplicity: number], E, R>
): Stream.Stream<Uint8Array, E, R> =>
  Stream.suspend(() => {
    const file = makeFile(columns, false)
    return written(
      Stream.map(Stream.chunks(rows), (chunk) => {
        for (const [key, value, multiplicity] of chunk) file.add(key, value, multiplicity, 0)
        return file.bytes()
      }),
      file
    )
  })

const written = <E, R>(parts: Stream.Stream<Uint8Array, E, R>, file: File): Stream.Stream<Uint8Array, E, R> =>
  Stream.concat(parts, Stream.sync(file.end)).pipe(Stream.filter((part) => part.length > 0))

type File = ReturnType<typeof makeFile>

const makeFile = (columns: Columns, withTime: boolean) => {
  const key = text("key")
  const value = text("value")
  const schema = [
    key,
    value,
    ...(withTime ? [integer("time")] : []),
    integer("diff")
  ]
  const metadata: Array<KeyValue> = []
  const writer = new ByteWriter(1 << 20)
  const file = new ParquetWriter({
    writer,
    schema: [{ name: "root", num_children: schema.length }, ...schema],
    createdBy: "tidemark",
    kvMetadata: metadata
  })
  const keys = Texts.make()
  const values = Texts.make()
  let rows = 0
  const times = new BigInt64Array(groupRows)
  const diffs = new BigInt64Array(groupRows)
  const keyOf = columns.key === "text" ? cell : JSON.stringify
  const valueOf = columns.value === "text" ? cell : JSON.stringify

  const writeGroup = () => {
    if (rows === 0) return
    // Lengths side by side compress better than in front of every text, and a dictionary is rarely smaller.
    const texts = { encoding: "DELTA_LENGTH_BYTE_ARRAY", statistics: false } as const
    void file.write({
      columnData: [
        { name: "key", data: keys.take(), ...texts },
        { name: "value", data: values.take(), ...texts },
        ...(withTime ? [{ name: "time", data: times.subarray(0, rows) }] : []),
        { name: "diff", data: diffs.subarray(0, rows) }
      ],
      rowGroupSize: groupRows
    })
    rows = 0
  }
  /** The bytes written since the last call; offsets in the file continue. */
  const bytes = (): Uint8Array => {
    const written = writer.getBytes().slice()
    writer.index = 0
    return written
  }
  return {
    add: (key: Json, value: Json, diff: number, time: number) => {
      times[rows] = BigInt(time)
      diffs[rows] = BigInt(diff)
      keys.add(keyOf(key))
      values.add(valueOf(value))
      rows++
      if (rows === groupRows) writeGroup()
    },
    complete: (upper: Frontier.Frontier) => {
      metadata.splice(0, 1, { key: upperKey, value: String(Frontier.toJson(upper)) })
    },
    bytes,
    end: () => {
      writeGroup()
      // The writer itself would copy every value, and has no JSON for null. It receives texts, and their type is set
      // only here.
      key.converted_type = typeOf(columns.key)
      value.converted_type = typeOf(columns.value)
      void file.finish()
      return bytes()
    }
  }
}

const typeOf = (column: Columns["key"]) => column === "text" ? "UTF8" : "JSON"

const text = (name: string): SchemaElement => ({ name, type: "BYTE_ARRAY", repetition_type: "REQUIRED" })

const integer = (name: string) => ({ name, type: "INT64", repetition_type: "REQUIRED" }) as const

/**
 * Decodes a Parquet file to a flow: the rows of each row group in batches, then the progress stored in the file, if
 * any. Keys and values may be texts, numbers, booleans or JSON, and lists or structures of these; they are read as
 * JSON. Decimals are read as texts with all their digits. A file without the column `diff` has one of each row. An
 * `ArrayBuffer` is an `AsyncBuffer`; `hyparquet` makes one of a file or of a URL. Memory depends on the largest row
 * group.
 *
 * Fails with `InvalidInput` before anything is emitted if the end of the file is missing (`Truncated`) or the columns
 * differ (`SchemaDrift`), and at the first row, or the first row group, that is wrong.
 *
 * @see {@link encode}
 *
 * @category sources
 * @since 0.1.0
 */
export const decode = (file: AsyncBuffer): Stream.Stream<CollectionEvent<Json, Json>, InvalidInput> =>
  decodeThrough(Intake.open)(file)

/** @internal */
export const decodeThrough =
  (gate: Intake.Gate<Json, Json>) => (file: AsyncBuffer): Stream.Stream<CollectionEvent<Json, Json>, InvalidInput> =>
    Stream.unwrap(Effect.gen(function*() {
      const metadata = yield* footer(file)
      const intake = Intake.make<Json, Json>("Parquet", "row", gate)
      let number = 0
      const takeAll = (rows: ReadonlyArray<Cells>) => {
        for (const cells of rows) {
          number++
          const error = take(intake, cells, number)
          if (error !== undefined) return intake.taken(error)
        }
        return intake.taken()
      }
      const upper = metadata.key_value_metadata?.find(({ key }) => key === upperKey)?.value
      return groups(file, metadata).pipe(
        Stream.map(takeAll),
        Stream.concat(Stream.sync(() => intake.taken(upper === undefined ? undefined : seal(intake, upper, number)))),
        Intake.eventsOf
      )
    }))

/** Rows of a batch. */
const batchRows = 1_000

type Cells = Readonly<Record<string, unknown>>

const invalid = (place: string, reason: InvalidInput["reason"], detail: string) =>
  new InvalidInput({ format: "Parquet", place, reason, detail })

const magic = "PAR1"

const footer = Effect.fnUntraced(function*(file: AsyncBuffer) {
  const at = (start: number) =>
    Effect.promise(async () => new TextDecoder("latin1").decode(await file.slice(start, start + magic.length)))
  const least = 3 * magic.length
  if (file.byteLength < least || (yield* at(file.byteLength - magic.length)) !== magic) {
    const begins = file.byteLength === 0 || magic.startsWith(yield* at(0))
    return yield* begins
      ? invalid("its end", "Truncated", "the footer is missing")
      : invalid("its beginning", "Malformed", "it is no Parquet file")
  }
  const metadata = yield* Effect.tryPromise({
    try: () => parquetMetadataAsync(file),
    catch: () => invalid("its end", "Malformed", "the footer does not decode")
  })
  yield* checkColumns(metadata)
  return metadata
})

const required = ["key", "value", "time"]

const checkColumns = (metadata: FileMetaData): Effect.Effect<void, InvalidInput> => {
  const { schema: [root, ...elements] } = metadata
  const names: Array<string> = []
  // The children of a column follow it.
  for (let i = 0, nested = 0; i < elements.length; i++) {
    const { name, num_children = 0 } = elements[i]!
    if (nested === 0) names.push(name)
    else nested--
    nested += num_children
  }
  if (Decimals.isNested(metadata)) {
    return Effect.fail(invalid("its columns", "SchemaDrift", "it has decimals within a structure: write them as texts"))
  }
  const missing = required.find((name) => !names.includes(name))
  const unknown = names.find((name) => name !== "diff" && !required.includes(name))
  if (missing === undefined && unknown === undefined && root !== undefined) return Effect.void
  const detail = missing === undefined ? `it has an unknown column "${unknown}"` : `it has no column "${missing}"`
  return Effect.fail(invalid("its columns", "SchemaDrift", detail))
}

/** The rows, in batches, from one row group after the other. */
const groups = (file: AsyncBuffer, metadata: FileMetaData): Stream.Stream<ReadonlyArray<Cells>, InvalidInput> => {
  const { raw, withDecimals } = Decimals.make(metadata)
  const read = (start: number, rows: number) =>
    Effect.tryPromise({
      try: () =>
        parquetReadObjects({
          file,
          metadata: raw,
          compressors,
          parsers,
          // Bytes without a text type are not texts.
          utf8: false,
          rowStart: start,
          rowEnd: start + rows
        }).then((cells: ReadonlyArray<Cells>) => cells.map(withDecimals)),
      catch: () => {
        const detail =
          "they do not decode: they are damaged, or hold texts that are not UTF-8, or are compressed with " +
          "neither Snappy nor Zstandard"
        return invalid(`rows ${start + 1} to ${start + rows}`, "Malformed", detail)
      }
    })
  const batches = (rows: ReadonlyArray<Cells>) =>
    Array.from(
      { length: Math.ceil(rows.length / batchRows) },
      (_, i) => rows.slice(i * batchRows, (i + 1) * batchRows)
    )
  let start = 0
  const ranges = metadata.row_groups.map(({ num_rows }) => {
    const range = [start, Number(num_rows)] as const
    start += range[1]
    return range
  })
  return Stream.fromIterable(ranges, { chunkSize: 1 }).pipe(
    Stream.flatMap(([start, rows]) =>
      Stream.flatMap(
        Stream.fromEffect(read(start, rows)),
        (read) => Stream.fromIterable(batches(read), { chunkSize: 1 })
      )
    )
  )
}

const compressors = {
  ZSTD: (bytes: Uint8Array, length: number): Uint8Array => {
    const content = Platform.decompress(bytes, length)
    if (content === undefined) throw new Error("it is no Zstandard frame")
    return content
  }
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Texts and JSON as they are, or an error. */
const parsers = {
  stringFromBytes: (bytes: Uint8Array | undefined) => bytes && strict.decode(bytes),
  jsonFromBytes: (bytes: Uint8Array | undefined) => bytes && ExactJson.parse(strict.decode(bytes)).json
}

type Taking = ReturnType<typeof Intake.make<Json, Json>>

const take = (intake: Taking, cells: Cells, number: number): InvalidInput | undefined => {
  const key = jsonOf(cells["key"])
  const value = jsonOf(cells["value"])
  if (key === undefined || value === undefined) {
    const part = key === undefined ? "key" : "value"
    return intake.invalid(number, "SchemaDrift", `its ${part} is of a type that JSON does not have`)
  }
  const time = Number(cells["time"])
  if (cells["time"] === null || !Frontier.isTimestamp(time)) {
    return intake.invalid(number, "Malformed", "its time is no integer from 0 to 2^53 - 1")
  }
  const diff = Number(cells["diff"] ?? 1)
  if (!Number.isSafeInteger(diff)) {
    return intake.invalid(number, "Malformed", "its diff is no integer within 2^53 - 1")
  }
  return intake.row({ key, value, time, diff }, number)
}

const seal = (intake: Taking, upper: string, number: number): InvalidInput | undefined => {
  const to = upper === Frontier.toJson(Frontier.empty) ? Frontier.empty : Number(upper)
  return to === Frontier.empty || Frontier.isTimestamp(to)
    ? intake.seal(to, number)
    : intake.invalid(number, "Malformed", `"${upperKey}" in its metadata is no time`)
}

/** The JSON value of a cell. */
const jsonOf = (cell: unknown): Json | undefined => {
  switch (typeof cell) {
    case "string":
    case "boolean":
      return cell
    case "number":
      return Number.isFinite(cell) ? cell : undefined
    case "bigint":
      return Number.isSafeInteger(Number(cell)) ? Number(cell) : undefined
    case "undefined":
      return null
    case "object":
      return cell === null ? null : ofObject(cell)
    default:
      return undefined
  }
}

const ofObject = (cell: object): Json | undefined => {
  if (Array.isArray(cell)) {
    const items = cell.map(jsonOf)
    return items.every((item) => item !== undefined) ? items : undefined
  }
  if (Object.getPrototypeOf(cell) !== Object.prototype) return undefined
  const entries: Array<readonly [string, Json]> = []
  for (const [name, value] of Object.entries(cell)) {
    const json = jsonOf(value)
    if (json === undefined) return undefined
    entries.push([name, json])
  }
  return Object.fromEntries(entries)
}
