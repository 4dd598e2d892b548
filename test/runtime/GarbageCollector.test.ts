import { assert, describe, it } from "@effect/vitest"
import { Context, Effect } from "effect"
import { Fenced } from "../../src/PersistError.ts"
import * as Orphans from "../../src/runtime/Orphans.ts"
import { Blob } from "../../src/storage/Blob.ts"
import { Log } from "../../src/storage/Log.ts"
import * as MemoryStorage from "../../src/storage/MemoryStorage.ts"
import * as Update from "../../src/Update.ts"
import * as Faulty from "../utils/Faulty.ts"
import * as Store from "../utils/Store.ts"

const options = { ...Store.quiet, grace: "1 hour" } as const
const rows = Array.from({ length: 40 }, (_, i) => Update.insert(`k${i}`, "v".repeat(40), i))

describe("who may delete a blob", () => {
  it.effect("not a writer whose swap was durable when it was fenced", () =>
    Effect.gen(function*() {
      const medium = yield* MemoryStorage.make
      const storage = yield* Store.open(medium)
      const log = Context.get(storage, Log)
      let isPaused = false
      const zombie = yield* Store.client(
        Context.add(storage, Log, {
          ...log,
          acquire: Effect.map(log.acquire, (writer) => ({
            ...writer,
            append: (position: number, entries: ReadonlyArray<Uint8Array>) =>
              Effect.tap(
                writer.append(position, entries),
                () => isPaused ? Effect.fail(new Fenced({ epoch: 1, current: 2 })) : Effect.void
              )
          }))
        }),
        options
      )
      const { writer } = yield* zombie.createOrLoad("s", Store.text)
      yield* writer.append(rows)
      yield* writer.seal(40)
      isPaused = true
      assert.propertyVal(yield* Effect.flip(zombie.compact("s")), "_tag", "Fenced")
      const next = yield* Store.client(yield* Store.open(medium), options)
      const { reader } = yield* next.createOrLoad("s", Store.text)
      yield* zombie.stop
      assert.lengthOf(yield* Store.contents(reader), 40)
    }))

  it.effect("nor one that stops after another has taken over, be it a part of a hold", () =>
    Effect.gen(function*() {
      const medium = yield* MemoryStorage.make
      const { control, storage } = Faulty.make(yield* Store.open(medium))
      const zombie = yield* Store.client(storage, options)
      const { writer } = yield* zombie.createOrLoad("s", Store.text)
      for (const row of rows) {
        yield* writer.append([row])
        yield* zombie.compact("s")
      }
      yield* Context.get(storage, Blob).put("hold/cut.5000.00000000000000.beat.00000000000000", new Uint8Array(0))
      yield* Store.client(yield* Store.open(medium), options)
      const before = yield* Store.storedKeys(storage)
      yield* zombie.stop
      assert.deepStrictEqual(yield* Store.storedKeys(storage), before)
      assert.strictEqual(Faulty.count(control, "delete"), 0)
    }))

  it.effect("nor gc, if the store is taken over before it has listed the blobs", () =>
    Effect.gen(function*() {
      const medium = yield* MemoryStorage.make
      const { control, storage } = Faulty.make(yield* Store.open(medium))
      yield* Store.inScope(
        Effect.flatMap(Store.client(storage, options), (client) => client.createOrLoad("s", Store.text))
      )
      const next = yield* Store.open(medium)
      const takeOver = Store.inScope(Effect.gen(function*() {
        const client = yield* Store.client(next, options)
        const { writer } = yield* client.createOrLoad("s", Store.text)
        yield* writer.append(rows)
        yield* client.compact("s")
      }))
      control.before = (operation) => {
        if (operation !== "list") return Effect.void
        control.before = () => Effect.void
        return Effect.orDie(takeOver)
      }
      const removing = Effect.flip(Effect.scoped(Effect.provide(Orphans.remove, storage)))
      assert.propertyVal(yield* removing, "_tag", "Fenced")
      const { reader } = yield* (yield* Store.client(next, options)).createOrLoad("s", Store.text)
      assert.lengthOf(yield* Store.contents(reader), 40)
    }))
})
