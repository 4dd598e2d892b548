import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Random } from "effect"
import * as Codec from "../../src/Codec.ts"
import * as Update from "../../src/Update.ts"
import * as Store from "../utils/Store.ts"

describe("small writes at the same time", () => {
  it.effect("each succeed or fail by themselves, and what succeeded is there", () =>
    Effect.gen(function*() {
      const client = yield* Effect.flatMap(Store.memory, (storage) => Store.client(storage))
      const codecs = { key: Codec.string, value: Codec.string }
      const names = ["a", "b"]
      const handles = yield* Effect.forEach(names, (name) => client.createOrLoad(name, codecs))
      // A collection may have several handles.
      handles.push(yield* client.load("a", codecs))
      yield* Effect.forEach(handles, ({ writer }) => writer.seal(10))
      const expected = new Map(names.map((name) => [name, new Map<string, number>()]))
      const failed = new Set<string>()

      const write = (id: number) =>
        Effect.gen(function*() {
          const { reader, writer } = handles[yield* Random.nextIntBetween(0, 2)]!
          const kind = yield* Random.nextIntBetween(0, 11)
          const length = kind === 0 ? 40 : yield* Random.nextIntBetween(0, 4)
          const updates = Array.from(
            { length },
            (_, row) => Update.insert(`${id}-${row}`, kind === 1 ? "large".repeat(20_000) : `value ${id}`, 10 + row)
          )
          if (kind === 2) updates.push(Update.insert("late", "", 9))
          if (kind === 3) updates.push(Update.insert("\ud800", "", 10))
          if (kind === 4) updates.push(Update.make("bad diff", "", 10, 0.5))
          if (kind === 5) yield* Store.contents(reader)
          const exit = yield* Effect.exit(writer.append(updates))
          if (Exit.isFailure(exit)) return void failed.add(String(kind))
          assert.notInclude([2, 3, 4], kind)
          for (const { key } of updates) expected.get(writer.name)!.set(key, 1)
        })

      for (let round = 0; round < 20; round++) {
        const ids = Array.from({ length: 64 }, (_, i) => round * 64 + i)
        yield* Effect.forEach(ids, write, { concurrency: "unbounded", discard: true })
      }
      assert.deepStrictEqual([...failed].toSorted(), ["2", "3", "4"])
      for (const { reader } of handles.slice(0, 2)) {
        const there = new Map((yield* Store.contents(reader)).map(([key, , multiplicity]) => [key, multiplicity]))
        assert.deepStrictEqual(there, new Map([...expected.get(reader.name)!].toSorted()))
      }
    }).pipe(Random.withSeed("small writes")))

  it.effect("are encoded each by itself where a codec appends while it encodes", () =>
    Effect.gen(function*() {
      const client = yield* Effect.flatMap(Store.memory, (storage) => Store.client(storage))
      const { reader, writer } = yield* client.createOrLoad("s", Store.text)
      let isNested = false
      const nesting: Codec.Codec<string> = {
        ...Codec.string,
        encode: (value, into) => {
          if (value === "outer" && !isNested) {
            isNested = true
            Effect.runFork(handles.writer.append([Update.insert("inner", "inner", 0)]))
          }
          Codec.string.encode(value, into)
        }
      }
      const handles = yield* client.load("s", { key: nesting, value: Codec.string })
      yield* Effect.all([
        writer.append([Update.insert("first", "", 0)]),
        handles.writer.append([Update.insert("outer", "", 0)])
      ], {
        concurrency: "unbounded"
      })
      yield* client.sync
      assert.deepStrictEqual((yield* Store.contents(reader)).map(([key]) => key), ["first", "inner", "outer"])
    }))
})
