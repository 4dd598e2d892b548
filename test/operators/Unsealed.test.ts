import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Scope, Stream } from "effect"
import * as Leftovers from "../../src/cli/Leftovers.ts"
import type { CollectionWriter } from "../../src/client/CollectionWriter.ts"
import * as Codec from "../../src/Codec.ts"
import { retractUnsealed, unsealed } from "../../src/operators/Unsealed.ts"
import * as MemoryStorage from "../../src/storage/MemoryStorage.ts"
import * as Prng from "../../src/testing/Prng.ts"
import * as Update from "../../src/Update.ts"
import * as Model from "../utils/Model.ts"
import * as Store from "../utils/Store.ts"

const flushing = { ...Store.tiny, memoryBytes: 1 }

const unsealedRows = (write: CollectionWriter<string, string>) =>
  Store.inScope(Effect.flatMap(unsealed(write), ({ updates }) => Stream.runCollect(updates)))

/** One that was written and spilled while history was given up beyond it, and sealed afterwards. */
const sealedInSpill = Effect.gen(function*() {
  const client = yield* Store.client(yield* Store.memory, flushing)
  const json = { key: Codec.json, value: Codec.json }
  const { reader, writer } = yield* client.createOrLoad("rows", json)
  yield* writer.append([Update.insert("a", "", 15), Update.insert("b", "", 40)])
  yield* writer.allowCompaction(30)
  yield* client.maintain
  yield* writer.seal(20)
  return { client, reader, writer }
})

describe("with a since beyond the upper", () => {
  it.effect("what was sealed after maintenance is not taken back", () =>
    Effect.gen(function*() {
      const { reader, writer } = yield* sealedInSpill
      assert.strictEqual(yield* retractUnsealed(writer), 1)
      yield* writer.seal(50)
      assert.deepStrictEqual(yield* Store.contents(reader, 49), [["a", "", 1]])
    }))

  it.effect("a row is taken back at its own time, so that it stays away when that is sealed", () =>
    Effect.gen(function*() {
      const { client, reader, writer } = yield* sealedInSpill
      assert.strictEqual(yield* retractUnsealed(writer, { upper: 35 }), 1)
      yield* writer.append([Update.insert("c", "", 22)])
      assert.strictEqual(yield* retractUnsealed(writer), 1)
      yield* writer.seal(25)
      yield* client.maintain
      assert.strictEqual(yield* retractUnsealed(writer), 0)
      yield* writer.seal(50)
      assert.deepStrictEqual(yield* Store.contents(reader, 49), [["a", "", 1]])
    }))

  it.effect("an ingest that is resumed writes a row like one that is sealed", () =>
    Effect.gen(function*() {
      const { writer } = yield* sealedInSpill
      const { remaining } = yield* Leftovers.load(writer)
      assert.strictEqual(remaining(Update.insert("a", "", 25)), 1)
      assert.strictEqual(remaining(Update.insert("b", "", 40)), 0)
    }))

  it.effect("an ingest that is resumed knows all leftovers of a row, at whatever times", () =>
    Effect.gen(function*() {
      const { writer } = yield* sealedInSpill
      const again = [Update.insert("c", "", 21), Update.insert("c", "", 22)]
      yield* writer.append(again)
      const { remaining } = yield* Leftovers.load(writer)
      assert.deepStrictEqual(again.map(remaining), [0, 0])
    }))
})

// --- random programs: maintenance at any point, and a naive model as the judge; more with TIDEMARK_SEEDS=200 ---

const seeds = Number(process.env["TIDEMARK_SEEDS"] ?? 12)
const firstSeed = Number(process.env["TIDEMARK_SEED"] ?? 1)
const steps = 60

const program = Effect.fnUntraced(function*(random: Prng.Prng) {
  const store = yield* MemoryStorage.make
  const model = Model.make()
  const open = Effect.gen(function*() {
    const scope = yield* Scope.make()
    const options = { ...Store.tiny, memoryBytes: 500 + random.int(3_000), logBytes: 1_000 + random.int(4_000) }
    const client = yield* Scope.provide(Store.client(yield* Store.open(store), options), scope)
    return { scope, client, ...yield* client.createOrLoad("rows", Store.text) }
  })
  let { client, reader, scope, writer } = yield* open

  const check = Effect.gen(function*() {
    const left = Model.consolidate(model.updates.filter(({ time }) => time >= model.upper))
    assert.deepStrictEqual(Model.consolidate(yield* unsealedRows(writer)), left, "the rows that are not sealed")
    assert.deepStrictEqual(yield* Store.contents(reader), Model.contents(model), "the contents")
    assert.deepStrictEqual(
      Model.consolidate(yield* Store.updates(reader)),
      Model.consolidate(model.updates, model.since),
      "the updates"
    )
    for (let asOf = model.since; asOf < model.upper; asOf++) {
      assert.deepStrictEqual(yield* Store.contents(reader, asOf), Model.contents(model, asOf), `as of ${asOf}`)
    }
  })
  for (let i = 0; i < steps; i++) {
    const choice = random.int(100)
    if (choice < 45) {
      const updates = Array.from(
        { length: 1 + random.int(8) },
        () => Update.make(`k${random.int(6)}`, `v${random.int(2)}`, model.upper + random.int(25), random.int(4) - 1)
      )
      yield* writer.append(updates)
      model.updates.push(...updates)
    } else if (choice < 60) {
      model.upper += random.int(8)
      yield* writer.seal(model.upper)
    } else if (choice < 70) {
      model.since = Math.max(model.since, model.upper - 3 + random.int(25))
      yield* writer.allowCompaction(model.since)
    } else if (choice < 85) yield* client.maintain
    else if (choice < 92) yield* client.compact("rows")
    else if (choice < 96) {
      yield* retractUnsealed(writer)
      model.updates.splice(0, Infinity, ...model.updates.filter(({ time }) => time < model.upper))
    } else {
      yield* Scope.close(scope, Exit.void)
      ;({ client, reader, scope, writer } = yield* open)
    }
    yield* check
  }
  yield* Scope.close(scope, Exit.void)
})

describe("maintenance changes neither the contents at any readable time nor what is not sealed", () => {
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    it.effect(`seed ${seed}`, () =>
      program(Prng.make(seed)).pipe(
        Effect.catchCause((cause) => Effect.die(new Error(`TIDEMARK_SEED=${seed}: ${Cause.pretty(cause)}`)))
      ))
  }
})
