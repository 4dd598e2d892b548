/**
 * The formats that the tool reads and writes.
 *
 * @internal
 */
import { Effect, Stream } from "effect"
import fs from "node:fs"
import type { CollectionEvent } from "../client/CollectionEvent.ts"
import type { Description } from "../client/PersistClient.ts"
import * as StoredJson from "../client/StoredJson.ts"
import * as Csv from "../formats/Csv.ts"
import * as Debezium from "../formats/Debezium.ts"
import type { Gate } from "../formats/Intake.ts"
import * as Ndjson from "../formats/Ndjson.ts"
import type { Layout } from "../Layout.ts"
import type { InvalidInput } from "../PersistError.ts"
import { Failure, Usage } from "./Failure.ts"
import * as Output from "./Output.ts"

/** The formats that can represent everything: times, diffs. */
export const names = ["ndjson", "csv", "parquet"] as const

/** What `ingest` and `export` accept besides: changes to a table with a primary key. */
export const all = [...names, "debezium"] as const

type Tabular = (typeof names)[number]

export type Name = (typeof all)[number]

/** The source of rows. */
export interface Source {
  /** A path, or - for standard input. */
  readonly file: string
  readonly bytes: Stream.Stream<Uint8Array, Failure>
}

export type Decoded = Stream.Stream<CollectionEvent<StoredJson.Json, StoredJson.Json>, InvalidInput | Failure>

/** The rows and seals of an input. */
export const decode = (
  format: Name,
  { bytes, file }: Source,
  gate: Gate<StoredJson.Json, StoredJson.Json>
): Decoded => {
  switch (format) {
    case "ndjson":
      return Ndjson.decodeThrough(gate)(bytes)
    case "csv":
      return Csv.decodeFieldsThrough(gate)(bytes)
    case "debezium":
      return Debezium.decodeThrough(gate, {})(bytes)
    case "parquet":
      return Stream.unwrap(Effect.map(parquet, ({ Parquet }) => Parquet.decodeThrough(gate)(bufferOf(file))))
  }
}

/** A file with random access: the metadata of Parquet is at the end. */
const bufferOf = (file: string) => ({
  byteLength: fs.statSync(file).size,
  slice: (start: number, end?: number) => fs.openAsBlob(file).then((blob) => blob.slice(start, end).arrayBuffer())
})

const parquet = Effect.tryPromise({
  try: () => import("../parquet/index.ts"),
  catch: () => new Failure({ message: "Parquet needs two packages more: npm install hyparquet hyparquet-writer" })
})

/** Rejects binary output to a terminal. */
export const checkOutput = Effect.fnUntraced(function*(format: Name) {
  const { output } = yield* Output.Channels
  if (format === "parquet" && output.isTTY) {
    return yield* new Usage({ message: "Parquet is no text for a terminal: send it to a file, as in > out.parquet" })
  }
})

/** Writes updates and progress to standard output. */
export const write = Effect.fnUntraced(function*<E, R>(
  format: Tabular,
  description: Description,
  flow: Stream.Stream<CollectionEvent<StoredJson.Json, StoredJson.Json>, E, R>
) {
  switch (format) {
    case "ndjson":
      return yield* send(Ndjson.encode(flow))
    case "csv":
      return yield* send(Csv.encodeAs(layoutsOf(description))(flow))
    case "parquet":
      return yield* send((yield* parquet).Parquet.encodeAs(formsOf(description))(flow))
  }
})

/** Writes contents to standard output. */
export const writeContents = Effect.fnUntraced(function*<E, R>(
  format: Name,
  description: Description,
  rows: Stream.Stream<readonly [key: StoredJson.Json, value: StoredJson.Json, multiplicity: number], E, R>
) {
  switch (format) {
    case "ndjson":
      return yield* send(Ndjson.contents(rows))
    case "csv":
      return yield* send(Csv.contentsAs(layoutsOf(description))(rows))
    case "debezium":
      return yield* send(Debezium.contents(description.name)(rows))
    case "parquet":
      return yield* send((yield* parquet).Parquet.contentsAs(formsOf(description))(rows))
  }
})

const send = <E, R>(bytes: Stream.Stream<Uint8Array, E, R>) => Stream.runForEach(bytes, Output.write)

const layoutsOf = ({ key, value }: Description): Csv.Layouts => ({
  key: StoredJson.layout(key),
  value: StoredJson.layout(value)
})

/** Columns with the types that the codecs say. */
const formsOf = ({ key, value }: Description) => ({ key: formOf(key), value: formOf(value) })

/** Texts need no more than one column. */
const formOf = (codec: Description["key"]): "text" | { readonly layout: Layout } =>
  codec.name === "string" ? "text" : { layout: StoredJson.layout(codec) }
