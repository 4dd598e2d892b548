import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Latch } from "effect"
import { Fenced, Indeterminate, OutOfSpace, Unavailable } from "../../src/PersistError.ts"
import * as Garbage from "../../src/runtime/Garbage.ts"
import * as NewBlobs from "../../src/runtime/NewBlobs.ts"
import * as Update from "../../src/Update.ts"
import * as Store from "../utils/Store.ts"

const fresh = Effect.sync(() => {
  const garbage = Garbage.make()
  const keys: Array<string> = []
  const blobs = NewBlobs.make(7, garbage)
  /** A job that stores a blob, and submits what names it. */
  const storing = (submit: Effect.Effect<void, { readonly _tag: string }>) =>
    blobs.storing(({ naming, newKey }) => {
      keys.push(newKey("batch"))
      return naming(submit, () => keys.slice(-1))
    })
  return { garbage, blobs, keys, storing }
})

describe("new blobs", () => {
  it.effect("are not garbage while their job runs, and have keys of their own", () =>
    Effect.gen(function*() {
      const { blobs, garbage } = yield* fresh
      const [first, second] = yield* blobs.storing(({ naming, newKey }) =>
        Effect.gen(function*() {
          const keys = [newKey("batch"), newKey("batch")] as const
          assert.isTrue(keys.every(blobs.has))
          yield* naming(Effect.void, () => [keys[1]])
          assert.isTrue(blobs.has(keys[0]))
          return keys
        })
      )
      assert.notStrictEqual(first, second)
      assert.isFalse(blobs.has(first) || blobs.has(second))
      assert.deepStrictEqual(garbage.keys(), [first])
    }))

  it.effect("are garbage where their job fails or is interrupted before a command names them", () =>
    Effect.gen(function*() {
      const { blobs, garbage } = yield* fresh
      yield* Effect.ignore(blobs.storing(({ newKey }) => {
        newKey("batch")
        return Effect.fail("full")
      }))
      const running = yield* Effect.forkChild(
        blobs.storing(({ newKey }) => {
          newKey("batch")
          return Effect.never
        }),
        { startImmediately: true }
      )
      yield* Fiber.interrupt(running)
      assert.lengthOf(garbage.keys(), 2)
      assert.isFalse(garbage.keys().some(blobs.has))
    }))

  it.effect("are garbage where the command that names them has definitely failed", () =>
    Effect.gen(function*() {
      for (
        const failure of [
          new Unavailable({ operation: "appending", detail: "why" }),
          new OutOfSpace({ location: "there", detail: "why" })
        ]
      ) {
        const { garbage, keys, storing } = yield* fresh
        assert.isTrue(Exit.isFailure(yield* Effect.exit(storing(Effect.fail(failure)))))
        assert.deepStrictEqual(garbage.keys(), keys)
      }
    }))

  it.effect("stay where it may have succeeded, until the outcome of every append is known", () =>
    Effect.gen(function*() {
      for (
        const outcome of [
          Effect.fail(new Indeterminate({ operation: "appending", detail: "why" })),
          Effect.fail(new Fenced({ epoch: 1, current: 2 })),
          Effect.die(new Error("a bug"))
        ]
      ) {
        const { blobs, garbage, keys, storing } = yield* fresh
        yield* Effect.exit(storing(outcome))
        assert.isTrue(blobs.has(keys[0]!))
        assert.deepStrictEqual(garbage.keys(), [])
        blobs.settled()
        assert.isFalse(blobs.has(keys[0]!))
      }
    }))

  it.effect("are named by a command that was under way when its job was interrupted", () =>
    Effect.gen(function*() {
      const { blobs, garbage, keys, storing } = yield* fresh
      const gate = Latch.makeUnsafe(false)
      const running = yield* Effect.forkChild(storing(gate.await), { startImmediately: true })
      const interrupting = yield* Effect.forkChild(Fiber.interrupt(running), { startImmediately: true })
      assert.isTrue(blobs.has(keys[0]!))
      gate.openUnsafe()
      yield* Fiber.join(interrupting)
      assert.isFalse(blobs.has(keys[0]!))
      assert.deepStrictEqual(garbage.keys(), [])
    }))
})

describe("a compaction that is interrupted while its result is being named", () => {
  /** Returns what is stored afterwards, and what is named. */
  const interrupted = (isStale: boolean) =>
    Effect.gen(function*() {
      const { control, storage } = yield* Store.faulty
      const client = yield* Store.client(storage)
      const { writer } = yield* client.createOrLoad("s", Store.text)
      yield* writer.append([Update.insert("a", "", 0)])
      // The owner waits for the storage while the command comes that names the result. If the collection is destroyed
      // before that, the result fits nothing any more.
      const isStored = yield* Deferred.make<void>()
      const gate = Latch.makeUnsafe(false)
      const before = isStale ? client.destroy("s") : writer.append([Update.insert("b", "", 0)])
      control.before = (operation) => {
        if (operation === "append") return gate.await
        return operation === "put"
          ? Effect.andThen(
            Effect.forkDetach(Effect.ignore(before), { startImmediately: true }),
            Deferred.succeed(isStored, undefined)
          )
          : Effect.void
      }
      const compacting = yield* Effect.forkChild(client.compact("s"))
      yield* Deferred.await(isStored)
      for (let turn = 0; turn < 50; turn++) yield* Effect.yieldNow
      const interrupting = yield* Effect.forkChild(Fiber.interrupt(compacting), { startImmediately: true })
      control.before = () => Effect.void
      gate.openUnsafe()
      yield* Fiber.join(interrupting)
      for (let run = 0; run < 2; run++) yield* client.maintain
      return { stored: yield* Store.storedKeys(storage), named: yield* Store.referencedKeys(storage) }
    })

  it.effect.each([["is applied", false], ["fits nothing any more", true]] as const)(
    "leaves nothing behind, if the result %s",
    ([, isStale]) =>
      Effect.gen(function*() {
        const { named, stored } = yield* interrupted(isStale)
        assert.lengthOf(named, isStale ? 0 : 1)
        assert.deepStrictEqual(stored, named)
      })
  )
})
