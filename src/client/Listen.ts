/**
 * Listening: every append and seal after a snapshot, exactly once, as they become durable.
 *
 * @since 0.1.0
 */
import { Cause, Effect, Metric, type Pull, Result, type Scope, Stream } from "effect"
import * as Columns from "../batch/Columns.ts"
import type { Change } from "../engine/Commit.ts"
import type { Frontier } from "../Frontier.ts"
import { CollectionDestroyed, HoldExpired } from "../PersistError.ts"
import type { Cursor } from "../runtime/Command.ts"
import type { Entry } from "../runtime/Feed.ts"
import * as Metrics from "../runtime/Metrics.ts"
import type { ReadStore } from "../runtime/ReadStore.ts"
import * as Update from "../Update.ts"
import type { CollectionEvent } from "./CollectionEvent.ts"
import * as Recent from "./Recent.ts"
import * as Rows from "./Rows.ts"
import type { ReadError } from "./Snapshot.ts"

/**
 * What listening may fail with.
 *
 * @category errors
 * @since 0.1.0
 */
export type ListenError = ReadError | CollectionDestroyed

/** The updates of some rows of a commit. @internal */
export type Decode<K, V> = (
  entry: Entry,
  rows: Columns.Columns
) => Effect.Effect<ReadonlyArray<Update.Update<K, V>>, ReadError>

/**
 * Decodes a commit once for all listeners of one handle, which mostly receive it at about the same time. Where rows are
 * quarantined, each listener quarantines them itself.
 *
 * @internal
 */
export const makeDecode = <K, V>(
  name: string,
  codecs: Rows.Codecs<K, V>,
  policy: Rows.DecodePolicy
): Decode<K, V> => {
  const recent = Recent.make<Entry, { readonly rows: number; readonly updates: ReadonlyArray<Update.Update<K, V>> }>(
    Recent.keptBytes
  )
  const decode = (rows: Columns.Columns) =>
    Rows.decode<K, V, Update.Update<K, V>>(name, codecs, policy, rows, Update.make)
  if (typeof policy !== "string") return (_, rows) => decode(rows)
  return (entry, rows) =>
    Effect.suspend(() => {
      const known = recent.get(entry)
      // A listener that began in the middle of the commit receives fewer rows of it.
      if (known?.rows === rows.length) return Effect.succeed(known.updates)
      return Effect.tap(decode(rows), (updates) =>
        Effect.sync(() => {
          if (known === undefined) recent.keep(entry, Recent.decodedBytes(rows), { rows: rows.length, updates })
        }))
    })
}

/** @internal */
export interface Options<K, V> {
  readonly store: ReadStore
  readonly collection: number
  readonly name: string
  readonly decode: Decode<K, V>
  readonly cursor: Cursor
  readonly isOnTimeline: boolean
  /** Progress up to this frontier has been delivered. */
  readonly upper: Frontier
}

/**
 * The events from the cursor on. They are pulled. A listener that does not pull uses no memory but its position. It
 * keeps the log from there on from being truncated.
 *
 * @internal
 */
export const events = <K, V>(
  options: Options<K, V>
): Effect.Effect<Stream.Stream<CollectionEvent<K, V>, ListenError>, never, Scope.Scope> =>
  Effect.map(following(options), (entries) => {
    const hear = makeHearing(options)
    /** It is reported once the events before it have been delivered. */
    let failure: ListenError | undefined
    const pull: Pull.Pull<NonEmpty<CollectionEvent<K, V>>, ListenError> = Effect.gen(function*() {
      while (true) {
        if (failure !== undefined) return yield* failure
        const events: Array<CollectionEvent<K, V>> = []
        for (const entry of yield* entries) {
          const result = yield* Effect.result(hear(entry))
          if (Result.isFailure(result)) {
            failure = result.failure
            break
          }
          for (const event of result.success) events.push(event)
        }
        if (isNonEmpty(events)) return events
      }
    })
    return Stream.fromPull(Effect.succeed(pull))
  })

type NonEmpty<A> = readonly [A, ...Array<A>]

const isNonEmpty = <A>(array: Array<A>): array is [A, ...Array<A>] => array.length > 0

const counted = (store: ReadStore, by: number) => store.measured(Metric.modify(Metrics.listeners, by))

/** Pulls the commits from the cursor on: from the feed, or from the log where the feed no longer has them. */
const following = <K, V>({ cursor, name, store }: Options<K, V>) =>
  Effect.gen(function*() {
    let { position } = cursor
    const hold = yield* Effect.acquireRelease(
      Effect.sync(() => store.pinLog(position)),
      (hold) => Effect.sync(hold.release)
    )
    yield* Effect.acquireRelease(counted(store, 1), () => counted(store, -1))

    const next: Pull.Pull<ReadonlyArray<Entry>, ListenError> = Effect.gen(function*() {
      while (true) {
        if (hold.isExpired()) {
          return yield* new HoldExpired({
            collection: name,
            detail: "it fell too many bytes behind the end of the log"
          })
        }
        const kept = store.feed.from(position)
        if (kept === undefined) {
          yield* store.measured(Metric.update(Metrics.listenerRereads, 1))
          return yield* store.reread(position, name)
        }
        if (kept.length > 0) return kept
        if (!(yield* store.feed.await(position))) return yield* Cause.done()
      }
    })
    return Effect.tap(next, (entries) =>
      Effect.sync(() => {
        position = entries.at(-1)!.position + 1
        hold.advance(position)
      }))
  })

/** The events that a listener receives for each commit. */
const makeHearing = <K, V>({ collection, cursor, decode, isOnTimeline, name, ...options }: Options<K, V>) => {
  let upper = options.upper
  const seals = (change: Change): change is Change & { readonly upper: Frontier } =>
    isOnTimeline ? change._tag === "Timeline" : change._tag === "Seal" && change.collection === collection
  return Effect.fnUntraced(function*(entry: Entry) {
    const events: Array<CollectionEvent<K, V>> = []
    const columns = rowsOf(entry, collection, entry.position === cursor.position ? cursor.writes : 0)
    if (columns.length > 0) {
      const updates = yield* decode(entry, columns)
      if (updates.length > 0) events.push({ _tag: "Updates", updates })
    }
    for (const change of entry.changes) {
      if (seals(change) && change.upper > upper) {
        upper = change.upper
        events.push({ _tag: "Progress", frontier: upper })
      }
      if (change._tag === "Destroy" && change.collection === collection) {
        return yield* new CollectionDestroyed({ collection: name })
      }
    }
    return events
  })
}

/** The rows that a commit appended to the collection, except its first `skipped` writes. */
const rowsOf = (entry: Entry, collection: number, skipped: number): Columns.Columns => {
  const written = entry.changes
    .flatMap((change) => change._tag === "Write" && change.collection === collection ? [change.columns] : [])
    .slice(skipped)
  return written.length === 0 ? Columns.empty : Columns.concat(written)
}
