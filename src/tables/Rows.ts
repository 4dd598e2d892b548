/**
 * The rows of one table: reading and changing them in a workspace, and reading them as of a time.
 *
 * @internal
 */
import { Effect, Option, Stream } from "effect"
import { ByteWriter } from "../ByteWriter.ts"
import * as Client from "../client/Rows.ts"
import type { Prefix } from "../Codec.ts"
import { includes } from "../engine/Transaction.ts"
import type { Timestamp } from "../Frontier.ts"
import * as Platform from "../Platform.ts"
import { convert, converting } from "../Pure.ts"
import * as Indexes from "./Indexes.ts"
import type { IndexKey } from "./Keys.ts"
import * as Overlay from "./Overlay.ts"
import type { Relation } from "./Relation.ts"
import { Row } from "./RowCache.ts"
import type { TransactError } from "./TableStore.ts"
import type { Entries, Workspace } from "./Workspace.ts"

/**
 * Which rows: from a key on, before another, and those whose keys begin with a prefix.
 *
 * @category models
 * @since 0.1.0
 */
export interface Range<K> {
  readonly from?: K | undefined
  readonly to?: K | undefined
  readonly prefix?: Prefix<K> | undefined
}

/** A table as the operations on it need it. */
export interface Rows<in out K, in out V> {
  readonly relation: Relation<K, V>
  readonly indexes: ReadonlyArray<Indexes.Index<K, V>>
}

/** The value of a row, as an option. */
const valueOf = <V>(row: Row<V> | undefined): Effect.Effect<Option.Option<V>, TransactError> =>
  row === undefined ? Effect.succeedNone : convert(() => Option.some(row.value()))

const scratch = new ByteWriter(1024)

/** A value as it is stored. Throws `ValueOutOfRange`. */
const encode = <K, V>({ codecs }: Relation<K, V>, value: V): Row<V> => {
  scratch.clear()
  codecs.value.encode(value, scratch)
  return new Row(Platform.copyOf(scratch.bytes, 0, scratch.length), codecs.value)
}

/** The value as of the last complete time. */
export const getNow = <K, V>(rows: Rows<K, V>, key: K): Effect.Effect<Option.Option<V>, TransactError> =>
  converting(() => {
    const known = rows.relation.cached(key)
    if (known === undefined) return getAt(rows, key, rows.relation.now())
    return known.row === undefined ? Effect.succeedNone : Effect.succeedSome(known.row.value())
  })

export const getAt = <K, V>(
  { relation }: Rows<K, V>,
  key: K,
  time: Timestamp
): Effect.Effect<Option.Option<V>, TransactError> =>
  converting(() => Effect.flatMap(relation.rowAt(relation.locate(key), time), valueOf))

export const getIn = <K, V>(
  workspace: Workspace,
  { relation }: Rows<K, V>,
  key: K
): Effect.Effect<Option.Option<V>, TransactError> =>
  converting(() => Effect.flatMap(workspace.get(relation, relation.locate(key)), valueOf))

/** What replaces the present row, and the result of it. */
export type Change<V, A> = (before: Row<V> | undefined) => { readonly after: Option.Option<V>; readonly result: A }

/** A change to the result of a function, which is the result. */
export const modifying =
  <V>(change: (before: Option.Option<V>) => Option.Option<V>): Change<V, Option.Option<V>> => (before) => {
    const after = change(before === undefined ? Option.none() : Option.some(before.value()))
    return { after, result: after }
  }

/** A change to a value, or to none. It does not decode the old value. The result is whether there was one. */
export const setting = <V>(value: V | undefined): Change<V, boolean> => {
  const after = value === undefined ? Option.none<V>() : Option.some(value)
  return (before) => ({ after, result: before !== undefined })
}

/** Computes the row that replaces the present one, and changes the index entries along with it. */
export const changed = <K, V, A>(
  entries: Entries,
  { indexes, relation }: Rows<K, V>,
  key: K,
  bytes: Uint8Array,
  before: Row<V> | undefined,
  change: Change<V, A>
): { readonly row: Row<V> | undefined; readonly result: A } => {
  const { after, result } = change(before)
  const row = Option.isNone(after) ? undefined : encode(relation, after.value)
  if (indexes.length > 0) {
    Indexes.change(entries, indexes, key, bytes, before?.value(), Option.getOrUndefined(after))
  }
  return { row, result }
}

/** Replaces the row of a key, and its index entries. */
export const changeIn = <K, V, A>(
  workspace: Workspace,
  rows: Rows<K, V>,
  key: K,
  change: Change<V, A>
): Effect.Effect<A, TransactError> =>
  converting(() => {
    const { relation } = rows
    const located = relation.locate(key)
    return Effect.flatMap(workspace.get(relation, located), (before) =>
      converting(() => {
        const { result, row } = changed(workspace, rows, key, located.bytes, before, change)
        workspace.put(relation, located, before, row)
        return Effect.succeed(result)
      }))
  })

/** Gives a key its value, or none. Returns whether it had one. */
export const setIn = <K, V>(
  workspace: Workspace,
  rows: Rows<K, V>,
  key: K,
  value: V | undefined
): Effect.Effect<boolean, TransactError> => changeIn(workspace, rows, key, setting(value))

export const rangeAt = <K, V>(
  { relation }: Rows<K, V>,
  range: Range<K>,
  time: Timestamp
): Stream.Stream<readonly [key: K, value: V], TransactError> =>
  Stream.map(relation.collection.reader.range({ ...range, asOf: time }), ([key, value]) => [key, value] as const)

/** The rows of a range in a workspace, including its own writes. */
export const rangeIn = <K, V>(
  workspace: Workspace,
  rows: Rows<K, V>,
  range: Range<K>
): Stream.Stream<readonly [key: K, value: V], TransactError> =>
  Stream.unwrap(Effect.gen(function*() {
    const { relation } = rows
    const bounds = yield* Client.encodeBounds(relation.codecs, range)
    yield* workspace.ready(relation.turnOver(bounds))
    const written = workspace.range(relation, bounds).rows
    const stored = rangeAt(rows, range, workspace.readAt)
    if (written.size === 0) return stored
    const { key: codec } = relation.codecs
    return Overlay.over(stored, ([key]) => relation.locate(key), function*() {
      for (const [id, { after, bytes }] of written) {
        if (!includes(bounds, bytes)) continue
        const row = after && [codec.decode(bytes, 0, bytes.length), after.value()] as const
        yield { id, bytes, row }
      }
    })
  }))

type Found<K, V> = Stream.Stream<readonly [key: K, value: V], TransactError>

/** Puts the values to keys. */
const withValues = <K, V>(
  keys: Stream.Stream<K, TransactError>,
  get: (key: K) => Effect.Effect<Option.Option<V>, TransactError>
): Found<K, V> =>
  keys.pipe(
    Stream.mapEffect((key) => Effect.map(get(key), Option.map((value) => [key, value] as const))),
    Stream.filter(Option.isSome),
    Stream.map(({ value }) => value)
  )

/** Rows by an index. */
export const byIndexAt = <K, V>(
  rows: Rows<K, V>,
  index: Indexes.Index<K, V>,
  sortedBy: IndexKey | undefined,
  time: Timestamp
): Found<K, V> => withValues(Indexes.keysAt(index, sortedBy, time), (key) => getAt(rows, key, time))

export const byIndexIn = <K, V>(
  workspace: Workspace,
  rows: Rows<K, V>,
  index: Indexes.Index<K, V>,
  sortedBy: IndexKey | undefined
): Found<K, V> => withValues(Indexes.keysIn(workspace, index, sortedBy), (key) => getIn(workspace, rows, key))
