/**
 * Why a collection is as large as it is: its batches on the axis of its times, and its largest keys.
 *
 * The sizes of batches are part of the state. Those of keys are found by looking at blocks: a block of one key alone
 * counts for it without being read; of the others, all are read where there are few, else some that are evenly
 * distributed. So a key that makes a collection large is found in a collection of any size.
 *
 * @internal
 */
import { Effect } from "effect"
import type * as BatchFile from "../batch/BatchFile.ts"
import type { Columns } from "../batch/Columns.ts"
import { compareBytes } from "../batch/Compare.ts"
import * as Batch from "../engine/Batch.ts"
import type { ReadView } from "../engine/ReadView.ts"
import { CollectionDestroyed, type HoldExpired, Unavailable } from "../PersistError.ts"
import * as Platform from "../Platform.ts"
import type { BatchStore } from "../runtime/BatchStore.ts"
import { Merger } from "../runtime/Merger.ts"
import * as Preview from "../runtime/Preview.ts"
import type { Store } from "../runtime/Store.ts"

/** Rows that are stored together. */
export interface Piece {
  /** Only in the log; in a batch and not sealed yet; in a batch. */
  readonly kind: "log" | "spill" | "trace"
  readonly level: number
  readonly rows: number
  readonly bytes: number
  readonly minTime: number
  readonly maxTime: number
}

export interface LargeKey {
  readonly key: Uint8Array
  /** About the bytes that its updates take where they are stored. */
  readonly bytes: number
  readonly updates: number
  readonly lastChanged: number
}

export interface Footprint extends Preview.Footprint {
  readonly pieces: ReadonlyArray<Piece>
  /** The largest first. */
  readonly keys: ReadonlyArray<LargeKey>
  /** The bytes in which keys were looked for: all of them, where they are as many as `bytes`. */
  readonly seenBytes: number
}

/** Blocks of several keys that are read at most. */
const mostBlocks = 256

/** Keys that are reported. */
const mostKeys = 20

const pieceOf = (kind: Piece["kind"], batch: Batch.Batch): Piece => ({
  kind,
  level: batch.level,
  rows: Batch.rows(batch),
  bytes: Batch.bytes(batch),
  minTime: Batch.minTime(batch),
  maxTime: Batch.maxTime(batch)
})

const chunksOf = ({ chunks: { count, list } }: ReadView) => list.slice(0, count)

const piecesOf = (view: ReadView): ReadonlyArray<Piece> => {
  const chunks = chunksOf(view)
  const inLog: Piece = {
    kind: "log",
    level: 0,
    rows: chunks.reduce((sum, { columns }) => sum + columns.length, 0),
    bytes: chunks.reduce((sum, { bytes }) => sum + bytes, 0),
    minTime: Math.min(...chunks.map(({ minTime }) => minTime)),
    maxTime: Math.max(...chunks.map(({ maxTime }) => maxTime))
  }
  return [
    ...view.trace.map((batch) => pieceOf("trace", batch)),
    ...view.spills.map((batch) => pieceOf("spill", batch)),
    ...(chunks.length === 0 ? [] : [inLog])
  ]
}

/** Adds the sizes of keys up. */
class Sizes {
  private readonly byKey = new Map<string, { -readonly [F in keyof LargeKey]: LargeKey[F] }>()
  seenBytes = 0

  /** `share` is how many bytes are stored for a byte of the rows. */
  addRows({ diffs, keyData, keyOffsets, length, times, valueOffsets }: Columns, share: number): void {
    for (let row = 0; row < length; row++) {
      const [start, end] = [keyOffsets[row]!, keyOffsets[row + 1]!]
      const bytes = (end - start + valueOffsets[row + 1]! - valueOffsets[row]!) * share
      if (diffs[row] !== 0) this.add(keyData.subarray(start, end), bytes, 1, times[row]!)
    }
  }

  add(key: Uint8Array, bytes: number, updates: number, time: number): void {
    const id = Platform.latin1(key, 0, key.length)
    const known = this.byKey.get(id)
    if (known === undefined) this.byKey.set(id, { key: key.slice(), bytes, updates, lastChanged: time })
    else {
      known.bytes += bytes
      known.updates += updates
      known.lastChanged = Math.max(known.lastChanged, time)
    }
  }

  largest(): ReadonlyArray<LargeKey> {
    return [...this.byKey.values()].toSorted((a, b) => b.bytes - a.bytes).slice(0, mostKeys)
      .map(({ bytes, key, lastChanged, updates }) => ({ key, bytes: Math.round(bytes), updates, lastChanged }))
  }
}

interface Place {
  readonly part: Batch.Part
  readonly footer: BatchFile.Footer
  readonly index: number
  readonly block: BatchFile.BlockInfo
}

const isOfOneKey = ({ block: { maxKey, minKey } }: Place): boolean => compareBytes(minKey, maxKey) === 0

/** Looks for the largest keys. */
const look = Effect.fnUntraced(function*({ batches }: Store, view: ReadView) {
  const sizes = new Sizes()
  for (const { bytes, columns } of chunksOf(view)) {
    sizes.addRows(columns, 1)
    sizes.seenBytes += bytes
  }
  const places: Array<Place> = []
  for (const { parts } of [...view.trace, ...view.spills]) {
    for (const part of parts) {
      const footer = yield* batches.footer(part)
      footer.blocks.forEach((block, index) => places.push({ part, footer, index, block }))
    }
  }
  for (const { block } of places.filter(isOfOneKey)) {
    sizes.add(block.minKey, block.length, block.rows, block.maxTime)
    sizes.seenBytes += block.length
  }
  const others = places.filter((place) => !isOfOneKey(place))
  const step = Math.ceil(others.length / mostBlocks)
  for (let i = 0; i < others.length; i += step) {
    const { block, footer, index, part } = others[i]!
    const columns = yield* batches.block(part, footer, index)
    sizes.addRows(columns, block.length / block.rawLength)
    sizes.seenBytes += block.length
    yield* Effect.yieldNow
  }
  return sizes
})

/** The collection of this id as it is now. */
export const of = Effect.fnUntraced(
  function*(store: Store, target: { readonly id: number; readonly name: string }) {
    const opened = yield* Effect.acquireRelease(
      Effect.sync(() => store.viewNow(target.id)),
      (opened) => Effect.sync(() => opened?.release())
    )
    if (opened === undefined) return yield* new CollectionDestroyed({ collection: target.name })
    const pieces = piecesOf(opened.view)
    const sizes = yield* look(store, opened.view)
    return {
      rows: pieces.reduce((sum, { rows }) => sum + rows, 0),
      bytes: pieces.reduce((sum, { bytes }) => sum + bytes, 0),
      pieces,
      keys: sizes.largest(),
      seenBytes: sizes.seenBytes
    } satisfies Footprint
  },
  Effect.scoped
)

const lost = ({ detail }: HoldExpired) => Effect.fail(new Unavailable({ operation: "reading what is held", detail }))

/** The batches of a store, of which a hold may be lost meanwhile. */
const scanning = ({ batches }: Store): Pick<BatchStore, "scanStored"> => ({
  scanStored: (batch, wanted) => {
    const { next } = batches.scanStored(batch, wanted)
    return { next: Effect.catchTag(next, "HoldExpired", lost) }
  }
})

/** What the collection takes now, and would take if the history before a time were given up. */
export const rehearse = Effect.fnUntraced(
  function*(store: Store, target: { readonly id: number; readonly name: string }, since: number) {
    // The view has a lease on the blobs that are read.
    yield* Effect.acquireRelease(
      Effect.sync(() => store.viewNow(target.id)),
      (opened) => Effect.sync(() => opened?.release())
    )
    const { collections, position } = store.state()
    const collection = collections.get(target.id)
    if (collection === undefined) return yield* new CollectionDestroyed({ collection: target.name })
    const before = Preview.of(collection)
    const after = yield* Preview.compacted(
      { batches: scanning(store), merger: yield* Merger },
      collection,
      since,
      position
    )
    return { before, after }
  },
  Effect.scoped
)
