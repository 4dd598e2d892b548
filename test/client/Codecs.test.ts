import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import type * as Rows from "../../src/client/Rows.ts"
import * as Codec from "../../src/Codec.ts"
import { DecodeError } from "../../src/PersistError.ts"
import * as Update from "../../src/Update.ts"
import * as Store from "../utils/Store.ts"

/** Strings that begin with "bad" cannot be decoded any more. */
const picky: Codec.Codec<string> = {
  ...Codec.string,
  decode: (bytes, start, end) => {
    const value = Codec.string.decode(bytes, start, end)
    if (value.startsWith("bad")) throw new DecodeError({ codec: "string", detail: "it is bad" })
    return value
  }
}

const opened = (undecodable: Rows.DecodePolicy | undefined) =>
  Effect.gen(function*() {
    const client = yield* Effect.flatMap(Store.memory, (storage) => Store.client(storage))
    const { writer } = yield* client.createOrLoad("s", Store.text)
    const { reader } = yield* client.createOrLoad("s", { key: Codec.string, value: picky, undecodable })
    const { events } = yield* reader.listen()
    yield* writer.append([Update.insert("a", "good", 0), Update.insert("b", "bad", 1), Update.insert("c", "good", 2)])
    yield* writer.seal(3)
    const ways: Record<string, Effect.Effect<ReadonlyArray<unknown>, { readonly _tag: string }>> = {
      contents: Effect.scoped(Effect.flatMap(reader.snapshot(), ({ contents }) => Stream.runCollect(contents))),
      updates: Effect.scoped(Effect.flatMap(reader.snapshot(), ({ updates }) => Stream.runCollect(updates))),
      range: Stream.runCollect(reader.range({})),
      changes: Stream.runCollect(reader.changes({ from: 0, to: 2 })),
      get: reader.get("b"),
      history: reader.history("b"),
      listen: Effect.map(Stream.runCollect(Stream.take(events, 1)), ([event]) =>
        event?._tag === "Updates" ? event.updates : []),
      subscribe: Effect.map(Stream.runCollect(Stream.take(reader.subscribe({}), 1)), ([event]) =>
        event?._tag === "Updates" ? event.updates : [])
    }
    return Object.entries(ways)
  })

describe("rows that do not decode", () => {
  it.effect("fail the read, which is no defect and leaves the runtime running", () =>
    Effect.gen(function*() {
      for (const [name, read] of yield* opened(undefined)) {
        assert.propertyVal(yield* Effect.flip(read), "_tag", "DecodeError", name)
      }
    }))

  it.effect("are skipped if that is wanted", () =>
    Effect.gen(function*() {
      const lengths = new Map<string, number>()
      for (const [name, read] of yield* opened("skip")) lengths.set(name, (yield* read).length)
      assert.deepStrictEqual(
        lengths,
        new Map([
          ["contents", 2],
          ["updates", 2],
          ["range", 2],
          ["changes", 1],
          ["get", 0],
          ["history", 0],
          ["listen", 2],
          ["subscribe", 2]
        ])
      )
    }))

  it.effect("or handed over to be set aside, as they are stored", () =>
    Effect.gen(function*() {
      const aside: Array<Rows.Undecodable> = []
      const ways = yield* opened({ quarantine: (row) => Effect.sync(() => void aside.push(row)) })
      for (const [, read] of ways) yield* read
      assert.lengthOf(aside, ways.length)
      for (const row of aside) {
        assert.deepInclude(row, { collection: "s", diff: 1 })
        assert.strictEqual(Buffer.from(row.value).toString(), "bad")
        assert.strictEqual(row.error._tag, "DecodeError")
      }
    }))
})

describe("what cannot be stored", () => {
  it.effect("is refused at the door, with nothing of the write applied", () =>
    Effect.gen(function*() {
      const client = yield* Effect.flatMap(Store.memory, (storage) => Store.client(storage))
      const { reader, writer } = yield* client.createOrLoad("s", Store.text)
      const good = Update.insert("a", "", 0)
      const bad = [
        Update.insert("a", "", -1),
        Update.insert("a", "", 1.5),
        Update.insert("a", "", 2 ** 53),
        Update.make("a", "", 0, 0.5),
        Update.make("a", "", 0, 2 ** 53),
        Update.insert("a", "v".repeat(16 * 1024 * 1024 + 1), 0)
      ]
      for (const row of bad) {
        assert.propertyVal(yield* Effect.flip(writer.append([good, row])), "_tag", "ValueOutOfRange")
        assert.propertyVal(yield* Effect.flip(writer.offer([good, row])), "_tag", "ValueOutOfRange")
      }
      for (const time of [-1, 1.5, 2 ** 53, NaN]) {
        assert.propertyVal(yield* Effect.flip(writer.seal(time)), "_tag", "ValueOutOfRange")
        assert.propertyVal(yield* Effect.flip(writer.allowCompaction(time)), "_tag", "ValueOutOfRange")
      }
      assert.deepStrictEqual(yield* Store.contents(reader), [])
      assert.strictEqual(yield* writer.append([good]), 1, "and costs no sequence number")
    }))

  it.effect("times and diffs keep every bit up to the last safe integer", () =>
    Effect.gen(function*() {
      const client = yield* Effect.flatMap(Store.memory, (storage) => Store.client(storage))
      const { reader, writer } = yield* client.createOrLoad("s", Store.text)
      const updates = [
        Update.make("a", "", Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
        Update.make("b", "", Number.MAX_SAFE_INTEGER - 1, Number.MIN_SAFE_INTEGER),
        Update.make("c", "", 0, -1)
      ]
      // One write may not have diffs of this size, but their sums may be.
      for (const update of updates) {
        const half = Math.trunc(update.diff / 2)
        for (const diff of [half, half, update.diff - 2 * half]) yield* writer.append([{ ...update, diff }])
      }
      yield* client.compact("s")
      yield* writer.seal(Infinity)
      yield* client.compact("s")
      assert.sameDeepMembers(yield* Store.updates(reader), updates)
      assert.deepStrictEqual(yield* reader.get("b", { asOf: Number.MAX_SAFE_INTEGER }), [["", Number.MIN_SAFE_INTEGER]])
      assert.deepStrictEqual(yield* reader.get("a", { asOf: Number.MAX_SAFE_INTEGER - 1 }), [])
    }))
})
