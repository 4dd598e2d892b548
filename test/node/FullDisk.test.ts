import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Result } from "effect"
import fs from "node:fs"
import { join } from "node:path"
import type * as PersistClient from "../../src/client/PersistClient.ts"
import * as Prng from "../../src/testing/Prng.ts"
import * as Update from "../../src/Update.ts"
import { run } from "../cli/Tool.ts"
import * as SmallDisk from "../utils/SmallDisk.ts"
import * as Store from "../utils/Store.ts"
import { directory, inScope, layerOf } from "./Temporary.ts"

const megabyte = 1024 * 1024

/** Merges nothing by itself, so that history stays. */
const limits: PersistClient.Options = { ...Store.quiet, memoryBytes: 200_000, logBytes: 400_000 }

type Client = PersistClient.PersistClient["Service"]

/** Opens the store as another process does, and leaves it cleanly. */
const withClient = <A, E>(path: string, use: (client: Client) => Effect.Effect<A, E>) =>
  inScope(
    Effect.flatMap(
      Effect.flatMap(Layer.build(Layer.fresh(layerOf(path))), (storage) => Store.client(storage, limits)),
      use
    )
  )

/** Replaces the values of 16 keys again and again until there is no space for more. Returns the time reached. */
const fill = (client: Client, name: string) =>
  Effect.gen(function*() {
    const { writer } = yield* client.createOrLoad(name, Store.text)
    let time = 0
    const random = Prng.make(7)
    // Nothing that compresses well.
    const value = () => Array.from({ length: 700 }, () => random.int(2 ** 30).toString(36)).join("")
    let values: ReadonlyArray<string> = []
    const rows = () => {
      const before = values.map((old, i) => Update.retract(`key ${i}`, old, time))
      values = Array.from({ length: 16 }, value)
      return [...before, ...values.map((text, i) => Update.insert(`key ${i}`, text, time))]
    }
    const version = Effect.suspend(() => writer.append(rows())).pipe(
      Effect.andThen(Effect.suspend(() => writer.seal(++time))),
      Effect.andThen(Effect.ignore(client.maintain))
    )
    const error = yield* Effect.flip(Effect.forever(version))
    return { error, time }
  })

/** A store that has taken all it could get of a disk, of which somebody else then takes the rest. */
const filled = Effect.gen(function*() {
  const root = yield* directory
  const disk = yield* SmallDisk.make(root, 8 * megabyte)
  const store = join(root, "store")
  const reached = yield* withClient(store, (client) => fill(client, "a"))
  assert.strictEqual(reached.error._tag, "OutOfSpace")
  const taken = disk.free()
  disk.take(taken)
  return { store, time: reached.time, giveBack: Effect.sync(() => disk.take(-taken)) }
})

const tool = (store: string, ...args: ReadonlyArray<string>) => Effect.promise(() => run(["--dir", store, ...args]))

describe("a store on a full disk", { timeout: 120_000 }, () => {
  it.live("can be opened, a collection of it be destroyed, and then be written again", () =>
    Effect.gen(function*() {
      const { store } = yield* filled
      assert.deepInclude(yield* tool(store, "destroy", "a"), { code: 0, err: "" })
      yield* withClient(store, (client) =>
        Effect.gen(function*() {
          const { writer } = yield* client.createOrLoad("b", Store.text)
          yield* writer.append([Update.insert("key", "x".repeat(100_000), 1)])
        }))
      assert.deepInclude(yield* tool(store, "verify"), { code: 0 })
    }))

  it.live("can be opened after a crash of its writer", () =>
    Effect.gen(function*() {
      const { store } = yield* filled
      const [last] = fs.readdirSync(join(store, "log")).toSorted().toReversed()
      // The writer died before it closed the log: the end of the last segment is not there.
      const path = join(store, "log", last!)
      const bytes = fs.readFileSync(path)
      fs.writeFileSync(path, new Uint8Array([...bytes.subarray(0, -24), ...new Uint8Array(64)]))
      assert.deepInclude(yield* tool(store, "destroy", "a"), { code: 0, err: "" })
    }))

  it.live("can be compacted", () =>
    Effect.gen(function*() {
      const { store, time } = yield* filled
      const ran = yield* tool(store, "compact", "a", "--since", String(time - 1))
      assert.strictEqual(ran.err, "")
      assert.strictEqual(ran.code, 0)
      assert.deepInclude(yield* tool(store, "verify"), { code: 0 })
    }))

  /** A collection whose compaction stores more than the reserve, in batches or, with `unflushed`, in the log alone. */
  const large = (options: PersistClient.Options) =>
    Effect.gen(function*() {
      const root = yield* directory
      const disk = yield* SmallDisk.make(root, 32 * megabyte)
      const store = join(root, "store")
      const open = Effect.flatMap(
        Layer.build(Layer.fresh(layerOf(store, megabyte / 4))),
        (storage) =>
          Store.client(storage, { ...Store.quiet, logBytes: 100 * megabyte, reclaimBytes: 100 * megabyte, ...options })
      )
      const random = Prng.make(7)
      yield* inScope(Effect.gen(function*() {
        const client = yield* open
        const { writer } = yield* client.createOrLoad("large", Store.text)
        for (let i = 1; i <= 100; i++) {
          const value = Array.from({ length: 7_000 }, () => random.int(2 ** 30).toString(36)).join("")
          yield* writer.append([Update.insert(`key ${i}`, value, i)])
          // Two batches, so that there is something to compact.
          if (i % 50 === 0) yield* Effect.andThen(writer.seal(i + 1), client.maintain)
        }
      }))
      disk.take(disk.free())
      const compact = inScope(Effect.flatMap(open, (client) => Effect.result(client.compact("large"))))
      return { store, compact }
    })

  it.live("can be compacted although the result is larger than the reserve, where the log makes room", () =>
    Effect.gen(function*() {
      const { compact, store } = yield* large({ memoryBytes: 300_000 })
      assert.include(yield* compact, { _tag: "Success" })
      assert.deepInclude(yield* tool(store, "verify"), { code: 0 })
    }))

  it.live("says what a compaction takes that does not fit", () =>
    Effect.gen(function*() {
      const { compact, store } = yield* large({ memoryBytes: 100 * megabyte, inlineBytes: 1_000 })
      const result = yield* compact
      assert.include(result, { _tag: "Failure" })
      const { message } = Result.getFailure(result).pipe(Option.getOrThrow)
      assert.match(message, /for "large" this takes up to \d+ bytes: destroy a collection, or provide them/)
      assert.deepInclude(yield* tool(store, "verify"), { code: 0 })
    }))

  it.live("can be rid of garbage", () =>
    Effect.gen(function*() {
      const { store } = yield* filled
      const orphan = join(store, "blobs", "batch", "orphan")
      fs.writeFileSync(orphan, "")
      assert.deepInclude(yield* tool(store, "gc"), { code: 0, err: "" })
      assert.isFalse(fs.existsSync(orphan))
    }))

  it.live("takes no rows while the reserve is spent, and restores it first when there is space again", () =>
    Effect.gen(function*() {
      const { giveBack, store, time } = yield* filled
      const more = (client: Client) =>
        Effect.gen(function*() {
          const { writer } = yield* client.load("a", Store.text)
          return yield* Effect.result(writer.append([Update.insert("more", "", time)]))
        })
      const reserve = join(store, "reserve")
      yield* withClient(store, (client) =>
        Effect.gen(function*() {
          assert.isFalse(fs.existsSync(reserve))
          const refused = yield* more(client)
          assert.include(refused, { _tag: "Failure" })
          yield* giveBack
          assert.include(yield* more(client), { _tag: "Success" })
          assert.isTrue(fs.existsSync(reserve))
        }))
    }))
})
