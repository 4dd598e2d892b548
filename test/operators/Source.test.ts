import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Stream } from "effect"
import * as Codec from "../../src/Codec.ts"
import { awaitFrontier } from "../../src/operators/AwaitFrontier.ts"
import * as Flow from "../../src/operators/Flow.ts"
import { persist } from "../../src/operators/Persist.ts"
import { persistedSource, replay } from "../../src/operators/Source.ts"
import { AsOfBeforeSince } from "../../src/PersistError.ts"
import * as Update from "../../src/Update.ts"
import { client, contents, inScope, memory, referencedKeys, storedKeys, text, tiny } from "../utils/Store.ts"
import { run, runTo, sums } from "./Flows.ts"

const opened = Effect.gen(function*() {
  const storage = yield* memory
  const persist = yield* client(storage, tiny)
  return { persist, ...(yield* persist.createOrLoad("a", text)) }
})

describe("persistedSource", () => {
  it.effect("persisted_source: what was there, then what comes, and progress follows the seals", () =>
    Effect.gen(function*() {
      const { persist, reader, writer } = yield* opened
      yield* writer.compareAndAppend([Update.insert("a", "1", 0)], { expected: 0, upper: 1 })
      yield* writer.append([Update.insert("b", "1", 2)])
      yield* persist.maintain
      const running = yield* Effect.forkChild(runTo(persistedSource(reader), 5))
      yield* Effect.yieldNow
      for (let time = 2; time < 5; time++) {
        yield* writer.append([Update.insert(`c${time}`, "1", time)])
        yield* writer.seal(time + 1)
      }
      const { errors, frontier, updates } = yield* Fiber.join(running)
      assert.deepStrictEqual(sums(updates), { "a=1": 1, "b=1": 1, "c2=1": 1, "c3=1": 1, "c4=1": 1 })
      assert.strictEqual(updates.length, 5)
      assert.deepStrictEqual([frontier, errors], [5, []])
    }))

  it.effect("source_eager_capability_downgrade: the upper of the snapshot is emitted without another seal", () =>
    Effect.gen(function*() {
      const { reader, writer } = yield* opened
      yield* writer.seal(7)
      assert.strictEqual((yield* runTo(persistedSource(reader), 7)).frontier, 7)
    }))

  it.effect("regression_8606: of rows that are written while it begins none is missing and none comes twice", () =>
    Effect.gen(function*() {
      const { reader, writer } = yield* opened
      const writing = Effect.gen(function*() {
        yield* writer.append([Update.insert("k", "v", 1), Update.retract("k", "v", 1000)])
        yield* writer.seal(2000)
      })
      const [, { updates }] = yield* Effect.all([writing, runTo(persistedSource(reader), 2000)], {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(sums(updates), {})
    }))

  it.effect("begins as of a time: what is before it counts as being at it, also when it comes later", () =>
    Effect.gen(function*() {
      const { reader, writer } = yield* opened
      yield* writer.append([Update.insert("a", "1", 0)])
      const running = yield* Effect.forkChild(runTo(persistedSource(reader, { asOf: 3 }), 9))
      yield* Effect.yieldNow
      yield* writer.append([Update.insert("b", "1", 1), Update.insert("c", "1", 5)])
      yield* writer.seal(9)
      const { updates } = yield* Fiber.join(running)
      assert.deepStrictEqual(updates.map(({ key, time }) => [key, time]), [["a", 3], ["b", 3], ["c", 5]])
    }))

  it.effect("error_stream: a row that does not decode is an error at its time, and is retracted with it", () =>
    Effect.gen(function*() {
      const storage = yield* memory
      const persist = yield* client(storage)
      const raw = yield* persist.createOrLoad("a", { key: Codec.string, value: Codec.json })
      yield* raw.writer.append([Update.insert("good", "1", 0), Update.insert("bad", 2, 1)])
      // The name is the same, but not what it takes.
      const strict = { ...text.value, name: "json", decode: decodeString }
      const { reader } = yield* persist.createOrLoad("a", { key: Codec.string, value: strict })
      const running = yield* Effect.forkChild(runTo(persistedSource(reader), 9))
      yield* Effect.yieldNow
      yield* raw.writer.append([Update.retract("bad", 2, 4)])
      yield* raw.writer.append([Update.insert("worse", 3, 5), Update.insert("fine", "2", 6)])
      yield* raw.writer.seal(9)
      const { errors, updates } = yield* Fiber.join(running)
      assert.deepStrictEqual(sums(updates), { "good=1": 1, "fine=2": 1 })
      const place = "persistedSource a Undecodable at"
      assert.deepStrictEqual(errors, [`${place} 1`, `${place} 4`, `${place} 5`])
    }))

  it.effect("initial_error_handling, regression_8687: what registering failed with comes out of the flow alone", () =>
    Effect.gen(function*() {
      const { persist: store, reader, writer } = yield* opened
      const broken = yield* store.createOrLoadLazily("a", { key: Codec.bytes, value: Codec.string })
      const flow = persistedSource(broken.reader).pipe(persist(broken.writer))
      yield* writer.seal(1)
      const [failed, fine] = yield* Effect.all([Effect.flip(run(flow)), runTo(persistedSource(reader), 1)], {
        concurrency: "unbounded"
      })
      assert.strictEqual(failed._tag, "CodecMismatch")
      assert.strictEqual(fine.frontier, 1)
    }))

  it.effect("multiple_workers: flows of parts of a snapshot have each row once", () =>
    Effect.gen(function*() {
      const { persist: store, reader, writer } = yield* opened
      const out = yield* store.createOrLoad("out", text)
      for (let i = 0; i < 40; i++) yield* writer.append([Update.insert(`k${i}`, "v".repeat(80), i)])
      yield* writer.seal(40)
      yield* store.maintain
      yield* inScope(Effect.gen(function*() {
        const snapshot = yield* reader.snapshot()
        const workers = snapshot.parts(4).map((part) =>
          part.pipe(
            Stream.chunks,
            Stream.map(Flow.updates),
            Stream.concat(Stream.succeed(Flow.progress(40))),
            persist(out.writer)
          )
        )
        const { frontier, updates } = yield* run(Flow.merge(workers))
        assert.strictEqual(updates.length, 40)
        assert.strictEqual(frontier, 40)
      }))
      assert.strictEqual((yield* contents(out.reader)).length, 40)
    }))

  it.effect("while it goes on it does not keep the stored batches that it began with", () =>
    Effect.gen(function*() {
      const storage = yield* memory
      const persist = yield* client(storage, tiny)
      const { reader, writer } = yield* persist.createOrLoad("a", text)
      for (let i = 0; i < 40; i++) yield* writer.append([Update.insert(`k${i}`, "v".repeat(80), i)])
      yield* writer.seal(41)
      yield* persist.maintain
      const begun = yield* Deferred.make<void>()
      const running = yield* persistedSource(reader).pipe(
        Stream.tap((event) => event._tag === "Progress" ? Deferred.succeed(begun, undefined) : Effect.void),
        Stream.takeUntil((event) => event._tag === "Progress" && event.frontier === 42),
        Stream.runDrain,
        Effect.forkChild
      )
      yield* Deferred.await(begun)
      yield* Effect.yieldNow
      const before = yield* referencedKeys(storage)
      yield* writer.allowCompaction(40)
      yield* persist.compact("a")
      yield* persist.maintain
      const after = yield* storedKeys(storage)
      assert.isAbove(before.length, 0)
      assert.deepStrictEqual(after.filter((key) => before.includes(key)), [])
      yield* writer.seal(42)
      yield* Fiber.join(running)
    }))
})

const decodeString = (bytes: Uint8Array, start: number, end: number): string => {
  const value = Codec.json.decode(bytes, start, end)
  return typeof value === "string" ? value : Codec.string.decode(Uint8Array.of(0xff), 0, 1)
}

describe("replay", () => {
  it.effect("replay: every row, advanced, and then how far it is complete", () =>
    Effect.gen(function*() {
      const { reader, writer } = yield* opened
      yield* writer.append([Update.insert("a", "1", 0), Update.insert("b", "1", 4)])
      yield* writer.seal(3)
      const all = yield* inScope(Effect.flatMap(reader.snapshot(), (snapshot) => run(replay(snapshot, { asOf: 2 }))))
      assert.deepStrictEqual(all.updates.map(({ key, time }) => [key, time]), [["a", 2], ["b", 4]])
      assert.strictEqual(all.frontier, 3)
    }))

  it.effect("replay_invalid_as_of: beginning before since fails, and names both", () =>
    Effect.gen(function*() {
      const { reader, writer } = yield* opened
      yield* writer.append([Update.insert("a", "1", 0)])
      yield* writer.allowCompaction(5)
      const error = yield* inScope(
        Effect.flatMap(reader.snapshot(), (snapshot) => Effect.flip(run(replay(snapshot, { asOf: 4 }))))
      )
      assert.deepStrictEqual(error, new AsOfBeforeSince({ collection: "a", asOf: 4, since: 5 }))
      const live = yield* Effect.flip(run(persistedSource(reader, { asOf: 4 })))
      assert.deepStrictEqual(live, error)
      const nonsense = yield* Effect.flip(run(persistedSource(reader, { asOf: 4.5 })))
      assert.strictEqual(nonsense._tag, "ValueOutOfRange")
    }))

  it.effect("compaction_beyond_seal: rows are at since, and complete only up to the seal", () =>
    Effect.gen(function*() {
      const { reader, writer } = yield* opened
      yield* writer.append([Update.insert("a", "1", 0)])
      yield* writer.seal(1)
      yield* writer.allowCompaction(5)
      const { frontier, updates } = yield* runTo(persistedSource(reader), 1)
      assert.deepStrictEqual(updates.map(({ key, time }) => [key, time]), [["a", 5]])
      assert.strictEqual(frontier, 1)
    }))
})

describe("awaitFrontier", () => {
  it.effect("holds each row until its time is complete, and then lets it go with those that it came with", () =>
    Effect.gen(function*() {
      const at = (time: number) => Update.insert(`t${time}`, undefined, time)
      const events = yield* Stream.make(
        Flow.updates([at(5), at(7), at(1), at(4)]),
        Flow.updates([at(1), at(0)]),
        Flow.progress(2),
        Flow.updates([at(3)]),
        Flow.progress(6),
        Flow.progress(7),
        Flow.progress(8)
      ).pipe(Stream.rechunk(1), awaitFrontier, Stream.runCollect)
      const short = events.map((event) =>
        event._tag === "Updates"
          ? event.updates.map(({ time }) => time)
          : event._tag === "Progress"
          ? event.frontier
          : ""
      )
      assert.deepStrictEqual(short, [[1], [1, 0], 2, [4, 5], [3], 6, 7, [7], 8])
    }))
})

describe("splitOkErr", () => {
  it.effect("data and errors have the same progress, and errors are a collection", () =>
    Effect.gen(function*() {
      const oops: Flow.DataError = { operator: "o", collection: "c", reason: "Late", detail: "d" }
      const flow: Flow.Flow<string, void> = Stream.make<Array<Flow.Event<string, void>>>(
        Flow.updates([Update.insert("a", undefined, 0)]),
        Flow.error(oops, 1),
        Flow.progress(2),
        Flow.error(oops, 3, -1),
        Flow.progress(4)
      )
      const store = yield* client(yield* memory)
      const kept = yield* store.createOrLoad("errors", { key: Codec.schema(Flow.DataError), value: Codec.unit })
      const [ok, errors] = yield* Flow.splitOkErr(flow)
      const [data] = yield* Effect.all([run(ok), run(persist(kept.writer)(errors))], { concurrency: "unbounded" })
      assert.deepStrictEqual([sums(data.updates), data.errors, data.frontier], [{ a: 1 }, [], 4])
      yield* kept.writer.seal(4)
      assert.deepStrictEqual(yield* contents(kept.reader, 2), [[oops, undefined, 1]])
      assert.deepStrictEqual(yield* contents(kept.reader, 3), [])
    }))
})
