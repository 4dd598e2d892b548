/**
 * The versions of rows over time: retained ones, and new ones as they are written.
 *
 * @internal
 */
import { Cause, Effect, Option, type Pull, Stream } from "effect"
import type { CollectionEvent } from "../client/CollectionEvent.ts"
import type { SubscribeError } from "../client/Subscription.ts"
import type { Frontier, Timestamp } from "../Frontier.ts"
import { convert } from "../Pure.ts"
import type { Feed } from "../runtime/Feed.ts"
import type { Update } from "../Update.ts"
import type { Relation } from "./Relation.ts"
import { isSame, type Row } from "./RowCache.ts"
import type { TransactError } from "./TableStore.ts"

/**
 * The state of a key from a time on: a value, or none.
 *
 * @category models
 * @since 0.1.0
 */
export interface Version<out V> {
  readonly time: Timestamp
  readonly value: Option.Option<V>
}

/**
 * One row that a commit has changed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Change<out K, out V> {
  readonly key: K
  readonly time: Timestamp
  readonly before: Option.Option<V>
  readonly after: Option.Option<V>
}

/**
 * Changes, grouped by key and in order of time for each key. Then the frontier below which all have been delivered.
 *
 * @category models
 * @since 0.1.0
 */
export type TableEvent<K, V> =
  | { readonly _tag: "Changes"; readonly changes: ReadonlyArray<Change<K, V>> }
  | { readonly _tag: "Progress"; readonly frontier: Frontier }

/** The changes of one key: its updates, gathered by time. */
const changesOf = <K, V>(updates: ReadonlyArray<Update<K, V>>): ReadonlyArray<Change<K, V>> => {
  const byTime = new Map<number, { before: Option.Option<V>; after: Option.Option<V> }>()
  for (const { diff, time, value } of updates) {
    const change = byTime.get(time) ?? { before: Option.none(), after: Option.none() }
    if (diff < 0) change.before = Option.some(value)
    else change.after = Option.some(value)
    byTime.set(time, change)
  }
  const { key } = updates[0]!
  return [...byTime].toSorted(([a], [b]) => a - b).map(([time, { after, before }]) => ({ key, time, before, after }))
}

/** Every version of a key that is kept, the oldest first. */
export const history = <K, V>(relation: Relation<K, V>, key: K): Stream.Stream<Version<V>, TransactError> =>
  Stream.unwrap(Effect.map(relation.collection.reader.history(key), (updates) =>
    Stream.fromIterable(
      updates.length === 0 ? [] : changesOf(updates).map(({ after, time }): Version<V> => ({ time, value: after }))
    )))

/** All changes, from a frontier that was delivered before, or from the beginning of the retained history. */
export const changes = <K, V>(
  relation: Relation<K, V>,
  from: Frontier | undefined
): Stream.Stream<TableEvent<K, V>, TransactError | SubscribeError> =>
  Stream.suspend(() => {
    /** The updates of the last key, which may have more of them. */
    let open: Array<Update<K, V>> = []
    let openId = ""
    const take = (event: CollectionEvent<K, V>): ReadonlyArray<TableEvent<K, V>> => {
      const found: Array<Change<K, V>> = []
      const close = () => {
        if (open.length > 0) { for (const change of changesOf(open)) found.push(change) }
        open = []
      }
      for (const update of event._tag === "Updates" ? event.updates : []) {
        const { id } = relation.locate(update.key)
        if (id !== openId) close()
        openId = id
        open.push(update)
      }
      if (event._tag === "Progress") close()
      return [
        ...(found.length === 0 ? [] : [{ _tag: "Changes" as const, changes: found }]),
        ...(event._tag === "Progress" ? [event] : [])
      ]
    }
    return relation.collection.reader.subscribe({ from }).pipe(
      Stream.mapEffect((event) => convert(() => take(event))),
      Stream.flatMap(Stream.fromIterable)
    )
  })

/** The value of a key now, and each one after it, until the store is stopped. */
export const watch = <K, V>(
  relation: Relation<K, V>,
  key: K,
  feed: Pick<Feed, "upper" | "await">
): Stream.Stream<Option.Option<V>, TransactError> =>
  Stream.unwrap(Effect.gen(function*() {
    const located = yield* convert(() => relation.locate(key))
    let isWritten = true
    yield* Effect.acquireRelease(
      Effect.sync(() => relation.watch(located.id, () => void (isWritten = true))),
      (stop) => Effect.sync(stop)
    )
    let seen: Timestamp | undefined
    let last: Row<V> | undefined
    const next: Pull.Pull<NonEmpty<Option.Option<V>>, TransactError> = Effect.gen(function*() {
      while (true) {
        const position = feed.upper()
        if (isWritten) {
          isWritten = false
          const now = relation.now()
          const rows = seen === undefined
            ? [yield* relation.rowAt(located, now)]
            : (yield* relation.rowsBetween(located.bytes, seen, now)).filter((row) => !isSame(row, last))
          seen = now
          last = rows.length === 0 ? last : rows.at(-1)
          const values = yield* convert(() =>
            rows.map((row) => Option.map(Option.fromUndefinedOr(row), (each) => each.value()))
          )
          if (isNonEmpty(values)) return values
        }
        if (!(yield* feed.await(position))) return yield* Cause.done()
      }
    })
    return Stream.fromPull(Effect.succeed(next))
  }))

type NonEmpty<A> = readonly [A, ...Array<A>]

const isNonEmpty = <A>(array: Array<A>): array is [A, ...Array<A>] => array.length > 0
