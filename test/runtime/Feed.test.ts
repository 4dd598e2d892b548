import { assert, describe, it } from "@effect/vitest"
import { Random } from "effect"
import { Effect } from "effect"
import * as Columns from "../../src/batch/Columns.ts"
import type { Change } from "../../src/engine/Commit.ts"
import * as Feed from "../../src/runtime/Feed.ts"

/** A change that counts `bytes` bytes: the key's, and 16 for time and diff. */
const change = (bytes: number): Change => {
  const builder = new Columns.Builder()
  builder.keys.raw(new Uint8Array(bytes - 16))
  builder.commit(0, 1)
  return { _tag: "Write", collection: 0, columns: builder.finish() }
}
const overhead = 64

describe("feed", () => {
  it.effect("keeps the newest commits up to its bytes, and always the last one", () =>
    Effect.gen(function*() {
      const maxBytes = 1_000
      const feed = Feed.make(7, maxBytes)
      const all: Array<{ readonly position: number; readonly bytes: number }> = []
      for (let position = 7; position < 600; position++) {
        const bytes = yield* Random.nextIntBetween(16, position % 100 === 0 ? 2_000 : 120)
        all.push({ position, bytes: bytes + overhead })
        feed.publish({ position, changes: [change(bytes)] })
        let kept = 1
        let sum = all.at(-1)!.bytes
        while (kept < all.length && sum + all.at(-1 - kept)!.bytes <= maxBytes) sum += all.at(-1 - kept++)!.bytes
        const first = all.at(-kept)!.position
        assert.isUndefined(feed.from(first - 1))
        for (const from of [first, position]) {
          assert.deepStrictEqual(
            feed.from(from)!.map((entry) => entry.position),
            all.slice(from - 7).map((entry) => entry.position)
          )
        }
        assert.deepStrictEqual(feed.from(position + 1), [])
      }
      feed.reset(900)
      assert.deepStrictEqual(feed.from(900), [])
      assert.isUndefined(feed.from(899))
      feed.publish({ position: 900, changes: [] })
      assert.lengthOf(feed.from(900)!, 1)
    }).pipe(Random.withSeed("feed")))
})
