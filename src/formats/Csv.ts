/**
 * Updates as comma-separated values (RFC 4180): `key,value,time,diff`, or `key,value,diff` for contents; keys and values
 * also with a column for each field.
 *
 * @since 0.1.0
 */
import { Effect, Predicate, type Schema, Stream } from "effect"
import * as Encoding from "effect/encoding/Csv"
import type { CollectionEvent } from "../client/CollectionEvent.ts"
import * as Frontier from "../Frontier.ts"
import * as Layout from "../Layout.ts"
import { InvalidInput } from "../PersistError.ts"
import * as TypedCodec from "../TypedCodec.ts"
import * as Update from "../Update.ts"
import { cell } from "./Cell.ts"
import * as CsvFields from "./CsvFields.ts"
import * as Intake from "./Intake.ts"
import { maxBytes } from "./Split.ts"

const columns = ["key", "value", "time", "diff"]

/**
 * Decodes bytes to a flow of updates, whose keys and values are texts, the only type of CSV. `Typed.decode` converts
 * them, with `Schema.NumberFromString` or `Schema.fromJsonString`. The first record must be the header
 * `key,value,time,diff`. A file contains no progress: add it with
 * `Stream.concat(Stream.succeed(Flow.progress(upper)))`.
 *
 * Fails with `InvalidInput` at the first wrong record: `SchemaDrift` if the header or the number of cells differs,
 * `Truncated` if the input ends within quotes. If the text is not CSV or not UTF-8, the records before it in the same
 * chunk of the input are lost, too.
 *
 * @category sources
 * @since 0.1.0
 */
export const decode = <E, R>(
  bytes: Stream.Stream<Uint8Array, E, R>
): Stream.Stream<CollectionEvent<string, string>, E | InvalidInput, R> => decodeThrough(Intake.open)(bytes)

/** @internal */
export const decodeThrough = (gate: Intake.Gate<string, string>) =>
  decodeWith(gate, (header) =>
    header.join() === columns.join()
      ? ([key, value]) => [key!, value!]
      : `the header must be ${columns.join()}`)

/**
 * Decodes bytes to a flow of updates, with a column for each field, as `encodeFields` writes them: fields of the key and the
 * value by their paths, `value.address.city`, parts of a tuple by their numbers, `key._1`, and `time` and `diff`. A cell
 * that reads as JSON is JSON, such as a number, `true`, a list; any other one is a text, also digits that a
 * number would lose; an empty one is a field that is not there. Where there is a column `key_json` or `value_json`, and it
 * is not empty, it is the whole key or value. `Typed.decode` gives the rows types. With the header
 * `key,value,time,diff` all is text, as `decode` reads it.
 *
 * Fails as `decode` does.
 *
 * @see {@link encodeFields}
 *
 * @category sources
 * @since 0.1.0
 */
export const decodeFields = <E, R>(
  bytes: Stream.Stream<Uint8Array, E, R>
): Stream.Stream<CollectionEvent<Json, Json>, E | InvalidInput, R> => decodeFieldsThrough(Intake.open)(bytes)

/** @internal */
export const decodeFieldsThrough = (gate: Intake.Gate<Json, Json>) => decodeWith(gate, fieldsOf)

/** The key and the value of the cells of a record, or `undefined` for one that is none. */
type Reading<A> = (cells: ReadonlyArray<string>) => readonly [key: A | undefined, value: A | undefined]

const fieldsOf = (header: ReadonlyArray<string>): Reading<Json> | string => {
  if (header.join() === columns.join()) return ([key, value]) => [key, value]
  const key = CsvFields.ofHeader("key", header)
  const value = CsvFields.ofHeader("value", header)
  const known = new Set([...key?.columns ?? [], ...value?.columns ?? [], "time", "diff"])
  const isWhole = ["time", "diff"].every((name) => header.includes(name))
  if (
    key === undefined || value === undefined || !isWhole || new Set(header).size !== header.length ||
    !header.every((name) => known.has(name))
  ) {
    return `the header must be ${columns.join()}, or have fields in the place of key and value, as key,value.total,time,diff`
  }
  return (cells) => {
    const named = Object.fromEntries(header.map((name, i) => [name, cells[i]!]))
    return [key.toJson(named), value.toJson(named)]
  }
}

/** `open` says how records are read, or what is wrong with the header. */
const decodeWith =
  <A>(gate: Intake.Gate<A, A>, open: (header: ReadonlyArray<string>) => Reading<A> | string) =>
  <E, R>(bytes: Stream.Stream<Uint8Array, E, R>): Stream.Stream<CollectionEvent<A, A>, E | InvalidInput, R> =>
    Stream.suspend(() => {
      const intake = Intake.make<A, A>("CSV", "record", gate)
      let number = 0
      let take: ((cells: ReadonlyArray<string>) => InvalidInput | undefined) | undefined
      const takeHeader = (header: ReadonlyArray<string>): InvalidInput | undefined => {
        const reading = open(header)
        if (Predicate.isString(reading)) return intake.invalid(number, "SchemaDrift", reading)
        take = (cells) => row(intake, header, reading, cells, number)
        return undefined
      }
      const takeAll = (records: ReadonlyArray<ReadonlyArray<string>>) => {
        for (const cells of records) {
          number++
          const error = (take ?? takeHeader)(cells)
          if (error !== undefined) return intake.taken(error)
        }
        return intake.taken()
      }
      return decodeText(bytes).pipe(
        Stream.pipeThroughChannel(Encoding.decodeString({ ignoreEmptyLines: true, maxRecordSize: maxBytes })),
        Stream.mapError((error) => Encoding.isCsvError(error) ? invalid(error) : error),
        Stream.chunks,
        Stream.map(takeAll),
        Intake.eventsOf
      )
    })

const row = <A>(
  intake: ReturnType<typeof Intake.make<A, A>>,
  header: ReadonlyArray<string>,
  reading: Reading<A>,
  cells: ReadonlyArray<string>,
  number: number
): InvalidInput | undefined => {
  if (cells.length !== header.length) {
    return intake.invalid(number, "SchemaDrift", `it has ${cells.length} cells instead of ${header.length}`)
  }
  const [time, diff] = [cells[header.indexOf("time")]!, cells[header.indexOf("diff")]!]
  if (!/^\d+$/.test(time) || !Frontier.isTimestamp(Number(time))) {
    return intake.invalid(number, "Malformed", "its time is no integer from 0 to 2^53 - 1")
  }
  if (!/^-?\d+$/.test(diff) || !Number.isSafeInteger(Number(diff))) {
    return intake.invalid(number, "Malformed", "its diff is no integer within 2^53 - 1")
  }
  const [key, value] = reading(cells)
  if (key === undefined || value === undefined) {
    const part = key === undefined ? "key" : "value"
    return intake.invalid(number, "Malformed", `its ${part}_json is not JSON, or has a number beyond 2^53`)
  }
  // Adding 0 makes 0 of -0.
  return intake.row(Update.make(key, value, Number(time), Number(diff) + 0), number)
}

const unterminated = "Unterminated"

const invalid = ({ kind, line, message }: Encoding.CsvError): InvalidInput =>
  new InvalidInput({
    format: "CSV",
    place: `line ${line}`,
    reason: kind === "Syntax" && message.startsWith(unterminated) ? "Truncated" : "Malformed",
    detail: message
  })

/** Invalid UTF-8 is an error; it is not replaced by replacement characters. */
const decodeText = <E, R>(bytes: Stream.Stream<Uint8Array, E, R>): Stream.Stream<string, E | InvalidInput, R> =>
  Stream.suspend(() => {
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
    let at = 0
    const text = (chunk?: Uint8Array) =>
      Effect.try({
        try: () => decoder.decode(chunk, { stream: chunk !== undefined }),
        catch: () =>
          new InvalidInput({
            format: "CSV",
            place: `byte ${at} or later`,
            reason: chunk === undefined ? "Truncated" : "Malformed",
            detail: "it is not UTF-8"
          })
      }).pipe(Effect.tap(() => Effect.sync(() => void (at += chunk?.length ?? 0))))
    return Stream.concat(Stream.mapEffect(bytes, text), Stream.fromEffect(Effect.suspend(() => text())))
  })

type Json = Schema.Json

/**
 * Encodes a flow as CSV with its header. Texts are written as they are, other values as JSON. Progress is omitted.
 *
 * @category sinks
 * @since 0.1.0
 */
export const encode = <E, R>(
  flow: Stream.Stream<CollectionEvent<Json, Json>, E, R>
): Stream.Stream<Uint8Array, E, R> => written(plain, flow)

/**
 * Encodes the contents of a snapshot as CSV with its header, `key,value,diff`.
 *
 * @category sinks
 * @since 0.1.0
 */
export const contents = <E, R>(
  rows: Stream.Stream<readonly [key: Json, value: Json, multiplicity: number], E, R>
): Stream.Stream<Uint8Array, E, R> => writtenContents(plain, rows)

/**
 * The schemas whose fields are columns. Without one, a key or a value is one column.
 *
 * @category models
 * @since 0.1.0
 */
export interface Columns {
  readonly key?: Schema.Constraint | undefined
  readonly value?: Schema.Constraint | undefined
}

/**
 * Encodes a flow as CSV with a column for each field that the schemas name, as `Parquet.encode` does with types:
 * `value.total` is the field `total` of the values, `key._1` the first part of keys that are tuples; the fields of all
 * members of a tagged union are side by side; lists and what has no fields are one column. Rows are JSON, as `Typed.encode`
 * makes it. CSV has no types: a row that its cells do not hold exactly, such as one with a text of digits, with an empty text
 * or with null, is, besides, in the column `key_json` or `value_json`, so that `decodeFields` restores every row. Progress is omitted.
 *
 * @see {@link decodeFields}
 *
 * @example
 * ```ts
 * import { Effect, Schema, Stream } from "effect"
 * import { Update } from "tidemark"
 * import { Csv } from "tidemark/formats"
 * import { Flow } from "tidemark/operators"
 *
 * const Order = Schema.Struct({ item: Schema.String, total: Schema.Finite })
 * const flow = Stream.make(Flow.updates([Update.insert("o-1", { item: "tea", total: 5 }, 1)])).pipe(
 *   Stream.filter((event) => event._tag !== "Errors")
 * )
 * const bytes = Csv.encodeFields({ key: Schema.String, value: Order })(flow)
 * const csv = await Effect.runPromise(Stream.mkString(Stream.decodeText(bytes)))
 * if (csv !== "key,key_json,value.total,value.item,value_json,time,diff\no-1,,5,tea,,1,1\n") throw new Error(csv)
 * ```
 *
 * @category sinks
 * @since 0.1.0
 */
export const encodeFields = (columns: Columns) => encodeAs(layoutsOf(columns))

/**
 * Encodes the contents of a snapshot as CSV, with a column for each field as in `encodeFields`, and `diff`.
 *
 * @category sinks
 * @since 0.1.0
 */
export const contentsFields = (columns: Columns) => contentsAs(layoutsOf(columns))

/** The layouts of keys and values. @internal */
export interface Layouts {
  readonly key: Layout.Layout
  readonly value: Layout.Layout
}

const layoutOf = (schema: Columns["key"]) => schema === undefined ? Layout.unknown : TypedCodec.layoutOf(schema)

const layoutsOf = ({ key, value }: Columns): Layouts => ({ key: layoutOf(key), value: layoutOf(value) })

/** @internal */
export const encodeAs = (layouts: Layouts) => {
  const sides = sidesOf(layouts)
  return <E, R>(flow: Stream.Stream<CollectionEvent<Json, Json>, E, R>) => written(sides, flow)
}

/** @internal */
export const contentsAs = (layouts: Layouts) => {
  const sides = sidesOf(layouts)
  return <E, R>(rows: Stream.Stream<readonly [key: Json, value: Json, multiplicity: number], E, R>) =>
    writtenContents(sides, rows)
}

type Writing = Pick<CsvFields.Side, "columns" | "toCells">

interface Sides {
  readonly key: Writing
  readonly value: Writing
}

const plain: Sides = {
  key: { columns: ["key"], toCells: (json) => ({ key: cell(json) }) },
  value: { columns: ["value"], toCells: (json) => ({ value: cell(json) }) }
}

/** Where neither keys nor values have fields, there is nothing to tell apart. */
const sidesOf = ({ key, value }: Layouts): Sides =>
  CsvFields.hasFields(key) || CsvFields.hasFields(value)
    ? { key: CsvFields.ofLayout("key", key), value: CsvFields.ofLayout("value", value) }
    : plain

const written = <E, R>({ key, value }: Sides, flow: Stream.Stream<CollectionEvent<Json, Json>, E, R>) =>
  flow.pipe(
    Stream.flatMap((event) => event._tag === "Updates" ? Stream.fromArray(event.updates) : Stream.empty),
    Stream.map((update) => ({
      ...key.toCells(update.key),
      ...value.toCells(update.value),
      time: String(update.time),
      diff: String(update.diff)
    })),
    write([...key.columns, ...value.columns, "time", "diff"])
  )

const writtenContents = <E, R>(
  sides: Sides,
  rows: Stream.Stream<readonly [key: Json, value: Json, multiplicity: number], E, R>
) =>
  rows.pipe(
    Stream.map(([key, value, diff]) => ({
      ...sides.key.toCells(key),
      ...sides.value.toCells(value),
      diff: String(diff)
    })),
    write([...sides.key.columns, ...sides.value.columns, "diff"])
  )

const write =
  (columns: ReadonlyArray<string>) =>
  <E, R>(records: Stream.Stream<Readonly<Record<string, string>>, E, R>): Stream.Stream<Uint8Array, E, R> =>
    Stream.pipeThroughChannel(records, Encoding.encode({ columns, headers: true, newline: "\n" }))
