import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import * as MultiWriter from "../../src/client/MultiWriter.ts"
import * as Rows from "../../src/client/Rows.ts"
import * as Codec from "../../src/Codec.ts"
import * as Update from "../../src/Update.ts"
import * as Store from "../utils/Store.ts"

const codecs = { key: Codec.string, value: Codec.json }

const columnsOf = (length: number): Update.Columns<string, number> => ({
  keys: Array.from({ length }, (_, row) => `key-${row % 7}`),
  values: Float64Array.from({ length }, (_, row) => row % 3),
  times: Array.from({ length }, (_, row) => row),
  diffs: Int32Array.from({ length }, (_, row) => 1 - 2 * (row % 2))
})

describe("updates as columns", () => {
  it.effect("have the bytes of the same updates as rows", () =>
    Effect.gen(function*() {
      for (const length of [0, 1, 16, 17, 3000]) {
        const columns = columnsOf(length)
        const rows = Update.toArray(columns)
        assert.strictEqual(rows.length, length)
        assert.deepStrictEqual(yield* Rows.encode(codecs, columns), yield* Rows.encode(codecs, rows))
      }
    }))

  it.effect("have one time and one diff for all rows where these are single numbers", () =>
    Effect.gen(function*() {
      const once = yield* Rows.encode(codecs, { keys: ["a", "b"], values: [1, 2], times: 7 })
      assert.deepStrictEqual([...once.times, ...once.diffs], [7, 7, 1, 1])
      const retracted = yield* Rows.encode(codecs, { keys: ["a", "b"], values: [1, 2], times: 7, diffs: -1 })
      assert.deepStrictEqual([...retracted.diffs], [-1, -1])
    }))

  it.effect.each(
    [
      ["values", { keys: ["a", "b"], values: [1], times: 0 }],
      ["times", { keys: ["a"], values: [1], times: [] }],
      ["diffs", { keys: ["a"], values: [1], times: 0, diffs: [1, 1] }]
    ] as const
  )("are refused when there are more or fewer %s than keys", ([name, columns]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Rows.encode(codecs, columns))
      assert.propertyVal(error, "_tag", "ValueOutOfRange")
      assert.include(error.message, name)
    }))

  it.effect.each(
    [
      { keys: ["a"], values: [1], times: -1 },
      { keys: ["a"], values: [1], times: [0.5] },
      { keys: ["a"], values: [1], times: 0, diffs: Number.NaN },
      { keys: ["a", "b"], values: [1, 2], times: 0, diffs: 2 ** 51 }
    ]
  )("are refused as rows are: %j", (columns) =>
    Effect.gen(function*() {
      assert.propertyVal(yield* Effect.flip(Rows.encode(codecs, columns)), "_tag", "ValueOutOfRange")
    }))

  it.effect("are taken by all that takes updates", () =>
    Effect.gen(function*() {
      const client = yield* Effect.flatMap(Store.memory, (storage) => Store.client(storage))
      const { reader, writer } = yield* client.createOrLoad("s", Store.text)
      const at = (key: string, times: number) => ({ keys: [key], values: [key], times })
      yield* writer.append(at("a", 0))
      yield* Effect.flatMap(writer.offer(at("b", 0)), Deferred.await)
      yield* writer.compareAndAppend(at("c", 1), { expected: 0, upper: 2 })
      const refused = yield* Effect.flip(writer.compareAndAppend(at("x", 5), { expected: 2, upper: 3 }))
      assert.propertyVal(refused, "_tag", "ValueOutOfRange")
      const both = yield* MultiWriter.make([writer])
      yield* both.appendAtomic((add) => add(writer, at("d", 2)))
      yield* both.compareAndAppend((add) => add(writer, at("e", 2), { expected: 2, upper: 3 }))
      const rows = yield* Store.contents(reader)
      assert.deepStrictEqual(rows, ["a", "b", "c", "d", "e"].map((key) => [key, key, 1]))
    }))
})
