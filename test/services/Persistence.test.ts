/** Effect's own tests of its persistence and what is built on it, in this project's words, on both ways to store it. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Layer, Schema } from "effect"
import { Persistable, PersistedCache, Persistence } from "effect/persistence"
import { TestClock } from "effect/testing"
import * as PersistClient from "../../src/client/PersistClient.ts"
import * as Codec from "../../src/Codec.ts"
import * as Keys from "../../src/services/KeyValueStore.ts"
import * as Durable from "../../src/services/Persistence.ts"
import * as Store from "../utils/Store.ts"
import * as Services from "./Services.ts"

class User extends Schema.Class<User>("User")({ id: Schema.Number, name: Schema.String }) {}

class UserById extends Persistable.Class<{ payload: { id: number } }>()("UserById", {
  primaryKey: ({ id }) => `UserById:${id}`,
  success: User,
  error: Schema.String
}) {}

const john = new User({ id: 1, name: "John" })
const jane = Exit.succeed(new User({ id: 2, name: "Jane" }))
const [one, two, three] = [new UserById({ id: 1 }), new UserById({ id: 2 }), new UserById({ id: 3 })]

const open = (storeId: string) => Effect.flatMap(Persistence.Persistence, (made) => made.make({ storeId }))

const layers: ReadonlyArray<readonly [string, Layer.Layer<Persistence.Persistence, unknown>]> = [
  ["of Effect, in memory", Persistence.layerMemory],
  ["on a key-value store", Persistence.layerKvs.pipe(Layer.provide(Keys.layer()), Layer.provide(Services.onFresh))],
  ["on a table", Durable.layer().pipe(Layer.provide(Services.onFresh))]
]

describe.each(layers)("Persistence %s", (_, layer) => {
  const provided = Effect.provide(Layer.fresh(layer))

  it.effect("caches what was looked up, for all who ask", () =>
    Effect.gen(function*() {
      const store = yield* open("users")
      let lookups = 0
      const cached = PersistedCache.make(({ id }: UserById) =>
        Effect.sync(() => {
          lookups++
          return new User({ id, name: "John" })
        }), { storeId: "users", timeToLive: () => 5000 })
      const cache = yield* cached
      assert.deepStrictEqual(yield* cache.get(one), john)
      assert.deepStrictEqual(yield* store.get(one), Exit.succeed(john))
      assert.deepStrictEqual(yield* (yield* cached).get(one), john)
      assert.strictEqual(lookups, 1)
      yield* TestClock.adjust(5000)
      assert.isUndefined(yield* store.get(one))
    }).pipe(provided))

  it.effect("keeps failures as well, and many at once, each store its own", () =>
    Effect.gen(function*() {
      const [store, other] = [yield* open("users"), yield* open("others")]
      yield* store.setMany([[one, Exit.fail("Not found")], [two, jane]])
      yield* other.set(one, Exit.succeed(john))
      assert.deepStrictEqual(yield* store.getMany([one, two, three]), [Exit.fail("Not found"), jane, undefined])
      yield* store.remove(two)
      assert.isUndefined(yield* store.get(two))
      yield* store.clear
      assert.isUndefined(yield* store.get(one))
      assert.deepStrictEqual(yield* other.get(one), Exit.succeed(john))
    }).pipe(provided))
})

describe("Persistence on a table", () => {
  it.effect("values are there in the next process, and are removed once they have expired", () =>
    Effect.gen(function*() {
      const client = yield* Services.fresh
      const backing = yield* Effect.provideService(Durable.make(), PersistClient.PersistClient, client)
      const store = yield* backing.make("s")
      yield* store.set("a", { n: 1 }, Duration.seconds(10))
      yield* store.set("b", { n: 2 }, undefined)
      yield* store.set("c", { n: 3 }, Duration.infinity)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* store.getMany(["a", "b", "c"]), [undefined, { n: 2 }, { n: 3 }])
      yield* Services.settle
      const codecs = { key: Codec.tuple([Codec.string, Codec.string]), value: Codec.json }
      const { reader } = yield* client.load("persistence", codecs)
      assert.lengthOf(yield* Store.contents(reader), 2)
    }))

  it.effect("what was set is there after a restart", () =>
    Effect.gen(function*() {
      const { process } = yield* Services.medium
      const first = yield* process(Durable.layer())
      yield* first(Effect.flatMap(open("users"), (store) => store.set(two, jane)))
      const second = yield* process(Durable.layer())
      assert.deepStrictEqual(yield* second(Effect.flatMap(open("users"), (store) => store.get(two))), jane)
    }))
})
