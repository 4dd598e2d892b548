import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Stream } from "effect"
import * as RunningFlows from "../../src/client/RunningFlows.ts"
import { registered } from "../../src/operators/Registered.ts"
import { client, memory, text } from "../utils/Store.ts"

describe("registered", () => {
  it.effect("a flow is registered while it runs, as often as it runs, and not when it has ended in any way", () =>
    Effect.gen(function*() {
      const persist = yield* Effect.flatMap(memory, (storage) => client(storage))
      const other = yield* Effect.flatMap(memory, (storage) => client(storage))
      const a = yield* persist.createOrLoad("a", text)
      const b = yield* persist.createOrLoad("b", text)
      const named = registered(persist, { name: "copying", from: [a.reader], to: b.writer })
      const seen = () => RunningFlows.of(persist)
      const expected = { name: "copying", from: ["a"], to: "b" }
      assert.deepStrictEqual(seen(), [])
      const during = yield* Stream.runCollect(Stream.mapEffect(named(Stream.make(1, 2)), () => Effect.sync(seen)))
      assert.deepStrictEqual(during, [[expected], [expected]])
      assert.deepStrictEqual(seen(), [])
      const endless = yield* Effect.forkChild(Stream.runDrain(named(Stream.never)), { startImmediately: true })
      const second = yield* Effect.forkChild(Stream.runDrain(named(Stream.never)), { startImmediately: true })
      assert.deepStrictEqual(seen(), [expected, expected])
      assert.deepStrictEqual(RunningFlows.of(other), [])
      yield* Fiber.interrupt(endless)
      assert.deepStrictEqual(seen(), [expected])
      yield* Fiber.interrupt(second)
      const failed = yield* Effect.exit(Stream.runDrain(named(Stream.fail("no"))))
      assert.isTrue(Exit.isFailure(failed))
      assert.deepStrictEqual(seen(), [])
    }))
})
