/**
 * The rows of a Parquet file: its footer, its columns, and one row group after the other.
 *
 * @internal
 */
import { Effect, Stream } from "effect"
import { type AsyncBuffer, type FileMetaData, parquetMetadataAsync, parquetReadObjects } from "hyparquet"
import * as ExactJson from "../ExactJson.ts"
import * as Layout from "../Layout.ts"
import { InvalidInput } from "../PersistError.ts"
import * as Platform from "../Platform.ts"
import * as Column from "./Column.ts"
import * as Decimals from "./Decimals.ts"
import * as FileWriter from "./FileWriter.ts"

export type Cells = Readonly<Record<string, unknown>>

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
  return metadata
})

/** Fails if the columns are not those of updates. */
export const open = Effect.fnUntraced(function*(file: AsyncBuffer) {
  const metadata = yield* footer(file)
  const columns = sides.filter((side) => said(metadata, FileWriter.layoutKey(side)) !== undefined)
  yield* checkColumns(metadata, columns.map(FileWriter.jsonName))
  const typed: Array<Typed> = []
  for (const side of columns) {
    const layout = Layout.find(said(metadata, FileWriter.layoutKey(side))!)
    if (layout === undefined) return yield* invalid("its end", "Malformed", `the layout of its ${side} does not decode`)
    typed.push({ side, column: Column.of(layout) })
  }
  return { groups: groups(file, metadata, typed), upper: said(metadata, FileWriter.upperKey) }
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
  const names = new Set(typed.flatMap(({ side }) => [side, FileWriter.jsonName(side)]))
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
    const whole = cells[FileWriter.jsonName(side)]
    const isInCells = whole === null || whole === undefined
    return [side, isInCells ? Column.read(column, cells[side]) : Column.json.toJson(whole)] as const
  })
  return { ...cells, ...Object.fromEntries(parts) }
}

/** Rows of a batch. */
const batchRows = 1_000

/** The rows, in batches, from one row group after the other. */
const groups = (
  file: AsyncBuffer,
  metadata: FileMetaData,
  typed: ReadonlyArray<Typed>
): Stream.Stream<ReadonlyArray<Cells>, InvalidInput> => {
  const { raw, withDecimals } = Decimals.make(withTexts(metadata, typed))
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
        }).then((cells: ReadonlyArray<Cells>) => cells.map((each) => withJson(withDecimals(each), typed))),
      catch: () => {
        const detail =
          "they do not decode: they are damaged, or hold texts that are not UTF-8, or do not fit the layout in the " +
          "file's metadata, or are compressed with neither Snappy nor Zstandard"
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
