import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Stream } from "effect"
import * as Codec from "../../src/Codec.ts"
import { awaitFrontier } from "../../src/operators/AwaitFrontier.ts"
import * as Flow from "../../src/operators/Flow.ts"
import { persist } from "../../src/operators/Persist.ts"
import { persistedSource } from "../../src/operators/Source.ts"
import { unorderedInput } from "../../src/operators/UnorderedInput.ts"
import { retractUnsealed } from "../../src/operators/Unsealed.ts"
import * as Update from "../../src/Update.ts"
import { client, contents, faulty, memory, text, tiny, until, updates } from "../utils/Store.ts"
import { run, runTo, sums } from "./Flows.ts"

const at = (time: number, key = `t${time}`) => Update.insert(key, "v", time)

describe("persist", () => {
  it.effect("persist: what comes out is on disk, batches are under way together, frontiers wait for those before", () =>
    Effect.gen(function*() {
      const { control, storage } = yield* faulty
      const store = yield* client(storage)
      const { reader, writer } = yield* store.createOrLoad("a", text)
      const gate = yield* Deferred.make<void>()
      control.before = (operation) => operation === "append" ? Deferred.await(gate) : Effect.void
      const seen: Array<Flow.Event<string, string>> = []
      const source = Stream.make(
        Flow.updates([at(0)]),
        Flow.progress(1),
        Flow.updates([at(1)]),
        Flow.updates([at(2)]),
        Flow.progress(3)
      )
      let pulled = 0
      const flow = source.pipe(Stream.rechunk(1), Stream.tap(() => Effect.sync(() => pulled++)), persist(writer))
      const running = yield* Effect.forkChild(Stream.runForEach(flow, (event) => Effect.sync(() => seen.push(event))))
      yield* until(() => pulled === 5)
      assert.deepStrictEqual(seen, [])
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(running)
      assert.deepStrictEqual(seen, yield* Stream.runCollect(source))
      assert.deepStrictEqual(sums(yield* updates(reader)), { "t0=v": 1, "t1=v": 1, "t2=v": 1 })
    }))

  it.effect("persist_error_stream: a batch that cannot be written is an error, nothing of it is written", () =>
    Effect.gen(function*() {
      const store = yield* client(yield* memory)
      const { reader, writer } = yield* store.createOrLoad("a", text)
      yield* writer.seal(3)
      const source: Flow.Flow<string, string> = Stream.make(
        Flow.updates([at(7), at(2)]),
        Flow.updates([at(4), at(5, "\ud800")]),
        Flow.updates([at(4), at(0.5)]),
        Flow.updates([at(6)]),
        Flow.progress(8)
      )
      const delivered = yield* run(persist(writer)(source))
      const place = "persist a Refused at"
      assert.deepStrictEqual(delivered.errors, [`${place} 2`, `${place} 4`, `${place} 4`])
      assert.deepStrictEqual(sums(delivered.updates), { "t6=v": 1 })
      assert.strictEqual(delivered.frontier, 8)
      assert.deepStrictEqual(sums(yield* updates(reader)), { "t6=v": 1 })
    }))

  it.effect("persist_error_stream: when storage fails the flow does, and emits no frontier beyond", () =>
    Effect.gen(function*() {
      const { control, storage } = yield* faulty
      const store = yield* client(storage)
      const { writer } = yield* store.createOrLoad("a", text)
      const seen: Array<string> = []
      const first: Flow.Flow<string, string> = Stream.make(Flow.updates([at(0)]), Flow.progress(1))
      const second: Flow.Flow<string, string> = Stream.make(Flow.updates([at(1)]), Flow.progress(2))
      const goesDown = Effect.andThen(until(() => seen.length === 2), Effect.sync(() => void (control.isDown = true)))
      const error = yield* first.pipe(
        Stream.concat(Stream.fromEffectDrain(goesDown)),
        Stream.concat(second),
        persist(writer),
        Stream.runForEach(({ _tag }) => Effect.sync(() => void seen.push(_tag))),
        Effect.flip
      )
      assert.strictEqual(error._tag, "Unavailable")
      assert.deepStrictEqual(seen, ["Updates", "Progress"])
    }))

  it.effect("keeps no more than a few batches under way", () =>
    Effect.gen(function*() {
      const { control, storage } = yield* faulty
      const store = yield* client(storage)
      const { writer } = yield* store.createOrLoad("a", text)
      const gate = yield* Deferred.make<void>()
      control.before = (operation) => operation === "append" ? Deferred.await(gate) : Effect.void
      let pulled = 0
      const flow = Stream.range(1, 1000).pipe(
        Stream.rechunk(1),
        Stream.map((time) => Flow.updates([at(time)])),
        Stream.tap(() => Effect.sync(() => pulled++)),
        persist(writer)
      )
      const running = yield* Effect.forkChild(run(flow))
      for (let i = 0; i < 2000; i++) yield* Effect.yieldNow
      const underWay = pulled
      yield* Deferred.succeed(gate, undefined)
      assert.isBelow(underWay, 40)
      assert.strictEqual((yield* Fiber.join(running)).updates.length, 1000)
    }))
})

describe("retractUnsealed", () => {
  it.effect("retract_unsealed: takes back what is not sealed, and a second time nothing", () =>
    Effect.gen(function*() {
      const storage = yield* memory
      const store = yield* client(storage, tiny)
      const { reader, writer } = yield* store.createOrLoad("a", text)
      yield* writer.append(Array.from({ length: 40 }, (_, i) => Update.insert(`k${i}`, "v".repeat(90), i % 8)))
      yield* writer.append([Update.insert("twice", "v", 6), Update.insert("twice", "v", 6)])
      yield* writer.append([Update.insert("gone", "v", 7), Update.retract("gone", "v", 7)])
      yield* writer.seal(4)
      yield* store.maintain
      const sealed = yield* contents(reader, 3)
      assert.strictEqual(yield* retractUnsealed(writer), 21)
      assert.deepStrictEqual(yield* contents(reader), sealed)
      assert.strictEqual(yield* retractUnsealed(writer), 0)
      yield* writer.append([Update.insert("anew", "v", 4)])
      yield* writer.seal(9)
      assert.strictEqual((yield* contents(reader, 8)).length, sealed.length + 1)
    }))

  it.effect("retract_unsealed: from a time on, unless it is sealed", () =>
    Effect.gen(function*() {
      const store = yield* client(yield* memory)
      const { reader, writer } = yield* store.createOrLoad("a", text)
      yield* writer.append([at(1), at(3), at(5)])
      yield* writer.seal(2)
      const error = yield* Effect.flip(retractUnsealed(writer, { upper: 1 }))
      assert.strictEqual(error._tag, "ValueOutOfRange")
      assert.strictEqual(yield* retractUnsealed(writer, { upper: 4 }), 1)
      assert.deepStrictEqual(sums(yield* updates(reader)), { "t1=v": 1, "t3=v": 1 })
    }))
})

describe("unorderedInput", () => {
  it.effect("new_persistent_unordered_input: what was there, then what is given, once it is durable", () =>
    Effect.gen(function*() {
      const { control, storage } = yield* faulty
      const store = yield* client(storage)
      const handles = yield* store.createOrLoad("a", text)
      yield* handles.writer.append([at(0)])
      const input = yield* unorderedInput(handles)
      const seen: Array<string> = []
      const gate = yield* Deferred.make<void>()
      const running = yield* input.flow.pipe(
        Stream.tap((event) =>
          Effect.sync(() => {
            if (event._tag === "Updates") seen.push(...event.updates.map(({ key }) => key))
          })
        ),
        (flow) => runTo(flow, 9),
        Effect.forkChild
      )
      yield* until(() => seen.length === 1)
      control.before = (operation) => operation === "append" ? Deferred.await(gate) : Effect.void
      const giving = yield* Effect.forkChild(input.session(3, (session) => session.give([at(3)])))
      for (let i = 0; i < 200; i++) yield* Effect.yieldNow
      assert.deepStrictEqual(seen, ["t0"])
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(giving)
      yield* input.seal(9)
      assert.deepStrictEqual(sums((yield* Fiber.join(running)).updates), { "t0=v": 1, "t3=v": 1 })
    }))

  it.effect("multiple_workers (input): it is sealed up to the earliest open session, and no row is late", () =>
    Effect.gen(function*() {
      const store = yield* client(yield* memory)
      const handles = yield* store.createOrLoad("a", text)
      const input = yield* unorderedInput(handles)
      const running = yield* Effect.forkChild(runTo(awaitFrontier(input.flow), 50))
      yield* Effect.forEach(
        Array.from({ length: 50 }, (_, i) => i),
        (time) =>
          input.session(time, (session) =>
            Effect.gen(function*() {
              yield* session.give([at(time)])
              yield* input.seal(50)
              assert.isAtMost((yield* store.description("a")).upper, time)
              yield* session.give([at(time, `again ${time}`)])
            })),
        { concurrency: 8, discard: true }
      ).pipe(Effect.andThen(input.seal(50)))
      const { errors, updates } = yield* Fiber.join(running)
      assert.strictEqual(updates.length, 100)
      assert.deepStrictEqual(errors, [])
    }).pipe(Effect.timeout("1 minute")))

  it.effect("multiple_workers (input): a session that fails or is interrupted holds no seal back either", () =>
    Effect.gen(function*() {
      const store = yield* client(yield* memory)
      const input = yield* unorderedInput(yield* store.createOrLoad("a", text))
      const upper = Effect.map(store.description("a"), ({ upper }) => upper)
      const failed = yield* Effect.flip(
        input.session(2, () => Effect.andThen(input.seal(4), Effect.fail("no" as const)))
      )
      assert.strictEqual(failed, "no")
      assert.strictEqual(yield* upper, 4)
      const begun = yield* Deferred.make<void>()
      const session = input.session(5, () => Effect.andThen(Deferred.succeed(begun, undefined), Effect.never))
      const running = yield* Effect.forkChild(session)
      yield* Deferred.await(begun)
      yield* input.seal(8)
      assert.strictEqual(yield* upper, 5)
      yield* Fiber.interrupt(running)
      assert.strictEqual(yield* upper, 8)
    }))

  it.effect("error_stream (input): a session writes at its time and after it, and never below the seal", () =>
    Effect.gen(function*() {
      const store = yield* client(yield* memory)
      const handles = yield* store.createOrLoad("a", text)
      yield* handles.writer.seal(5)
      const input = yield* unorderedInput(handles)
      const early = yield* Effect.flip(input.session(7, (session) => session.give([at(8), at(6)])))
      assert.strictEqual(early._tag, "ValueOutOfRange")
      const late = yield* Effect.flip(input.session(3, (session) => session.give([at(8), at(4)])))
      assert.strictEqual(late._tag, "InvalidRequest")
      yield* input.seal(4)
      assert.deepStrictEqual(yield* updates(handles.reader), [])
      const unreadable = yield* store.createOrLoadLazily("a", { key: Codec.bytes, value: Codec.string })
      const broken = yield* unorderedInput(unreadable)
      assert.strictEqual((yield* Effect.flip(broken.seal(6)))._tag, "CodecMismatch")
      assert.strictEqual((yield* Effect.flip(run(persistedSource(unreadable.reader))))._tag, "CodecMismatch")
    }))
})
