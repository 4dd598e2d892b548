import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Layer, type Scope, Stream } from "effect"
import { Blob, Log, MemoryStorage, StoreCopy, Update } from "tidemark"
import * as Prng from "../../src/testing/Prng.ts"
import * as Temporary from "../node/Temporary.ts"
import * as Faulty from "../utils/Faulty.ts"
import * as Store from "../utils/Store.ts"

/** A store that has been rolled up, truncated, sealed and compacted, with rows of all kinds. */
const made = Effect.fnUntraced(function*(seed: number) {
  const random = Prng.make(seed)
  const store = yield* MemoryStorage.make
  yield* Store.inScope(Effect.gen(function*() {
    const client = yield* Store.client(yield* Store.open(store), Store.tiny)
    for (const name of ["a", "b"]) {
      const { writer } = yield* client.createOrLoad(name, Store.text)
      for (let time = 0; time < 40; time++) {
        const keys = Array.from({ length: 1 + random.int(10) }, () => `key ${random.int(100)}`)
        yield* writer.append(keys.map((key) => Update.insert(key, `value ${random.int(3)}`, time)))
        if (random.chance(0.7)) yield* writer.seal(time + 1)
        if (random.chance(0.2)) yield* writer.allowCompaction(Math.max(0, time - 5))
        if (random.chance(0.5)) yield* client.maintain
      }
    }
  }))
  return store
})

const everything = <E>(store: Layer.Layer<Log.Log | Blob.Blob, E>) =>
  Store.inScope(Effect.gen(function*() {
    // One that only reads: maintenance would change what is stored, though not what it says.
    const client = yield* Store.follower(yield* Layer.build(store))
    const descriptions = yield* client.descriptions
    const updates: Array<unknown> = []
    for (const { name } of descriptions) {
      updates.push(yield* Store.updates((yield* client.load(name, Store.text)).reader))
    }
    return { descriptions, updates }
  }))

/** A layer whose log or blobs are not what they were. */
const changed = (
  store: MemoryStorage.Store,
  change: (storage: Context.Context<Log.Log | Blob.Blob>) => Context.Context<Log.Log | Blob.Blob>
) => Layer.effectContext(Effect.map(Layer.build(MemoryStorage.layerOf(store)), change))

describe("a copy", () => {
  it.effect.each([1, 2, 3, 4])(
    "has what the store has, and goes on from there: seed %i",
    (seed) =>
      Effect.gen(function*() {
        const [old, next] = [yield* made(seed), yield* MemoryStorage.make]
        const before = yield* Context.get(yield* Store.open(old), Log.Log).bounds
        assert.isAbove(before.lower, 0)
        const copied = yield* StoreCopy.copy({ from: MemoryStorage.layerOf(old), to: MemoryStorage.layerOf(next) })
        assert.strictEqual(copied.collections, 2)
        assert.deepStrictEqual(yield* Context.get(yield* Store.open(next), Log.Log).bounds, before)
        assert.deepStrictEqual(
          yield* Store.storedKeys(yield* Store.open(next)),
          yield* Store.referencedKeys(yield* Store.open(old))
        )
        assert.deepStrictEqual(
          yield* everything(MemoryStorage.layerOf(next)),
          yield* everything(MemoryStorage.layerOf(old))
        )
      })
  )

  it.effect("of a store to itself, or to one that is there, is refused", () =>
    Effect.gen(function*() {
      const [old, next] = [yield* made(1), yield* made(2)]
      const there = yield* everything(MemoryStorage.layerOf(next))
      const refused = yield* Effect.flip(
        StoreCopy.copy({ from: MemoryStorage.layerOf(old), to: MemoryStorage.layerOf(next) })
      )
      assert.strictEqual(refused._tag, "NotEmpty")
      assert.deepStrictEqual(yield* everything(MemoryStorage.layerOf(next)), there)
    }))

  it.effect("of an empty store is one", () =>
    Effect.gen(function*() {
      const [old, next] = [yield* MemoryStorage.make, yield* MemoryStorage.make]
      const copied = yield* StoreCopy.copy({ from: MemoryStorage.layerOf(old), to: MemoryStorage.layerOf(next) })
      assert.deepStrictEqual(copied, { collections: 0, entries: 0, blobs: 0, bytes: 0 })
    }))

  it.effect("that does not read as it was written is found out", () =>
    Effect.gen(function*() {
      const old = yield* made(3)
      const flip = (bytes: Uint8Array) => bytes.map((byte, i) => i === 20 ? byte ^ 1 : byte)
      const lying = [
        (storage: Context.Context<Log.Log | Blob.Blob>) => {
          const log = Context.get(storage, Log.Log)
          const read: Log.Log["Service"]["read"] = (from) =>
            Stream.map(log.read(from), (entry) => ({ ...entry, bytes: flip(entry.bytes) }))
          return Context.add(storage, Log.Log, { ...log, read })
        },
        (storage: Context.Context<Log.Log | Blob.Blob>) => {
          const log = Context.get(storage, Log.Log)
          return Context.add(storage, Log.Log, { ...log, read: (from) => Stream.dropRight(log.read(from), 1) })
        },
        (storage: Context.Context<Log.Log | Blob.Blob>) => {
          const blob = Context.get(storage, Blob.Blob)
          const put: Blob.Blob["Service"]["put"] = (key, bytes) => blob.put(key, flip(bytes))
          return Context.add(storage, Blob.Blob, { ...blob, put })
        }
      ]
      for (const lie of lying) {
        const to = changed(yield* MemoryStorage.make, lie)
        const error = yield* Effect.flip(StoreCopy.copy({ from: MemoryStorage.layerOf(old), to }))
        assert.deepInclude(error, { _tag: "Corrupt" } as object)
        assert.include(error.message, "is not what was copied")
      }
    }))

  it.live("of a store whose writer goes on is the store as of one commit", () =>
    Effect.gen(function*() {
      const [old, next] = [yield* MemoryStorage.make, yield* MemoryStorage.make]
      const client = yield* Store.client(yield* Store.open(old), Store.tiny)
      const { writer } = yield* client.createOrLoad("rows", Store.text)
      let time = 0
      const goOn = Effect.suspend(() => {
        time++
        return writer.append([Update.insert(`key ${time}`, "x".repeat(100), time)]).pipe(
          Effect.andThen(writer.seal(time + 1)),
          Effect.andThen(client.maintain)
        )
      })
      for (let i = 0; i < 50; i++) yield* goOn
      // Whenever a blob is read for the copy, the store moves on before: each is replaced when it is wanted first.
      let interruptions = 0
      const from = changed(old, (storage) => {
        const blob = Context.get(storage, Blob.Blob)
        const get: Blob.Blob["Service"]["get"] = (key, range) =>
          Effect.suspend(() => interruptions++ < 10 ? Effect.ignore(goOn) : Effect.void).pipe(
            Effect.andThen(blob.get(key, range))
          )
        return Context.add(storage, Blob.Blob, { ...blob, get })
      })
      yield* StoreCopy.copy({ from, to: MemoryStorage.layerOf(next) })
      const { descriptions, updates } = yield* everything(MemoryStorage.layerOf(next))
      const { upper } = descriptions[0]!
      assert.strictEqual((updates[0] as ReadonlyArray<unknown>).length, upper - 1)
    }))

  /** Interrupts copies before each operation on their target in turn, and copies again. */
  const interrupted = Effect.fnUntraced(function*(
    old: MemoryStorage.Store,
    target: Effect.Effect<Layer.Layer<Log.Log | Blob.Blob, unknown>, unknown, Scope.Scope>
  ) {
    const from = MemoryStorage.layerOf(old)
    const expected = yield* everything(from)
    const outcomes = new Set<string>()
    for (let at = 1;; at++) {
      const isOver = yield* Store.inScope(Effect.gen(function*() {
        const to = yield* target
        let operations = 0
        const failing = Layer.effectContext(Effect.map(Layer.build(to), (storage) => {
          const { control, storage: faulty } = Faulty.make(storage)
          control.before = () => ++operations === at ? Effect.interrupt : Effect.void
          return faulty
        }))
        const first = yield* Effect.exit(StoreCopy.copy({ from, to: failing }))
        const again = yield* Effect.exit(StoreCopy.copy({ from, to }))
        const failure = Exit.isFailure(again) ? Cause.squash(again.cause) : undefined
        // It is all there, or can be copied.
        if (failure !== undefined) assert.propertyVal(failure, "_tag", "NotEmpty")
        outcomes.add(failure === undefined ? "copied" : "there")
        assert.deepStrictEqual(yield* everything(to), expected, `interrupted before operation ${at}`)
        return Exit.isSuccess(first)
      }))
      if (isOver) break
    }
    assert.deepStrictEqual([...outcomes], ["copied", "there"])
  })

  it.effect("that is interrupted anywhere in memory is there, or can be made again", () =>
    Effect.flatMap(made(1), (old) => interrupted(old, Effect.map(MemoryStorage.make, MemoryStorage.layerOf))))

  it.live("that is interrupted anywhere in files is there, or can be made again", () =>
    Effect.gen(function*() {
      yield* interrupted(yield* made(1), Temporary.makeStore())
    }), 60_000)

  it.effect("of another store that is shorter than what an interrupted copy has left is refused", () =>
    Effect.gen(function*() {
      const [old, next, short] = [yield* made(1), yield* MemoryStorage.make, yield* MemoryStorage.make]
      yield* Store.inScope(Effect.gen(function*() {
        const log = Context.get(yield* Store.open(next), Log.Log)
        yield* (yield* log.acquire).append(0, [new Uint8Array(0)])
      }))
      const to = MemoryStorage.layerOf(next)
      assert.propertyVal(
        yield* Effect.flip(StoreCopy.copy({ from: MemoryStorage.layerOf(short), to })),
        "_tag",
        "NotEmpty"
      )
      yield* StoreCopy.copy({ from: MemoryStorage.layerOf(old), to })
    }))
})
