import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Metric, Schedule, Stream, Tracer } from "effect"
import { TestClock } from "effect/testing"
import * as MultiWriter from "../../src/client/MultiWriter.ts"
import * as PersistClient from "../../src/client/PersistClient.ts"
import * as WorkerMerger from "../../src/node/WorkerMerger.ts"
import * as PersistError from "../../src/PersistError.ts"
import * as Command from "../../src/runtime/Command.ts"
import * as HoldFiles from "../../src/runtime/HoldFiles.ts"
import { Merger } from "../../src/runtime/Merger.ts"
import * as Metrics from "../../src/runtime/Metrics.ts"
import { Blob } from "../../src/storage/Blob.ts"
import * as Update from "../../src/Update.ts"
import type * as Faulty from "../utils/Faulty.ts"
import * as Store from "../utils/Store.ts"

const put = (key: string, time = 0) => Update.insert(key, "v".repeat(40), time)

/** Each series at present: what tells it from others, and its number, which of a histogram is that of its observations. */
const series = Effect.map(Metric.snapshot, (all) =>
  all.map(({ attributes, id, state }) => ({
    id,
    attributes,
    is: Number("count" in state ? state.count : "value" in state ? state.value : NaN)
  })))

/** Waits for a moment, so that there is a time to measure. */
const slowly = (control: Faulty.Control) => {
  control.before = (operation) => operation === "append" || operation === "put" ? Effect.sleep("1 millis") : Effect.void
}

/** Does everything that any metric counts. */
const everything = Effect.gen(function*() {
  const { control, storage } = yield* Store.faulty
  const client = yield* Store.client(storage, { ...Store.tiny, retry: Schedule.recurs(1) })
  const { reader, writer } = yield* client.createOrLoad("s", Store.text)
  const { events } = yield* reader.listen()
  slowly(control)
  const crowd = yield* Effect.forkChild(
    Effect.forEach(Array.from({ length: 400 }), (_, i) => writer.append([put(`crowd${i % 10}`, 300)]), {
      concurrency: 8
    })
  )
  const writing = yield* Effect.forkChild(Effect.gen(function*() {
    for (let i = 0; i < 120; i++) {
      yield* writer.append([put(`k${i % 30}`, i)])
      if (i % 20 === 19) {
        yield* writer.seal(i)
        yield* client.maintain
      }
    }
    yield* writer.allowCompaction(100)
    yield* client.compact("s")
  }))
  while (writing.pollUnsafe() === undefined) yield* TestClock.adjust("10 millis")
  yield* Fiber.join(writing)
  yield* Fiber.join(crowd)
  control.before = () => Effect.void
  yield* Stream.runDrain(Stream.take(events, 10))
  for (let i = 0; i < 2; i++) yield* reader.get("k1", { asOf: 110 })
  yield* PersistClient.storeOf(client).submit(new Command.Transact({ readAt: 0, reads: [], writes: [] }))
  control.nextAppend = "applied"
  yield* writer.append([put("a", 200)])
  control.isDown = true
  // More than open the circuit: maintenance may end something between them.
  for (let i = 0; i < 10; i++) yield* Effect.flip(writer.append([put("b", 200)]))
})

describe("metrics", () => {
  it.effect("every one of them moves", () =>
    Effect.gen(function*() {
      const seen = new Map<string, Set<number>>()
      const look = Effect.map(series, (now) => {
        for (const { attributes, id, is } of now) {
          const key = `${id} ${JSON.stringify(attributes)}`
          seen.set(key, (seen.get(key) ?? new Set([0])).add(is))
        }
      })
      const all = Object.values(Metrics).filter((each) => typeof each !== "function")
      yield* look
      const looking = yield* Effect.forkChild(Effect.forever(Effect.andThen(look, Effect.yieldNow)))
      yield* Effect.scoped(everything)
      yield* outOfSpaceAndStale
      yield* damagedHold
      yield* workerless
      yield* defects
      yield* longWait
      yield* look
      yield* Fiber.interrupt(looking)

      const moved = new Set([...seen].flatMap(([key, numbers]) => numbers.size > 1 ? key.split(" ")[0]! : []))
      assert.isAbove(all.length, 35)
      assert.deepStrictEqual(all.map(({ id }) => id).filter((id) => !moved.has(id)), [])
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())))

  it.effect("rows and bytes are counted when they are durable, and as the user counts them", () =>
    Effect.gen(function*() {
      const { control, storage } = yield* Store.faulty
      const client = yield* Store.client(storage)
      const { writer } = yield* client.createOrLoad("s", Store.text)
      yield* writer.append([Update.insert("abc", "de", 1), Update.insert("f", "", 1)])
      control.isDown = true
      yield* Effect.flip(writer.append([put("a", 1)]))
      assert.strictEqual(yield* Metrics.total(Metrics.writtenRows), 2)
      assert.strictEqual(yield* Metrics.total(Metrics.writtenBytes), 6 + 2 * 16)
      assert.strictEqual(yield* Metrics.total(Metrics.commandsFailed), 1)
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())))
})

/** The attributes and the number of each series of a metric. */
const seriesOf = (metric: { readonly id: string }): Effect.Effect<ReadonlyArray<object>> =>
  Effect.map(series, (all) => all.flatMap(({ attributes, id, is }) => id === metric.id ? [{ ...attributes, is }] : []))

describe("the metrics of several stores in one process", () => {
  const isolated = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.provideService(effect, Metric.MetricRegistry, new Map())

  const opened = Effect.fnUntraced(function*(collections: number, options?: PersistClient.Options) {
    const client = yield* Store.client(yield* Store.memory, { ...Store.quiet, ...options })
    for (let i = 0; i < collections; i++) {
      const { writer } = yield* client.createOrLoad(`c${i}`, Store.text)
      yield* writer.append([put("a"), put("b")])
    }
    yield* client.maintain
    return client
  })

  it.effect("stand side by side, under the name or the location of each", () =>
    isolated(Effect.gen(function*() {
      yield* opened(1, { name: "orders" })
      yield* opened(2)
      yield* opened(3)
      assert.deepStrictEqual(yield* seriesOf(Metrics.collectionCount), [
        { store: "orders", role: "writer", is: 1 },
        { store: "memory", role: "writer", is: 2 },
        { store: "memory (2)", role: "writer", is: 3 }
      ])
      const all = yield* Metric.snapshot
      const anonymous = all.filter(({ attributes, id }) =>
        id.startsWith("tidemark_") && attributes?.store === undefined
      )
      assert.deepStrictEqual(anonymous.map(({ id }) => id), [])
      assert.strictEqual(yield* Metrics.total(Metrics.collectionCount), 6)
      assert.strictEqual(yield* Metrics.total(Metrics.writtenRows), 12)
    })))

  it.effect("of a writer and of its follower are two", () =>
    isolated(Effect.gen(function*() {
      const storage = yield* Store.memory
      const writer = yield* Store.client(storage)
      const follower = yield* Store.follower(storage)
      const collection = yield* writer.createOrLoad("s", Store.text)
      yield* collection.reader.listen()
      for (let i = 0; i < 2; i++) yield* (yield* follower.load("s", Store.text)).reader.listen()
      assert.deepStrictEqual(yield* seriesOf(Metrics.listeners), [
        { store: "memory", role: "writer", is: 1 },
        { store: "memory", role: "follower", is: 2 }
      ])
    })))

  it.effect("leave no level behind when a store is closed, and its name is free again", () =>
    isolated(Effect.gen(function*() {
      for (let i = 0; i < 2; i++) yield* Effect.scoped(opened(2))
      assert.deepStrictEqual(yield* seriesOf(Metrics.collectionCount), [{ store: "memory", role: "writer", is: 0 }])
      assert.strictEqual(yield* Metrics.total(Metrics.writtenRows), 8)
    })))

  it.effect("count rows by collection, for a bounded number of collections", () =>
    isolated(Effect.gen(function*() {
      yield* opened(130)
      const rows = yield* seriesOf(Metrics.writtenRows)
      assert.lengthOf(rows, 101)
      assert.deepStrictEqual(rows.slice(0, 2), [
        { store: "memory", role: "writer", collection: "c0", is: 2 },
        { store: "memory", role: "writer", collection: "c1", is: 2 }
      ])
      assert.deepInclude(rows, { store: "memory", role: "writer", collection: "(others)", is: 60 })
    })))

  it.effect("keep what the program says of itself", () =>
    isolated(
      Effect.gen(function*() {
        yield* opened(1)
        assert.deepStrictEqual(yield* seriesOf(Metrics.collectionCount), [
          { region: "north", store: "memory", role: "writer", is: 1 }
        ])
      }).pipe(Effect.provideService(Metric.CurrentMetricAttributes, { region: "north" }))
    ))
})

/** A full disk, and a compaction that comes too late. */
const outOfSpaceAndStale = Effect.scoped(Effect.gen(function*() {
  const { control, storage } = yield* Store.faulty
  const blob = Context.get(storage, Blob)
  let isFull = true
  const full = Context.add(storage, Blob, {
    ...blob,
    put: (key, bytes) =>
      isFull ? Effect.fail(new PersistError.OutOfSpace({ location: "test", detail: "full" })) : blob.put(key, bytes)
  })
  const client = yield* Store.client(full, Store.tiny)
  const { writer } = yield* client.createOrLoad("s", Store.text)
  yield* writer.append([put("a")])
  const error = yield* Effect.flip(client.compact("s"))
  assert.propertyVal(error, "_tag", "OutOfSpace")
  isFull = false
  control.before = (operation, detail) =>
    operation === "put" && detail.startsWith("batch/") ? Effect.ignore(client.destroy("s")) : Effect.void
  yield* client.compact("s")
}))

/** A merge whose worker cannot be started. */
const workerless = Effect.scoped(Effect.gen(function*() {
  const start = () => {
    throw new Error("no worker")
  }
  const merger = yield* WorkerMerger.make({ start })
  const client = yield* Effect.provideService(Store.client(yield* Store.memory, Store.tiny), Merger, merger)
  const { writer } = yield* client.createOrLoad("s", Store.text)
  yield* writer.append([put("a")])
  yield* client.compact("s")
}))

/** A hold that cannot be read, and a writer that looks at it. */
const damagedHold = Effect.scoped(Effect.gen(function*() {
  const storage = yield* Store.memory
  const blob = Context.get(storage, Blob)
  yield* blob.put(HoldFiles.stateOf(yield* HoldFiles.make("damaged", 1_000)), new Uint8Array(20))
  yield* HoldFiles.keeping(blob)
}))

/** A read of a time that is not sealed. */
const longWait = Effect.scoped(Effect.gen(function*() {
  const client = yield* Store.client(yield* Store.memory)
  const { reader } = yield* client.createOrLoad("s", Store.text)
  const reading = yield* Effect.forkChild(reader.get("a", { asOf: 1 }))
  yield* Effect.repeat(Effect.yieldNow, { times: 50 })
  yield* TestClock.adjust("10 seconds")
  yield* Fiber.interrupt(reading)
}))

describe("spans", () => {
  const recording = () => {
    const names: Array<string> = []
    const tracer = Tracer.make({
      span: (options) => {
        names.push(options.name)
        return new Tracer.NativeSpan(options)
      }
    })
    return { names, tracer }
  }

  const operations = Effect.gen(function*() {
    const client = yield* Effect.flatMap(Store.memory, (storage) => Store.client(storage))
    const { reader, writer } = yield* client.createOrLoad("s", Store.text)
    yield* client.load("s", Store.text)
    yield* writer.append([put("a")])
    yield* writer.offer([put("a")])
    yield* writer.seal(1)
    yield* writer.offerSeal(2)
    yield* writer.compareAndAppend([], { expected: 2, upper: 3 })
    yield* writer.allowCompaction(1)
    yield* Effect.scoped(reader.snapshot())
    yield* Effect.scoped(reader.listen())
    yield* reader.get("a")
    yield* reader.getOne("b")
    yield* reader.history("a")
    yield* client.description("s")
    const multi = yield* MultiWriter.make([writer])
    yield* multi.appendAtomic(() => {})
    yield* multi.seal(4)
    yield* multi.allowCompaction(2)
    yield* client.compact("s")
    yield* client.destroy("s")
  })

  it.effect("are made of every public operation where somebody traces", () =>
    Effect.gen(function*() {
      const { names, tracer } = recording()
      yield* Effect.scoped(operations).pipe(Effect.provideService(Tracer.Tracer, tracer))
      const isStorage = (name: string) => name.startsWith("Log.") || name.startsWith("Blob.")
      assert.includeMembers(names.filter(isStorage), ["Log.append", "Log.truncate", "Blob.put", "Blob.list"])
      assert.deepStrictEqual(names.filter((name) => !isStorage(name)), [
        "PersistClient.createOrLoad",
        "PersistClient.load",
        "CollectionWriter.append",
        "CollectionWriter.offer",
        "CollectionWriter.seal",
        "CollectionWriter.offerSeal",
        "CollectionWriter.compareAndAppend",
        "CollectionWriter.allowCompaction",
        "CollectionReader.snapshot",
        "CollectionReader.listen",
        "CollectionReader.get",
        "CollectionReader.getOne",
        "CollectionReader.history",
        "PersistClient.description",
        "MultiWriter.appendAtomic",
        "MultiWriter.seal",
        "MultiWriter.allowCompaction",
        "PersistClient.compact",
        "PersistClient.destroy"
      ])
    }))

  it.effect("and name the collection, never what is in it", () =>
    Effect.gen(function*() {
      const spans: Array<Tracer.Span> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      yield* Effect.scoped(operations).pipe(Effect.provideService(Tracer.Tracer, tracer))
      for (const { attributes, name } of spans) {
        if (/^(Log|Blob)\./.test(name)) assert.deepStrictEqual([...attributes.keys()], ["tidemark.storage"])
        else assert.deepStrictEqual([...attributes], [["tidemark.collection", "s"]])
      }
    }))
})

/** Maintenance that dies, and then the store. */
const defects = Effect.scoped(Effect.gen(function*() {
  const { control, storage } = yield* Store.faulty
  const client = yield* Store.client(storage, { ...Store.tiny, memoryBytes: 10 })
  const { writer } = yield* client.createOrLoad("s", Store.text)
  yield* writer.append([put("a")])
  control.before = () => Effect.die(new Error("made to die"))
  yield* Effect.exit(client.maintain)
  yield* Effect.exit(writer.append([put("b")]))
}))
