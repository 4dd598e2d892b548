/**
 * Updates as Parquet files, a row group at a time: columns `key`, `value`, `time` and `diff`.
 *
 * @since 0.1.0
 */
import { Effect, Predicate, type Schema, Stream } from "effect"
import type { AsyncBuffer } from "hyparquet"
import type { CollectionEvent } from "../client/CollectionEvent.ts"
import * as Intake from "../formats/Intake.ts"
import * as Frontier from "../Frontier.ts"
import type { InvalidInput } from "../PersistError.ts"
import * as TypedCodec from "../TypedCodec.ts"
import * as FileReader from "./FileReader.ts"
import * as FileWriter from "./FileWriter.ts"

type Json = Schema.Json

/**
 * How keys and values are stored.
 *
 * - `json`: as JSON texts with the JSON type, so that `decode` restores the values. The default.
 * - `text`: as texts, with other values as JSON.
 * - A schema: as columns with types. Rows are the JSON of its values, as `Typed.encode` makes it. The fields of a struct are
 *   the fields of a structure, so that `value.total` is a column of numbers; texts, numbers, integers, booleans, dates,
 *   lists, tuples (with fields `_1`, `_2`) and tagged unions have columns of their types, and what Parquet has no type for
 *   is JSON in its place. What the columns do not hold exactly is, besides, in the column `key_json` or `value_json`, so
 *   that `decode` restores every row.
 *
 * @category models
 * @since 0.1.0
 */
export interface Columns {
  readonly key?: "json" | "text" | Schema.Constraint | undefined
  readonly value?: "json" | "text" | Schema.Constraint | undefined
}

const formOf = (column: Columns["key"] = "json"): FileWriter.Form =>
  Predicate.isString(column) ? column : { layout: TypedCodec.layoutOf(column) }

const formsOf = ({ key, value }: Columns): FileWriter.Forms => ({ key: formOf(key), value: formOf(value) })

/**
 * Encodes a flow as a Parquet file. Its frontier is stored in the file's metadata, and so are the types of its columns.
 * Columns have statistics, by which readers skip row groups. Memory depends on the size of a row group of 50,000 rows, not
 * on that of the file.
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
export const encode = (columns: Columns = {}) => encodeAs(formsOf(columns))

/** @internal */
export const encodeAs =
  (forms: FileWriter.Forms) =>
  <E, R>(flow: Stream.Stream<CollectionEvent<Json, Json>, E, R>): Stream.Stream<Uint8Array, E, R> =>
    Stream.suspend(() => {
      const file = FileWriter.make(forms, true)
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
export const contents = (columns: Columns = {}) => contentsAs(formsOf(columns))

/** @internal */
export const contentsAs = (forms: FileWriter.Forms) =>
<E, R>(
  rows: Stream.Stream<readonly [key: Json, value: Json, multiplicity: number], E, R>
): Stream.Stream<Uint8Array, E, R> =>
  Stream.suspend(() => {
    const file = FileWriter.make(forms, false)
    return written(
      Stream.map(Stream.chunks(rows), (chunk) => {
        for (const [key, value, multiplicity] of chunk) file.add(key, value, multiplicity, 0)
        return file.bytes()
      }),
      file
    )
  })

const written = <E, R>(
  parts: Stream.Stream<Uint8Array, E, R>,
  file: FileWriter.FileWriter
): Stream.Stream<Uint8Array, E, R> =>
  Stream.concat(parts, Stream.sync(file.end)).pipe(Stream.filter((part) => part.length > 0))

/**
 * Decodes a Parquet file to a flow: the rows of each row group in batches, then the progress stored in the file, if
 * any. Keys and values may be texts, numbers, booleans or JSON, and lists or structures of these; they are read as
 * JSON, and columns of `encode` with a schema as the JSON that they were made of. Decimals are read as texts with all
 * their digits. A file without the column `diff` has one of each row. An `ArrayBuffer` is an `AsyncBuffer`; `hyparquet`
 * makes one of a file or of a URL. Memory depends on the largest row group.
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
      const { groups, upper } = yield* FileReader.open(file)
      const intake = Intake.make<Json, Json>("Parquet", "row", gate)
      let number = 0
      const takeAll = (rows: ReadonlyArray<FileReader.Cells>) => {
        for (const cells of rows) {
          number++
          const error = take(intake, cells, number)
          if (error !== undefined) return intake.taken(error)
        }
        return intake.taken()
      }
      return groups.pipe(
        Stream.map(takeAll),
        Stream.concat(Stream.sync(() => intake.taken(upper === undefined ? undefined : seal(intake, upper, number)))),
        Intake.eventsOf
      )
    }))

type Taking = ReturnType<typeof Intake.make<Json, Json>>

const take = (intake: Taking, cells: FileReader.Cells, number: number): InvalidInput | undefined => {
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
    : intake.invalid(number, "Malformed", `"${FileWriter.upperKey}" in its metadata is no time`)
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
