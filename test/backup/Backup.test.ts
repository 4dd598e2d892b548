import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Layer, type Scope, Stream } from "effect"
import { Blob, type CollectionReader, Log, MemoryStorage, Update } from "tidemark"
import { Backup } from "tidemark/backup"
import * as Verification from "../../src/runtime/Verification.ts"
import * as Prng from "../../src/testing/Prng.ts"
import * as Temporary from "../node/Temporary.ts"
import * as Faulty from "../utils/Faulty.ts"
import * as Model from "../utils/Model.ts"
import * as Store from "../utils/Store.ts"

type Storage<E = never> = Layer.Layer<Log.Log | Blob.Blob, E>

const seeds = Number(process.env["TIDEMARK_SEEDS"] ?? 6)

/** A collection by its frontiers, and its updates as they add up. */
interface Read {
  readonly name: string
  readonly since: number
  readonly upper: number
  readonly updates: ReadonlyArray<Model.Row>
}

const readOne = (name: string, since: number, upper: number, rows: Iterable<Model.Row>): Read => ({
  name,
  since,
  upper,
  updates: Model.consolidate(rows, since)
})

const modelled = (models: ReadonlyMap<string, Model.Model>): ReadonlyArray<Read> =>
  [...models].map(([name, { since, updates, upper }]) => readOne(name, since, upper, updates))
    .toSorted((a, b) => a.name < b.name ? -1 : 1)

const updatesOf = (reader: CollectionReader.CollectionReader<string, string>) => Store.updates(reader)

const everything = <E>(storage: Storage<E>) =>
  Store.inScope(Effect.gen(function*() {
    const client = yield* Store.follower(yield* Layer.build(storage))
    const found: Array<Read> = []
    for (const { name, since, upper } of yield* client.descriptions) {
      const { reader } = yield* client.load(name, Store.text)
      found.push(readOne(name, since, upper, yield* updatesOf(reader)))
    }
    return found.toSorted((a, b) => a.name < b.name ? -1 : 1)
  }))

const problemsOf = <E>(storage: Storage<E>) =>
  Effect.map(Effect.provide(Verification.run(() => {}), storage), ({ problems }) => problems)

/** A random history with backups in between, and what the store is at each position. */
const history = Effect.fnUntraced(function*(seed: number) {
  const random = Prng.make(seed)
  const [store, place] = [yield* MemoryStorage.make, yield* MemoryStorage.make]
  const [from, to] = [MemoryStorage.layerOf(store), MemoryStorage.layerOf(place)]
  const models = new Map<string, Model.Model>()
  const expected: Array<{ readonly position: number; readonly contents: ReadonlyArray<Read> }> = []
  const saved: Array<number> = []
  const live = Effect.gen(function*() {
    const storage = yield* Store.open(store)
    const client = yield* Store.client(storage, Store.tiny)
    const note = Effect.map(Context.get(storage, Log.Log).bounds, ({ upper }) => {
      expected.push({ position: upper, contents: modelled(models) })
    })
    for (let steps = 5 + random.int(20); steps > 0; steps--) {
      const name = random.pick(["a", "b", "c"])
      if (models.has(name) && random.chance(0.05)) {
        yield* client.destroy(name)
        models.delete(name)
        yield* note
      }
      const { writer } = yield* client.createOrLoad(name, { ...Store.text, recreate: true })
      const model = models.get(name) ?? Model.make()
      models.set(name, model)
      yield* note
      const kind = random.pick(["append", "append", "append", "seal", "compact", "maintain", "backup"])
      if (kind === "append") {
        const rows = Array.from(
          { length: 1 + random.int(10) },
          () => Update.insert(`key ${random.int(20)}`, `value ${random.int(3)}`, model.upper + random.int(5))
        )
        yield* writer.append(rows)
        model.updates.push(...rows)
      } else if (kind === "seal") {
        model.upper += 1 + random.int(4)
        yield* writer.seal(model.upper)
      } else if (kind === "compact") {
        model.since = Math.max(model.since, model.upper - random.int(5))
        yield* writer.allowCompaction(model.since)
      } else if (kind === "maintain") {
        yield* client.maintain
      } else {
        const { position } = yield* Backup.save({ from, to })
        saved.push(position)
      }
      yield* note
    }
  })
  for (let lives = 1 + random.int(3); lives > 0; lives--) yield* Store.inScope(live)
  saved.push((yield* Backup.save({ from, to })).position)
  return { from, to, expected, saved }
})

describe("a backup", () => {
  it.effect.each(Array.from({ length: seeds }, (_, i) => i + 1))(
    "restores every position that it holds as it was, and verifies: seed %i",
    (seed) =>
      Effect.gen(function*() {
        const { expected, from, saved, to } = yield* history(seed)
        assert.deepStrictEqual((yield* Backup.points(to)).map(({ position }) => position), [...new Set(saved)])
        assert.deepStrictEqual((yield* Backup.verify(to)).problems, [])
        const positions = (yield* Backup.positions(to)).flatMap(({ first, last }) =>
          Array.from({ length: last - first + 1 }, (_, i) => first + i)
        )
        assert.includeMembers(positions, saved)
        assert.deepStrictEqual(yield* everything(Backup.layer({ from: to })), yield* everything(from))
        for (const at of positions) {
          const restored = MemoryStorage.layerOf(yield* MemoryStorage.make)
          yield* Backup.restore({ from: to, to: restored, at })
          assert.deepStrictEqual(yield* problemsOf(restored), [])
          // Steps are one commit each; those of maintenance, before and after them, change no contents.
          const before = expected.findLast(({ position }) => position <= at)?.contents ?? []
          const after = expected.find(({ position }) => position > at)?.contents ?? before
          const found = yield* everything(restored)
          const isNoted = expected.some(({ position }) => position === at)
          assert.deepInclude(isNoted ? [before] : [before, after], found, `position ${at}`)
          assert.deepStrictEqual(yield* everything(Backup.layer({ from: to, at })), found)
        }
      })
  )

  it.effect("of an empty store is one", () =>
    Effect.gen(function*() {
      const [from, to] = [MemoryStorage.layer, MemoryStorage.layerOf(yield* MemoryStorage.make)]
      assert.strictEqual((yield* Backup.save({ from, to })).position, 0)
      const restored = MemoryStorage.layerOf(yield* MemoryStorage.make)
      yield* Backup.restore({ from: to, to: restored })
      assert.deepStrictEqual(yield* everything(restored), [])
    }))

  it.effect("can be written to when it is restored, and refuses what is written to itself", () =>
    Effect.gen(function*() {
      const { from, to } = yield* history(3)
      const restored = yield* MemoryStorage.make
      yield* Backup.restore({ from: to, to: MemoryStorage.layerOf(restored) })
      yield* Store.inScope(Effect.gen(function*() {
        const client = yield* Store.client(yield* Store.open(restored), Store.tiny)
        const { reader, writer } = yield* client.createOrLoad("new", Store.text)
        for (let time = 0; time < 20; time++) {
          yield* writer.append([Update.insert("key", "value".repeat(20), time)])
          yield* writer.seal(time + 1)
          yield* client.maintain
        }
        assert.strictEqual((yield* Store.updates(reader)).length, 20)
      }))
      assert.deepStrictEqual(yield* problemsOf(MemoryStorage.layerOf(restored)), [])
      const refused = yield* Effect.flip(
        Store.inScope(Effect.flatMap(Layer.build(Backup.layer({ from: to })), (storage) => Store.client(storage)))
      )
      assert.propertyVal(refused, "_tag", "AccessDenied")
      // The restored store has gone another way than the first one.
      const other = yield* Effect.flip(Backup.save({ from: MemoryStorage.layerOf(restored), to }))
      assert.propertyVal(other, "_tag", "NotEmpty")
      yield* Backup.save({ from, to })
    }))
})

/** A store of rows in batches, and what a put in a place of it costs. */
const sized = Effect.gen(function*() {
  const [store, place] = [yield* MemoryStorage.make, yield* MemoryStorage.make]
  const client = yield* Store.client(yield* Store.open(store))
  const { writer } = yield* client.createOrLoad("rows", Store.text)
  let put = 0
  const to = Layer.effectContext(Effect.map(Layer.build(MemoryStorage.layerOf(place)), (storage) => {
    const blob = Context.get(storage, Blob.Blob)
    return Context.add(storage, Blob.Blob, {
      ...blob,
      put: (key, bytes) => {
        put += bytes.length
        return blob.put(key, bytes)
      }
    })
  }))
  const random = Prng.make(1)
  const text = () => Array.from({ length: 12 }, () => random.int(2 ** 31).toString(36)).join("")
  const bytesOf = <A, E, R>(effect: Effect.Effect<A, E, R>) => {
    put = 0
    return Effect.map(effect, () => put)
  }
  return { from: MemoryStorage.layerOf(store), to, client, writer, text, bytesOf }
})

describe("an incremental backup", () => {
  it.effect("after 1 % of change copies at most 5 % of the bytes", () =>
    Effect.gen(function*() {
      const { bytesOf, client, from, text, to, writer } = yield* sized
      const count = 10_000
      const values = Array.from({ length: count }, text)
      yield* writer.append(values.map((value, i) => Update.insert(`key ${i}`, value, 1)))
      yield* writer.seal(2)
      yield* client.compact("rows")
      const whole = yield* bytesOf(Backup.save({ from, to }))
      assert.isAbove(whole, count * 30)
      for (let time = 2; time < 6; time++) {
        const changed = Array.from({ length: count / 100 }, (_, i) => i * 100 + time)
        yield* writer.append(changed.flatMap((i) => {
          const [old, next] = [values[i]!, text()]
          values[i] = next
          return [Update.retract(`key ${i}`, old, time), Update.insert(`key ${i}`, next, time)]
        }))
        yield* writer.seal(time + 1)
        yield* client.maintain
        const part = yield* bytesOf(Backup.save({ from, to }))
        assert.isAbove(part, 0)
        assert.isAtMost(part, whole * 0.05)
      }
      // Nothing has changed.
      assert.isAtMost(yield* bytesOf(Backup.save({ from, to })), 1000)
      const restored = MemoryStorage.layerOf(yield* MemoryStorage.make)
      yield* Backup.restore({ from: to, to: restored })
      assert.deepStrictEqual(yield* everything(restored), yield* everything(from))
    }))
})

describe("while a backup is made", () => {
  it.effect("the writer goes on, and deletes nothing of it before it is over", () =>
    Effect.gen(function*() {
      const [store, place] = [yield* MemoryStorage.make, yield* MemoryStorage.make]
      const storage = yield* Store.open(store)
      const client = yield* Store.client(storage, Store.tiny)
      const { reader, writer } = yield* client.createOrLoad("rows", Store.text)
      let time = 0
      const goOn = Effect.suspend(() => {
        time++
        return writer.append([Update.insert(`key ${time}`, "x".repeat(100), time)]).pipe(
          Effect.andThen(writer.seal(time + 1)),
          Effect.andThen(writer.allowCompaction(time)),
          Effect.andThen(client.compact("rows"))
        )
      })
      for (let i = 0; i < 50; i++) yield* goOn
      const before = { time, updates: Model.consolidate(yield* Store.updates(reader), time) }
      // Each blob that is read for the backup was replaced right before.
      let interruptions = 0
      const { control, storage: slow } = Faulty.make(storage)
      control.before = (operation, key) => {
        if (operation !== "get" || !key.startsWith("batch/")) return Effect.void
        interruptions++
        return Effect.ignore(goOn)
      }
      const to = MemoryStorage.layerOf(place)
      yield* Backup.save({ from: Layer.succeedContext(slow), to })
      assert.isAbove(interruptions, 0)
      const [found] = yield* everything(Backup.layer({ from: to }))
      assert.strictEqual(found!.upper, before.time + 1)
      assert.deepStrictEqual(found!.updates, before.updates)
      yield* client.compact("rows")
      const stored = (yield* Store.storedKeys(storage)).filter((key) => !key.startsWith("origin/"))
      assert.deepStrictEqual(stored, yield* Store.referencedKeys(storage))
    }))

  /** Interrupts a backup before each operation in turn, on its source or its target, and makes another. */
  const interrupted = Effect.fnUntraced(function*<E>(
    side: "from" | "to",
    target: Effect.Effect<Storage<E>, E, Scope.Scope>
  ) {
    const { from } = yield* history(5)
    const expected = yield* everything(from)
    for (let at = 1;; at++) {
      const isOver = yield* Store.inScope(Effect.gen(function*() {
        const to = yield* target
        let operations = 0
        const failing = <E>(layer: Storage<E>): Storage<E> =>
          Layer.effectContext(Effect.map(Layer.build(layer), (storage) => {
            const { control, storage: faulty } = Faulty.make(storage)
            control.before = () => ++operations === at ? Effect.interrupt : Effect.void
            return faulty
          }))
        const first = yield* Effect.exit(
          Backup.save(side === "from" ? { from: failing(from), to } : { from, to: failing(to) })
        )
        if (Exit.isFailure(first)) assert.isTrue(Cause.hasInterruptsOnly(first.cause))
        const points = (yield* Backup.points(to)).length
        assert.isTrue(points === 0 || at > 1)
        yield* Backup.save({ from, to })
        assert.deepStrictEqual((yield* Backup.verify(to)).problems, [])
        assert.deepStrictEqual(yield* everything(Backup.layer({ from: to })), expected, `before operation ${at}`)
        return Exit.isSuccess(first)
      }))
      if (isOver) return at
    }
  })

  it.effect("it may stop before any operation on the store, and the next one is complete", () =>
    Effect.gen(function*() {
      assert.isAbove(yield* interrupted("from", Effect.map(MemoryStorage.make, MemoryStorage.layerOf)), 5)
    }))

  it.effect("it may stop before any operation on the place, and the next one is complete", () =>
    Effect.gen(function*() {
      assert.isAbove(yield* interrupted("to", Effect.map(MemoryStorage.make, MemoryStorage.layerOf)), 5)
    }))

  it.live("it may stop before any operation on files, and the next one is complete", () =>
    Effect.gen(function*() {
      assert.isAbove(yield* interrupted("to", Temporary.makeStore()), 5)
    }), 60_000)
})

describe("a place of backups", () => {
  it.effect("of another store is refused, as is a store", () =>
    Effect.gen(function*() {
      const [one, two] = [yield* history(1), yield* history(2)]
      const refusals = [
        Backup.save({ from: one.from, to: two.to }),
        Backup.save({ from: two.from, to: one.to }),
        Backup.save({ from: one.from, to: one.from })
      ]
      for (const refused of refusals) assert.propertyVal(yield* Effect.flip(refused), "_tag", "NotEmpty")
      assert.deepStrictEqual((yield* Backup.verify(one.to)).problems, [])
      const there = yield* Effect.flip(Backup.restore({ from: one.to, to: two.from }))
      assert.propertyVal(there, "_tag", "NotEmpty")
    }))

  it.effect("does not restore what it does not hold", () =>
    Effect.gen(function*() {
      const { saved, to } = yield* history(4)
      const restored = MemoryStorage.layerOf(yield* MemoryStorage.make)
      for (const [from, at] of [[to, saved.at(-1)! + 1], [MemoryStorage.layer, undefined]] as const) {
        const refused = yield* Effect.flip(Backup.restore({ from, to: restored, at }))
        assert.propertyVal(refused, "_tag", "ValueOutOfRange")
      }
    }))

  it.effect("that is damaged anywhere is found out, and says where", () =>
    Effect.gen(function*() {
      const { to } = yield* history(2)
      const storage = yield* Effect.scoped(Layer.build(to))
      const blob = Context.get(storage, Blob.Blob)
      const keys = (yield* Stream.runCollect(blob.list(""))).map(({ key }) => key)
      assert.isAbove(keys.length, 3)
      for (const damaged of keys) {
        const lying = Layer.succeedContext(Context.add(storage, Blob.Blob, {
          ...blob,
          get: (key, range) =>
            Effect.map(blob.get(key, range), (found) =>
              key === damaged && found._tag === "Some"
                ? { ...found, value: found.value.map((byte, i) => i === 20 ? byte ^ 1 : byte) }
                : found)
        }))
        const found = yield* Effect.result(Backup.verify(lying))
        const text = JSON.stringify(found)
        if (damaged.includes("/origin/")) continue
        assert.include(text, damaged.replace(/^backup\/(?=batch|rollup)/, ""), damaged)
      }
    }))

  it.effect("that does not keep what is put is found out before the backup counts", () =>
    Effect.gen(function*() {
      const { from } = yield* history(2)
      const storage = yield* Store.memory
      const blob = Context.get(storage, Blob.Blob)
      const to = Layer.succeedContext(Context.add(storage, Blob.Blob, {
        ...blob,
        put: (key, bytes) => blob.put(key, bytes.map((byte, i) => i === 20 ? byte ^ 1 : byte))
      }))
      assert.propertyVal(yield* Effect.flip(Backup.save({ from, to })), "_tag", "Corrupt")
      assert.deepStrictEqual(yield* Backup.points(to), [])
    }))

  it.effect("is left alone by the garbage collection of a store that is opened there by mistake", () =>
    Effect.gen(function*() {
      const { to } = yield* history(1)
      yield* Store.inScope(Effect.gen(function*() {
        const client = yield* Store.client(yield* Layer.build(to), Store.tiny)
        yield* client.createOrLoad("mistake", Store.text)
        yield* client.maintain
      }))
      assert.deepStrictEqual((yield* Backup.verify(to)).problems, [])
    }))
})
