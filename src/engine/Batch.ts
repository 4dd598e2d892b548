/**
 * References to stored batches: what the state knows of a sorted run without reading it.
 *
 * A batch is one sorted, consolidated run of rows, cut into parts of bounded size. Each part is one blob, a batch file;
 * Parts are in row order, so that the key ranges of neighbours overlap in at most one key.
 *
 * @internal
 */
import type { Content, Meta } from "../batch/BatchFile.ts"
import type { ByteReader } from "../ByteReader.ts"
import type { ByteWriter } from "../ByteWriter.ts"
import type { Frontier } from "../Frontier.ts"

/** One blob of a batch. */
export interface Part extends Meta {
  /** The blob's key. */
  readonly key: string
}

/** A sorted run. */
export interface Batch {
  /** Rows come from times in [lower, upper); in the trace, `lower` is where the batch before ends. */
  readonly lower: Frontier
  readonly upper: Frontier
  /** Times below it have been advanced to it. */
  readonly since: Frontier
  /** How often its rows have been merged into something larger. */
  readonly level: number
  /** At least one. */
  readonly parts: ReadonlyArray<Part>
}

/** Names the batch: blob keys are never used twice. */
export const id = (self: Batch): string => self.parts[0]!.key

export const rows = (self: Batch): number => self.parts.reduce((sum, part) => sum + part.rows, 0)

export const bytes = (self: Batch): number => self.parts.reduce((sum, part) => sum + part.bytes, 0)

/** What a rewrite of the batch may reclaim, if the batch was written in this process. */
export const content = (self: Batch): Content | undefined => {
  let retractions = 0
  let advanced = 0
  for (const { content } of self.parts) {
    if (content === undefined) return undefined
    retractions += content.retractions
    advanced += content.advanced
  }
  return { retractions, advanced }
}

export const checksum = (self: Batch): bigint =>
  self.parts.reduce((sum, part) => BigInt.asUintN(64, sum + part.checksum), 0n)

export const minTime = (self: Batch): number =>
  self.parts.reduce((least, part) => Math.min(least, part.minTime), Infinity)

export const maxTime = (self: Batch): number => self.parts.reduce((most, part) => Math.max(most, part.maxTime), 0)

export const encode = (self: Batch, writer: ByteWriter): void => {
  writer.frontier(self.lower)
  writer.frontier(self.upper)
  writer.frontier(self.since)
  writer.u32(self.level)
  writer.u32(self.parts.length)
  for (const part of self.parts) {
    writer.text(part.key)
    writer.u64(part.bytes)
    writer.u64(part.rows)
    writer.bits64(part.checksum)
    writer.blob(part.minKey)
    writer.blob(part.maxKey)
    writer.u64(part.minTime)
    writer.u64(part.maxTime)
  }
}

const leastPartBytes = 52

export const decode = (reader: ByteReader): Batch => {
  const lower = reader.frontier()
  const upper = reader.frontier()
  const since = reader.frontier()
  const level = reader.u32()
  const count = reader.count(leastPartBytes)
  if (count === 0) reader.fail("a batch has no parts")
  const parts: Array<Part> = []
  for (let i = 0; i < count; i++) {
    parts.push({
      key: reader.text(),
      bytes: reader.u64(),
      rows: reader.u64(),
      checksum: reader.bits64(),
      minKey: reader.blob().slice(),
      maxKey: reader.blob().slice(),
      minTime: reader.u64(),
      maxTime: reader.u64()
    })
  }
  return { lower, upper, since, level, parts }
}

/** Encodes a list of batches with its count. */
export const encodeAll = (batches: ReadonlyArray<Batch>, writer: ByteWriter): void => {
  writer.u32(batches.length)
  for (const batch of batches) encode(batch, writer)
}

export const decodeAll = (reader: ByteReader): Array<Batch> => {
  const count = reader.count(32)
  const batches: Array<Batch> = []
  for (let i = 0; i < count; i++) batches.push(decode(reader))
  return batches
}
