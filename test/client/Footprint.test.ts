import { assert, describe, it } from "@effect/vitest"
import { Context, Effect } from "effect"
import { Blob } from "tidemark"
import * as Footprint from "../../src/client/Footprint.ts"
import * as PersistClient from "../../src/client/PersistClient.ts"
import * as Update from "../../src/Update.ts"
import * as Store from "../utils/Store.ts"

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

/** A store and what it says of its collection. */
const opened = Effect.fnUntraced(function*(options: PersistClient.Options = Store.tiny) {
  const storage = yield* Store.memory
  const client = yield* Store.client(storage, options)
  const { writer } = yield* client.createOrLoad("rows", Store.text)
  const store = PersistClient.storeOf(client)
  const target = yield* client.description("rows")
  return { storage, client, writer, store, target, footprint: Footprint.of(store, target) }
})

/** Something that does not compress. */
const noise = (seed: number, length: number): string =>
  Array.from({ length }, (_, i) => String.fromCharCode(33 + ((seed + i) * 7919 + i * i * 31) % 90)).join("")

describe("the footprint of a collection", () => {
  it.effect("names the key that made it large, and its last change, wherever its rows are", () =>
    Effect.gen(function*() {
      const { client, footprint, writer } = yield* opened()
      const check = Effect.fnUntraced(function*(lastChanged: number) {
        const { bytes, keys, pieces, seenBytes } = yield* footprint
        assert.strictEqual(text(keys[0]!.key), "hot")
        assert.strictEqual(keys[0]!.lastChanged, lastChanged)
        assert.isAbove(keys[0]!.bytes, bytes / 2)
        assert.isAtMost(keys.length, 20)
        assert.isAtLeast(seenBytes, keys[0]!.bytes)
        assert.strictEqual(pieces.reduce((sum, piece) => sum + piece.bytes, 0), bytes)
      })
      for (let time = 1; time <= 50; time++) {
        yield* writer.append([
          Update.insert(`key ${time}`, noise(time, 20), time),
          Update.insert("hot", noise(time, 200), time)
        ])
        yield* writer.seal(time + 1)
        if (time === 3) {
          assert.deepStrictEqual((yield* footprint).pieces.map(({ kind }) => kind), ["log"])
          yield* check(3)
        }
        yield* client.maintain
      }
      yield* check(50)
      yield* client.compact("rows")
      assert.deepStrictEqual((yield* footprint).pieces.map(({ kind }) => kind), ["trace"])
      yield* check(50)
    }))

  it.effect("of many blocks reads some of them, and finds a key of many updates without", () =>
    Effect.gen(function*() {
      const { client, footprint, storage, writer } = yield* opened({ ...Store.quiet, cacheBytes: 0 })
      // More than 256 blocks of 128 KiB.
      const value = noise(1, 4000)
      const count = 12_000
      for (let from = 0; from < count; from += 2000) {
        yield* writer.append(
          Array.from({ length: 2000 }, (_, i) => Update.insert(`key ${from + i}`, `${from + i} ${value}`, 1))
        )
      }
      yield* writer.append(Array.from({ length: 300 }, (_, i) => Update.insert("a hot one", `${i} ${value}`, 2 + i)))
      yield* writer.seal(1000)
      yield* client.compact("rows")
      assert.isAbove(Context.get(storage, Blob.Blob).location.length, 0)
      const { bytes, keys, seenBytes } = yield* footprint
      assert.isBelow(seenBytes, bytes)
      assert.strictEqual(text(keys[0]!.key), "a hot one")
      assert.isAtLeast(keys[0]!.lastChanged, 290)
    }), 60_000)

  it.effect("of nothing is nothing", () =>
    Effect.gen(function*() {
      const { client, footprint } = yield* opened()
      assert.deepStrictEqual(yield* footprint, { rows: 0, bytes: 0, pieces: [], keys: [], seenBytes: 0 })
      yield* client.destroy("rows")
      assert.propertyVal(yield* Effect.flip(footprint), "_tag", "CollectionDestroyed")
    }))

  it.effect("says what giving history up would free, and is right", () =>
    Effect.gen(function*() {
      const { client, footprint, store, target, writer } = yield* opened()
      for (let time = 1; time <= 40; time++) {
        yield* writer.append(
          time === 1
            ? [Update.insert("k", noise(1, 200), 1)]
            : Update.replace("k", noise(time - 1, 200), noise(time, 200), time)
        )
        yield* writer.seal(time + 1)
        yield* client.maintain
      }
      yield* client.compact("rows")
      const stored = yield* Store.inScope(Effect.map(footprint, ({ bytes }) => bytes))
      const { after, before } = yield* Footprint.rehearse(store, target, 40)
      assert.strictEqual(before.bytes, stored)
      assert.isBelow(after.bytes, before.bytes / 5)
      assert.strictEqual((yield* footprint).bytes, stored, "nothing has changed")
      yield* writer.allowCompaction(40)
      yield* client.compact("rows")
      assert.strictEqual((yield* footprint).bytes, after.bytes)
      assert.strictEqual((yield* footprint).rows, after.rows)
    }))
})
