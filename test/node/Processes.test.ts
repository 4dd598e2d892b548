import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schedule, Stream } from "effect"
import fs from "node:fs"
import { hostname } from "node:os"
import { join } from "node:path"
import * as Child from "../utils/Child.ts"
import { append, directory, entry, inScope, openLog, readTexts, texts } from "./Temporary.ts"

const script = join(import.meta.dirname, "Child.ts")

const start = (path: string) => Child.start(script, path)

describe("two processes", () => {
  it.live("lock_info: the second writer learns who has the store; a kill frees it at once", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      const child = yield* start(path)
      assert.strictEqual(yield* child.next, "acquired 1 0")
      for (let upper = 1; upper <= 5; upper++) {
        yield* child.tell("append")
        assert.strictEqual(yield* child.next, `appended ${upper}`)
      }
      const log = yield* openLog(path)
      const locked: object = { _tag: "Locked", location: path, pid: child.pid, host: hostname() }
      assert.deepInclude(yield* Effect.flip(log.acquire), locked)
      yield* child.kill("SIGSTOP")
      assert.deepInclude(yield* Effect.flip(log.acquire), locked)
      yield* child.kill("SIGKILL")
      // The kernel needs a moment to end a process; there is nothing else to wait for.
      const writer = yield* Effect.retry(log.acquire, { schedule: Schedule.spaced("10 millis"), times: 500 })
      assert.deepStrictEqual(writer.bounds, { lower: 0, upper: 5 })
      assert.deepStrictEqual(yield* readTexts(log, 0), texts(0, 5))
      yield* append(writer, 5, 7)

      const late = yield* start(path)
      assert.strictEqual(yield* late.next, `locked by ${process.pid}`)
    }))

  it.live("a clean end in one process is no lock in the next", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      const child = yield* start(path)
      yield* child.next
      yield* child.tell("append")
      yield* child.next
      const ended = Effect.callback<void>((resume) => void child.process.once("exit", () => resume(Effect.void)))
      child.process.stdin!.end()
      yield* ended
      const log = yield* openLog(path)
      assert.deepStrictEqual((yield* log.acquire).bounds, { lower: 0, upper: 1 })
    }))

  it.live("a writer that slept through a takeover is fenced, and what it writes is not read", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      const child = yield* start(path)
      yield* child.next
      yield* child.tell("append")
      yield* child.next
      yield* child.kill("SIGSTOP")
      for (const name of fs.readdirSync(join(path, "lock"))) fs.rmSync(join(path, "lock", name))
      const log = yield* openLog(path)
      const writer = yield* log.acquire
      assert.strictEqual(writer.epoch, 2)
      yield* child.kill("SIGCONT")
      yield* child.tell("append")
      assert.strictEqual(yield* child.next, "Fenced")
      yield* append(writer, 1, 3)
      yield* child.tell("append")
      assert.strictEqual(yield* child.next, "Fenced")
      assert.deepStrictEqual(yield* readTexts(yield* openLog(path), 0), texts(0, 3))
      assert.deepStrictEqual(yield* Stream.runCollect(log.verify), [])
    }))

  it.live("a follower in another process reads every entry once, in order, while the writer goes on", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      const child = yield* start(path)
      yield* child.next
      const total = 3_000
      for (let i = 0; i < total; i++) yield* child.tell("append")
      const log = yield* openLog(path)
      let upper = 0
      const take = Effect.suspend(() => readTexts(log, upper)).pipe(
        Effect.map((found) => {
          assert.deepStrictEqual(found, texts(upper, upper + found.length))
          upper += found.length
        })
      )
      yield* Stream.concat(Stream.make(undefined), log.changes).pipe(
        Stream.mapEffect(() => take),
        Stream.takeUntil(() => upper === total),
        Stream.runDrain
      )
      assert.deepStrictEqual(yield* log.bounds, { lower: 0, upper: total })
      assert.deepStrictEqual(yield* Stream.runCollect(log.verify), [])
    }))

  it.live("a reader that comes before the store is there notices when it is", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      const log = yield* openLog(path)
      const first = yield* Effect.forkScoped(Stream.runHead(log.changes), { startImmediately: true })
      const child = yield* start(path)
      yield* child.next
      yield* Fiber.join(first)
      yield* child.tell("append")
      yield* child.next
      assert.deepStrictEqual(yield* readTexts(log, 0), texts(0, 1))
    }))
})

describe("one process", () => {
  it.live("a reader waits for a takeover that is under way, as what it has read may not be kept", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      const writer = yield* (yield* openLog(path)).acquire
      yield* append(writer, 0, 3)
      const reader = yield* openLog(path)
      const taking = join(path, "lock", String(writer.epoch + 1).padStart(16, "0"))
      fs.writeFileSync(taking, JSON.stringify({ pid: 1, host: "elsewhere", startTime: "", nonce: "" }))
      assert.deepInclude(yield* Effect.flip(readTexts(reader, 0)), { _tag: "Unavailable" } as object)
      const waiting = yield* Effect.forkScoped(readTexts(reader, 0), { startImmediately: true })
      yield* Effect.sleep("30 millis")
      fs.rmSync(taking)
      assert.deepStrictEqual(yield* Fiber.join(waiting), texts(0, 3))
    }))

  it.effect("file_storage_lock_reentrance: an opener may acquire again, another opener may not until it is closed", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      const other = yield* openLog(path)
      yield* inScope(Effect.gen(function*() {
        const log = yield* openLog(path)
        const first = yield* log.acquire
        assert.deepInclude(yield* Effect.flip(other.acquire), { _tag: "Locked", pid: process.pid } as object)
        const second = yield* log.acquire
        assert.strictEqual(second.epoch, first.epoch + 1)
        assert.strictEqual((yield* Effect.flip(other.acquire))._tag, "Locked")
        assert.deepInclude(yield* Effect.flip(first.append(0, [entry(0)])), {
          _tag: "Fenced",
          epoch: first.epoch,
          current: second.epoch
        } as object)
        yield* append(second, 0, 1)
      }))
      const writer = yield* other.acquire
      assert.deepStrictEqual(writer.bounds, { lower: 0, upper: 1 })
    }))

  const lockOf = (path: string): string => join(path, "lock", fs.readdirSync(join(path, "lock"))[0]!)

  it.effect("lock_info: a lock of another host counts as held, one of a process before this one or without content does not", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      yield* inScope(Effect.flatMap(openLog(path), (log) => log.acquire))
      const self = { pid: process.pid, host: hostname(), startTime: "0", nonce: "before" }
      const hold = (content: string) => {
        fs.writeFileSync(lockOf(path), content)
        return Effect.result(inScope(Effect.flatMap(openLog(path), (log) => log.acquire)))
      }
      const away = yield* hold(JSON.stringify({ ...self, host: "elsewhere", pid: 42 }))
      assert.deepInclude(
        away._tag === "Failure" && away.failure,
        { _tag: "Locked", pid: 42, host: "elsewhere" } as object
      )
      if (fs.existsSync("/proc/self/stat")) {
        const startTime = fs.readFileSync(`/proc/${process.ppid}/stat`, "latin1").split(") ").at(-1)!.split(" ")[19]
        const parent = { ...self, pid: process.ppid }
        assert.strictEqual((yield* hold(JSON.stringify({ ...parent, startTime })))._tag, "Failure")
        assert.strictEqual((yield* hold(JSON.stringify(parent)))._tag, "Success")
        // The lock was made by a process that could not read its own start time.
        assert.strictEqual((yield* hold(JSON.stringify({ ...parent, startTime: "" })))._tag, "Failure")
      }
      for (const content of [JSON.stringify(self), "", "{", "null", "7", `{"pid":"x"}`]) {
        assert.strictEqual((yield* hold(content))._tag, "Success", content)
      }
    }))
})
