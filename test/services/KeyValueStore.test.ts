/** Effect's own tests of its key-value stores and of what is built on them, in this project's words, and a few more. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Option, Schema, Stream } from "effect"
import { KeyValueStore, Persistable, PersistedCache, Persistence } from "effect/persistence"
import { TestClock } from "effect/testing"
import * as PersistClient from "../../src/client/PersistClient.ts"
import * as Codec from "../../src/Codec.ts"
import * as Cells from "../../src/services/Cells.ts"
import * as Durable from "../../src/services/KeyValueStore.ts"
import * as MemoryStorage from "../../src/storage/MemoryStorage.ts"
import * as Prng from "../../src/testing/Prng.ts"
import * as Store from "../utils/Store.ts"

const fresh = Effect.flatMap(Store.memory, (storage) => Store.client(storage))

/** Makes a service on a store that lives as long as the test. */
const on = <A, E, R>(made: Effect.Effect<A, E, R | PersistClient.PersistClient>) =>
  Effect.flatMap(fresh, (client) => Effect.provideService(made, PersistClient.PersistClient, client))

const onFresh = Layer.effect(PersistClient.PersistClient, fresh)

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
      const client = yield* fresh
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
      const client = yield* fresh
      const kv = yield* Effect.provideService(Durable.make(), PersistClient.PersistClient, client)
      for (let i = 0; i <= 1024; i++) yield* kv.set("a", String(i))
      assert.isAbove((yield* client.description("key-value-store")).since, 1000)
      assert.strictEqual(yield* kv.get("a"), "1024")
    }))
})

describe("Cells", () => {
  it.effect("seed 1: prefixes find what begins with them, in any alphabet", () =>
    Effect.gen(function*() {
      const random = Prng.make(1)
      const alphabet = ["a", "b", "\u{7f}", "\ud7ff", "\ue000", "\uffff", "\u{10ffff}"]
      const text = (length: number) => Array.from({ length }, () => random.pick(alphabet)).join("")
      const cells = yield* on(Cells.make("cells", Codec.string))
      const keys = new Set(Array.from({ length: 200 }, () => text(random.int(4))))
      yield* cells.change(Effect.succeed([new Map([...keys].map((key) => [key, key])), undefined]))
      for (const prefix of [...keys, "", "c", "\u{10ffff}\u{10ffff}"]) {
        const found = yield* Stream.runCollect(cells.withPrefix(prefix))
        assert.sameMembers(found.map(([key]) => key), [...keys].filter((key) => key.startsWith(prefix)))
      }
    }))
})

describe("Persistence", () => {
  class User extends Schema.Class<User>("User")({ id: Schema.Number, name: Schema.String }) {}

  class UserById extends Persistable.Class<{ payload: { id: number } }>()("UserById", {
    primaryKey: ({ id }) => `UserById:${id}`,
    success: User,
    error: Schema.String
  }) {}

  const john = new User({ id: 1, name: "John" })
  const layer = Persistence.layerKvs.pipe(Layer.provide(Durable.layer()), Layer.provide(onFresh))

  it.effect("caches what was looked up, for all who ask", () =>
    Effect.gen(function*() {
      const store = yield* Effect.flatMap(Persistence.Persistence, (made) => made.make({ storeId: "users" }))
      let lookups = 0
      const cached = PersistedCache.make(({ id }: UserById) =>
        Effect.sync(() => {
          lookups++
          return new User({ id, name: "John" })
        }), { storeId: "users", timeToLive: () => 5000 })
      const cache = yield* cached
      assert.deepStrictEqual(yield* cache.get(new UserById({ id: 1 })), john)
      assert.deepStrictEqual(yield* store.get(new UserById({ id: 1 })), Exit.succeed(john))
      assert.deepStrictEqual(yield* (yield* cached).get(new UserById({ id: 1 })), john)
      assert.strictEqual(lookups, 1)
      yield* TestClock.adjust(5000)
      assert.isUndefined(yield* store.get(new UserById({ id: 1 })))
    }).pipe(Effect.provide(layer)))

  it.effect("keeps failures as well, and many at once", () =>
    Effect.gen(function*() {
      const store = yield* Effect.flatMap(Persistence.Persistence, (made) => made.make({ storeId: "users" }))
      const jane = Exit.succeed(new User({ id: 2, name: "Jane" }))
      const keys = [new UserById({ id: 1 }), new UserById({ id: 2 }), new UserById({ id: 3 })] as const
      yield* store.setMany([[keys[0], Exit.fail("Not found")], [keys[1], jane]])
      assert.deepStrictEqual(yield* store.getMany(keys), [Exit.fail("Not found"), jane, undefined])
      yield* store.remove(keys[1])
      assert.isUndefined(yield* store.get(keys[1]))
      yield* store.clear
      assert.isUndefined(yield* store.get(keys[0]))
    }).pipe(Effect.provide(layer)))
})
