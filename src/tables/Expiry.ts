/**
 * Rows that expire.
 *
 * The times at which rows expire are an ordinary index. A fiber sleeps until the first entry is due. Then it removes
 * expired rows in ordinary transactions, and reads each row again before it removes it.
 *
 * @internal
 */
import { Clock, DateTime, Effect, Latch, Option, Schedule, Stream } from "effect"
import type { Index, IndexOf } from "./Indexes.ts"
import * as Rows from "./Rows.ts"
import type { TableStore } from "./TableStore.ts"

/**
 * When a row expires: a `DateTime`, a `Date`, or milliseconds since 1970. `undefined`: never.
 *
 * @category models
 * @since 0.1.0
 */
export type ExpireOf<K, V> = (value: V, key: K) => DateTime.DateTime | Date | number | undefined

const millisOf = (time: DateTime.DateTime | Date | number): number =>
  DateTime.isDateTime(time) ? time.epochMilliseconds : Number(time)

/** As an index, by milliseconds. */
export const indexOf = <K, V>(expire: ExpireOf<K, V>): IndexOf<K, V> => (value, key) => {
  const time = expire(value, key)
  return time === undefined ? undefined : millisOf(time)
}

/** Rows that are removed in one transaction. */
const together = 256

/** Removes rows as they expire, until the scope closes. */
export const run = Effect.fnUntraced(function*<K, V>(
  tables: TableStore,
  rows: Rows.Rows<K, V>,
  index: Index<K, V>,
  expire: ExpireOf<K, V>
) {
  const changed = Latch.makeUnsafe(false)
  yield* Effect.acquireRelease(
    Effect.sync(() => index.relation.watch(undefined, () => void changed.openUnsafe())),
    (stop) => Effect.sync(stop)
  )
  const isDue = (now: number) => (row: readonly [K, V]): boolean => {
    const time = expire(row[1], row[0])
    return time !== undefined && millisOf(time) <= now
  }
  /** The first rows to expire. */
  const first = (count: number) =>
    Stream.runCollect(Stream.take(Rows.byIndexAt(rows, index, undefined, index.relation.now()), count))

  const round = Effect.gen(function*() {
    changed.closeUnsafe()
    const now = yield* Clock.currentTimeMillis
    const found = yield* first(together)
    const due = found.filter(isDue(now))
    if (due.length > 0) {
      yield* tables.transact((workspace) =>
        Effect.forEach(
          due,
          ([key]) =>
            Effect.flatMap(Rows.getIn(workspace, rows, key), (value) =>
              Option.isSome(value) && isDue(now)([key, value.value])
                ? Rows.setIn(workspace, rows, key, undefined)
                : Effect.succeed(false)),
          { discard: true }
        )
      )
      return
    }
    const next = found[0] === undefined ? undefined : expire(found[0][1], found[0][0])
    if (next === undefined) return yield* changed.await
    yield* Effect.raceFirst(changed.await, Effect.sleep(millisOf(next) - now))
  })
  yield* Effect.forkScoped(round.pipe(
    Effect.retry({
      schedule: Schedule.spaced("1 second"),
      while: ({ _tag }) => _tag !== "RuntimeShutdown" && _tag !== "Fenced" && _tag !== "ReadOnly"
    }),
    Effect.forever,
    Effect.catch((error) => Effect.logDebug("no rows of a table expire any more", error))
  ))
})
