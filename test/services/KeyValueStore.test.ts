/** Effect's own tests of its key-value stores, in this project's words, and a few more. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Schema } from "effect"
import { KeyValueStore } from "effect/persistence"
import { TestClock } from "effect/testing"
import * as PersistClient from "../../src/client/PersistClient.ts"
import * as Durable from "../../src/services/KeyValueStore.ts"
import * as MemoryStorage from "../../src/storage/MemoryStorage.ts"
import * as Table from "../../src/tables/Table.ts"
import * as Prng from "../../src/testing/Prng.ts"
import * as Store from "../utils/Store.ts"
import * as Services from "./Services.ts"

/** Makes a service on a store that lives as long as the test. */
const on = <A, E, R>(made: Effect.Effect<A, E, R | PersistClient.PersistClient>) =>
  Effect.flatMap(Services.fresh, (client) => Effect.provideService(made, PersistClient.PersistClient, client))

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

describe("KeyValueStore", () => {
  const store = on(Durable.make())

  it.effect("sets, gets, counts and replaces", () =>
    Effect.gen(function*() {
      const kv = yield* store
      assert.isUndefined(yield* kv.get("/foo/bar"))
      assert.isTrue(yield* kv.isEmpty)
      yield* kv.set("/foo/bar", "bar")
      assert.strictEqual(yield* kv.get("/foo/bar"), "bar")
      yield* kv.set("/foo/bar", "baz")
      assert.strictEqual(yield* kv.get("/foo/bar"), "baz")
      assert.strictEqual(yield* kv.size, 1)
      assert.deepStrictEqual(yield* kv.keys, ["/foo/bar"])
      assert.isTrue(yield* kv.has("/foo/bar"))
      assert.isFalse(yield* kv.has("/foo"))
    }))

  it.effect("keeps bytes, and gives them as Base64 where text is asked for", () =>
    Effect.gen(function*() {
      const kv = yield* store
      const bytes = Uint8Array.of(0, 42, 255, 128)
      yield* kv.set("binary", bytes)
      assert.strictEqual(yield* kv.get("binary"), "ACr/gA==")
      assert.deepStrictEqual(yield* kv.getUint8Array("binary"), bytes)
    }))

  it.effect.each(["Zm9v", "héllo 👋", "", `{"$bytes":"AA=="}`])(
    "text %j is text, whatever it looks like",
    (text) =>
      Effect.gen(function*() {
        const kv = yield* store
        yield* kv.set("text", text)
        assert.strictEqual(yield* kv.get("text"), text)
        assert.deepStrictEqual(yield* kv.getUint8Array("text"), utf8(text))
      })
  )

  it.effect("removes one, those with a prefix, or all", () =>
    Effect.gen(function*() {
      const kv = yield* store
      for (const key of ["a", "a/1", "a/2", "b"]) yield* kv.set(key, key)
      yield* kv.remove("b")
      yield* kv.remove("nothing")
      assert.deepStrictEqual(yield* kv.keys, ["a", "a/1", "a/2"])
      yield* kv.clearPrefix("a/")
      assert.deepStrictEqual(yield* kv.keys, ["a"])
      yield* kv.clear
      assert.strictEqual(yield* kv.size, 0)
      assert.isUndefined(yield* kv.get("a"))
    }))

  it.effect("modifies what is there", () =>
    Effect.gen(function*() {
      const kv = yield* store
      assert.isUndefined(yield* kv.modify("foo", (value) => `${value}bar`))
      assert.strictEqual(yield* kv.size, 0)
      yield* kv.set("foo", "bar")
      assert.strictEqual(yield* kv.modify("foo", (value) => `${value}bar`), "barbar")
      assert.deepStrictEqual(yield* kv.modifyUint8Array("foo", (bytes) => bytes.subarray(0, 3)), utf8("bar"))
      assert.deepStrictEqual(yield* kv.getUint8Array("foo"), utf8("bar"))
      assert.strictEqual(yield* kv.size, 1)
    }))

  it.effect("has views by prefix, and of a schema", () =>
    Effect.gen(function*() {
      const kv = yield* store
      const prefixed = KeyValueStore.prefix(kv, "prefix/")
      yield* prefixed.set("foo", "bar")
      yield* prefixed.modify("foo", (value) => `${value}bar`)
      assert.strictEqual(yield* kv.get("prefix/foo"), "barbar")
      assert.deepStrictEqual(yield* prefixed.keys, ["foo"])
      const dates = KeyValueStore.toSchemaStore(kv, Schema.Struct({ at: Schema.Date }))
      yield* dates.set("date", { at: new Date(0) })
      assert.deepStrictEqual(yield* dates.get("date"), Option.some({ at: new Date(0) }))
    }))

  it.effect("modifications of many at once are all counted, also through two layers", () =>
    Effect.gen(function*() {
      const client = yield* Services.fresh
      const both = yield* Effect.forEach([1, 2], () =>
        Effect.provideService(Durable.make(), PersistClient.PersistClient, client))
      yield* both[0]!.set("count", "0")
      yield* Effect.forEach(Array.from({ length: 40 }), (_, i) =>
        both[i % 2]!.modify("count", (text) =>
          String(Number(text) + 1)), { concurrency: "unbounded" })
      assert.strictEqual(yield* both[1]!.get("count"), "40")
    }))

  it.effect("what was set is there after a restart", () =>
    Effect.gen(function*() {
      const medium = yield* MemoryStorage.make
      const opened = <A, E>(use: (kv: KeyValueStore.KeyValueStore) => Effect.Effect<A, E>) =>
        Store.inScope(Effect.gen(function*() {
          const client = yield* Effect.flatMap(Store.open(medium), (storage) => Store.client(storage))
          return yield* use(yield* Effect.provideService(Durable.make(), PersistClient.PersistClient, client))
        }))
      yield* opened((kv) => kv.set("a", "1"))
      yield* opened((kv) => kv.set("b", "2"))
      assert.deepStrictEqual(yield* opened((kv) => kv.keys), ["a", "b"])
    }))

  it.effect("its history is given up as it goes", () =>
    Effect.gen(function*() {
      const client = yield* Services.fresh
      const kv = yield* Effect.provideService(Durable.make(), PersistClient.PersistClient, client)
      for (let i = 0; i <= 100; i++) yield* kv.set("a", String(i))
      yield* TestClock.adjust("2 seconds")
      const { since, upper } = yield* client.description("key-value-store")
      assert.strictEqual(since, upper as number - 1)
      assert.strictEqual(yield* kv.get("a"), "100")
    }))

  it.effect("what is set in a transaction of tables is part of it", () =>
    Effect.gen(function*() {
      const kv = yield* store
      yield* Effect.flip(Table.transaction(Effect.andThen(kv.set("a", "1"), Effect.fail("no"))))
      assert.isUndefined(yield* kv.get("a"))
      yield* Table.transaction(Effect.andThen(kv.set("a", "1"), kv.set("b", "2")))
      assert.deepStrictEqual(yield* kv.keys, ["a", "b"])
    }))

  it.effect("seed 1: prefixes find what begins with them, in any alphabet", () =>
    Effect.gen(function*() {
      const random = Prng.make(1)
      const alphabet = ["a", "b", "\u{7f}", "\ud7ff", "\ue000", "\uffff", "\u{10ffff}"]
      const text = (length: number) => Array.from({ length }, () => random.pick(alphabet)).join("")
      const all = new Set(Array.from({ length: 200 }, () => text(random.int(4))))
      for (const prefix of ["", "a", "\uffff", "\u{10ffff}", "c"]) {
        const kv = yield* store
        yield* Table.transaction(Effect.forEach(all, (key) => kv.set(key, key), { discard: true }))
        yield* kv.clearPrefix(prefix)
        assert.sameMembers([...yield* kv.keys], [...all].filter((key) => !key.startsWith(prefix)))
      }
    }))
})
