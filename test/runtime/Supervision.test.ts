import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Fiber, Logger, Metric, Schedule, Scope } from "effect"
import { TestClock } from "effect/testing"
import type * as PersistClient from "../../src/client/PersistClient.ts"
import * as Metrics from "../../src/runtime/Metrics.ts"
import { Log, type Writer } from "../../src/storage/Log.ts"
import * as Update from "../../src/Update.ts"
import type * as Faulty from "../utils/Faulty.ts"
import * as Store from "../utils/Store.ts"

const put = (key: string, time = 0) => Update.insert(key, "v".repeat(40), time)

const large = (key: string) => Update.insert(key, "v".repeat(100_000), 0)

const defect = new Error("a bug")

/** What is logged, with its level first. */
const listening = <A, E, R>(effect: (lines: Array<string>) => Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const lines: Array<string> = []
    const logger = Logger.make(({ cause, logLevel, message }) => {
      lines.push(`${logLevel} ${String(message)} ${Cause.pretty(cause)}`)
    })
    return effect(lines).pipe(
      Effect.provide(Logger.layer([logger])),
      Effect.provideService(Metric.MetricRegistry, new Map())
    )
  })

/** A client in a scope of its own, and the scope. */
const opened = Effect.fnUntraced(function*(storage: Faulty.Storage, options: PersistClient.Options) {
  const scope = yield* Scope.make()
  const client = yield* Scope.provide(Store.client(storage, options), scope)
  return { client, scope, ...yield* client.createOrLoad("s", Store.text) }
})

/** A store whose log does everything, and then dies of what it did not expect. */
const dyingAfterAppend = (storage: Faulty.Storage, isDying: () => boolean): Faulty.Storage => {
  const log = Context.get(storage, Log)
  return Context.add(storage, Log, {
    ...log,
    acquire: Effect.map(log.acquire, (writer) => ({
      ...writer,
      append: (...entry: Parameters<Writer["append"]>) =>
        Effect.tap(writer.append(...entry), () => isDying() ? Effect.die(defect) : Effect.void)
    }))
  })
}

describe("a defect in maintenance", () => {
  it.effect("holds up no write, is logged and counted, and is over when its cause is", () =>
    listening(Effect.fnUntraced(function*(lines) {
      const { control, storage } = yield* Store.faulty
      control.before = (operation) => operation === "put" ? Effect.die(defect) : Effect.void
      const { client, reader, writer } = yield* opened(storage, {
        ...Store.tiny,
        maintenance: Schedule.spaced("1 second")
      })
      for (let i = 0; i < 300; i++) yield* writer.append([put(`${i}`)])
      yield* TestClock.adjust("10 minutes")
      for (let i = 300; i < 600; i++) yield* writer.append([put(`${i}`)])
      const found = yield* Metrics.total(Metrics.maintenanceDefects)
      assert.isAbove(found, 5, "it is tried again and again")
      assert.isBelow(found, 100, "ever less often")
      assert.isTrue(lines.some((line) => /^Error maintenance .*a bug/s.test(line)), lines.join("\n"))

      control.before = () => Effect.void
      yield* TestClock.adjust("10 minutes")
      assert.isNotEmpty(yield* Store.storedKeys(storage))
      assert.strictEqual(yield* Metrics.total(Metrics.maintenanceDefects), found)
      assert.lengthOf(yield* Store.contents(reader), 600)
      yield* client.stop
    })))

  it.effect("at the end stops nothing of the stop", () =>
    listening(Effect.fnUntraced(function*(lines) {
      const { control, storage } = yield* Store.faulty
      control.before = (operation) => operation === "put" ? Effect.die(defect) : Effect.void
      const { client, writer } = yield* opened(storage, Store.tiny)
      for (let i = 0; i < 150; i++) yield* writer.append([put(`${i}`)])
      yield* client.stop
      assert.isTrue(lines.some((line) => line.startsWith("Error")), lines.join("\n"))
      control.before = () => Effect.void
      const again = yield* opened(storage, Store.quiet)
      assert.lengthOf(yield* Store.contents(again.reader), 150)
      yield* again.client.stop
    })))

  it.effect("writes go on when what filled the memory was destroyed before maintenance looked", () =>
    Effect.gen(function*() {
      const { storage } = yield* Store.faulty
      const { client, writer } = yield* opened(storage, Store.tiny)
      const other = yield* client.createOrLoad("other", Store.text)
      yield* writer.offer([large("k")])
      yield* client.destroy("s")
      yield* other.writer.append([put("k")])
      yield* client.stop
    }))
})

describe("a defect in the owner", () => {
  it.effect("answers everybody, wherever they wait, with its cause, and ends the store", () =>
    listening(Effect.fnUntraced(function*(lines) {
      const { control, storage } = yield* Store.faulty
      let isDying = false
      control.before = (operation) =>
        operation === "put" ? Effect.never : operation === "append" && isDying ? Effect.die(defect) : Effect.void
      const { client, scope, writer } = yield* opened(storage, {
        ...Store.tiny,
        queueCapacity: 2,
        queueBytes: 128 * 1024
      })
      const writers: Array<Fiber.Fiber<Exit.Exit<unknown, { readonly _tag: string; readonly message: string }>>> = []
      const fork = (effect: Effect.Effect<unknown, { readonly _tag: string; readonly message: string }>) =>
        Effect.map(Effect.forkChild(Effect.exit(effect), { startImmediately: true }), (fiber) => {
          writers.push(fiber)
        })
      for (let i = 0; i < 4; i++) yield* fork(writer.append([large(`${i}`)]))
      for (let i = 0; i < 300; i++) yield* fork(writer.append([put(`${i}`)]))
      for (let round = 0; round < 100; round++) yield* Effect.yieldNow
      const before = writers.filter((each) => each.pollUnsafe() !== undefined).length
      assert.isBelow(before, 304, "some wait for memory")
      isDying = true
      for (let i = 0; i < 10; i++) yield* fork(writer.seal(i + 1))
      const exits = yield* Effect.forEach(writers, (each) => Fiber.join(each))
      const failures = exits.slice(before).flatMap((exit) => Exit.isFailure(exit) ? [Cause.squash(exit.cause)] : [])
      const tags = failures.map((each) => (each as { readonly _tag: string })._tag)
      assert.isAbove(tags.filter((tag) => tag === "Indeterminate").length, 0)
      assert.isAbove(tags.filter((tag) => tag === "RuntimeShutdown").length, 100)
      for (const each of failures) {
        const { _tag, cause } = each as { readonly _tag: string; readonly cause?: unknown }
        if (_tag === "RuntimeShutdown") assert.strictEqual(cause, defect)
        else assert.strictEqual(_tag, "Indeterminate")
      }

      assert.propertyVal(yield* Effect.flip(client.sync), "cause", defect)
      assert.propertyVal(yield* Effect.flip(writer.append([large("late")])), "cause", defect)
      assert.propertyVal(yield* Effect.flip(client.stop), "cause", defect)
      assert.isTrue(lines.some((line) => /^Error .*a bug/s.test(line)), lines.join("\n"))
      assert.strictEqual(yield* Metrics.total(Metrics.ownerDefects), 1)
      yield* Scope.close(scope, Exit.void)
      control.before = () => Effect.void
      const again = yield* opened(storage, Store.quiet)
      yield* again.client.stop
    })))

  it.effect("ends a stop that waits for the last run of maintenance", () =>
    Effect.gen(function*() {
      const { control, storage } = yield* Store.faulty
      let isDying = false
      control.before = (operation) =>
        operation === "put" ? Effect.never : operation === "append" && isDying ? Effect.die(defect) : Effect.void
      const { client, writer } = yield* opened(storage, Store.tiny)
      for (let i = 0; i < 50; i++) yield* writer.append([put(`${i}`)])
      const stopping = yield* Effect.forkChild(Effect.flip(client.stop), { startImmediately: true })
      for (let round = 0; round < 100; round++) yield* Effect.yieldNow
      assert.isUndefined(stopping.pollUnsafe())
      isDying = true
      assert.propertyVal(yield* Effect.flip(writer.append([put("late")])), "_tag", "Indeterminate")
      assert.propertyVal(yield* Fiber.join(stopping), "cause", defect)
    }))

  it.effect("deletes no blob that the log may name", () =>
    Effect.gen(function*() {
      const storage = yield* Store.memory
      let isDying = false
      const { client, writer } = yield* opened(dyingAfterAppend(storage, () => isDying), {
        ...Store.tiny,
        memoryBytes: 100_000
      })
      for (let i = 0; i < 20; i++) yield* writer.append([put(`${i}`)])
      yield* writer.seal(1)
      isDying = true
      assert.propertyVal(yield* Effect.flip(client.compact("s")), "_tag", "Indeterminate")
      yield* Effect.exit(client.stop)
      const again = yield* opened(storage, Store.quiet)
      assert.lengthOf(yield* Store.contents(again.reader), 20)
      yield* again.client.stop
    }))
})
