/**
 * Performing a rewrite: reads the inputs, merges them within a byte budget, and stores the result, off the write path.
 * Nothing is visible until the swap that it returns has been committed.
 *
 * @internal
 */
import { Effect } from "effect"
import * as BatchFile from "../batch/BatchFile.ts"
import * as Checksum from "../batch/Checksum.ts"
import * as Columns from "../batch/Columns.ts"
import * as Consolidate from "../batch/Consolidate.ts"
import { Merge } from "../batch/Merge.ts"
import * as Batch from "../engine/Batch.ts"
import type { Swap } from "../engine/Commit.ts"
import type { Rewrite } from "../engine/Plan.ts"
import { Corrupt, type StorageError, type ValueOutOfRange } from "../PersistError.ts"
import type { Blob } from "../storage/Blob.ts"
import type { BatchStore, Scan } from "./BatchStore.ts"
import { compute } from "./Pure.ts"

export interface Rewriter {
  /** The swap that puts the result in the place of the inputs, and the bytes written. */
  readonly run: (rewrite: Rewrite) => Effect.Effect<{ readonly swap: Swap; readonly bytes: number }, RewriteError>
}

export type RewriteError = StorageError | ValueOutOfRange

/** One sorted input, of which the rows at times in [lower, upper) count. */
interface Input {
  readonly scan: Scan
  readonly lower: number
  readonly upper: number
}

export interface Options {
  readonly blob: Blob["Service"]
  readonly batches: BatchStore
  /** A key for a new blob, never used before. It counts as in use until the rewrite is over. */
  readonly newKey: () => string
  /** The size that parts of a batch aim at: what a merge holds of its output. */
  readonly partBytes: number
}

export const make = (options: Options): Rewriter => ({
  run: Effect.fnUntraced(function*(rewrite: Rewrite) {
    const { sealedTo, since, traceUpper } = rewrite
    const unsealed = [...rewrite.spills.map((spill) => options.batches.scan(spill, {})), ...memory(rewrite)]
    const trace = rewrite.trace.map((batch): Input => ({
      scan: options.batches.scan(batch, {}),
      lower: 0,
      upper: Infinity
    }))
    const sealed = sealedTo === traceUpper
      ? trace
      : [...trace, ...unsealed.map((scan): Input => ({ scan, lower: traceUpper, upper: sealedTo }))]
    const traceParts = yield* merge(options, sealed, { lower: rewrite.lower, upper: rewrite.upper, since })

    const rest = hasRowsFrom(rewrite, sealedTo)
      ? [...rewrite.spills.map((spill) => options.batches.scan(spill, { minTime: sealedTo })), ...memory(rewrite)]
      : []
    const spillParts = yield* merge(
      options,
      rest.map((scan): Input => ({ scan, lower: sealedTo, upper: Infinity })),
      { lower: sealedTo, upper: Infinity, since }
    )
    yield* checkConserved(rewrite, [...traceParts, ...spillParts])

    const newTrace = traceParts.length === 0 ? undefined : {
      lower: rewrite.lower,
      upper: rewrite.upper,
      since,
      level: newLevel(rewrite, traceParts),
      parts: traceParts
    }
    const newSpills = spillParts.length === 0
      ? []
      : [{ lower: sealedTo, upper: Infinity, since, level: 0, parts: spillParts }]
    const swap: Swap = {
      _tag: "Swap",
      collection: rewrite.collection,
      blocksBefore: rewrite.blocksBefore,
      spills: rewrite.spills.map(Batch.id),
      trace: rewrite.trace.map(Batch.id),
      newSpills,
      newTrace,
      traceUpper: sealedTo
    }
    return { swap, bytes: [...traceParts, ...spillParts].reduce((sum, part) => sum + part.bytes, 0) }
  })
})

/** The rows in memory as one sorted block. */
const memory = (rewrite: Rewrite): ReadonlyArray<Scan> => {
  if (rewrite.blocks.length === 0) return []
  let isRead = false
  return [{
    next: Effect.sync(() => {
      if (isRead) return undefined
      isRead = true
      const rows = new Columns.Builder(rewrite.blocks.reduce((sum, block) => sum + block.columns.length, 0))
      for (const block of rewrite.blocks) rows.append(block.columns)
      return Consolidate.consolidate(rows.view(), { since: 0 })
    })
  }]
}

const hasRowsFrom = (rewrite: Rewrite, time: number): boolean =>
  rewrite.blocks.some((block) => block.maxTime >= time) || rewrite.spills.some((spill) => Batch.maxTime(spill) >= time)

/** A batch that has grown beyond each of its inputs moves up a level, but never above the one before it. */
const newLevel = (rewrite: Rewrite, parts: ReadonlyArray<Batch.Part>): number => {
  const levels = rewrite.trace.map((batch) => batch.level)
  const size = parts.reduce((sum, part) => sum + part.bytes, 0)
  const grown = rewrite.trace.length > 1 && rewrite.trace.every((batch) => size > Batch.bytes(batch))
  return Math.min(rewrite.maxLevel, Math.max(0, ...levels) + (grown ? 1 : 0))
}

const merge = Effect.fnUntraced(function*(
  options: Options,
  inputs: ReadonlyArray<Input>,
  description: { readonly lower: number; readonly upper: number; readonly since: number }
) {
  const parts: Array<Batch.Part> = []
  if (inputs.length === 0) return parts
  const merging = new Merge(inputs, description.since)
  const rows = new Columns.Builder(1024, BatchFile.targetBlockBytes, BatchFile.targetBlockBytes)
  let writer = new BatchFile.Writer(description)

  const finishPart = Effect.fnUntraced(function*() {
    const { bytes, meta } = writer.finish()
    const key = options.newKey()
    yield* options.blob.put(key, bytes)
    parts.push({ key, ...meta })
    writer = new BatchFile.Writer(description)
  })

  while (true) {
    const step = yield* compute(() => merging.run(rows, BatchFile.targetBlockBytes))
    if (step._tag === "Need") {
      const columns = yield* inputs[step.input]!.scan.next
      if (columns === undefined) merging.end(step.input)
      else merging.push(step.input, columns)
      continue
    }
    if (rows.length > 0) {
      writer.add(rows.view())
      rows.clear()
    }
    if (writer.bytes >= options.partBytes || (step._tag === "Done" && writer.rows > 0)) yield* finishPart()
    if (step._tag === "Done") return parts
    // Between two blocks whoever waits gets the processor.
    yield* Effect.yieldNow
  }
})

/** No rewrite may change the multiset checksum. It can be told from metadata where no row was filtered out. */
const checkConserved = (rewrite: Rewrite, parts: ReadonlyArray<Batch.Part>): Effect.Effect<void, Corrupt> => {
  const { blocks, since, spills, trace, traceUpper } = rewrite
  const filtered = blocks.some((block) => block.minTime < traceUpper) ||
    spills.some((spill) => Batch.minTime(spill) < traceUpper)
  if (filtered || since === Infinity) return Effect.void
  const before = [
    ...blocks.map((block) => Checksum.of(block.columns)),
    ...[...spills, ...trace].map(Batch.checksum)
  ].reduce(Checksum.add, 0n)
  const after = parts.map((part) => part.checksum).reduce(Checksum.add, 0n)
  return before === after ? Effect.void : Effect.fail(
    new Corrupt({
      location: `collection ${rewrite.collection}`,
      offset: 0,
      detail: `a ${rewrite.reason} would change the multiset checksum from ${before} to ${after}; it was not applied`
    })
  )
}
