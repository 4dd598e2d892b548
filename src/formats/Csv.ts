/**
 * Updates as comma-separated values (RFC 4180): `key,value,time,diff`, or `key,value,diff` for contents.
 *
 * @since 0.1.0
 */
import { Effect, type Schema, Stream } from "effect"
import * as Encoding from "effect/encoding/Csv"
import type { CollectionEvent } from "../client/CollectionEvent.ts"
import * as Frontier from "../Frontier.ts"
import { InvalidInput } from "../PersistError.ts"
import * as Update from "../Update.ts"
import { cell } from "./Cell.ts"
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
export const decodeThrough =
  (gate: Intake.Gate<string, string>) =>
  <E, R>(bytes: Stream.Stream<Uint8Array, E, R>): Stream.Stream<CollectionEvent<string, string>, E | InvalidInput, R> =>
    Stream.suspend(() => {
      const intake = Intake.make<string, string>("CSV", "record", gate)
      let number = 0
      const take = (cells: ReadonlyArray<string>): InvalidInput | undefined => {
        number++
        if (number > 1) return row(intake, cells, number)
        return cells.join() === columns.join()
          ? undefined
          : intake.invalid(number, "SchemaDrift", `the header must be ${columns.join()}`)
      }
      const takeAll = (records: ReadonlyArray<ReadonlyArray<string>>) => {
        for (const cells of records) {
          const error = take(cells)
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

const row = (
  intake: ReturnType<typeof Intake.make<string, string>>,
  cells: ReadonlyArray<string>,
  number: number
): InvalidInput | undefined => {
  if (cells.length !== columns.length) {
    return intake.invalid(number, "SchemaDrift", `it has ${cells.length} cells instead of ${columns.length}`)
  }
  const [key, value, time, diff] = cells as [string, string, string, string]
  if (!/^\d+$/.test(time) || !Frontier.isTimestamp(Number(time))) {
    return intake.invalid(number, "Malformed", "its time is no integer from 0 to 2^53 - 1")
  }
  if (!/^-?\d+$/.test(diff) || !Number.isSafeInteger(Number(diff))) {
    return intake.invalid(number, "Malformed", "its diff is no integer within 2^53 - 1")
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
): Stream.Stream<Uint8Array, E, R> =>
  flow.pipe(
    Stream.flatMap((event) => event._tag === "Updates" ? Stream.fromArray(event.updates) : Stream.empty),
    Stream.map(({ diff, key, time, value }) => ({
      key: cell(key),
      value: cell(value),
      time: String(time),
      diff: String(diff)
    })),
    write(columns)
  )

/**
 * Encodes the contents of a snapshot as CSV with its header, `key,value,diff`.
 *
 * @category sinks
 * @since 0.1.0
 */
export const contents = <E, R>(
  rows: Stream.Stream<readonly [key: Json, value: Json, multiplicity: number], E, R>
): Stream.Stream<Uint8Array, E, R> =>
  rows.pipe(
    Stream.map(([key, value, diff]) => ({ key: cell(key), value: cell(value), diff: String(diff) })),
    write(["key", "value", "diff"])
  )

const write =
  (columns: ReadonlyArray<string>) =>
  <E, R>(records: Stream.Stream<Readonly<Record<string, string>>, E, R>): Stream.Stream<Uint8Array, E, R> =>
    Stream.pipeThroughChannel(records, Encoding.encode({ columns, headers: true, newline: "\n" }))
