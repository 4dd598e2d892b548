/**
 * What another process does between two calls of a reader, brought about by functions that stand in for those of `node:fs`.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope, Stream } from "effect"
import fs from "node:fs"
import { join } from "node:path"
import type { Writer } from "../../src/storage/Log.ts"
import * as Segment from "../../src/storage/Segment.ts"
import { append, crashed, directory, entry, inScope, openLog, readTexts, segments, texts } from "./Temporary.ts"

const header = Segment.headerBytes
/** The frame of one `entry i`, i < 10. */
const frame = 40

type Call = (...args: ReadonlyArray<unknown>) => void

/** Runs `before` before each call of a function of `node:fs`, for the time of the effect. */
const before = <A, E, R>(
  name: "open" | "read" | "fdatasync",
  run: (...args: ReadonlyArray<unknown>) => Effect.Effect<void>,
  effect: Effect.Effect<A, E, R>
) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const real = fs[name] as unknown as Call
      const replaced: Call = (...args) => void Effect.runPromise(run(...args)).then(() => real(...args))
      Object.assign(fs, { [name]: replaced })
      return real
    }),
    () => effect,
    (real) => Effect.sync(() => Object.assign(fs, { [name]: real }))
  )

/** Runs `after` between the first write of a length that is looked for and what is done next. */
const afterWrite = <A, E, R>(
  after: Effect.Effect<void>,
  effect: Effect.Effect<A, E, R>,
  isMeant: (length: unknown) => boolean = () => true
) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const { write } = fs
      const replaced: Call = (...args) => {
        const real = write as unknown as Call
        if (!isMeant(args[3])) return real(...args)
        Object.assign(fs, { write })
        const done = args.at(-1) as Call
        const written: Call = (...results) => void Effect.runPromise(after).then(() => done(...results))
        real(...args.slice(0, -1), written)
      }
      Object.assign(fs, { write: replaced })
      return write
    }),
    () => effect,
    (write) => Effect.sync(() => Object.assign(fs, { write }))
  )

const once = (run: () => void) => {
  let isDone = false
  return Effect.sync(() => {
    if (!isDone) run()
    isDone = true
  })
}

const problems = (path: string) => Effect.flatMap(openLog(path), (log) => Stream.runCollect(log.verify))

describe("a reader", () => {
  it.live("begins again where a writer takes the log over while it reads", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      const log = yield* openLog(path)
      yield* append(yield* log.acquire, 0, 3)
      const reader = yield* openLog(path)
      let takeover: Effect.Effect<void> = Effect.orDie(Effect.gen(function*() {
        takeover = Effect.void
        yield* append(yield* log.acquire, 3, 5)
      })).pipe(Effect.provideService(Scope.Scope, yield* Effect.scope))
      const read = yield* before("fdatasync", () => Effect.suspend(() => takeover), readTexts(reader, 0))
      assert.deepStrictEqual(read, texts(0, 5))
    }))

  it.live("goes on in the segment that has superseded an empty one", () =>
    Effect.gen(function*() {
      const root = yield* directory
      const [old, path] = [join(root, "old"), join(root, "store")]
      yield* Effect.flatMap(openLog(old), (log) => log.acquire)
      crashed(old, path)
      const [empty] = segments(path)
      const log = yield* openLog(path)
      yield* append(yield* log.acquire, 0, 3)
      // As before the takeover, which happens when the reader opens the segment.
      const [newer] = segments(path)
      fs.copyFileSync(segments(old)[0]!, empty!)
      fs.renameSync(newer!, join(root, "aside"))
      const takeover = once(() => {
        fs.rmSync(empty!)
        fs.renameSync(join(root, "aside"), newer!)
      })
      const reader = yield* openLog(path)
      const read = before("open", (file) => file === empty ? takeover : Effect.void, readTexts(reader, 0))
      assert.deepStrictEqual(yield* read, texts(0, 3))
    }))

  it.effect("gives up where a segment is in its directory and cannot be opened", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      yield* inScope(Effect.gen(function*() {
        yield* append(yield* (yield* openLog(path)).acquire, 0, 3)
      }))
      const [segment] = segments(path)
      fs.rmSync(segment!)
      fs.symlinkSync("nowhere", segment!)
      assert.strictEqual((yield* Effect.flip(readTexts(yield* openLog(path), 0)))._tag, "Unavailable")
    }))

  it.effect("finds nothing in a log without segments", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      yield* inScope(Effect.flatMap(openLog(path), (log) => log.acquire))
      for (const segment of segments(path)) fs.rmSync(segment)
      const log = yield* openLog(path)
      assert.deepStrictEqual(yield* readTexts(log, 0), [])
      assert.deepStrictEqual(yield* readTexts(log, 7), [])
      assert.deepStrictEqual(yield* log.bounds, { lower: 0, upper: 0 })
    }))

  it.effect("of a process that writes knows how much there must be", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      const log = yield* openLog(path)
      yield* append(yield* log.acquire, 0, 3)
      const fd = fs.openSync(segments(path)[0]!, "r+")
      fs.writeSync(fd, new Uint8Array(frame), 0, frame, header + 2 * frame)
      fs.closeSync(fd)
      const error = yield* Effect.flip(readTexts(log, 0))
      assert.include(error.message, "the entries from 2 on are missing or damaged, but those up to 3 were written")
    }))
})

describe("verify", () => {
  it.live("says nothing of a segment that was truncated away while it was read", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      yield* inScope(Effect.gen(function*() {
        yield* append(yield* (yield* openLog(path, 256)).acquire, 0, 40)
      }))
      const [first] = segments(path)
      fs.writeFileSync(first!, new Uint8Array(300))
      assert.lengthOf(yield* problems(path), 1)
      const remove = (length: unknown) =>
        length === header ? Effect.sync(() => fs.rmSync(first!, { force: true })) : Effect.void
      const found = before("read", (_fd, _bytes, _offset, length) => remove(length), problems(path))
      assert.deepStrictEqual(yield* found, [])
    }))

  it.live("looks again where a frame has come since, and others behind it", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      yield* inScope(Effect.gen(function*() {
        yield* append(yield* (yield* openLog(path)).acquire, 0, 3)
      }))
      const [segment] = segments(path)
      const whole = fs.readFileSync(segment!)
      const gap = header + frame
      const torn = Buffer.from(whole)
      torn.fill(0, gap, gap + frame)
      fs.writeFileSync(segment!, torn)
      assert.lengthOf(yield* problems(path), 1)
      // The writer's frame is there when the reader looks at the place for the second time.
      let looks = 0
      const write = (position: unknown) =>
        Effect.sync(() => {
          if (position === gap && ++looks === 2) fs.writeFileSync(segment!, whole)
        })
      const found = before("read", (_fd, _bytes, _offset, _length, position) => write(position), problems(path))
      assert.deepStrictEqual(yield* found, [])
      assert.isAtLeast(looks, 2)
    }))
})

describe("a writer", () => {
  const fenced = Effect.gen(function*() {
    const path = join(yield* directory, "store")
    const log = yield* openLog(path, 1024)
    const first = yield* log.acquire
    yield* append(first, 0, 3)
    yield* log.acquire
    return first
  })

  it.effect("that is fenced gets `Fenced` for every request", () =>
    Effect.gen(function*() {
      for (const ask of [0, 1, 2, 3]) {
        const writer = yield* fenced
        const asked = [
          () => writer.append(3, []),
          () => writer.truncate(1),
          () => writer.rotate,
          () => writer.append(3, [new Uint8Array(4096)])
        ][ask]!
        assert.strictEqual((yield* Effect.flip(asked()))._tag, "Fenced")
        assert.strictEqual((yield* Effect.flip(writer.rotate))._tag, "Fenced")
        assert.strictEqual((yield* Effect.flip(writer.truncate(0)))._tag, "Fenced")
      }
    }))

  it.live("that finds itself fenced after it has written does not say that nothing was", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      const log = yield* openLog(path)
      const first = yield* log.acquire
      yield* append(first, 0, 3)
      // The frame is on the disk, and the writer has not looked at its lock yet, when another one takes over.
      let second: Writer | undefined
      const takeOver = Effect.gen(function*() {
        for (const name of fs.readdirSync(join(path, "lock"))) fs.rmSync(join(path, "lock", name))
        second = yield* (yield* openLog(path)).acquire
      }).pipe(Scope.provide(yield* Effect.scope), Effect.orDie)
      const error = yield* afterWrite(takeOver, Effect.flip(first.append(3, [entry(3)])))
      assert.strictEqual(second?.bounds.upper, 4)
      assert.strictEqual(error._tag, "Indeterminate")
      assert.strictEqual((yield* Effect.flip(first.append(4, [entry(4)])))._tag, "Fenced")
      assert.deepStrictEqual(yield* readTexts(yield* openLog(path), 0), texts(0, 4))
    }))

  it.live("that is taken over from while it opens its store adds no segment", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      yield* inScope(Effect.gen(function*() {
        yield* append(yield* (yield* openLog(path)).acquire, 0, 3)
      }))
      // The header of its segment is written, and the writer has not looked at its lock yet, when another one takes over.
      const takeOver = Effect.gen(function*() {
        for (const name of fs.readdirSync(join(path, "lock"))) fs.rmSync(join(path, "lock", name))
        yield* append(yield* (yield* openLog(path)).acquire, 3, 5)
      }).pipe(Scope.provide(yield* Effect.scope), Effect.orDie)
      const isHeader = (length: unknown) => length === Segment.headerBytes
      const error = yield* Effect.flip(inScope(afterWrite(takeOver, (yield* openLog(path)).acquire, isHeader)))
      assert.strictEqual(error._tag, "Fenced")
      assert.deepStrictEqual(yield* readTexts(yield* openLog(path), 0), texts(0, 5))
    }))

  it.live("that is fenced gets `Fenced`, also where it fails to get another segment", () =>
    Effect.gen(function*() {
      const writer = yield* fenced
      const { open } = fs
      const failing = (_path: string, _flags: number, _mode: number, done: (error: Error) => void) =>
        done(Object.assign(new Error("EIO"), { code: "EIO" }))
      const error = yield* Effect.acquireUseRelease(
        Effect.sync(() => Object.assign(fs, { open: failing })),
        () => Effect.flip(writer.append(3, [new Uint8Array(4096)])),
        () => Effect.sync(() => Object.assign(fs, { open }))
      )
      assert.strictEqual(error._tag, "Fenced")
    }))

  it.live("takes one append at a time, and closes when the one under way has ended", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      const log = yield* openLog(path)
      const scope = yield* Scope.make()
      const writer = yield* Scope.provide(log.acquire, scope)
      const first = yield* Effect.forkChild(writer.append(0, [entry(0)]), { startImmediately: true })
      const second = yield* Effect.exit(writer.append(0, [entry(1)]))
      assert.isTrue(Exit.isFailure(second) && Exit.hasDies(second))
      const rotation = yield* Effect.exit(writer.rotate)
      assert.isTrue(Exit.isFailure(rotation) && Exit.hasDies(rotation))
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* Fiber.join(first), 1)
      assert.deepStrictEqual(yield* readTexts(log, 0), texts(0, 1))
    }))
})
