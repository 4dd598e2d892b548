/**
 * Hints that a log has grown: notifications, and polling, since notifications may be lost.
 *
 * A notification is sent outside of the statement that appends, because all commits that notify wait for one lock of
 * the server. It is sent at most once in a few milliseconds, however many appends there are.
 *
 * @internal
 */
import { type Duration, Effect, Queue, Schedule, type Scope, Stream } from "effect"
import type { StorageError } from "../PersistError.ts"
import * as Polling from "../storage/Polling.ts"
import type { Database } from "./Database.ts"

/** Appends within this time share a notification. */
const coalescing: Duration.Input = "5 millis"

/** A function that notifies followers, after a short delay, of new entries. */
export const notifier: (database: Database) => Effect.Effect<() => void, never, Scope.Scope> = Effect.fnUntraced(
  function*({ channel, changeOnce }) {
    if (channel === undefined) return () => {}
    const wanted = yield* Queue.sliding<void>(1)
    // Nothing depends on it, so that it need not wait for the disk.
    const notify = changeOnce(
      "notifying",
      `SELECT set_config('synchronous_commit', 'off', true), pg_notify('${channel}', '')`
    )
    yield* Effect.forkScoped(
      Effect.forever(
        Queue.take(wanted).pipe(Effect.andThen(Effect.ignore(notify)), Effect.andThen(Effect.sleep(coalescing)))
      )
    )
    return () => void Queue.offerUnsafe(wanted, undefined)
  }
)

const reconnecting = Schedule.min([Schedule.exponential("200 millis"), Schedule.spaced("10 seconds")])

/** Ticks when others may have appended. */
export const changes = (
  { notifications }: Database,
  upper: Effect.Effect<number, StorageError>,
  poll: Polling.Options
): Stream.Stream<void> =>
  Stream.suspend(() => {
    let seen: number | undefined
    const look = Effect.map(Effect.orElseSucceed(upper, () => seen), (found) => {
      const hasGrown = found !== seen
      seen = found
      return hasGrown
    })
    return Stream.merge(notifications.pipe(Stream.retry(reconnecting), Stream.orDie), Polling.make(look, poll))
  })
