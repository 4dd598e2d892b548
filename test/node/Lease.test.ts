import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Logger, Stream } from "effect"
import fs from "node:fs"
import { join } from "node:path"
import { FileStorage } from "../../src/node/index.ts"
import * as Lease from "../../src/node/Lease.ts"
import * as LockHolder from "../../src/node/LockHolder.ts"
import type { Writer } from "../../src/storage/Log.ts"
import * as Child from "../utils/Child.ts"
import { append, directory, entry, inScope, machine, openLog, openStore, readTexts, texts } from "./Temporary.ts"

const script = join(import.meta.dirname, "Child.ts")
/** Long enough that a busy machine does not delay three heartbeats in a row. */
const lease = 1000

/** A writer in a process of its own, as if on another machine. */
const start = (path: string, host = "pod-a") => Child.start(script, path, host, String(lease))

const appendAll = (child: Child.Child, from: number, to: number) =>
  Effect.gen(function*() {
    for (let upper = from; upper < to; upper++) {
      yield* child.tell("append")
      assert.strictEqual(yield* child.next, `appended ${upper + 1}`)
    }
  })

const on = (host: string) => Effect.provideService(LockHolder.Machine, machine(host))

const open = (path: string, options: Partial<FileStorage.Options> = {}) =>
  openStore({ directory: path, lease, ...options })

const lockOf = (path: string): string => join(path, "lock", fs.readdirSync(join(path, "lock")).toSorted().at(-1)!)

/** Replaces `fs.futimes` for the time of the scope: heartbeats meet what it does. */
const heartbeatsMeet = (futimes: (fd: number, done: (error: NodeJS.ErrnoException | null) => void) => void) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const { futimes: real } = fs
      const replaced = (fd: number, _accessed: number, _modified: number, done: () => void) => futimes(fd, done)
      Object.assign(fs, { futimes: replaced })
      return real
    }),
    (futimes) => Effect.sync(() => Object.assign(fs, { futimes }))
  )

describe("a writer on another host", () => {
  it.live("holds its store while it sends heartbeats; a kill frees it after a lease", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      const child = yield* start(path)
      assert.strictEqual(yield* child.next, "acquired 1 0")
      yield* appendAll(child, 0, 5)
      const log = yield* open(path)
      const locked = yield* Effect.flip(log.acquire)
      assert.deepInclude(locked, { _tag: "Locked", location: path, pid: child.pid, host: "pod-a" } as object)
      assert.match(locked.message, /its lock holds for \d+ ms after its last heartbeat; .* `tidemark unlock`/)
      yield* child.kill("SIGKILL")
      const writer = yield* log.acquire
      assert.deepStrictEqual([writer.epoch, writer.bounds.upper], [2, 5])
      yield* append(writer, 5, 7)
      assert.deepStrictEqual(yield* readTexts(log, 0), texts(0, 7))
    }))

  it.live("that was stopped for longer than its lease is refused when it goes on, and nothing is lost", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      const child = yield* start(path)
      yield* child.next
      yield* appendAll(child, 0, 3)
      yield* child.kill("SIGSTOP")
      const log = yield* open(path)
      const writer = yield* log.acquire
      yield* append(writer, 3, 4)
      yield* child.kill("SIGCONT")
      for (let i = 0; i < 2; i++) {
        yield* child.tell("append")
        assert.strictEqual(yield* child.next, "Fenced")
      }
      yield* append(writer, 4, 6)
      assert.deepStrictEqual(yield* readTexts(yield* openLog(path), 0), texts(0, 6))
      assert.deepStrictEqual(yield* Stream.runCollect(log.verify), [])
    }))

  it.live("is waited for as long as one is asked to", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      const child = yield* start(path)
      yield* child.next
      yield* appendAll(child, 0, 1)
      const waiting = yield* Effect.forkScoped(
        Effect.flatMap(open(path, { waitForLock: "1 minute" }), (log) => log.acquire),
        { startImmediately: true }
      )
      yield* Effect.sleep(lease)
      assert.isUndefined(waiting.pollUnsafe())
      child.process.stdin!.end()
      assert.deepStrictEqual((yield* Fiber.join(waiting)).bounds, { lower: 0, upper: 1 })
    }))

  it.live("can be given up waiting for", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      yield* on("pod-a")(Effect.flatMap(open(path), (log) => log.acquire))
      const waiting = yield* Effect.forkScoped(
        Effect.flatMap(open(path, { waitForLock: "1 minute" }), (log) => log.acquire),
        { startImmediately: true }
      )
      yield* Effect.sleep(50)
      yield* Fiber.interrupt(waiting)
      const exit = yield* Fiber.await(waiting)
      assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
    }))

  it.live("is taken over from by one of two rivals", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      const child = yield* start(path)
      yield* child.next
      yield* appendAll(child, 0, 2)
      yield* child.kill("SIGKILL")
      const rivals = ["pod-b", "pod-c", "pod-d"].map((host) =>
        on(host)(Effect.flatMap(open(path), (log) => Effect.result(log.acquire)))
      )
      const results = yield* Effect.all(rivals, { concurrency: "unbounded" })
      const writers: Array<Writer> = results.flatMap((result) => result._tag === "Success" ? [result.success] : [])
      assert.lengthOf(writers, 1)
      for (const result of results) if (result._tag === "Failure") assert.strictEqual(result.failure._tag, "Locked")
      yield* append(writers[0]!, 2, 4)
      assert.deepStrictEqual(yield* readTexts(yield* openLog(path), 0), texts(0, 4))
    }))

  it.live("of a version without heartbeats holds its store until it is unlocked", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      yield* inScope(Effect.flatMap(open(path), (log) => log.acquire))
      fs.writeFileSync(lockOf(path), JSON.stringify({ pid: 42, host: "pod-a", startTime: "1", nonce: "x" }))
      const log = yield* open(path)
      const locked = yield* Effect.flip(log.acquire)
      assert.include(locked, { _tag: "Locked", pid: 42, host: "pod-a" } as object)
      assert.notInclude(locked.message, "heartbeat")
      yield* FileStorage.unlock({ directory: path })
      assert.strictEqual((yield* log.acquire).epoch, 2)
    }))
})

describe("heartbeats", () => {
  it.live("that fail stop no writer, and are logged once", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => void lines.push(String(message)))
      yield* heartbeatsMeet((_, done) => done(Object.assign(new Error("EIO: injected"), { code: "EIO" })))
      const writer = yield* Effect.flatMap(open(path), (log) => log.acquire).pipe(
        Effect.provide(Logger.layer([logger]))
      )
      yield* Effect.sleep(2 * lease)
      yield* append(writer, 0, 2)
      assert.lengthOf(lines, 1)
      assert.include(lines[0], "a heartbeat of the lock")
      // To others the writer looks dead, and its epoch decides.
      const log = yield* on("pod-b")(open(path))
      const second = yield* on("pod-b")(log.acquire)
      assert.strictEqual((yield* Effect.flip(writer.append(2, [entry(2)])))._tag, "Fenced")
      yield* append(second, 2, 3)
      assert.deepStrictEqual(yield* readTexts(log, 0), texts(0, 3))
    }))

  it.live("are sent only while a writer has the store", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      let sent = 0
      yield* heartbeatsMeet((_, done) => {
        sent++
        done(null)
      })
      const log = yield* open(path, { lease: 100 })
      yield* inScope(Effect.andThen(log.acquire, Effect.sleep(100)))
      assert.isAbove(sent, 0)
      const before = sent
      yield* Effect.sleep(100)
      assert.strictEqual(sent, before)
    }))
})

describe("a rival that watches", () => {
  const nanos = (millis: number): bigint => BigInt(millis) * 1_000_000n
  const looks = (...seen: ReadonlyArray<readonly [millis: number, epoch: number, modified: bigint]>) =>
    seen.reduce<Lease.Watch | undefined>(
      (watch, [millis, epoch, modified]) => Lease.look(watch, { at: nanos(millis), epoch, modified }, 1600),
      undefined
    )!

  it("counts the time in which no heartbeat came", () => {
    assert.include(looks([0, 1, 5n], [100, 1, 5n], [200, 1, 5n]), { silentMillis: 200, isAlive: false })
    assert.include(looks([0, 1, 5n], [100, 1, 6n], [200, 1, 6n]), { silentMillis: 100, isAlive: true })
    // A clock that was set back changes the time, too.
    assert.include(looks([0, 1, 5n], [100, 1, 4n]), { silentMillis: 0, isAlive: true })
  })

  it("begins anew with every epoch", () => {
    assert.include(looks([0, 1, 5n], [100, 1, 6n], [200, 2, 6n]), { epoch: 2, silentMillis: 0, isAlive: false })
  })

  it("does not count the time for which it was stopped: the holder may have been, too", () => {
    assert.include(looks([0, 1, 5n], [3_600_000, 1, 5n]), { silentMillis: 200, isAlive: false })
  })
})

describe("the holder of a lock", () => {
  const here = machine("pod-a")
  const self = LockHolder.self(here, "nonce", lease)
  const process_ = (holder: Partial<LockHolder.LockHolder>) => LockHolder.liveness({ ...self, ...holder }, here)
  const [pid, gone] = [process.ppid, 2 ** 30]

  it("is looked up by who shares its boot and its pid namespace, whatever their hosts are called", () => {
    for (const host of ["pod-a", "pod-b"]) {
      assert.strictEqual(process_({ host, pid, startTime: "" }), "alive")
      assert.strictEqual(process_({ host, pid: gone }), "dead")
    }
  })

  it("cannot be looked up by others, also where the names of their hosts are the same", () => {
    for (const other of [{ bootId: "another" }, { pidNamespace: "pid:[2]" }, { bootId: "" }]) {
      assert.strictEqual(process_({ ...other, pid }), "unknown")
      assert.strictEqual(process_({ ...other, pid: gone }), "unknown")
    }
    const mute = { ...here, pidNamespace: "" }
    assert.strictEqual(LockHolder.liveness({ ...self, ...mute, pid: gone }, mute), "unknown")
  })

  it("is looked up by the name of its host where nothing else is known", () => {
    const known = { bootId: "", pidNamespace: "" }
    assert.strictEqual(LockHolder.liveness({ ...self, ...known, pid: gone }, { ...here, ...known }), "dead")
    assert.strictEqual(LockHolder.liveness({ ...self, ...known, pid }, { ...here, ...known, host: "b" }), "unknown")
    const older = { ...known, leaseMillis: undefined }
    assert.strictEqual(process_({ ...older, pid: gone }), "dead")
    assert.strictEqual(process_({ ...older, pid: gone, host: "pod-b" }), "unknown")
  })

  it("in this process is known by its nonce", () => {
    assert.strictEqual(process_({}), "dead")
    LockHolder.holding.add("nonce")
    assert.strictEqual(process_({}), "alive")
    LockHolder.holding.delete("nonce")
  })

  it("is read back from what was written, and from nothing else", () => {
    assert.deepStrictEqual(LockHolder.decode(LockHolder.encode(self)), self)
    for (const text of ["", "{", "null", "7", `{"pid":"x"}`, `{"pid":1}`]) {
      assert.isUndefined(LockHolder.decode(new TextEncoder().encode(text)), text)
    }
  })
})
