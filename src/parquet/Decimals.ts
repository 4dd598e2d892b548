/**
 * Decimals of Parquet as texts with all their digits.
 *
 * @internal
 */
import type { FileMetaData, SchemaElement } from "hyparquet"
import * as Decimal from "../formats/Decimal.ts"

type Cells = Readonly<Record<string, unknown>>

const isDecimal = ({ converted_type, logical_type }: SchemaElement): boolean =>
  converted_type === "DECIMAL" || logical_type?.type === "DECIMAL"

const scaleOf = ({ logical_type, scale }: SchemaElement): number =>
  scale ?? (logical_type?.type === "DECIMAL" ? logical_type.scale : 0)

/** Whether there are decimals elsewhere than in columns. */
export const isNested = ({ schema: [root, ...elements] }: FileMetaData): boolean =>
  elements.some(isDecimal) && root?.num_children !== elements.length

/**
 * Metadata that leaves decimals as they are stored, and functions that convert them to texts: in columns, not in
 * structures.
 */
export const make = (metadata: FileMetaData) => {
  const scales = new Map(metadata.schema.filter(isDecimal).map((element) => [element.name, scaleOf(element)]))
  const schema = metadata.schema.map((element) => {
    if (element.converted_type === "ENUM") return { ...element, converted_type: "UTF8" as const }
    if (!isDecimal(element)) return element
    const { converted_type: _, logical_type: __, ...stored } = element
    return stored
  })
  const withDecimals = (cells: Cells): Cells => {
    if (scales.size === 0) return cells
    return Object.fromEntries(
      Object.entries(cells).map(([name, cell]) => {
        const scale = scales.get(name)
        return [name, scale === undefined ? cell : text(cell, scale)]
      })
    )
  }
  return { raw: { ...metadata, schema }, withDecimals }
}

const text = (cell: unknown, scale: number): unknown => {
  if (cell instanceof Uint8Array) return Decimal.text(Decimal.ofBytes(cell), scale)
  return typeof cell === "number" || typeof cell === "bigint" ? Decimal.text(BigInt(cell), scale) : cell
}
