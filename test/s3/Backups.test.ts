// Backups of a store to a bucket: made, continued, pruned, and restored.
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { MemoryStorage, Update } from "tidemark"
import { Backup } from "tidemark/backup"
import { S3Storage } from "tidemark/s3"
import * as Verification from "../../src/runtime/Verification.ts"
import * as Store from "../utils/Store.ts"
import { options } from "./Buckets.ts"
import { fake } from "./Fake.ts"

const sorted = (rows: ReadonlyArray<Update.Update<string, string>>) => rows.map((row) => JSON.stringify(row)).toSorted()

describe("a bucket of backups", () => {
  it.live("has each of them, is pruned, and gives back what was backed up", () =>
    Effect.gen(function*() {
      const { endpoint, objects } = yield* fake
      const to = S3Storage.layer(options(endpoint))
      const store = yield* MemoryStorage.make
      const from = MemoryStorage.layerOf(store)
      const client = yield* Store.client(yield* Store.open(store), Store.tiny)
      const { reader, writer } = yield* client.createOrLoad("rows", Store.text)
      const saved: Array<number> = []
      for (let time = 1; time <= 4; time++) {
        yield* writer.append(
          Array.from({ length: 20 }, (_, i) => Update.insert(`key ${i}`, `${time} ${"v".repeat(20)}`, time))
        )
        yield* writer.seal(time + 1)
        yield* client.compact("rows")
        saved.push((yield* Backup.save({ from, to })).position)
      }
      const expected = sorted(yield* Store.updates(reader))
      const before = objects.size
      const pruned = yield* Backup.prune({ from: to, last: 2 })
      assert.deepStrictEqual([pruned.removed, pruned.kept], [saved.slice(0, 2), saved.slice(2)])
      assert.isBelow(objects.size, before)
      assert.deepStrictEqual((yield* Backup.verify(to)).problems, [])
      const restored = MemoryStorage.layerOf(yield* MemoryStorage.make)
      yield* Backup.restore({ from: to, to: restored })
      assert.deepStrictEqual((yield* Effect.provide(Verification.run(() => {}), restored)).problems, [])
      const again = yield* Store.follower(yield* Layer.build(restored))
      const { reader: found } = yield* again.load("rows", Store.text)
      assert.deepStrictEqual(sorted(yield* Store.updates(found)), expected)
      assert.isTrue(Context.isContext(yield* Layer.build(Backup.layer({ from: to, at: saved[2]! }))))
    }))
})
