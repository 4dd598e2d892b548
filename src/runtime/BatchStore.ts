/**
 * Reading stored batches: footers and blocks by range, through the cache where rows are likely to be read again.
 *
 * @internal
 */
import { Effect } from "effect"
import * as BatchFile from "../batch/BatchFile.ts"
import type { Columns } from "../batch/Columns.ts"
import { compareBytes } from "../batch/Compare.ts"
import type { Piece } from "../batch/MergeJob.ts"
import type { Batch, Part } from "../engine/Batch.ts"
import { Corrupt, type StorageError, Unavailable } from "../PersistError.ts"
import { decode } from "../Pure.ts"
import type { Blob, Range } from "../storage/Blob.ts"
import type { BlockCache } from "./BlockCache.ts"

/**
 * Which rows are wanted. Blocks that cannot contain any are not read. Blocks that are read may contain other rows, too.
 */
export interface Wanted {
  readonly minKey?: Uint8Array | undefined
  /** Inclusive. */
  readonly maxKey?: Uint8Array | undefined
  readonly minTime?: number | undefined
  /** Inclusive. */
  readonly maxTime?: number | undefined
}

/** The pieces of a sorted run, in order. `undefined` at its end. */
export interface Scan<A, E = StorageError> {
  readonly next: Effect.Effect<A | undefined, E>
}

/** A block as it is stored. */
export type Stored = Extract<Piece, { readonly _tag: "Stored" }>

/** `E` is the error of reading, which differs where a hold is read: the hold may have been lost. */
export interface BatchStore<out E = StorageError> {
  /** One block, through the cache. */
  readonly block: (part: Part, footer: BatchFile.Footer, index: number) => Effect.Effect<Columns, E>
  readonly footer: (part: Part) => Effect.Effect<BatchFile.Footer, E>
  /** The same without waiting, if the cache has it. */
  readonly cachedBlock: (part: Part, index: number) => Columns | undefined
  readonly cachedFooter: (part: Part) => BatchFile.Footer | undefined
  /** The wanted blocks of a batch in row order, read ahead and past the cache. */
  readonly scan: (batch: Batch, wanted: Wanted) => Scan<Columns, E>
  /** The same blocks as they are stored, for a merge that decodes them elsewhere. */
  readonly scanStored: (batch: Batch, wanted: Wanted) => Scan<Stored, E>
}

/** Bytes that a scan reads at once. */
const readAheadBytes = 512 * 1024

/**
 * The error for a missing blob. `isNamed` says whether the log, as it is now, refers to the blob. A blob that the log
 * no longer refers to may have been deleted.
 */
export const missing =
  (isNamed: (key: string) => Effect.Effect<boolean, StorageError>) =>
  (key: string): Effect.Effect<never, StorageError> =>
    Effect.flatMap(isNamed(key), (named) =>
      Effect.fail(
        named
          ? new Corrupt({ location: key, offset: 0, detail: "the blob is missing" })
          : new Unavailable({ operation: `reading ${key}`, detail: "the store has moved on from it; read anew" })
      ))

/** Its keys in the cache. */
const footerKey = (part: Part): string => `${part.key}#footer`
const blockKey = (part: Part, index: number): string => `${part.key}#${index}`

/** `whenMissing` gives the error where there is no blob of a key. */
export const make = <E>(
  blob: Blob["Service"],
  cache: BlockCache,
  whenMissing: (key: string) => Effect.Effect<never, E>
): BatchStore<StorageError | E> => {
  const read = (part: Part, range: Range): Effect.Effect<Uint8Array, StorageError | E> =>
    Effect.flatMap(blob.get(part.key, range), (found): Effect.Effect<Uint8Array, StorageError | E> => {
      if (found._tag === "None") return whenMissing(part.key)
      if (found.value.length < range.length) {
        const offset = range.offset + found.value.length
        return Effect.fail(new Corrupt({ location: part.key, offset, detail: "the blob ends too early" }))
      }
      return Effect.succeed(found.value)
    })

  const fetchFooter = Effect.fnUntraced(function*(part: Part) {
    // One read usually brings trailer and footer together.
    const tail = Math.min(part.bytes, 64 * 1024)
    const end = yield* read(part, { offset: part.bytes - tail, length: tail })
    const trailer = yield* decode(() => BatchFile.readTrailer(end, part.bytes, part.key))
    const { footerLength, footerOffset } = trailer
    const known = footerOffset - (part.bytes - tail)
    const bytes = known >= 0
      ? end.subarray(known, known + footerLength)
      : yield* read(part, { offset: footerOffset, length: footerLength })
    const footer = yield* decode(() => BatchFile.readFooter(bytes, trailer, part.key))
    return { value: footer, bytes: footerLength * 2 + 256 }
  })

  const footer = (part: Part) => cache.get(footerKey(part), fetchFooter(part))

  return {
    footer,
    cachedFooter: (part) => cache.peek(footerKey(part)),
    cachedBlock: (part, index) => cache.peek(blockKey(part, index)),
    block: (part, known, index) =>
      cache.get(
        blockKey(part, index),
        Effect.flatMap(
          read(part, { offset: known.blocks[index]!.offset, length: known.blocks[index]!.length }),
          (bytes) =>
            decode(() => ({
              value: BatchFile.readBlock(known.blocks[index]!, bytes, part.key),
              bytes: known.blocks[index]!.rawLength + 24 * known.blocks[index]!.rows
            }))
        )
      ),
    scan: (batch, wanted) => {
      const stored = scan(batch, wanted, footer, read)
      return {
        next: Effect.flatMap(stored.next, (found) =>
          found === undefined
            ? Effect.undefined
            : decode(() => BatchFile.readBlock(found.block, found.bytes, found.location)))
      }
    },
    scanStored: (batch, wanted) => scan(batch, wanted, footer, read)
  }
}

const scan = <E>(
  batch: Batch,
  wanted: Wanted,
  footerOf: (part: Part) => Effect.Effect<BatchFile.Footer, E>,
  read: (part: Part, range: Range) => Effect.Effect<Uint8Array, E>
): Scan<Stored, E> => {
  const parts = batch.parts.filter((part) => mayHold(part, wanted))
  let nextPart = 0
  let part: Part
  let footer: BatchFile.Footer
  /** Blocks of the present part that are still to come. */
  let blocks: ReadonlyArray<number> = []
  let nextBlock = 0
  /** Bytes read ahead, and the block index after the last that they contain. */
  let ahead: { readonly bytes: Uint8Array; readonly offset: number; readonly until: number } | undefined

  const openPart = Effect.fnUntraced(function*() {
    part = parts[nextPart++]!
    footer = yield* footerOf(part)
    blocks = BatchFile.findBlocks(footer, wanted)
    nextBlock = 0
    ahead = undefined
  })

  const readAhead = Effect.fnUntraced(function*() {
    const first = footer.blocks[blocks[nextBlock]!]!
    let end = first.offset + first.length
    let until = nextBlock + 1
    while (until < blocks.length) {
      const block = footer.blocks[blocks[until]!]!
      if (block.offset !== end || end + block.length - first.offset > readAheadBytes) break
      end += block.length
      until++
    }
    const bytes = yield* read(part, { offset: first.offset, length: end - first.offset })
    ahead = { bytes, offset: first.offset, until }
  })

  const next = Effect.fnUntraced(function*() {
    while (nextBlock === blocks.length) {
      if (nextPart === parts.length) return undefined
      yield* openPart()
    }
    if (ahead === undefined || nextBlock >= ahead.until) yield* readAhead()
    const block = footer.blocks[blocks[nextBlock++]!]!
    const start = block.offset - ahead!.offset
    const bytes = ahead!.bytes.subarray(start, start + block.length)
    return { _tag: "Stored", block, bytes, location: part.key } satisfies Stored
  })
  return { next: Effect.suspend(next) }
}

const mayHold = (part: Part, wanted: Wanted): boolean =>
  (wanted.minTime === undefined || part.maxTime >= wanted.minTime) &&
  (wanted.maxTime === undefined || part.minTime <= wanted.maxTime) &&
  (wanted.minKey === undefined || compareBytes(part.maxKey, wanted.minKey) >= 0) &&
  (wanted.maxKey === undefined || compareBytes(part.minKey, wanted.maxKey) <= 0)
