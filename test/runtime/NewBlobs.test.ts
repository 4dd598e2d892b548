import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit } from "effect"
import { Fenced, Indeterminate, OutOfSpace, Unavailable } from "../../src/PersistError.ts"
import * as Garbage from "../../src/runtime/Garbage.ts"
import * as NewBlobs from "../../src/runtime/NewBlobs.ts"

const fresh = Effect.map(Clock.Clock, (clock) => {
  const garbage = Garbage.make()
  return { garbage, blobs: NewBlobs.make(7, garbage, clock) }
})

describe("new blobs", () => {
  it.effect("are not garbage until they are abandoned, and have keys of their own", () =>
    Effect.gen(function*() {
      const { blobs, garbage } = yield* fresh
      const [first, second] = [blobs.newKey("batch"), blobs.newKey("batch")]
      assert.notStrictEqual(first, second)
      assert.isTrue(blobs.has(first) && blobs.has(second))
      blobs.abandon([first])
      blobs.named([second])
      assert.isFalse(blobs.has(first) || blobs.has(second))
      assert.deepStrictEqual(garbage.keys(), [first])
    }))

  it.effect("are garbage where the command that names them has definitely failed", () =>
    Effect.gen(function*() {
      for (
        const failure of [
          new Unavailable({ operation: "appending", detail: "why" }),
          new OutOfSpace({ location: "there", detail: "why" })
        ]
      ) {
        const { blobs, garbage } = yield* fresh
        const key = blobs.newKey("rollup")
        assert.isTrue(Exit.isFailure(yield* Effect.exit(blobs.naming([key], Effect.fail(failure)))))
        assert.deepStrictEqual(garbage.keys(), [key])
      }
    }))

  it.effect("stay where it may have succeeded, until the outcome of every append is known", () =>
    Effect.gen(function*() {
      for (
        const failure of [
          new Indeterminate({ operation: "appending", detail: "why" }),
          new Fenced({ epoch: 1, current: 2 })
        ]
      ) {
        const { blobs, garbage } = yield* fresh
        const key = blobs.newKey("batch")
        yield* Effect.exit(blobs.naming([key], Effect.fail(failure)))
        assert.isTrue(blobs.has(key))
        assert.deepStrictEqual(garbage.keys(), [])
        blobs.settled()
        assert.isFalse(blobs.has(key))
      }
    }))
})
