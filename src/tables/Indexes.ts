/**
 * Secondary indexes: for each row an entry, whose key is what the index sorts by and then the row's key, written by the
 * commit that writes the row.
 *
 * @internal
 */
import { Effect, Stream } from "effect"
import * as Compare from "../batch/Compare.ts"
import { ByteWriter } from "../ByteWriter.ts"
import * as Codec from "../Codec.ts"
import { includes } from "../engine/Transaction.ts"
import type { Timestamp } from "../Frontier.ts"
import { ValueOutOfRange } from "../PersistError.ts"
import { convert } from "../Pure.ts"
import { type IndexKey, writeEntry, writeIndexKey } from "./Keys.ts"
import * as Overlay from "./Overlay.ts"
import { idOf, type Relation } from "./Relation.ts"
import type { TransactError } from "./TableStore.ts"
import type { Entries, Workspace } from "./Workspace.ts"

/** Computes the index key of a row. A row with `undefined` is not in the index. */
export type IndexOf<K, V> = (value: V, key: K) => IndexKey | undefined

export interface Index<in out K, in out V> {
  readonly name: string
  readonly table: string
  readonly of: IndexOf<K, V>
  /** From the bytes of an entry to the key of its row. */
  readonly relation: Relation<Uint8Array, K>
}

export const codecsOf = <K>(
  key: Codec.Codec<K>
): { readonly key: Codec.Codec<Uint8Array>; readonly value: Codec.Codec<K> } => ({
  key: Codec.bytes,
  value: key
})

/** The bytes of the entry of a row, if it has one. Throws `ValueOutOfRange`. */
const entryOf = <K, V>(
  { name, of, table }: Index<K, V>,
  key: K,
  keyBytes: Uint8Array,
  value: V
): Uint8Array | undefined => {
  const failed = (detail: string) =>
    new ValueOutOfRange({ what: `a row of table "${table}"`, detail: `its index "${name}" cannot take it: ${detail}` })
  let sortedBy: IndexKey | undefined
  try {
    sortedBy = of(value, key)
  } catch {
    throw failed("the function of the index has thrown")
  }
  if (sortedBy === undefined) return undefined
  const writer = new ByteWriter(64)
  try {
    writeEntry(sortedBy, keyBytes, writer)
  } catch (error) {
    throw error instanceof ValueOutOfRange ? failed(error.detail) : error
  }
  return writer.finish()
}

/** Changes the entries of a row along with it. Throws `ValueOutOfRange`. */
export const change = <K, V>(
  entries: Entries,
  indexes: ReadonlyArray<Index<K, V>>,
  key: K,
  keyBytes: Uint8Array,
  before: V | undefined,
  after: V | undefined
): void => {
  for (const index of indexes) {
    const old = before === undefined ? undefined : entryOf(index, key, keyBytes, before)
    const next = after === undefined ? undefined : entryOf(index, key, keyBytes, after)
    if (old !== undefined && next !== undefined && Compare.compareBytes(old, next) === 0) continue
    if (old !== undefined) entries.entry(index.relation, idOf(old), old, keyBytes, -1)
    if (next !== undefined) entries.entry(index.relation, idOf(next), next, keyBytes, 1)
  }
}

/** The entries that begin with an index key, or all, up to a bound. */
export const boundsOf = (sortedBy: IndexKey | undefined) =>
  convert(() => {
    const writer = new ByteWriter(64)
    if (sortedBy !== undefined) writeIndexKey(sortedBy, writer)
    return Codec.bytes.prefixed!(writer.finish())
  })

/** Keys of rows by the order of an index, as of a time. */
export const keysAt = <K, V>(
  index: Index<K, V>,
  sortedBy: IndexKey | undefined,
  asOf: Timestamp
): Stream.Stream<K, TransactError> =>
  Stream.unwrap(
    Effect.map(boundsOf(sortedBy), ({ from, to }) =>
      Stream.map(index.relation.collection.reader.range({ from, to, asOf }), ([, key]) => key))
  )

/** The same in a workspace, including its own writes. */
export const keysIn = <K, V>(
  workspace: Workspace,
  index: Index<K, V>,
  sortedBy: IndexKey | undefined
): Stream.Stream<K, TransactError> =>
  Stream.unwrap(Effect.gen(function*() {
    const bounds = yield* boundsOf(sortedBy)
    yield* workspace.ready(index.relation.turnOver(bounds))
    const { entries } = workspace.range(index.relation, bounds)
    const { codecs, collection } = index.relation
    const stored = collection.reader.range({ ...bounds, asOf: workspace.readAt })
    if (entries.size === 0) return Stream.map(stored, ([, key]) => key)
    const rows = Stream.map(stored, ([entry, key]) => [entry, key] as const)
    const all = Overlay.over(rows, ([entry]) => ({ bytes: entry, id: idOf(entry) }), function*() {
      for (const [id, { diff, key, value }] of entries) {
        if (diff === 0 || !includes(bounds, key)) continue
        const row = diff < 0 ? undefined : [key, codecs.value.decode(value, 0, value.length)] as const
        yield { id, bytes: key, row }
      }
    })
    return Stream.map(all, ([, key]) => key)
  }))
