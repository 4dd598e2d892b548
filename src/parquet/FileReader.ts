/**
 * The rows of a Parquet file: its footer, its columns, and one row group after the other.
 *
 * @internal
 */
import { Effect, Stream } from "effect"
import { type AsyncBuffer, type FileMetaData, parquetMetadataAsync, parquetReadObjects, type RowGroup } from "hyparquet"
import * as ExactJson from "../ExactJson.ts"
import * as Fields from "../formats/Fields.ts"
import * as Layout from "../Layout.ts"
import { InvalidInput } from "../PersistError.ts"
import * as Platform from "../Platform.ts"
import * as Column from "./Column.ts"
import * as Decimals from "./Decimals.ts"
import * as FileWriter from "./FileWriter.ts"

export type Cells = Readonly<Record<string, unknown>>

const invalid = (place: string, reason: InvalidInput["reason"], detail: string) =>
  new InvalidInput({ format: "Parquet", place, reason, detail })

const malformed = (start: number, rows: number, detail: string) =>
  invalid(`rows ${start + 1} to ${start + rows}`, "Malformed", detail)

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
  return metadata
})

/** Fails if the columns are not those of updates. */
export const open = Effect.fnUntraced(function*(file: AsyncBuffer) {
  const metadata = yield* footer(file)
  const columns = sides.filter((side) => said(metadata, FileWriter.layoutKey(side)) !== undefined)
  yield* checkColumns(metadata, columns.map(Fields.jsonName))
  const typed: Array<Typed> = []
  for (const side of columns) {
    const layout = Layout.find(said(metadata, FileWriter.layoutKey(side))!)
    if (layout === undefined) return yield* invalid("its end", "Malformed", `the layout of its ${side} does not decode`)
    typed.push({ side, column: Column.of(layout) })
  }
  const checksums = said(metadata, FileWriter.checksumsKey)?.split(",").filter((each) => each !== "").map(Number)
  const rows = metadata.row_groups.reduce((sum, { num_rows }) => sum + Number(num_rows), 0)
  if (
    rows !== Number(metadata.num_rows) || (checksums !== undefined && checksums.length !== metadata.row_groups.length)
  ) {
    return yield* invalid("its end", "Malformed", "the footer contradicts itself about how many rows there are")
  }
  return { groups: groups(file, metadata, typed, checksums), upper: said(metadata, FileWriter.upperKey) }
})

const sides = ["key", "value"] as const

/** Keys or values that are in columns with types. */
interface Typed {
  readonly side: (typeof sides)[number]
  readonly column: Column.Column
}

const said = ({ key_value_metadata }: FileMetaData, wanted: string): string | undefined =>
  key_value_metadata?.find(({ key }) => key === wanted)?.value

const required = [...sides, "time"]

const checkColumns = (metadata: FileMetaData, besides: ReadonlyArray<string>): Effect.Effect<void, InvalidInput> => {
  const { schema: [root, ...elements] } = metadata
  const names = Column.namesOf(elements)
  if (Decimals.isNested(metadata)) {
    return Effect.fail(invalid("its columns", "SchemaDrift", "it has decimals within a structure: write them as texts"))
  }
  const needed = [...required, ...besides]
  const missing = needed.find((name) => !names.includes(name))
  const unknown = names.find((name) => name !== "diff" && !needed.includes(name))
  if (missing === undefined && unknown === undefined && root !== undefined) return Effect.void
  const detail = missing === undefined ? `it has an unknown column "${unknown}"` : `it has no column "${missing}"`
  return Effect.fail(invalid("its columns", "SchemaDrift", detail))
}

/** Metadata that leaves JSON in columns with types as texts, where it can be told from the lack of it. */
const withTexts = (metadata: FileMetaData, typed: ReadonlyArray<Typed>): FileMetaData => {
  const names = new Set(typed.flatMap(({ side }) => [side, Fields.jsonName(side)]))
  const columns = Column.namesOf(metadata.schema.slice(1))
  const schema = metadata.schema.map((element, i) =>
    i > 0 && names.has(columns[i - 1]!) && element.converted_type === "JSON"
      ? { ...element, converted_type: "UTF8" as const }
      : element
  )
  return { ...metadata, schema }
}

/** Rows with the JSON that was written in columns with types. Throws where it does not fit the layout. */
const withJson = (cells: Cells, typed: ReadonlyArray<Typed>): Cells => {
  if (typed.length === 0) return cells
  const parts = typed.map(({ column, side }) => {
    const whole = cells[Fields.jsonName(side)]
    const isInCells = whole === null || whole === undefined
    return [side, isInCells ? Column.read(column, cells[side]) : Column.json.toJson(whole)] as const
  })
  return { ...cells, ...Object.fromEntries(parts) }
}

/** A row group: where its rows begin, how many they are, and the CRC-32 of its bytes, if it is known. */
interface Part {
  readonly group: RowGroup
  readonly start: number
  readonly rows: number
  readonly checksum: number | undefined
}

/**
 * The file to decode a row group from. One that was written with a checksum is read and checked first, and decoded from
 * what was read: where lengths are damaged, decoding may not come to an end.
 */
const checked = Effect.fnUntraced(function*(file: AsyncBuffer, { checksum, group, rows, start }: Part) {
  if (checksum === undefined) return file
  const places = group.columns.map(({ meta_data }) => {
    const begin = Number(meta_data?.dictionary_page_offset ?? meta_data?.data_page_offset)
    return [begin, begin + Number(meta_data?.total_compressed_size)] as const
  })
  const begin = Math.min(...places.map(([first]) => first))
  const end = Math.max(...places.map(([, last]) => last))
  const bytes = yield* Effect.tryPromise({
    try: async () => file.slice(begin, end),
    catch: () => malformed(start, rows, "the file's metadata does not say where they are")
  })
  if (Platform.crc32(new Uint8Array(bytes)) !== checksum) {
    return yield* malformed(start, rows, "they are damaged: they do not have the checksum that they were written with")
  }
  return {
    byteLength: file.byteLength,
    slice: (from, to = file.byteLength) =>
      from >= begin && to <= end ? bytes.slice(from - begin, to - begin) : file.slice(from, to)
  } satisfies AsyncBuffer
})

/** Rows of a batch. */
const batchRows = 1_000

/** The rows, in batches, from one row group after the other. */
const groups = (
  file: AsyncBuffer,
  metadata: FileMetaData,
  typed: ReadonlyArray<Typed>,
  checksums: ReadonlyArray<number> | undefined
): Stream.Stream<ReadonlyArray<Cells>, InvalidInput> => {
  const { raw, withDecimals } = Decimals.make(withTexts(metadata, typed))
  const read = (from: AsyncBuffer, { rows, start }: Part) =>
    Effect.tryPromise({
      try: () =>
        parquetReadObjects({
          file: from,
          metadata: raw,
          compressors,
          parsers,
          // Bytes without a text type are not texts.
          utf8: false,
          rowStart: start,
          rowEnd: start + rows
        }).then((cells: ReadonlyArray<Cells>) => cells.map((each) => withJson(withDecimals(each), typed))),
      catch: () =>
        malformed(
          start,
          rows,
          "they do not decode: they are damaged, or hold texts that are not UTF-8, or do not fit the layout in the " +
            "file's metadata, or are compressed with neither Snappy nor Zstandard"
        )
    })
  const batches = (rows: ReadonlyArray<Cells>) =>
    Array.from(
      { length: Math.ceil(rows.length / batchRows) },
      (_, i) => rows.slice(i * batchRows, (i + 1) * batchRows)
    )
  let end = 0
  const parts = metadata.row_groups.map((group, i): Part => {
    const start = end
    end += Number(group.num_rows)
    return { group, start, rows: end - start, checksum: checksums?.[i] }
  })
  return Stream.fromIterable(parts, { chunkSize: 1 }).pipe(
    Stream.flatMap((part) =>
      Stream.flatMap(
        Stream.fromEffect(Effect.flatMap(checked(file, part), (from) => read(from, part))),
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
