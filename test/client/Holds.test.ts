import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import type * as PersistClient from "../../src/client/PersistClient.ts"
import { Blob } from "../../src/storage/Blob.ts"
import * as MemoryStorage from "../../src/storage/MemoryStorage.ts"
import * as Prng from "../../src/testing/Prng.ts"
import * as Update from "../../src/Update.ts"
import * as Faulty from "../utils/Faulty.ts"
import * as Model from "../utils/Model.ts"
import * as Store from "../utils/Store.ts"

// More seeds with TIDEMARK_SEEDS=200.
const seeds = Array.from({ length: Number(process.env["TIDEMARK_SEEDS"] ?? 12) }, (_, i) => i + 1)

/** What all programs have done, so that it shows when they do nothing. */
const totals = { taken: 0, lost: 0 }

type Client = PersistClient.PersistClient["Service"]

/** A writer, and a follower whose storage can be made to fail, on one medium. */
const pair = Effect.gen(function*() {
  const medium = yield* MemoryStorage.make
  const storage = yield* Store.open(medium)
  const writingClient = yield* Store.client(storage, Store.tiny)
  const handles = yield* writingClient.createOrLoad("s", Store.text)
  const { control, storage: followed } = Faulty.make(yield* Store.open(medium))
  return {
    ...handles,
    storage,
    writingClient,
    control,
    followed,
    follower: yield* Store.follower(followed, Store.tiny)
  }
})

const fill = (
  writer: { readonly append: (updates: ReadonlyArray<Model.Row>) => Effect.Effect<unknown, unknown> },
  from = 0
) =>
  Effect.forEach(
    Array.from({ length: 40 }, (_, i) => from + i),
    (i) => writer.append([Update.insert(`k${i}`, "v".repeat(40), i)]),
    { discard: true }
  )

const contentsOf = (client: Client, asOf?: number) =>
  Effect.flatMap(client.load("s", Store.text), ({ reader }) => Store.contents(reader, asOf))

/** Replaces every batch of the collection, and deletes what was replaced. */
const churn = Effect.fnUntraced(function*(writingClient: Client, time: number) {
  const { writer } = yield* writingClient.load("s", Store.text)
  yield* writer.append([Update.insert(`churn${time}`, "v", time)])
  yield* writer.seal(time + 1)
  yield* writer.allowCompaction(time)
  yield* writingClient.compact("s")
  yield* writingClient.maintain
})

/** Time after which the writer looks again, and has deleted what is no longer held. */
const lookAgain = (writingClient: Client) => Effect.andThen(TestClock.adjust("15 seconds"), writingClient.maintain)

const leak = Effect.fnUntraced(function*(storage: Faulty.Storage) {
  const referenced = new Set(yield* Store.referencedKeys(storage))
  return (yield* Store.storedKeys(storage)).filter((key) => !referenced.has(key))
})

describe("named holds", () => {
  it.effect("keep what they show, whatever the writer compacts, until they are released", () =>
    Effect.gen(function*() {
      const { follower, reader, storage, writer, writingClient } = yield* pair
      yield* fill(writer)
      yield* writer.seal(40)
      yield* writingClient.compact("s")
      const then = yield* Store.contents(reader)
      const hold = yield* follower.hold("report")
      assert.isFalse(hold.isResumed)
      for (let time = 40; time < 44; time++) yield* churn(writingClient, time)
      assert.deepStrictEqual(yield* contentsOf(hold.client), then)
      for (const asOf of [0, 10, 39]) assert.lengthOf(yield* contentsOf(hold.client, asOf), asOf + 1)
      const held = yield* hold.client.load("s", Store.text)
      assert.isTrue((yield* held.reader.get("k7")).length > 0)
      assert.lengthOf(yield* Store.contents(reader), then.length + 4)
      const lost = yield* Effect.forkChild(Effect.flip(hold.lost))
      yield* hold.release
      yield* lookAgain(writingClient)
      assert.deepStrictEqual(yield* leak(storage), [])
      assert.deepInclude(yield* Fiber.join(lost), { _tag: "HoldExpired", hold: "report" })
    }))

  it.effect("keep a collection that is destroyed, and rows that no batch has", () =>
    Effect.gen(function*() {
      const { follower, storage, writer, writingClient } = yield* pair
      yield* fill(writer)
      yield* writingClient.compact("s")
      yield* writer.append([Update.insert("in memory", "v", 50)])
      const hold = yield* follower.hold("h")
      yield* writingClient.destroy("s")
      yield* writingClient.maintain
      assert.lengthOf(yield* contentsOf(hold.client), 41)
      yield* hold.release
      yield* lookAgain(writingClient)
      assert.deepStrictEqual(yield* leak(storage), [])
    }))

  it.effect("are resumed by name, by a process that was started anew, also after the writer was", () =>
    Effect.gen(function*() {
      const { control, followed, followed: medium, reader, writer, writingClient } = yield* pair
      yield* fill(writer)
      yield* writingClient.compact("s")
      const then = yield* Store.contents(reader)
      const first = yield* Store.inScope(
        Effect.flatMap(Store.follower(medium), (client) => client.hold("h", { lease: "10 seconds" }))
      )
      yield* churn(writingClient, 50)
      yield* writingClient.stop
      yield* TestClock.adjust("1 hour")
      const next = yield* Store.client(followed, Store.tiny)
      yield* churn(next, 60)
      const resumed = yield* next.hold("h", { lease: "1 minute" })
      assert.isTrue(resumed.isResumed)
      assert.strictEqual(resumed.seqNo, first.seqNo)
      assert.deepStrictEqual(yield* contentsOf(resumed.client), then)
      for (let time = 70; time < 80; time++) {
        yield* TestClock.adjust("5 seconds")
        yield* churn(next, time)
      }
      assert.deepStrictEqual(yield* contentsOf(resumed.client), then)
      assert.isAbove(Faulty.writes(control), 0)
    }))

  it.effect("that give no sign of life are lost, and never show anything else", () =>
    Effect.gen(function*() {
      const { control, follower, reader, storage, writer, writingClient } = yield* pair
      yield* fill(writer)
      yield* writingClient.compact("s")
      const then = yield* Store.contents(reader)
      const hold = yield* follower.hold("h", { lease: "8 seconds" })
      const waiting = yield* Effect.forkChild(Effect.flip(hold.lost))
      yield* TestClock.adjust("1 minute")
      control.broken.add("put")
      for (let time = 50; time < 53; time++) {
        yield* TestClock.adjust("2 seconds")
        yield* churn(writingClient, time)
        assert.deepStrictEqual(yield* contentsOf(hold.client), then)
      }
      for (let time = 53; time < 58; time++) {
        yield* TestClock.adjust("2 seconds")
        yield* churn(writingClient, time)
      }
      assert.deepStrictEqual(yield* leak(storage), [])
      assert.propertyVal(yield* Effect.flip(contentsOf(hold.client)), "_tag", "HoldExpired")
      control.broken.clear()
      yield* TestClock.adjust("2 seconds")
      assert.propertyVal(yield* Fiber.join(waiting), "_tag", "HoldExpired")
      assert.deepStrictEqual(yield* leak(storage), [], "it has taken its sign of life back")
      const again = yield* follower.hold("h")
      assert.isFalse(again.isResumed)
      assert.deepStrictEqual(yield* contentsOf(again.client), yield* Store.contents(reader))
    }))

  it.effect("are shared by those who know the name, and released for all of them", () =>
    Effect.gen(function*() {
      const { follower, storage, writer, writingClient } = yield* pair
      yield* fill(writer)
      yield* writingClient.compact("s")
      const scope = yield* Scope.make()
      const one = yield* Scope.provide(writingClient.hold("h"), scope)
      const two = yield* follower.hold("h")
      assert.isTrue(two.isResumed)
      yield* Scope.close(scope, Exit.void)
      for (let time = 50; time < 60; time++) {
        yield* TestClock.adjust("30 seconds")
        yield* churn(writingClient, time)
      }
      assert.lengthOf(yield* contentsOf(two.client), 40)
      yield* one.release
      yield* lookAgain(writingClient)
      assert.deepStrictEqual(yield* leak(storage), [])
      assert.propertyVal(yield* Effect.flip(contentsOf(two.client)), "_tag", "HoldExpired")
    }))

  it.effect("end what follows them, refuse what would change them, and tell damage from loss", () =>
    Effect.gen(function*() {
      const { follower, storage, writer, writingClient } = yield* pair
      yield* fill(writer)
      yield* writer.seal(40)
      yield* writingClient.compact("s")
      const hold = yield* follower.hold("h")
      const held = yield* hold.client.load("s", Store.text)
      const events = yield* Stream.runCollect(held.reader.subscribe({}))
      assert.deepInclude(events.at(-1), { _tag: "Progress", frontier: 40 })
      const listening = yield* Store.inScope(
        Effect.flatMap(held.reader.listen(), ({ events }) => Stream.runCollect(events))
      )
      assert.deepStrictEqual(listening, [])
      assert.propertyVal(
        yield* Effect.flip(Effect.scoped(held.reader.snapshot({ asOf: 40 }))),
        "_tag",
        "RuntimeShutdown"
      )
      const refused: ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>> = [
        held.writer.seal(50),
        hold.client.destroy("s"),
        hold.client.maintain,
        Effect.scoped(hold.client.hold("another"))
      ]
      for (const each of refused) assert.propertyVal(yield* Effect.flip(each), "_tag", "ReadOnly")
      const batches = (yield* Store.storedKeys(storage)).filter((key) => key.startsWith("batch/"))
      yield* Effect.forEach(batches, (key) => Context.get(storage, Blob).delete(key))
      const anew = yield* Effect.flatMap(Store.follower(storage), (client) => client.hold("h"))
      assert.propertyVal(yield* Effect.flip(contentsOf(anew.client)), "_tag", "Corrupt")
    }))

  it.effect("a compaction in the middle of taking one is noticed", () =>
    Effect.gen(function*() {
      const { control, follower, reader, storage, writer, writingClient } = yield* pair
      yield* fill(writer)
      yield* writingClient.compact("s")
      let churns = 0
      control.before = (operation, detail) =>
        operation === "put" && detail.endsWith(".state") && churns < 3
          ? Effect.orDie(churn(writingClient, 50 + churns++))
          : Effect.void
      const hold = yield* follower.hold("h")
      assert.strictEqual(churns, 3)
      const then = yield* Store.contents(reader)
      yield* churn(writingClient, 60)
      assert.deepStrictEqual(yield* contentsOf(hold.client), then)
      yield* hold.release
      control.before = (operation, detail) =>
        operation === "put" && detail.endsWith(".state")
          ? Effect.orDie(churn(writingClient, 60 + churns++))
          : Effect.void
      assert.propertyVal(yield* Effect.flip(follower.hold("h")), "_tag", "Unavailable")
      yield* writingClient.maintain
      assert.deepStrictEqual(yield* leak(storage), [])
    }))

  it.effect("so is one that has not rolled up the log", () =>
    Effect.gen(function*() {
      const { control, storage } = yield* Store.faulty
      const writingClient = yield* Store.client(storage, { ...Store.tiny, logBytes: 1e9, reclaimBytes: 1e9 })
      const { reader, writer } = yield* writingClient.createOrLoad("s", Store.text)
      yield* fill(writer)
      yield* writingClient.maintain
      const before = yield* Store.referencedKeys(storage)
      let merges = 0
      const merge = Effect.gen(function*() {
        yield* writer.seal(40)
        yield* writer.allowCompaction(30)
        yield* writingClient.maintain
      })
      control.before = (operation, detail) =>
        operation === "put" && detail.endsWith(".state") && merges++ === 0 ? Effect.orDie(merge) : Effect.void
      const hold = yield* (yield* Store.follower(storage)).hold("h")
      const { logFrom } = yield* Store.recovered(storage)
      assert.strictEqual(logFrom, 0)
      assert.notDeepEqual(yield* Store.referencedKeys(storage), before)
      assert.deepStrictEqual(yield* contentsOf(hold.client), yield* Store.contents(reader))
    }))

  it.effect("a crash anywhere in taking one leaves nothing for long, and the name free", () =>
    Effect.gen(function*() {
      for (let writes = 0; writes < 2; writes++) {
        const { control, followed, reader, storage, writer, writingClient } = yield* pair
        yield* fill(writer)
        yield* writingClient.compact("s")
        const scope = yield* Scope.make()
        const dying = yield* Scope.provide(Store.follower(followed), scope)
        control.writesLeft = writes
        yield* Effect.flip(Scope.provide(dying.hold("h", { lease: "10 seconds" }), scope))
        yield* Scope.close(scope, Exit.void)
        yield* churn(writingClient, 49)
        const next = yield* Store.follower(storage)
        const hold = yield* next.hold("h")
        assert.isFalse(hold.isResumed)
        const then = yield* Store.contents(reader)
        for (let time = 50; time < 60; time++) {
          yield* churn(writingClient, time)
          yield* TestClock.adjust("5 seconds")
        }
        assert.deepStrictEqual(yield* contentsOf(hold.client), then)
        const states = (yield* Store.storedKeys(storage)).filter((key) => key.endsWith(".state"))
        assert.lengthOf(states, 1, "that of the crash is gone")
      }
    }))

  it.effect.each(seeds)("seed %i: agree with the model, or say that they are lost", (seed) =>
    Effect.gen(function*() {
      const { control, follower, storage, writer, writingClient } = yield* pair
      const random = Prng.make(seed)
      const model = Model.make()
      const holds = new Map<string, {
        readonly hold: PersistClient.Hold
        readonly scope: Scope.Closeable
        readonly shown: ReadonlyArray<Model.Counted>
        isAlive: boolean
      }>()
      // The writer does its worst while a hold is taken.
      let worst = 0
      control.before = (operation) =>
        worst > 0 && operation !== "list" && random.int(3) === 0
          ? Effect.suspend(() => {
            worst--
            return Effect.orDie(Effect.andThen(writingClient.compact("s"), writingClient.maintain))
          })
          : Effect.void
      let time = 0
      for (let step = 0; step < 80; step++) {
        time += random.int(3)
        const updates = [Update.insert(`k${random.int(9)}`, "v".repeat(random.int(60)), time)]
        yield* writer.append(updates)
        model.updates.push(...updates)
        yield* writer.seal(time)
        if (random.int(3) === 0) yield* writer.allowCompaction(random.int(time + 1)).pipe(Effect.ignore)
        const name = `h${random.int(3)}`
        const known = holds.get(name)
        switch (random.int(8)) {
          case 0:
          case 1: {
            if (known !== undefined) break
            worst = 3
            const scope = yield* Scope.make()
            const client = random.int(2) === 0 ? follower : writingClient
            const taken = yield* Effect.result(Scope.provide(client.hold(name, { lease: "8 seconds" }), scope))
            worst = 0
            if (taken._tag === "Failure") {
              assert.propertyVal(taken.failure, "_tag", "Unavailable", "it is not tried again here")
              break
            }
            totals.taken++
            const hold = taken.success
            holds.set(name, { hold, scope, shown: Model.contents(model), isAlive: true })
            break
          }
          case 2:
            if (known === undefined) break
            known.isAlive = false
            yield* Scope.close(known.scope, Exit.void)
            break
          case 3:
            if (known === undefined) break
            yield* known.hold.release
            yield* Scope.close(known.scope, Exit.void)
            holds.delete(name)
            break
          case 4:
            yield* writingClient.maintain
            break
          case 5:
            yield* writingClient.compact("s")
            break
          default:
            yield* TestClock.adjust(random.int(8_000))
            yield* writingClient.maintain
        }
        for (const [name, { hold, isAlive, scope, shown }] of holds) {
          const found = yield* Effect.result(contentsOf(hold.client))
          if (found._tag === "Success") assert.deepStrictEqual(found.success, shown)
          else {
            assert.isFalse(isAlive, `${name} lives`)
            assert.propertyVal(found.failure, "_tag", "HoldExpired")
            totals.lost++
            yield* Scope.close(scope, Exit.void)
            holds.delete(name)
          }
        }
      }
      for (const { hold, scope } of holds.values()) {
        yield* hold.release
        yield* Scope.close(scope, Exit.void)
      }
      for (let look = 0; look < 8; look++) {
        yield* TestClock.adjust("10 seconds")
        yield* writingClient.compact("s")
        yield* writingClient.maintain
        yield* writer.append([Update.insert("end", "", time)])
      }
      yield* writingClient.maintain
      const kept = (yield* leak(storage)).filter((key) => !key.startsWith("hold/"))
      assert.deepStrictEqual(kept, [])
    }))

  it("the programs take many, and lose some", () => {
    assert.isAbove(totals.taken, 5 * seeds.length)
    assert.isAtLeast(totals.lost, seeds.length / 2)
  })
})
