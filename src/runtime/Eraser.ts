/**
 * The eraser: removes every row of a key from one collection, and its bytes from the storage: from the log, from
 * replaced blobs, and from garbage that failed jobs have left.
 *
 * @internal
 */
import { Duration, Effect } from "effect"
import * as Plan from "../engine/Plan.ts"
import type { Target } from "../engine/Stage.ts"
import type { State } from "../engine/State.ts"
import { CollectionDestroyed } from "../PersistError.ts"
import * as Command from "./Command.ts"
import type { GarbageCollector } from "./GarbageCollector.ts"
import type { Jobs } from "./Jobs.ts"
import type { LogRetention } from "./LogRetention.ts"
import type { Mailbox } from "./Mailbox.ts"
import type { Failure, Rewrites } from "./Rewrites.ts"

export interface Options {
  readonly state: State
  readonly mailbox: Mailbox
  readonly jobs: Jobs
  readonly rewrites: Rewrites
  readonly retention: LogRetention
  readonly collector: GarbageCollector
}

/** What an erasure did. */
export interface Erased {
  /** The log position up to which every row of the key is removed. */
  readonly position: number
  readonly rows: number
  /** Blobs deleted. */
  readonly blobs: number
}

export interface Eraser {
  readonly erase: (target: Target, key: Uint8Array) => Effect.Effect<Erased, Failure | CollectionDestroyed>
}

/** How often an erasure checks whether the last snapshot with the erased rows is closed. */
const betweenLooks = Duration.millis(50)

export const make = ({ collector, jobs, mailbox, retention, rewrites, state }: Options): Eraser => {
  /** Makes garbage of the blobs that contained the key, and returns them. */
  const eraseRows = Effect.fnUntraced(function*(target: Target, key: Uint8Array) {
    const planned = yield* mailbox.submit(new Command.Erase({ target, key }))
    const position = planned.chunksBefore
    const { erased, isApplied } = yield* jobs.run(rewrites.perform(planned))
    if (!isApplied) return yield* new CollectionDestroyed({ collection: target.name })
    for (const flush of Plan.flushes(state)) {
      yield* Effect.catchTag(jobs.run(rewrites.relieve(flush)), "ValueOutOfRange", () => Effect.void)
    }
    yield* jobs.run(retention.rollUpAll)
    if (state.logFrom < position) return yield* Effect.die(new Error("rows before an erasure are in the log only"))
    // Listeners of truncated entries, and named holds, expire.
    yield* retention.truncateAll
    yield* collector.releaseHolds
    yield* collector.sweep
    return { position, rows: erased, doomed: collector.waiting.keys() }
  })

  return {
    erase: Effect.fnUntraced(function*(target, key) {
      const { doomed, position, rows } = yield* jobs.alone(eraseRows(target, key))
      while (true) {
        // When this fiber's turn comes, maintenance has finished its own deletions.
        yield* jobs.alone(collector.collectAll)
        if (!doomed.some(collector.waiting.has)) break
        // Snapshots that are open in this process keep leases on their blobs.
        yield* Effect.sleep(betweenLooks)
      }
      return { position, rows, blobs: doomed.length }
    })
  }
}
