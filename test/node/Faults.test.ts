import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope, Stream } from "effect"
import { execFileSync } from "node:child_process"
import fs from "node:fs"
import { join } from "node:path"
import { append, crashed, directory, entry, inScope, openLog, readTexts, texts } from "./Temporary.ts"

type Done = (error: NodeJS.ErrnoException | null, count: number) => void
type Write = (fd: number, bytes: Uint8Array, offset: number, length: number, position: number, done: Done) => void

/** Replaces `fs.write` for the time of the effect. */
const withWrite = <A, E, R>(replace: (write: Write) => Write, effect: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const { write } = fs
      Object.assign(fs, { write: replace(write as Write) })
      return write
    }),
    () => effect,
    (write) => Effect.sync(() => Object.assign(fs, { write }))
  )

/** Writes half of what it is given, and then fails. */
const failing = (code: string) => (write: Write): Write => (fd, bytes, offset, length, position, done) =>
  write(
    fd,
    bytes,
    offset,
    Math.floor(length / 2),
    position,
    () => done(Object.assign(new Error(`${code}: injected`), { code }), 0)
  )

describe("a sound disk", () => {
  it.live("an append while the writer closes is refused, or it is stored", () =>
    Effect.gen(function*() {
      const store = join(yield* directory, "store")
      const log = yield* openLog(store)
      const scope = yield* Scope.make()
      const writer = yield* Scope.provide(log.acquire, scope)
      yield* append(writer, 0, 3)
      let late: Fiber.Fiber<Exit.Exit<number, unknown>> | undefined
      const meanwhile = (write: Write): Write => (...args) => {
        late ??= Effect.runFork(Effect.exit(writer.append(3, [entry(3)])))
        write(...args)
      }
      yield* withWrite(meanwhile, Scope.close(scope, Exit.void))
      const isStored = Exit.isSuccess(yield* Fiber.join(late!))
      assert.deepStrictEqual(yield* readTexts(log, 0), texts(0, isStored ? 4 : 3))
    }))

  it.effect.skipIf(!fs.existsSync("/proc/self/fdinfo"))(
    "every append is one write, through a descriptor that flushes",
    () =>
      Effect.gen(function*() {
        const writer = yield* (yield* openLog(join(yield* directory, "store"))).acquire
        const writes: Array<number> = []
        const spy = (write: Write): Write => (fd, bytes, offset, length, position, done) => {
          const flags = /flags:\s+(\d+)/.exec(fs.readFileSync(`/proc/self/fdinfo/${fd}`, "latin1"))![1]!
          writes.push(Number.parseInt(flags, 8))
          write(fd, bytes, offset, length, position, done)
        }
        yield* withWrite(spy, append(writer, 0, 5))
        assert.lengthOf(writes, 5)
        for (const flags of writes) assert.notStrictEqual(flags & fs.constants.O_DSYNC, 0)
      })
  )
})

describe("a failing disk", () => {
  it.effect("a reader gives out nothing of another's log that it could not flush: the next writer may not find it", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      const writer = yield* (yield* openLog(path)).acquire
      yield* append(writer, 0, 3)
      const reader = yield* openLog(path)
      const { fdatasync } = fs
      yield* Effect.addFinalizer(() => Effect.sync(() => Object.assign(fs, { fdatasync })))
      const fail = (_: number, done: (error: Error) => void) => done(Object.assign(new Error("EIO"), { code: "EIO" }))
      Object.assign(fs, { fdatasync: fail })
      assert.strictEqual((yield* Effect.flip(readTexts(reader, 0)))._tag, "Unavailable")
      Object.assign(fs, { fdatasync })
      assert.deepStrictEqual(yield* readTexts(reader, 0), texts(0, 3))
    }))

  it.effect("an I/O error leaves the append unknown, and the writer unusable until the log is acquired again", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      const log = yield* openLog(path)
      const first = yield* log.acquire
      yield* append(first, 0, 3)
      const error = yield* withWrite(failing("EIO"), Effect.flip(first.append(3, [entry(3)])))
      assert.strictEqual(error._tag, "Indeterminate")
      assert.strictEqual((yield* Effect.flip(first.append(3, [entry(3)])))._tag, "Unavailable")
      assert.deepStrictEqual(yield* readTexts(log, 0), texts(0, 3))
      const second = yield* log.acquire
      assert.deepStrictEqual([second.epoch, second.bounds.upper], [first.epoch + 1, 3])
      yield* append(second, 3, 5)
      assert.deepStrictEqual(yield* readTexts(log, 0), texts(0, 5))
      assert.deepStrictEqual(yield* Stream.runCollect(log.verify), [])
    }))

  it.effect("a failed attempt to acquire again costs no epoch", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      const log = yield* openLog(path)
      const first = yield* log.acquire
      yield* append(first, 0, 3)
      // The lock file is small, a new segment is not.
      const failingLarge = (write: Write): Write => (fd, bytes, offset, length, position, done) =>
        (length > 1000 ? failing("EIO")(write) : write)(fd, bytes, offset, length, position, done)
      for (let i = 0; i < 3; i++) {
        assert.strictEqual((yield* withWrite(failingLarge, Effect.flip(log.acquire)))._tag, "Unavailable")
        assert.strictEqual((yield* Effect.flip(first.append(3, [entry(3)])))._tag, "Fenced")
      }
      assert.strictEqual((yield* log.acquire).epoch, first.epoch + 1)
    }))

  it.effect("nor does one that fails when its segment has its name already", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      const log = yield* openLog(path)
      const first = yield* log.acquire
      yield* append(first, 0, 3)
      const { rename } = fs
      const failingAfter = (from: string, to: string, done: (error: Error) => void) =>
        rename(from, to, () => done(Object.assign(new Error("EIO: injected"), { code: "EIO" })))
      yield* Effect.addFinalizer(() => Effect.sync(() => Object.assign(fs, { rename })))
      for (let i = 0; i < 4; i++) {
        Object.assign(fs, { rename: failingAfter })
        assert.strictEqual((yield* Effect.flip(log.acquire))._tag, "Unavailable")
      }
      Object.assign(fs, { rename })
      const second = yield* log.acquire
      assert.deepStrictEqual([second.epoch, second.bounds.upper], [first.epoch + 1, 3])
      yield* append(second, 3, 5)
      assert.deepStrictEqual(yield* readTexts(yield* openLog(path), 0), texts(0, 5))
    }))

  it.effect("a full disk leaves nothing of the append, and the writer goes on when there is space", () =>
    Effect.gen(function*() {
      const root = yield* directory
      const path = join(root, "store")
      const log = yield* openLog(path)
      const writer = yield* log.acquire
      yield* append(writer, 0, 3)
      for (let i = 0; i < 3; i++) {
        const error = yield* withWrite(failing("ENOSPC"), Effect.flip(writer.append(3 + i, [entry(9), entry(9)])))
        assert.strictEqual(error._tag, "OutOfSpace")
        assert.deepStrictEqual(yield* Stream.runCollect((yield* openLog(path)).verify), [])
        assert.deepStrictEqual(
          yield* readTexts(yield* openLog(crashed(path, join(root, "crashed"))), 0),
          texts(0, 3 + i)
        )
        yield* append(writer, 3 + i, 4 + i)
      }
      assert.deepStrictEqual(yield* readTexts(log, 0), texts(0, 6))
    }))

  it.effect("writes that the system takes in pieces are whole", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      const inPieces = (write: Write): Write => (fd, bytes, offset, length, position, done) =>
        write(fd, bytes, offset, Math.min(length, 1 + position % 97), position, done)
      yield* withWrite(
        inPieces,
        inScope(Effect.gen(function*() {
          const writer = yield* (yield* openLog(path, 4096)).acquire
          yield* append(writer, 0, 40)
        }))
      )
      const log = yield* openLog(path)
      assert.deepStrictEqual(yield* readTexts(log, 0), texts(0, 40))
      assert.deepStrictEqual(yield* Stream.runCollect(log.verify), [])
    }))

  it.effect("a file system without space for another segment refuses appends, keeps reads, and recovers", (context) =>
    Effect.gen(function*() {
      const root = yield* directory
      const isMounted = yield* Effect.acquireRelease(
        Effect.sync(() => mount(root)),
        (isMounted) => Effect.sync(() => void (isMounted && execFileSync("umount", ["-l", root])))
      )
      if (!isMounted) return context.skip()
      const log = yield* openLog(join(root, "store"), 128 * 1024)
      const writer = yield* log.acquire
      let upper = 0
      const large = new Uint8Array(40_000)
      const fill = Effect.forever(
        Effect.map(Effect.suspend(() => writer.append(upper, [large])), (next) => void (upper = next))
      )
      for (let round = 0; round < 2; round++) {
        assert.strictEqual((yield* Effect.flip(fill))._tag, "OutOfSpace")
        assert.strictEqual((yield* Stream.runCollect(log.read((yield* log.bounds).lower))).at(-1)?.position, upper - 1)
        assert.deepStrictEqual(yield* Stream.runCollect(log.verify), [])
        yield* writer.truncate(upper - 1)
      }
      yield* writer.append(upper, [entry(0)])
    }))
})

/** A file system of 1 MiB, where this process may make one. */
const mount = (path: string): boolean => {
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", path], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
}
