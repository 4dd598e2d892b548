// Old backups are given up, and what stays is whole.
import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Layer, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Blob, type Log, MemoryStorage, Update } from "tidemark"
import { Backup } from "tidemark/backup"
import * as Faulty from "../utils/Faulty.ts"
import * as Store from "../utils/Store.ts"

type Storage = Layer.Layer<Log.Log | Blob.Blob>

const rowsOf = (storage: Storage) =>
  Store.inScope(Effect.gen(function*() {
    const client = yield* Store.follower(yield* Layer.build(storage))
    const { reader } = yield* client.load("rows", Store.text)
    return (yield* Store.updates(reader)).map((row) => JSON.stringify(row)).toSorted()
  }))

/** A store that changes wholly between backups, a day from one to the next, and what it was at each. */
const history = Effect.fnUntraced(function*(count: number) {
  const [store, place] = [yield* MemoryStorage.make, yield* MemoryStorage.make]
  const [from, to]: [Storage, Storage] = [MemoryStorage.layerOf(store), MemoryStorage.layerOf(place)]
  const client = yield* Store.client(yield* Store.open(store), Store.tiny)
  const { writer } = yield* client.createOrLoad("rows", Store.text)
  let time = 0
  const goOn = Effect.gen(function*() {
    time++
    yield* writer.append(
      Array.from({ length: 20 }, (_, i) => Update.insert(`key ${i}`, `${time} ${"v".repeat(20)}`, time))
    )
    yield* writer.seal(time + 1)
    yield* client.compact("rows")
    yield* client.maintain
  })
  const backUp = Effect.gen(function*() {
    yield* goOn
    const { position } = yield* Backup.save({ from, to })
    yield* TestClock.adjust("1 day")
    return { position, rows: yield* rowsOf(from) }
  })
  const saved: Array<{ readonly position: number; readonly rows: ReadonlyArray<string> }> = []
  for (let i = 0; i < count; i++) saved.push(yield* backUp)
  return { from, to, saved, goOn, backUp, positions: saved.map(({ position }) => position) }
})

const blobOf = (storage: Storage) =>
  Effect.map(Effect.scoped(Layer.build(storage)), (context) => Context.get(context, Blob.Blob))

const keysOf = (storage: Storage) =>
  Effect.flatMap(
    blobOf(storage),
    (blob) => Effect.map(Stream.runCollect(blob.list("")), (all) => all.map(({ key }) => key))
  )

const isWhole = Effect.fnUntraced(
  function*(to: Storage, saved: ReadonlyArray<{ position: number; rows: ReadonlyArray<string> }>) {
    assert.deepStrictEqual((yield* Backup.verify(to)).problems, [])
    assert.deepStrictEqual(
      (yield* Backup.points(to)).map(({ position }) => position),
      saved.map(({ position }) => position)
    )
    for (const { position, rows } of saved) {
      assert.deepStrictEqual(yield* rowsOf(Layer.orDie(Backup.layer({ from: to, at: position }))), rows)
    }
  }
)

describe("pruning", () => {
  it.effect("keeps as many as are asked for, and the next backup goes on from there", () =>
    Effect.gen(function*() {
      const { backUp, positions, saved, to } = yield* history(5)
      const before = (yield* keysOf(to)).length
      const pruned = yield* Backup.prune({ from: to, last: 2 })
      assert.deepStrictEqual([pruned.removed, pruned.kept], [positions.slice(0, 3), positions.slice(3)])
      assert.isAbove(pruned.bytes, 0)
      const after = yield* keysOf(to)
      assert.isBelow(after.length, before - 3)
      assert.isFalse(after.some((key) => key.includes("pruning")))
      yield* isWhole(to, saved.slice(3))
      const next = yield* backUp
      yield* isWhole(to, [...saved.slice(3), next])
      // Nothing more is there to go.
      assert.deepInclude(yield* Backup.prune({ from: to, last: 3 }), { removed: [], blobs: 0, bytes: 0 })
    }))

  it.effect("keeps those of a time, and the newest whatever its age", () =>
    Effect.gen(function*() {
      const { positions, saved, to } = yield* history(5)
      assert.deepStrictEqual((yield* Backup.prune({ from: to, within: "3 days" })).kept, positions.slice(2))
      assert.deepStrictEqual((yield* Backup.prune({ from: to, last: 2, within: "1 hour" })).kept, positions.slice(3))
      yield* TestClock.adjust("1000 days")
      assert.deepStrictEqual((yield* Backup.prune({ from: to, within: "3 days" })).kept, positions.slice(4))
      yield* isWhole(to, saved.slice(4))
    }))

  it.effect("without a rule is refused, and of nothing is nothing", () =>
    Effect.gen(function*() {
      const { positions, to } = yield* history(2)
      for (const rule of [{}, { last: 0 }, { last: 1.5 }]) {
        assert.propertyVal(yield* Effect.flip(Backup.prune({ from: to, ...rule })), "_tag", "ValueOutOfRange")
      }
      assert.deepStrictEqual((yield* Backup.points(to)).map(({ position }) => position), positions)
      const nothing = MemoryStorage.layerOf(yield* MemoryStorage.make)
      assert.deepStrictEqual((yield* Backup.prune({ from: nothing, last: 1 })).kept, [])
    }))

  it.effect("may stop before any operation: what stays is whole, and the next pruning ends it", () =>
    Effect.gen(function*() {
      for (let at = 1, isOver = false; !isOver; at++) {
        const { saved, to } = yield* history(3)
        const { control, storage } = Faulty.make(yield* Effect.scoped(Layer.build(to)))
        let operations = 0
        control.before = () => ++operations === at ? Effect.interrupt : Effect.void
        const first = yield* Effect.exit(Backup.prune({ from: Layer.succeedContext(storage), last: 1 }))
        if (Exit.isFailure(first)) assert.isTrue(Cause.hasInterruptsOnly(first.cause))
        isOver = Exit.isSuccess(first)
        assert.deepStrictEqual((yield* Backup.verify(to)).problems, [], `before operation ${at}`)
        yield* Backup.prune({ from: to, last: 1 })
        yield* isWhole(to, saved.slice(2))
        if (isOver) assert.isAbove(at, 10)
      }
    }))

  it.effect("at any moment of a backup breaks neither", () =>
    Effect.gen(function*() {
      for (let at = 1, isOver = false; !isOver; at++) {
        const { from, goOn, to } = yield* history(3)
        yield* goOn
        const { control, storage } = Faulty.make(yield* Effect.scoped(Layer.build(to)))
        let operations = 0
        control.before = () => ++operations === at ? Effect.ignore(Backup.prune({ from: to, last: 1 })) : Effect.void
        const backedUp = yield* Effect.result(Backup.save({ from, to: Layer.succeedContext(storage) }))
        if (backedUp._tag === "Failure") assert.include(["Unavailable", "Corrupt"], backedUp.failure._tag)
        isOver = operations < at
        assert.deepStrictEqual((yield* Backup.verify(to)).problems, [], `before operation ${at}`)
        yield* Backup.save({ from, to })
        assert.deepStrictEqual(yield* rowsOf(Layer.orDie(Backup.layer({ from: to }))), yield* rowsOf(from))
      }
    }))

  it.effect("that has died in the middle holds backups up for an hour", () =>
    Effect.gen(function*() {
      const { from, to } = yield* history(1)
      const { control, storage } = Faulty.make(yield* Effect.scoped(Layer.build(to)))
      control.before = (operation, key) =>
        operation === "delete" || key.includes("/point/") ? Effect.die("the process has died") : Effect.void
      yield* Effect.exit(Backup.prune({ from: Layer.succeedContext(storage), last: 1 }))
      assert.propertyVal(yield* Effect.flip(Backup.save({ from, to })), "_tag", "Unavailable")
      yield* TestClock.adjust("1 hour")
      yield* Backup.save({ from, to })
      assert.deepStrictEqual((yield* Backup.verify(to)).problems, [])
    }))

  it.effect("deletes nothing where a backup that stays is damaged", () =>
    Effect.gen(function*() {
      const { positions, to } = yield* history(3)
      const blob = yield* blobOf(to)
      const found = yield* Effect.flip(Backup.prune({
        from: Layer.succeedContext(Context.add(yield* Effect.scoped(Layer.build(to)), Blob.Blob, {
          ...blob,
          list: (prefix) => Stream.filter(blob.list(prefix), ({ key }) => !key.includes("rollup/"))
        })),
        last: 1
      }))
      assert.propertyVal(found, "_tag", "Corrupt")
      assert.deepStrictEqual((yield* Backup.points(to)).map(({ position }) => position), positions)
    }))
})
