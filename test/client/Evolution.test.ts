import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { withUndecodable } from "../../src/client/CollectionReader.ts"
import type { CollectionOptions } from "../../src/client/PersistClient.ts"
import * as Codec from "../../src/Codec.ts"
import * as Collection from "../../src/engine/Collection.ts"
import * as Layout from "../../src/Layout.ts"
import * as StoreCopy from "../../src/runtime/StoreCopy.ts"
import * as MemoryStorage from "../../src/storage/MemoryStorage.ts"
import * as StoredCodec from "../../src/StoredCodec.ts"
import * as Update from "../../src/Update.ts"
import * as Faulty from "../utils/Faulty.ts"
import * as Store from "../utils/Store.ts"

const { Finite, String, Struct, optionalKey } = Schema

const collection = <V>(value: Schema.Codec<V, unknown>): CollectionOptions<string, V> => ({
  key: Codec.string,
  value: Codec.schema(value)
})

const first = collection(Struct({ price: Finite }))
const second = collection(Struct({ price: Finite, note: optionalKey(String) }))
const breaking = collection(Struct({ price: String }))

const documentOf = (options: { readonly value: { readonly document: string | undefined } }) => options.value.document!

/** The schemas of the values of the first collection, as a process that opens the store now finds them. */
const recorded = (storage: Faulty.Storage) =>
  Effect.map(
    Store.recovered(storage),
    (state) => Collection.documents(state.collections.get(0)!).map(({ value }) => Layout.without(value))
  )

const price = { price: 7 }

/** A store with one row that was written under the first schema. */
const written = Effect.gen(function*() {
  const storage = yield* Store.memory
  yield* Store.inScope(Effect.gen(function*() {
    const client = yield* Store.client(storage)
    const { writer } = yield* client.createOrLoad("s", first)
    yield* writer.append([Update.insert("a", price, 1)])
  }))
  return storage
})

describe("an additive change", () => {
  for (const open of ["createOrLoad", "load"] as const) {
    it.effect(`is taken by ${open}, and remembered, once`, () =>
      Effect.gen(function*() {
        const { control, storage } = Faulty.make(yield* written)
        const client = yield* Store.client(storage)
        const { reader, writer } = yield* client[open]("s", second)
        assert.deepStrictEqual(yield* recorded(storage), [documentOf(first), documentOf(second)])
        assert.strictEqual(Layout.without((yield* client.description("s")).value.document), documentOf(second))

        const appends = Faulty.count(control, "append")
        yield* client[open]("s", second)
        assert.strictEqual(Faulty.count(control, "append"), appends)

        yield* writer.append([Update.retract("a", price, 2), Update.insert("b", { note: "new", price: 1 }, 2)])
        assert.deepStrictEqual(yield* Store.contents(reader), [["b", { note: "new", price: 1 }, 1]])
      }))
  }

  it.effect("outlives rollups, compaction and a copy, and is seen by a reader", () =>
    Effect.gen(function*() {
      const storage = yield* written
      yield* Store.inScope(Effect.gen(function*() {
        const client = yield* Store.client(storage, Store.tiny)
        const { writer } = yield* client.createOrLoad("s", second)
        for (let time = 2; time < 300; time++) yield* writer.append([Update.insert(`${time}`, price, time)])
        yield* writer.seal(300)
        yield* writer.allowCompaction(299)
        yield* client.compact("s")
        yield* client.maintain
      }))
      const state = yield* Store.recovered(storage)
      assert.isAbove(state.logFrom, 2, "the log before the change is gone")
      assert.deepStrictEqual(yield* recorded(storage), [documentOf(first), documentOf(second)])

      const followingClient = yield* Store.follower(storage)
      assert.strictEqual(Layout.without((yield* followingClient.description("s")).value.document), documentOf(second))
      const { reader } = yield* followingClient.load("s", second)
      assert.lengthOf(yield* Store.contents(reader), 299)

      const medium = yield* MemoryStorage.make
      yield* StoreCopy.copy({ from: Layer.succeedContext(storage), to: MemoryStorage.layerOf(medium) })
      assert.deepStrictEqual(yield* recorded(yield* Store.open(medium)), [documentOf(first), documentOf(second)])
    }))

  it.effect("is taken by a reader, which remembers nothing, and seen when the writer takes it", () =>
    Effect.gen(function*() {
      const storage = yield* written
      const writingClient = yield* Store.client(storage)
      const followingClient = yield* Store.follower(storage)
      const { reader } = yield* followingClient.createOrLoad("s", second)
      assert.deepStrictEqual(yield* Store.contents(reader), [["a", price, 1]])
      assert.deepStrictEqual(yield* recorded(storage), [documentOf(first)])
      yield* writingClient.createOrLoad("s", second)
      yield* followingClient.sync
      assert.strictEqual(Layout.without((yield* followingClient.description("s")).value.document), documentOf(second))
      assert.propertyVal(yield* Effect.flip(followingClient.load("s", first)), "_tag", "SchemaMismatch")
    }))

  it.effect("of words is none", () =>
    Effect.gen(function*() {
      const storage = yield* written
      const client = yield* Store.client(storage)
      yield* client.createOrLoad("s", collection(Struct({ price: Finite }).annotate({ description: "what it costs" })))
      assert.deepStrictEqual(yield* recorded(storage), [documentOf(first)])
    }))

  it.effect("that fails to become durable is not there", () =>
    Effect.gen(function*() {
      const { control, storage } = Faulty.make(yield* written)
      const client = yield* Store.client(storage)
      control.broken.add("append")
      assert.propertyVal(yield* Effect.flip(client.createOrLoad("s", second)), "_tag", "Unavailable")
      control.broken.clear()
      assert.strictEqual(Layout.without((yield* client.description("s")).value.document), documentOf(first))
      assert.deepStrictEqual(yield* recorded(storage), [documentOf(first)])
    }))

  for (const outcome of ["applied", "lost"] as const) {
    it.effect(`of unknown outcome that was ${outcome} is as durable as it is visible`, () =>
      Effect.gen(function*() {
        const { control, storage } = Faulty.make(yield* written)
        const client = yield* Store.client(storage)
        control.nextAppend = outcome
        const opened = yield* Effect.result(client.createOrLoad("s", second))
        assert.strictEqual(opened._tag, outcome === "applied" ? "Success" : "Failure")
        const { value } = yield* client.description("s")
        assert.strictEqual(Layout.without(value.document), documentOf(outcome === "applied" ? second : first))
        assert.strictEqual((yield* recorded(storage)).at(-1), Layout.without(value.document))
        yield* client.createOrLoad("s", second)
        assert.deepStrictEqual(yield* recorded(storage), [documentOf(first), documentOf(second)])
      }))
  }
})

describe("a breaking change", () => {
  it.effect("is a typed error that names it and the ways out, and changes nothing", () =>
    Effect.gen(function*() {
      const { control, storage } = Faulty.make(yield* written)
      const client = yield* Store.client(storage)
      const appends = Faulty.count(control, "append")
      for (const open of [client.createOrLoad, client.load]) {
        const error = yield* Effect.flip(open("s", breaking))
        assert.deepInclude(error, {
          _tag: "SchemaMismatch",
          collection: "s",
          part: "value",
          stored: first.value.fingerprint,
          requested: breaking.value.fingerprint,
          changes: [".price: it was number, and is string now"]
        } as object)
        for (const way of ["a new collection", "migrate", "schemaChange", "undecodable"]) {
          assert.include(error.message, way)
        }
      }
      assert.strictEqual(Faulty.count(control, "append"), appends)
      const { reader } = yield* client.load("s", first)
      assert.deepStrictEqual(yield* Store.contents(reader), [["a", price, 1]])
    }))

  it.effect("is taken where the caller says so; rows that do not decode are the affair of the policy", () =>
    Effect.gen(function*() {
      const storage = yield* written
      const client = yield* Store.client(storage)
      const { reader, writer } = yield* client.createOrLoad("s", { ...breaking, schemaChange: "any" })
      assert.deepStrictEqual(yield* recorded(storage), [documentOf(first), documentOf(breaking)])
      yield* writer.append([Update.insert("b", { price: "7 EUR" }, 2)])
      assert.propertyVal(yield* Effect.flip(Store.contents(reader)), "_tag", "DecodeError")
      assert.deepStrictEqual(yield* Store.contents(withUndecodable(reader, "skip")), [["b", { price: "7 EUR" }, 1]])
      // Decided once, it is the schema of the collection.
      yield* client.createOrLoad("s", breaking)
      assert.propertyVal(yield* Effect.flip(client.createOrLoad("s", first)), "_tag", "SchemaMismatch")
    }))

  it.effect("is any change of a key", () =>
    Effect.gen(function*() {
      const client = yield* Effect.flatMap(Store.memory, (storage) => Store.client(storage))
      const id = Struct({ id: Finite })
      const keyed = <K>(key: Schema.Codec<K, unknown>) => ({ key: Codec.schema(key), value: Codec.unit })
      yield* client.createOrLoad("s", keyed(id))
      const wider = keyed(Struct({ id: Finite, region: optionalKey(String) }))
      assert.deepInclude(yield* Effect.flip(client.createOrLoad("s", wider)), {
        _tag: "SchemaMismatch",
        part: "key",
        changes: [".region: a new field, optional"]
      } as object)
      yield* client.createOrLoad("s", keyed(id.annotate({ description: "who it is" })))
    }))
})

it.effect("a collection without a document gets one from the first open with a schema", () =>
  Effect.gen(function*() {
    const storage = yield* Store.memory
    const client = yield* Store.client(storage)
    yield* client.createOrLoad("s", { key: Codec.string, value: { ...StoredCodec.byName("schema")! } })
    assert.deepStrictEqual(yield* recorded(storage), [""])
    yield* client.createOrLoad("s", first)
    yield* client.load("s", { key: Codec.string, value: StoredCodec.byName("schema")! })
    assert.deepStrictEqual(yield* recorded(storage), ["", documentOf(first)])
  }))
