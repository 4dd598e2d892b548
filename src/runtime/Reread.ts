/**
 * Reading commits from the log again, for listeners that are so slow that the feed no longer has them.
 *
 * @internal
 */
import { Effect, Stream } from "effect"
import { HoldExpired, type StorageError } from "../PersistError.ts"
import type { Log } from "../storage/Log.ts"
import type { Entry } from "./Feed.ts"
import * as Recovery from "./Recovery.ts"

/** About how many bytes of the log are read at once. */
const maxBytes = 1024 * 1024

/** The commits from a position on. */
export const reread = (
  log: Log["Service"],
  position: number,
  collection: string
): Effect.Effect<ReadonlyArray<Entry>, StorageError | HoldExpired> =>
  Effect.gen(function*() {
    const { lower } = yield* log.bounds
    if (position < lower) {
      return yield* new HoldExpired({
        collection,
        detail: `it stood at log position ${position}, but the log begins at ${lower} by now`
      })
    }
    let bytes = 0
    return yield* log.read(position).pipe(
      Stream.takeUntil((entry) => (bytes += entry.bytes.length) >= maxBytes),
      Stream.mapEffect((entry) =>
        Effect.map(Recovery.decodeEntry(log, entry), ({ changes }): Entry => ({ position: entry.position, changes }))
      ),
      Stream.runCollect
    )
  })
