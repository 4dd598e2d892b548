import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import * as History from "../../../src/testing/history/History.ts"
import * as Recording from "../../../src/testing/nemesis/Recording.ts"
import * as Update from "../../../src/Update.ts"
import * as Store from "../../utils/Store.ts"

describe("a collection whose writes are recorded", () => {
  it.effect("records every command with its reply, also one that is offered, and one that is refused", () =>
    Effect.gen(function*() {
      const client = yield* Effect.flatMap(Store.memory, (storage) => Store.client(storage))
      const handles = yield* client.createOrLoad("s", Store.text)
      const recorder = History.recorder()
      const { reader, writer } = Recording.collection(recorder, "me", { id: 0, handles })
      const row = (key: string, time: number) => Update.insert(key, "", time)
      yield* writer.append([row("a", 0)])
      const ack = yield* writer.offer([row("b", 1)])
      yield* Deferred.await(ack)
      yield* writer.seal(1)
      yield* writer.compareAndAppend([row("c", 1)], { expected: 1, upper: 2 })
      yield* writer.allowCompaction(1)
      yield* Effect.flip(writer.append([row("late", 0)]))
      yield* Effect.flip(writer.offer([row("\ud800", 5)]))
      yield* Store.until(() => recorder.history().every(({ completed }) => completed !== undefined))
      assert.deepStrictEqual(recorder.history().map(({ call, outcome }) => [call._tag, outcome]), [
        ["Write", "ok"],
        ["Write", "ok"],
        ["Seal", "ok"],
        ["CompareAndAppend", "ok"],
        ["AllowCompaction", "ok"],
        ["Write", "failed"],
        ["Write", "failed"]
      ])
      const seqNos = recorder.history().map(({ reply }) => reply?._tag === "Sequenced" ? reply.seqNo : 0)
      assert.deepStrictEqual(seqNos, [1, 2, 3, 4, 5, 0, 0])
      assert.deepStrictEqual((yield* Store.contents(reader)).map(([key]) => key), ["a", "b", "c"])
    }))
})
