/**
 * Performing a rewrite: reads the inputs, merges them within a byte budget, and stores the result, off the write path.
 * Nothing is visible until the swap that it returns has been committed.
 *
 * @internal
 */
import { Effect } from "effect"
import * as BatchFile from "../batch/BatchFile.ts"
import * as Cancellation from "../batch/Cancellation.ts"
import * as Columns from "../batch/Columns.ts"
import * as MergeJob from "../batch/MergeJob.ts"
import * as Batch from "../engine/Batch.ts"
import type { MemoryChunk } from "../engine/Collection.ts"
import type { Swap } from "../engine/Commit.ts"
import * as Overflow from "../engine/Overflow.ts"
import type { Rewrite } from "../engine/Plan.ts"
import type { StorageError, ValueOutOfRange } from "../PersistError.ts"
import { decode } from "../Pure.ts"
import type { Blob } from "../storage/Blob.ts"
import type { BatchStore } from "./BatchStore.ts"
import type { Merger } from "./Merger.ts"

export interface Rewriter {
  readonly run: (rewrite: Rewrite) => Effect.Effect<Rewritten, RewriteError>
  /** Performs a rewrite of rows in memory alone, and stores rows apart that cannot be summed. */
  readonly runApart: (rewrite: Rewrite) => Effect.Effect<Rewritten, RewriteError>
}

export interface Rewritten {
  /** Replaces the inputs by the result. */
  readonly swap: Swap
  /** Bytes written. */
  readonly bytes: number
  /** Rows left out. */
  readonly erased: number
}

export type RewriteError = StorageError | ValueOutOfRange

/** One input, of which the rows at times in [lower, upper) count. */
interface Input {
  /** Begins to read it. */
  readonly open: () => Next
  readonly lower: number
  readonly upper: number
}

type Next = Effect.Effect<MergeJob.Piece | undefined, StorageError>

export interface Options {
  readonly blob: Pick<Blob["Service"], "put">
  readonly batches: Pick<BatchStore, "scanStored">
  readonly merger: Merger
  /** A key for a new blob, never used before. It is not garbage until the rewrite is over. */
  readonly newKey: () => string
  /** Target size of the parts of a batch. A merge keeps this much of its output in memory. */
  readonly partBytes: number
}

export const make = (options: Options): Rewriter => ({
  run: Effect.fnUntraced(function*(rewrite: Rewrite) {
    const { lower, sealedTo, since, spillSince, traceUpper, upper, without } = rewrite
    const unsealed = sealedTo === traceUpper
      ? []
      : yield* unsealedInputs(options, rewrite, { lower: traceUpper, upper: sealedTo, since })
    const trace = rewrite.trace.map((batch) => stored(options, batch, 0, Infinity))
    const sealed = yield* merge(options, [...trace, ...unsealed], { lower, upper, since }, without)
    const rest = yield* unsealedInputs(options, rewrite, { lower: sealedTo, upper: Infinity, since: spillSince })
    const spilled = yield* merge(options, rest, { lower: sealedTo, upper: Infinity, since: spillSince }, without)

    const newTrace = sealed.parts.length === 0 ? undefined : {
      lower: rewrite.lower,
      upper: rewrite.upper,
      since,
      level: newLevel(rewrite, sealed.parts),
      parts: sealed.parts
    }
    return {
      swap: { ...replacing(rewrite), newSpills: spills(rewrite, [spilled]), newTrace },
      erased: sealed.erased + spilled.erased,
      bytes: bytesOf([sealed, spilled])
    }
  }),
  runApart: Effect.fnUntraced(function*(rewrite: Rewrite) {
    const { sealedTo, spillSince } = rewrite
    const groups = yield* Effect.forEach(
      Overflow.groups(rewrite.chunks),
      (chunks) =>
        merge(
          options,
          [memory(chunks.map(({ columns }) => columns), sealedTo, Infinity)],
          { lower: sealedTo, upper: Infinity, since: spillSince },
          undefined
        )
    )
    return {
      swap: { ...replacing(rewrite), newSpills: spills(rewrite, groups), newTrace: undefined },
      erased: 0,
      bytes: bytesOf(groups)
    }
  })
})

/** The swap of a rewrite, without its result. */
const replacing = (rewrite: Rewrite): Omit<Swap, "newSpills" | "newTrace"> => ({
  _tag: "Swap",
  collection: rewrite.collection,
  chunksFrom: rewrite.chunksFrom,
  chunksBefore: rewrite.chunksBefore,
  spills: rewrite.spills.map(Batch.id),
  trace: rewrite.trace.map(Batch.id),
  traceUpper: rewrite.sealedTo
})

const spills = ({ sealedTo, spillSince }: Rewrite, merged: ReadonlyArray<Merged>): ReadonlyArray<Batch.Batch> =>
  merged
    .filter(({ parts }) => parts.length > 0)
    .map(({ parts }) => ({ lower: sealedTo, upper: Infinity, since: spillSince, level: 0, parts }))

const bytesOf = (merged: ReadonlyArray<Merged>): number =>
  merged.reduce((sum, { parts }) => parts.reduce((bytes, part) => bytes + part.bytes, sum), 0)

/** An input without the rows of a key. Returns how many of those that count were removed. */
const erasing = (input: Input, key: Uint8Array, erased: (rows: number) => void): Next => {
  const { lower, open, upper } = input
  const opened = open()
  const next: Next = Effect.flatMap(opened, (piece) => {
    if (piece === undefined || (piece._tag === "Stored" && !BatchFile.mayHold(piece.block, key))) {
      return Effect.succeed(piece)
    }
    return Effect.flatMap(decode(() => piece._tag === "Rows" ? piece.columns : MergeJob.sorted(piece)), (columns) => {
      const rows = Columns.rowsOf(columns, key)
      if (rows.length === 0) return Effect.succeed(piece)
      erased(rows.filter((row) => columns.times[row]! >= lower && columns.times[row]! < upper).length)
      if (rows.length === columns.length) return next
      const _tag = piece._tag === "Rows" ? "Rows" as const : "Sorted" as const
      return Effect.succeed({ _tag, columns: Columns.without(columns, rows) })
    })
  })
  return next
}

/** The inputs that may hold unsealed rows at times in [lower, upper). */
const unsealedInputs = Effect.fnUntraced(function*(options: Options, rewrite: Rewrite, window: Cancellation.Window) {
  const { lower, upper } = window
  const chunks = rewrite.chunks.filter((chunk) => chunk.maxTime >= lower && chunk.minTime < upper)
  const spills = rewrite.spills.filter((spill) => Batch.maxTime(spill) >= lower && Batch.minTime(spill) < upper)
  // An erasure counts the rows that it removes.
  const isWorth = rewrite.without === undefined && mayCancel(chunks, window.since)
  const parts = isWorth ? yield* uncancelled(chunks, window) : chunks.map(({ columns }) => columns)
  return [
    ...(parts.length === 0 ? [] : [memory(parts, lower, upper)]),
    ...spills.map((spill) => stored(options, spill, lower, upper))
  ]
})

/** Rows in memory are copied in pieces of about this many bytes, because commands wait while one piece is copied. */
const pieceBytes = 1024 * 1024

/** Rows in memory. */
const memory = (parts: ReadonlyArray<Columns.Columns>, lower: number, upper: number): Input => ({
  open: () => {
    let next = 0
    return Effect.suspend(() => {
      const first = next
      let bytes = 0
      for (; next < parts.length && bytes < pieceBytes; next++) bytes += Columns.goodputBytes(parts[next]!)
      if (next === first) return Effect.undefined
      return Effect.map(copyOf(parts.slice(first, next), bytes), (columns) => ({ _tag: "Rows", columns }))
    })
  },
  lower,
  upper
})

/** Columns in memory of their own. The values of a large part are copied in several turns. */
const copyOf = (parts: ReadonlyArray<Columns.Columns>, bytes: number): Effect.Effect<Columns.Columns> =>
  bytes < 2 * pieceBytes
    ? Effect.sync(() => Columns.copy(parts))
    : Effect.suspend(() => {
      const copying = new Columns.Copying(parts)
      const step: Effect.Effect<Columns.Columns> = Effect.suspend(() =>
        copying.step(pieceBytes) ? Effect.succeed(copying.columns()) : Effect.andThen(Effect.yieldNow, step)
      )
      return step
    })

/** Rows of fewer bytes on average are sorted as fast as they are looked up. */
const leastCancelledBytes = 96

/** Whether many rows take others back that are large enough to be worth looking for. */
const mayCancel = (chunks: ReadonlyArray<MemoryChunk>, since: number): boolean => {
  let [rows, bytes, retractions] = [0, 0, 0]
  for (const chunk of chunks) {
    if (chunk.minTime > since) continue
    rows += chunk.columns.length
    bytes += chunk.bytes
    retractions += chunk.retractions
  }
  return retractions * 8 > rows && bytes > leastCancelledBytes * rows
}

/** Rows that are looked at before commands have their turn. */
const rowsAtOnce = 2048

/** The rows that no other row takes back. */
const uncancelled = (
  chunks: ReadonlyArray<MemoryChunk>,
  window: Cancellation.Window
): Effect.Effect<ReadonlyArray<Columns.Columns>> => {
  const cancellation = new Cancellation.Cancellation(chunks.map(({ columns }) => columns), window)
  const step: Effect.Effect<ReadonlyArray<Columns.Columns>> = Effect.suspend(() =>
    cancellation.step(rowsAtOnce) ? Effect.succeed(cancellation.rest()) : Effect.andThen(Effect.yieldNow, step)
  )
  return step
}

const stored = (options: Options, batch: Batch.Batch, lower: number, upper: number): Input => ({
  open: () => options.batches.scanStored(batch, { minTime: lower, maxTime: upper }).next,
  lower,
  upper
})

/** A batch that is larger than each of its inputs moves up a level, but never above the batch before it. */
const newLevel = (rewrite: Rewrite, parts: ReadonlyArray<Batch.Part>): number => {
  const levels = rewrite.trace.map((batch) => batch.level)
  const size = parts.reduce((sum, part) => sum + part.bytes, 0)
  const grown = rewrite.trace.length > 1 && rewrite.trace.every((batch) => size > Batch.bytes(batch))
  return Math.min(rewrite.maxLevel, Math.max(0, ...levels) + (grown ? 1 : 0))
}

/** The result of one merge. */
interface Merged {
  readonly parts: Array<Batch.Part>
  erased: number
}

const merge = Effect.fnUntraced(function*(
  options: Options,
  inputs: ReadonlyArray<Input>,
  description: BatchFile.Description,
  without: Uint8Array | undefined
) {
  let merged: Merged = { parts: [], erased: 0 }
  if (inputs.length === 0) return merged
  const task = {
    inputs: inputs.map(({ lower, upper }) => ({ lower, upper })),
    description,
    partBytes: options.partBytes
  }
  yield* options.merger.run<StorageError>(task, () => {
    const current: Merged = { parts: [], erased: 0 }
    merged = current
    const erase = (rows: number) => void (current.erased += rows)
    const opened = inputs.map((input) => without === undefined ? input.open() : erasing(input, without, erase))
    return {
      feed: (input) => opened[input]!,
      store: (bytes, meta) => {
        const key = options.newKey()
        current.parts.push({ key, ...meta })
        return options.blob.put(key, bytes)
      }
    }
  })
  return merged
})
