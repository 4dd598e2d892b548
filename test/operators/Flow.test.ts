/** Merging flows, under schedules of every kind. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Stream } from "effect"
import * as Flow from "../../src/operators/Flow.ts"
import * as Seeds from "../../src/testing/simulation/Seeds.ts"
import * as Update from "../../src/Update.ts"

/** Rows at times from 0, each with its progress, and a pause before each. */
const flow = (name: string, rows: number): Flow.Flow<string, string> =>
  Stream.fromIterable(Array.from({ length: rows }, (_, time) => time)).pipe(
    Stream.mapEffect((time) => Effect.as(Effect.yieldNow, time)),
    Stream.flatMap((time) => Stream.make(Flow.updates([Update.insert(name, "", time)]), Flow.progress(time + 1)))
  )

describe("merge", () => {
  it.live("loses nothing of a flow that is slower than the others, whatever the schedule", () =>
    Seeds.check({
      seeds: 300,
      program: Effect.gen(function*() {
        const lengths = [0, 1, 3]
        const events = yield* Stream.runCollect(Flow.merge(lengths.map((rows, index) => flow(`f${index}`, rows))))
        const found = events.flatMap((event) => event._tag === "Updates" ? event.updates.map(({ key }) => key) : [])
        assert.deepStrictEqual(found.toSorted(), ["f1", "f2", "f2", "f2"])
      })
    }))

  it.live("fails with the failure of one of them", () =>
    Effect.gen(function*() {
      const failing = Stream.concat(flow("a", 2), Stream.fail("broken"))
      const exit = yield* Effect.exit(Stream.runDrain(Flow.merge([failing, Stream.never])))
      assert.deepStrictEqual(exit, Exit.fail("broken"))
    }))
})
