import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Effect, Layer, Option, Stream } from "effect"
import { Blob } from "../../../src/storage/Blob.ts"
import { Log } from "../../../src/storage/Log.ts"
import * as MemoryStorage from "../../../src/storage/MemoryStorage.ts"
import * as Simulation from "../../../src/testing/simulation/Simulation.ts"
import * as BlobContract from "../../../src/testing/storage/BlobContract.ts"
import * as Faults from "../../../src/testing/storage/Faults.ts"
import * as FaultyBlob from "../../../src/testing/storage/FaultyBlob.ts"
import * as FaultyLog from "../../../src/testing/storage/FaultyLog.ts"
import * as LogContract from "../../../src/testing/storage/LogContract.ts"

const entry = new Uint8Array([1, 2, 3])

const simulated = <A, E>(faults: Partial<Faults.Profile>, program: Simulation.Options<A, E>["program"], seed = 1) =>
  Effect.flatMap(
    Simulation.simulate({ seed, program, faults: { ...Faults.none, ...faults } }),
    ({ exit }) => exit
  )

const tagOf = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.match(effect, { onFailure: ({ _tag }) => _tag, onSuccess: () => "Success" })

/** What an append answers, what the log has then, and what it has a minute later. */
const append = Effect.scoped(Effect.gen(function*() {
  const log = yield* Log
  const writer = yield* log.acquire
  const begun = yield* Clock.currentTimeMillis
  const answer = yield* tagOf(writer.append(0, [entry]))
  const millis = (yield* Clock.currentTimeMillis) - begun
  const soon = (yield* log.bounds).upper
  const isUsable = (yield* tagOf(writer.truncate(0))) === "Success"
  yield* Effect.sleep("1 minute")
  return { answer, soon, later: (yield* log.bounds).upper, isUsable, isSlow: millis > 0 }
}))

/** The same of a blob. */
const put = Effect.gen(function*() {
  const blob = yield* Blob
  const given = entry.slice()
  const begun = yield* Clock.currentTimeMillis
  const answer = yield* tagOf(blob.put("key", given))
  const millis = (yield* Clock.currentTimeMillis) - begun
  given.fill(0)
  const soon = Option.getOrUndefined(yield* blob.get("key"))
  yield* Effect.sleep("1 minute")
  return { answer, soon, later: Option.getOrUndefined(yield* blob.get("key")), isSlow: millis > 0 }
})

describe("an append", () => {
  it.live.each<[Faults.Kind, Effect.Success<typeof append>]>([
    ["unavailable", { answer: "Unavailable", soon: 0, later: 0, isUsable: true, isSlow: false }],
    ["slow", { answer: "Success", soon: 1, later: 1, isUsable: true, isSlow: true }],
    ["applied", { answer: "Indeterminate", soon: 1, later: 1, isUsable: false, isSlow: false }],
    ["late", { answer: "Indeterminate", soon: 0, later: 1, isUsable: false, isSlow: false }],
    ["lost", { answer: "Indeterminate", soon: 0, later: 0, isUsable: false, isSlow: false }],
    ["full", { answer: "OutOfSpace", soon: 0, later: 0, isUsable: true, isSlow: false }]
  ])("that is %s", ([kind, expected]) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* simulated({ script: { append: { 1: kind } } }, append), expected)
      assert.deepStrictEqual(yield* simulated({ script: { append: { 2: kind } } }, append), {
        answer: "Success",
        soon: 1,
        later: 1,
        isUsable: true,
        isSlow: false
      })
    }))

  it.live("that is late is not done once somebody newer has the log", () =>
    Effect.gen(function*() {
      const program = Effect.scoped(Effect.gen(function*() {
        const log = yield* Log
        yield* tagOf((yield* log.acquire).append(0, [entry]))
        const next = yield* log.acquire
        yield* Effect.sleep("1 minute")
        return [next.bounds.upper, (yield* log.bounds).upper]
      }))
      assert.deepStrictEqual(yield* simulated({ script: { append: { 1: "late" } } }, program), [0, 0])
    }))

  it.live("that is late is done although its process has been killed", () =>
    Effect.gen(function*() {
      const program = Effect.gen(function*() {
        const process = yield* Simulation.spawn(Effect.andThen(Effect.exit(append), Effect.never))
        yield* Effect.yieldNow
        yield* Effect.forEach(Array.from({ length: 200 }), () => Effect.yieldNow, { discard: true })
        yield* process.kill
        yield* Effect.sleep("1 minute")
        return (yield* (yield* Log).bounds).upper
      })
      assert.strictEqual(yield* simulated({ script: { append: { 1: "late" } }, slowMillis: 1000 }, program), 1)
    }))
})

describe("a put", () => {
  it.live.each<[Faults.Kind, Effect.Success<typeof put>]>([
    ["unavailable", { answer: "Unavailable", soon: undefined, later: undefined, isSlow: false }],
    ["slow", { answer: "Success", soon: entry, later: entry, isSlow: true }],
    ["applied", { answer: "Indeterminate", soon: entry, later: entry, isSlow: false }],
    ["late", { answer: "Indeterminate", soon: undefined, later: entry, isSlow: false }],
    ["lost", { answer: "Indeterminate", soon: undefined, later: undefined, isSlow: false }],
    ["full", { answer: "OutOfSpace", soon: undefined, later: undefined, isSlow: false }]
  ])("that is %s", ([kind, expected]) =>
    Effect.map(
      simulated({ script: { put: { 1: kind } } }, put),
      (found) => assert.deepStrictEqual(found, expected)
    ))
})

describe("reading", () => {
  it.live.each<[Faults.Operation]>([["acquire"], ["bounds"], ["read"], ["get"], ["list"]])(
    "%s can be unavailable and slow",
    ([operation]) =>
      Effect.gen(function*() {
        const program = Effect.scoped(Effect.gen(function*() {
          const log = yield* Log
          const blob = yield* Blob
          yield* log.acquire
          yield* log.bounds
          yield* Stream.runDrain(log.read(0))
          yield* blob.get("key")
          yield* Stream.runDrain(blob.list(""))
          return yield* Clock.currentTimeMillis
        }))
        assert.strictEqual(
          yield* tagOf(simulated({ script: { [operation]: { 1: "unavailable" } } }, program)),
          "Unavailable"
        )
        assert.isAbove(yield* simulated({ script: { [operation]: { 1: "slow" } } }, program), 0)
      })
  )

  it.live("a stale list is the one before", () =>
    Effect.gen(function*() {
      const program = Effect.gen(function*() {
        const blob = yield* Blob
        const keys = Effect.map(Stream.runCollect(blob.list("a/")), (infos) => infos.map(({ key }) => key))
        const found: Array<ReadonlyArray<string>> = []
        yield* blob.put("a/1", entry)
        found.push(yield* keys)
        yield* blob.put("a/2", entry)
        yield* blob.delete("a/1")
        found.push(yield* keys, yield* keys)
        return found
      })
      assert.deepStrictEqual(yield* simulated({ script: { list: { 2: "stale" } } }, program), [
        ["a/1"],
        ["a/1"],
        ["a/2"]
      ])
    }))

  it.live("what has rotted has the same wrong bit for every reader, and the others have none", () =>
    Effect.gen(function*() {
      const content = new Uint8Array(1000)
      const program = Effect.scoped(Effect.gen(function*() {
        const log = yield* Log
        const blob = yield* Blob
        const writer = yield* log.acquire
        const wrong: Array<number> = []
        for (let i = 0; i < 40; i++) {
          yield* blob.put(`key-${i}`, content)
          yield* writer.append(i, [content])
          const whole = Option.getOrThrow(yield* blob.get(`key-${i}`))
          const part = Option.getOrThrow(yield* blob.get(`key-${i}`, { offset: 0, length: 500 }))
          assert.deepStrictEqual(part, whole.subarray(0, 500))
          const [read] = yield* Stream.runCollect(log.read(i))
          for (const bytes of [whole, read!.bytes]) wrong.push(bytes.filter((byte) => byte !== 0).length)
        }
        assert.isTrue(content.every((byte) => byte === 0), "the original is as it was")
        return wrong
      }))
      const wrong = yield* simulated({ rot: 0.3 }, program)
      assert.deepStrictEqual(new Set(wrong), new Set([0, 1]))
      assert.isAbove(wrong.filter((bits) => bits === 1).length, 5)
      assert.isBelow(wrong.filter((bits) => bits === 1).length, 50)
    }))
})

describe("a profile", () => {
  const calls = 4000
  /** How often each answer comes. */
  const answers = Effect.gen(function*() {
    const blob = yield* Blob
    const counts: Record<string, number> = {}
    for (let i = 0; i < calls; i++) {
      const answer = yield* tagOf(blob.put(`key-${i}`, entry))
      counts[answer] = (counts[answer] ?? 0) + 1
    }
    return counts
  })

  it.live("has each kind about as often as it says", () =>
    Effect.gen(function*() {
      const counts = yield* simulated({ ...Faults.harsh, slow: 0 }, answers)
      const near = (tag: string, probability: number) =>
        assert.approximately(counts[tag]! / calls, probability, probability * 0.35, tag)
      near("Unavailable", Faults.harsh.unavailable)
      near("Indeterminate", Faults.harsh.applied + Faults.harsh.late + Faults.harsh.lost)
      near("OutOfSpace", Faults.harsh.full)
    }))

  it.live("without faults is the storage itself, and faults can be paused", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* simulated({}, answers), { Success: calls })
      const paused = Effect.andThen(Faults.Injector.use(({ pause }) => Effect.sync(() => pause(true))), answers)
      assert.deepStrictEqual(yield* simulated({ unavailable: 1 }, paused), { Success: calls })
    }))
})

describe("without faults the decorators keep the contracts", () => {
  const decorated = Effect.map(MemoryStorage.make, (store) =>
    Layer.merge(FaultyLog.layer, FaultyBlob.layer).pipe(
      Layer.provide(Layer.merge(MemoryStorage.layerOf(store), Faults.layer(Faults.none)))
    ))
  for (const { name, run } of [...LogContract.tests(decorated), ...BlobContract.tests(decorated)]) {
    it.effect(name, () => run)
  }
})

describe("outside of a simulation", () => {
  it.effect("the decorators are layers like any other", () =>
    Effect.gen(function*() {
      const faulty = Layer.merge(FaultyLog.layer, FaultyBlob.layer).pipe(
        Layer.provide(Layer.merge(MemoryStorage.layer, Faults.layer({ ...Faults.none, unavailable: 1 })))
      )
      const context = yield* Layer.build(faulty)
      assert.strictEqual(yield* tagOf(Context.get(context, Log).bounds), "Unavailable")
    }))
})
