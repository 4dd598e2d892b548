import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Stream } from "effect"
import fs from "node:fs"
import { hostname } from "node:os"
import { join } from "node:path"
import * as Directory from "../../src/node/Directory.ts"
import { FileStorage } from "../../src/node/index.ts"
import * as Lock from "../../src/node/Lock.ts"
import * as LockHolder from "../../src/node/LockHolder.ts"
import { run } from "../cli/Tool.ts"
import { append, directory, entry, inScope, machine, openLog, openStore, readTexts, texts } from "./Temporary.ts"

const lockOf = (path: string): string => join(path, "lock", fs.readdirSync(join(path, "lock")).toSorted().at(-1)!)

/** Says of the holder of a store that it is on another host, and of a version that sends no heartbeats. */
const moveAway = (path: string): void =>
  fs.writeFileSync(lockOf(path), JSON.stringify({ pid: 42, host: "pod-a", startTime: "1", nonce: "x" }))

describe("a lock file that somebody removes", () => {
  it.live("leaves its writer with nothing to read but that it is fenced", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      const slow = yield* openLog(path, 2048)
      yield* append(yield* slow.acquire, 0, 3)
      fs.rmSync(lockOf(path))
      const writer = yield* (yield* openLog(path, 2048)).acquire
      yield* append(writer, 3, 200)
      yield* writer.truncate(200)
      assert.strictEqual((yield* Effect.flip(slow.bounds))._tag, "Fenced")
      assert.strictEqual((yield* Effect.flip(Stream.runCollect(slow.read(0))))._tag, "Fenced")
    }))

  it.live("is not taken for the one of its name that another process makes", () =>
    Effect.gen(function*() {
      const store = Directory.make(join(yield* directory, "store"))
      yield* Directory.ensure(store)
      const acquire = (nonce: string) =>
        Lock.acquire({
          directory: store,
          machine: machine("here"),
          nonce,
          leaseMillis: 1000,
          waitMillis: 0,
          lastEpoch: Effect.succeed(0)
        })
      const first = yield* acquire("first")
      fs.rmSync(first.path)
      const second = yield* acquire("second")
      assert.strictEqual(second.path, first.path)
      assert.isFalse(Lock.isHeld(first))
      assert.strictEqual((yield* Effect.flip(Lock.confirm(first)))._tag, "Fenced")
      yield* Lock.release(first, "first")
      assert.strictEqual((yield* Effect.flip(acquire("third")))._tag, "Locked")
      assert.isTrue(Lock.isHeld(second))
      yield* Lock.release(second, "second")
    }))
})

describe("unlock", () => {
  it.live("takes the lock of another host, and fences its writer if that lives after all", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      const first = yield* (yield* openLog(path)).acquire
      yield* append(first, 0, 3)
      moveAway(path)
      const log = yield* openLog(path)
      const locked = yield* Effect.flip(log.acquire)
      assert.deepInclude(locked, { _tag: "Locked", host: "pod-a", pid: 42 } as object)
      assert.include(locked.message, "tidemark unlock")
      assert.deepStrictEqual(yield* FileStorage.unlock({ directory: path }), Option.some({ host: "pod-a", pid: 42 }))
      // Until somebody opens the store, its writer goes on.
      yield* append(first, 3, 4)
      const second = yield* log.acquire
      assert.strictEqual(second.epoch, first.epoch + 1)
      assert.strictEqual((yield* Effect.flip(first.append(4, [entry(4)])))._tag, "Fenced")
      yield* append(second, 4, 6)
      assert.deepStrictEqual(yield* readTexts(log, 0), texts(0, 6))
    }))

  it.live("waits for a lease, and is refused where the holder sends a heartbeat", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      const elsewhere = Effect.provideService(LockHolder.Machine, machine("pod-a"))
      const writer = yield* elsewhere(Effect.flatMap(openStore({ directory: path, lease: 200 }), (log) => log.acquire))
      const unlock = FileStorage.unlock({ directory: path })
      assert.deepInclude(yield* Effect.flip(unlock), { _tag: "Locked", host: "pod-a", pid: process.pid } as object)
      yield* append(writer, 0, 1)
      const { futimes } = fs
      yield* Effect.addFinalizer(() => Effect.sync(() => Object.assign(fs, { futimes })))
      Object.assign(fs, {
        futimes: (_fd: number, _at: number, _mt: number, done: (error: null) => void) => done(null)
      })
      assert.deepStrictEqual(yield* unlock, Option.some({ host: "pod-a", pid: process.pid }))
      assert.isTrue(Option.isNone(yield* unlock))
    }))

  it.live("gives no epoch out twice, also if the writer got no further than its lock", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      yield* inScope(Effect.flatMap(openLog(path), (log) => log.acquire))
      const taken = join(path, "lock", "7".padStart(16, "0"))
      fs.writeFileSync(taken, JSON.stringify({ pid: 42, host: "pod-a", startTime: "1", nonce: "x" }))
      yield* FileStorage.unlock({ directory: path })
      const log = yield* openLog(path)
      assert.strictEqual((yield* log.acquire).epoch, 8)
      assert.isFalse(fs.existsSync(taken))
    }))

  it.live("is refused where the writer is seen to live, and has nothing to do where there is none", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      const unlock = FileStorage.unlock({ directory: path })
      assert.strictEqual((yield* Effect.flip(unlock))._tag, "NotAStore")
      yield* inScope(Effect.gen(function*() {
        const writer = yield* (yield* openLog(path)).acquire
        assert.deepInclude(yield* Effect.flip(unlock), { _tag: "Locked", pid: process.pid, host: hostname() } as object)
        yield* append(writer, 0, 1)
      }))
      assert.isTrue(Option.isNone(yield* unlock))
    }))

  it.live("tidemark unlock does it, and says whose lock it was", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      yield* (yield* openLog(path)).acquire
      const tool = (...args: ReadonlyArray<string>) => Effect.promise(() => run(["unlock", ...args]))
      const refused = yield* tool("--dir", path)
      assert.deepInclude(refused, { code: 1, out: "" })
      assert.include(refused.err, `process ${process.pid} on host`)
      moveAway(path)
      const done = yield* tool("--store", `file://${path}`)
      assert.deepStrictEqual(done, { code: 0, out: "the lock of process 42 on host pod-a is given up\n", err: "" })
      assert.deepInclude(yield* tool("--dir", path, "--json"), { code: 0, out: `{"unlocked":false}\n` })
      assert.strictEqual((yield* tool("--store", "memory:")).code, 2)
    }))
})
