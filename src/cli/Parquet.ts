/**
 * Rows as a Parquet file, a row group at a time.
 *
 * @internal
 */
import { Effect, Stream } from "effect"
import type { Row } from "./Csv.ts"
import { Failure } from "./Failure.ts"
import * as Output from "./Output.ts"
import * as Values from "./Values.ts"

/** Rows of a row group. */
const groupRows = 50_000

const load = Effect.tryPromise({
  try: () => import("hyparquet-writer"),
  catch: () =>
    new Failure({ message: "writing Parquet needs the package hyparquet-writer: npm install hyparquet-writer" })
})

/** Keys and values are texts, or JSON where they are anything else. */
export const write = Effect.fnUntraced(function*<E, R>(rows: Stream.Stream<Row, E, R>, withTime: boolean) {
  const { ByteWriter, ParquetWriter } = yield* load
  const bytes = new ByteWriter()
  const file = new ParquetWriter({ writer: bytes, schema: schemaOf(withTime), createdBy: "tidemark" })

  /** Hands over what has been written so far; the offsets in the file go on. */
  const send = Effect.suspend(() => {
    const written = bytes.getBytes().slice()
    bytes.index = 0
    return Output.write(written)
  })
  yield* Stream.runForEach(Stream.grouped(rows, groupRows), (group) =>
    Effect.andThen(
      Effect.sync(() => void file.write({ columnData: columnsOf(group, withTime), rowGroupSize: groupRows })),
      send
    ))
  yield* Effect.sync(() => void file.finish())
  yield* send
})

const text = (name: string) =>
  ({ name, type: "BYTE_ARRAY", repetition_type: "REQUIRED", converted_type: "UTF8" }) as const

const integer = (name: string) => ({ name, type: "INT64", repetition_type: "REQUIRED" }) as const

const schemaOf = (withTime: boolean) => {
  const columns = [text("key"), text("value"), ...(withTime ? [integer("time")] : []), integer("diff")]
  return [{ name: "root", num_children: columns.length }, ...columns]
}

const columnsOf = (rows: ReadonlyArray<Row>, withTime: boolean) => [
  { name: "key", data: rows.map(({ key }) => Values.cell(key)) },
  { name: "value", data: rows.map(({ value }) => Values.cell(value)) },
  ...(withTime ? [{ name: "time", data: rows.map(({ time }) => BigInt(time ?? 0)) }] : []),
  { name: "diff", data: rows.map(({ diff }) => BigInt(diff)) }
]
