import { assert, describe, it } from "@effect/vitest"
import { Context, Effect } from "effect"
import { ByteWriter } from "../../src/ByteWriter.ts"
import * as Commit from "../../src/engine/Commit.ts"
import { Log } from "../../src/storage/Log.ts"
import * as Store from "../utils/Store.ts"

const unprintable = "a\u001b[2Jb"

/** A store of a time when names had no rules, with one collection. */
const older = Effect.gen(function*() {
  const storage = yield* Store.memory
  const bytes = new ByteWriter(64)
  const text = { name: "string", document: "" }
  const registration = { id: 0, name: unprintable, key: text, value: text, isOnTimeline: false }
  Commit.encode({ writer: 1, attempt: 1, seqNo: 0, changes: [{ _tag: "Register", registration }] }, bytes)
  const append = Effect.flatMap(Context.get(storage, Log).acquire, (writer) => writer.append(0, [bytes.view8()]))
  yield* Store.inScope(append)
  return storage
})

describe("collections' names", () => {
  it.effect("are refused when a collection is created, and nothing is", () =>
    Effect.gen(function*() {
      const client = yield* Effect.flatMap(Store.memory, (storage) => Store.client(storage))
      for (const name of ["", "x".repeat(5_000), unprintable]) {
        const refused = yield* Effect.flip(client.createOrLoad(name, Store.text))
        assert.deepInclude(refused, { _tag: "ValueOutOfRange", what: "the name of a collection" })
        assert.notInclude(refused.message, "\u001b")
      }
      assert.deepStrictEqual(yield* client.descriptions, [])
    }))

  it.effect("of older stores are read, listed and destroyed, and not used again", () =>
    Effect.gen(function*() {
      const client = yield* Effect.flatMap(older, (storage) => Store.client(storage))
      assert.deepStrictEqual((yield* client.descriptions).map(({ name }) => name), [unprintable])
      yield* client.load(unprintable, Store.text)
      const { reader, writer } = yield* client.createOrLoad(unprintable, Store.text)
      yield* writer.append([{ key: "k", value: "v", time: 0, diff: 1 }])
      yield* writer.seal(1)
      assert.deepStrictEqual(yield* Store.contents(reader, 0), [["k", "v", 1]])
      assert.isTrue(yield* client.destroy(unprintable))
      const again = yield* Effect.flip(client.createOrLoad(unprintable, { ...Store.text, recreate: true }))
      assert.propertyVal(again, "_tag", "ValueOutOfRange")
    }))
})
