/**
 * A Parquet file as it is written, a row group at a time.
 *
 * @internal
 */
import type { Schema } from "effect"
import type { ColumnChunk, KeyValue, SchemaElement, Statistics } from "hyparquet"
import { ByteWriter, ParquetWriter } from "hyparquet-writer"
import { cell } from "../formats/Cell.ts"
import * as Fields from "../formats/Fields.ts"
import * as Frontier from "../Frontier.ts"
import * as Layout from "../Layout.ts"
import * as Platform from "../Platform.ts"
import * as Column from "./Column.ts"
import * as Texts from "./Texts.ts"

type Json = Schema.Json

/** How keys or values are stored. */
export type Form = "json" | "text" | { readonly layout: Layout.Layout }

export interface Forms {
  readonly key: Form
  readonly value: Form
}

/** Rows of a row group. */
const groupRows = 50_000

/** The key in the metadata of a file that has its frontier. */
export const upperKey = "tidemark.upper"

/** The key in the metadata that has the CRC-32 of each row group's bytes, separated by commas. */
export const checksumsKey = "tidemark.checksums"

/** The key in the metadata that has the layout of keys or values. */
export const layoutKey = (side: keyof Forms): string => `tidemark.${side}`

/** Keys or values: one column, or one for each field. */
interface Side {
  readonly elements: ReadonlyArray<SchemaElement>
  readonly metadata: ReadonlyArray<KeyValue>
  readonly add: (json: Json) => void
  /** The columns since the last call. The next call of `add` may overwrite them. */
  readonly take: () => ReadonlyArray<ColumnData>
}

type ColumnData = Parameters<ParquetWriter["write"]>[0]["columnData"][number]

const texts = (name: string, form: "json" | "text"): Side => {
  const column = Texts.make()
  const textOf = form === "text" ? cell : JSON.stringify
  const isText = form === "text"
  return {
    elements: [{
      name,
      type: "BYTE_ARRAY",
      repetition_type: "REQUIRED",
      ...(isText && { converted_type: "UTF8", logical_type: { type: "STRING" } })
    }],
    metadata: [],
    add: (json) => column.add(textOf(json)),
    // Lengths side by side compress better than in front of every text, and a dictionary is rarely smaller.
    take: () => [{ name, data: column.take(), encoding: "DELTA_LENGTH_BYTE_ARRAY", statistics: isText }]
  }
}

const typed = (name: keyof Forms, layout: Layout.Layout, column: Column.Column): Side => {
  const json = Fields.jsonName(name)
  let cells: Array<unknown> = []
  let rest: Array<Uint8Array | null> = []
  return {
    elements: [...column.elements(name), ...Column.json.elements(json)],
    metadata: [{ key: layoutKey(name), value: Layout.into("{}", layout) }],
    add: (value) => {
      const fit: Column.Fit = { isExact: true }
      cells.push(column.toCell(value, fit))
      rest.push(fit.isExact ? null : Column.jsonCell(value))
    },
    take: () => {
      const taken = [{ name, data: cells }, { name: json, data: rest }]
      cells = []
      rest = []
      return taken
    }
  }
}

const side = (name: keyof Forms, form: Form): Side => {
  if (typeof form === "string") return texts(name, form)
  const column = Column.of(form.layout)
  return column === Column.json ? texts(name, "json") : typed(name, form.layout, column)
}

/**
 * The statistics of a column that may be kept until the file ends: without the bytes of texts that are overwritten, and
 * without bounds of JSON, which are whole documents.
 */
const kept = (of: Statistics, element: SchemaElement): Statistics => {
  const { max_value, min_value, ...counts } = of
  return Column.isJson(element) || max_value === undefined || min_value === undefined
    ? counts
    : { ...counts, max_value: copied(max_value), min_value: copied(min_value) }
}

const copied = <Bound>(bound: Bound) => bound instanceof Uint8Array ? bound.slice() : bound

export type FileWriter = ReturnType<typeof make>

export const make = (forms: Forms, withTime: boolean) => {
  const sides = [side("key", forms.key), side("value", forms.value)]
  const schema = [
    ...sides.flatMap(({ elements }) => elements),
    ...(withTime ? [integer("time")] : []),
    integer("diff")
  ]
  const leaves = schema.filter(({ type }) => type !== undefined)
  const metadata = sides.flatMap((side) => side.metadata)
  const writer = new ByteWriter(1 << 20)
  const file = new ParquetWriter({
    writer,
    schema: [{ name: "root", num_children: new Set(Column.namesOf(schema)).size }, ...schema],
    createdBy: "tidemark",
    kvMetadata: metadata
  })
  let rows = 0
  let upper: Frontier.Frontier | undefined
  const checksums: Array<number> = []
  const times = new BigInt64Array(groupRows)
  const diffs = new BigInt64Array(groupRows)

  const writeGroup = () => {
    if (rows === 0) return
    const start = writer.index
    void file.write({
      columnData: [
        ...sides.flatMap((side) => side.take()),
        ...(withTime ? [{ name: "time", data: times.subarray(0, rows) }] : []),
        { name: "diff", data: diffs.subarray(0, rows) }
      ],
      rowGroupSize: groupRows
    })
    rows = 0
    checksums.push(Platform.crc32(writer.getBytes().subarray(start)))
    file.row_groups.at(-1)!.columns.forEach(({ meta_data }: ColumnChunk, i) => {
      if (meta_data?.statistics !== undefined) meta_data.statistics = kept(meta_data.statistics, leaves[i]!)
    })
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
      sides[0]!.add(key)
      sides[1]!.add(value)
      rows++
      if (rows === groupRows) writeGroup()
    },
    complete: (frontier: Frontier.Frontier) => {
      upper = frontier
    },
    bytes,
    end: () => {
      writeGroup()
      metadata.push({ key: checksumsKey, value: checksums.join() })
      if (upper !== undefined) metadata.push({ key: upperKey, value: String(Frontier.toJson(upper)) })
      // The writer itself would copy every value, and has no JSON for null. It receives bytes, and their type is set
      // only here.
      for (const element of schema.filter(Column.isJson)) element.converted_type = "JSON"
      void file.finish()
      return bytes()
    }
  }
}

const integer = (name: string): SchemaElement => ({ name, type: "INT64", repetition_type: "REQUIRED" })
