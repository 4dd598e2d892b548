/**
 * Long values that are rewritten again and again: long enough for a commit to be packed, and for rows that take each other
 * back to be cancelled before they are flushed.
 *
 * @internal
 */
import { Effect } from "effect"
import type * as History from "../history/History.ts"
import type { Asking } from "./Jobs.ts"
import * as Jobs from "./Jobs.ts"
import type { Client } from "./World.ts"

/** The key of all documents. */
const key = "d"

/** Versions have one length and differ in their middle alone: no length, beginning or end distinguishes them. */
const text = (version: number): string => {
  const half = "It was the best of times, it was the worst of times. ".repeat(11)
  return half + String(version).padStart(8, "0") + half
}

/**
 * Rewrites the document of a collection several times, in one command, which seals the times of all versions. Some of
 * these times are below `since`, so that rows of them may be cancelled, and some are not.
 */
export const rewrite = (asked: Asking) => (client: Client): Effect.Effect<unknown, unknown> =>
  Jobs.asking(asked, client, ({ handles, id }, guess) =>
    Effect.gen(function*() {
      const { random, world } = asked
      const expected = guess.upper
      const since = expected + random.int(3)
      guess.since = Math.max(guess.since, since)
      const compaction: History.Call = { _tag: "AllowCompaction", collections: [id], since }
      yield* Effect.ignore(Jobs.record(asked, compaction, () => handles.writer.allowCompaction(since)))
      const upper = expected + 2 + random.int(3)
      guess.upper = upper
      const updates: Array<History.Update> = [Jobs.own(asked, expected)]
      let current = world.texts.get(id)
      for (let time = expected; time < upper; time++) {
        const next = text(++world.commands)
        updates.push([key, next, time, 1])
        if (current !== undefined) updates.push([key, current, time, -1])
        current = next
      }
      const call: History.Call = { _tag: "CompareAndAppend", targets: [{ collection: id, updates, expected, upper }] }
      yield* Jobs.record(asked, call, () => handles.writer.compareAndAppend(Jobs.rowsOf(updates), { expected, upper }))
      world.texts.set(id, current!)
    }))
