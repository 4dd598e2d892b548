/**
 * Checking every byte and every invariant of a batch file.
 *
 * @internal
 */
import { Corrupt, UnsupportedFormat } from "../PersistError.ts"
import * as BatchFile from "./BatchFile.ts"
import * as Checksum from "./Checksum.ts"
import * as Columns from "./Columns.ts"
import { compareBytes, compareRows } from "./Compare.ts"
import { isConsolidated } from "./Consolidate.ts"

/** Every problem of a whole file. Each byte is under some check. */
export const verify = (bytes: Uint8Array, location: string): Array<Corrupt | UnsupportedFormat> => {
  const problems: Array<Corrupt | UnsupportedFormat> = []
  const attempt = <A>(run: () => A): A | undefined => {
    try {
      return run()
    } catch (error) {
      if (!(error instanceof Corrupt) && !(error instanceof UnsupportedFormat)) throw error
      problems.push(error)
      return undefined
    }
  }
  attempt(() => BatchFile.checkHeader(bytes, location))
  const footer = attempt(() => {
    const trailer = BatchFile.readTrailer(bytes, bytes.length, location)
    const { footerLength, footerOffset } = trailer
    return BatchFile.readFooter(bytes.subarray(footerOffset, footerOffset + footerLength), trailer, location)
  })
  if (footer === undefined) return problems
  const blocks = footer.blocks.map(({ length, offset }, index) =>
    attempt(() => {
      const columns = BatchFile.readBlock(footer.blocks[index]!, bytes.subarray(offset, offset + length), location)
      checkBlock(footer, index, columns, location)
      return columns
    })
  )
  if (blocks.every((block) => block !== undefined)) attempt(() => checkWhole(footer, blocks, location))
  return problems
}

const checkBlock = (footer: BatchFile.Footer, index: number, columns: Columns.Columns, location: string): void => {
  const block = footer.blocks[index]!
  const fail = (detail: string): never => {
    throw new Corrupt({ location, offset: block.offset, detail })
  }
  if (columns.length === 0) fail("a block has no rows")
  if (!isConsolidated(columns)) fail("the rows of a block are not sorted and consolidated")
  const [minTime, maxTime] = BatchFile.timeRange(columns)
  if (minTime !== block.minTime || maxTime !== block.maxTime) fail("the times of a block are not those of the footer")
  const first = Columns.keyAt(columns, 0)
  const last = Columns.keyAt(columns, columns.length - 1)
  if (compareBytes(first, block.minKey) !== 0 || compareBytes(last, block.maxKey) !== 0) {
    fail("the keys of a block are not those of the footer")
  }
  const { lower, since, upper } = footer.description
  if (minTime < since && since !== Infinity) fail("a time has not been advanced to the since of the batch")
  if (minTime < lower || (maxTime >= upper && maxTime > since)) fail("a time is outside those that the batch covers")
}

const checkWhole = (footer: BatchFile.Footer, blocks: ReadonlyArray<Columns.Columns>, location: string): void => {
  const checksum = new Checksum.Accumulator()
  let rows = 0
  blocks.forEach((columns, index) => {
    const before = blocks[index - 1]
    if (before !== undefined) {
      const order = compareRows(before, before.length - 1, columns, 0)
      if (order > 0 || (order === 0 && before.times[before.length - 1]! >= columns.times[0]!)) {
        throw new Corrupt({ location, offset: footer.blocks[index]!.offset, detail: "blocks are not in order" })
      }
    }
    checksum.add(columns)
    rows += columns.length
  })
  if (rows !== footer.rows) throw new Corrupt({ location, offset: 0, detail: "the footer counts other rows" })
  if (checksum.value() !== footer.checksum) {
    throw new Corrupt({ location, offset: 0, detail: "the multiset checksum does not match the rows" })
  }
}
