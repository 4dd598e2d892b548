import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as PersistClient from "../../src/client/PersistClient.ts"
import * as Command from "../../src/runtime/Command.ts"
import { row, toColumns } from "../batch/Rows.ts"
import type * as Faulty from "../utils/Faulty.ts"
import * as Store from "../utils/Store.ts"

const open = Effect.fnUntraced(function*(storage: Faulty.Storage) {
  const client = yield* Store.client(storage)
  const table = yield* client.createOrLoad("t", { ...Store.text, isOnTimeline: true })
  return { client, table, store: PersistClient.storeOf(client), target: { id: yield* table.id, name: "t" } }
})

type Opened = Effect.Success<ReturnType<typeof open>>

const put = ({ store, target }: Opened, key: string, value: string, readAt?: number) =>
  Effect.suspend(() =>
    store.submit(
      new Command.Transact({
        readAt: readAt ?? store.state().timeline.upper - 1,
        reads: [{ ...target, keys: [new TextEncoder().encode(key)], ranges: [] }],
        writes: [{ ...target, columns: toColumns([row(key, value, 0, 1)]) }]
      })
    )
  )

describe("transactions", () => {
  it.effect("of one group share a flush, and each has a time of its own, from the clock in microseconds", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(1_000)
      const { control, storage } = yield* Store.faulty
      const opened = yield* open(storage)
      let appends = 0
      control.before = (operation) => Effect.sync(() => void (operation === "append" && appends++))
      const times = yield* Effect.forEach(Array.from({ length: 64 }, (_, i) => i), (i) => put(opened, `k${i}`, ""), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(times, Array.from({ length: 64 }, (_, i) => 1_000_000 + i))
      assert.isAtMost(appends, 2)
      assert.strictEqual((yield* opened.client.description("t")).upper, 1_000_064)
    }))

  it.effect("go on after the time of the last one when the store is opened with a clock that went back", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(5_000)
      const storage = yield* Store.memory
      const first = yield* Store.inScope(Effect.flatMap(open(storage), (opened) => put(opened, "a", "1")))
      yield* TestClock.setTime(1_000)
      const opened = yield* open(storage)
      assert.strictEqual(yield* put(opened, "a", "2"), first + 1)
      const follower = yield* Store.follower(storage)
      const reader = yield* follower.load("t", Store.text)
      assert.deepStrictEqual(yield* reader.get("a", { asOf: first }), [["1", 1]])
      assert.deepStrictEqual(yield* reader.get("a", { asOf: first + 1 }), [["1", 1], ["2", 1]])
    }))

  it.effect("that lose are refused, those whose flush fails have left nothing, and those found out about have", () =>
    Effect.gen(function*() {
      const { control, storage } = yield* Store.faulty
      const opened = yield* open(storage)
      const [first, second] = yield* Effect.all([
        Effect.exit(put(opened, "a", "1", 0)),
        Effect.exit(put(opened, "a", "2", 0))
      ], {
        concurrency: "unbounded"
      })
      assert.isTrue(Exit.isSuccess(first))
      assert.isTrue(Exit.isFailure(second))
      control.isDown = true
      assert.propertyVal(yield* Effect.flip(put(opened, "b", "1")), "_tag", "Unavailable")
      control.isDown = false
      yield* put(opened, "b", "2")
      control.nextAppend = "applied"
      yield* put(opened, "c", "1")
      const { upper } = opened.store.state().timeline
      assert.deepStrictEqual(yield* Store.contents(opened.table, upper - 1), [["a", "1", 1], ["b", "2", 1], [
        "c",
        "1",
        1
      ]])
      assert.propertyVal(yield* Effect.flip(put(opened, "c", "2", 0)), "_tag", "Conflict")
    }))

  it.effect("alone write to a table", () =>
    Effect.gen(function*() {
      const { table } = yield* open(yield* Store.memory)
      assert.propertyVal(yield* Effect.flip(table.seal(9)), "reason", "OnTimeline")
      assert.propertyVal(
        yield* Effect.flip(table.append([{ key: "a", value: "", time: 9, diff: 1 }])),
        "reason",
        "OnTimeline"
      )
    }))

  it.effect("are progress to a listener of a table", () =>
    Effect.gen(function*() {
      const opened = yield* open(yield* Store.memory)
      yield* TestClock.setTime(1)
      const { events } = yield* opened.table.listen()
      yield* put(opened, "a", "1")
      const delivered = yield* Stream.runCollect(Stream.take(events, 2))
      assert.deepStrictEqual(delivered, [
        { _tag: "Updates", updates: [{ key: "a", value: "1", time: 1_000, diff: 1 }] },
        { _tag: "Progress", frontier: 1_001 }
      ])
    }))
})
