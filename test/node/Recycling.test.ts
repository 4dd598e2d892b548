import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Random, Stream } from "effect"
import { randomBytes } from "node:crypto"
import fs from "node:fs"
import { join } from "node:path"
import * as Update from "../../src/Update.ts"
import * as Store from "../utils/Store.ts"
import {
  append,
  crashed,
  directory,
  entry,
  inScope,
  layerOf,
  openLog,
  readTexts,
  segments,
  texts
} from "./Temporary.ts"

const segmentBytes = 2048
/** More entries than two full segments hold. */
const many = 120

/** Keeps the segments' files open, so that the file system gives their numbers to no other. */
const held = (path: string) =>
  Effect.acquireRelease(
    Effect.sync(() => segments(path).map((file) => fs.openSync(file, "r+"))),
    (files) => Effect.sync(() => files.forEach((fd) => fs.closeSync(fd)))
  )

const numbers = (files: ReadonlyArray<string | number>): ReadonlyArray<number> =>
  files.map((file) => (typeof file === "string" ? fs.statSync(file) : fs.fstatSync(file)).ino)

const bytesOf = (directory: string): number =>
  fs.readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile())
    .reduce((sum, { name, parentPath }) => {
      const stat = fs.statSync(join(parentPath, name), { throwIfNoEntry: false })
      return sum + (stat?.size ?? 0)
    }, 0)

const problems = (path: string) => Effect.flatMap(openLog(path), (log) => Stream.runCollect(log.verify))

describe("segments that the log has let go", () => {
  it.effect("become segments again, and what is left in them of their former life is nothing", () =>
    Effect.gen(function*() {
      const root = yield* directory
      const live = join(root, "live")
      yield* inScope(Effect.gen(function*() {
        const log = yield* openLog(live, segmentBytes)
        const writer = yield* log.acquire
        yield* append(writer, 0, many)
        const before = numbers(yield* held(live))
        yield* writer.truncate(many)
        for (let upper = many; upper < 3 * many; upper++) {
          yield* append(writer, upper, upper + 1)
          if (upper % 5 > 0) continue
          const copy = crashed(live, join(root, "copy"))
          const { lower } = yield* log.bounds
          assert.deepStrictEqual(yield* problems(copy), [])
          yield* inScope(Effect.gen(function*() {
            const recovered = yield* openLog(copy, segmentBytes)
            assert.deepStrictEqual((yield* recovered.acquire).bounds, { lower, upper: upper + 1 })
            assert.deepStrictEqual(yield* readTexts(recovered, lower), texts(lower, upper + 1))
          }))
        }
        assert.isAbove(numbers(segments(live)).filter((ino) => before.includes(ino)).length, 0, "some files came back")
      }))
      assert.deepStrictEqual(yield* problems(live), [])
      assert.deepStrictEqual(fs.readdirSync(join(live, "tmp")), [])
    }))

  it.effect("are kept, as many as were begun since the log was truncated last, but no more than four", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      const writer = yield* (yield* openLog(path, segmentBytes)).acquire
      const round = 3 * many
      const everSegments = new Set<number>()
      for (let upper = 0; upper < 4 * round; upper += round) {
        for (const ino of numbers(yield* held(path))) everSegments.add(ino)
        yield* writer.truncate(upper)
        const spares = fs.readdirSync(join(path, "tmp")).map((name) => join(path, "tmp", name))
        if (upper > 0) assert.lengthOf(numbers(spares).filter((ino) => everSegments.has(ino)), 4)
        yield* append(writer, upper, upper + round)
      }
    }))

  it.effect("are removed if they are of an older epoch, whose writer may still wake up", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      const log = yield* openLog(path, segmentBytes)
      yield* append(yield* log.acquire, 0, many)
      const before = yield* held(path)
      const writer = yield* log.acquire
      yield* append(writer, many, 2 * many)
      yield* writer.truncate(2 * many)
      yield* append(writer, 2 * many, 4 * many)
      assert.deepStrictEqual(numbers(segments(path)).filter((ino) => numbers(before).includes(ino)), [])
      for (const fd of before) fs.writeSync(fd, new Uint8Array(segmentBytes).fill(7), 0, segmentBytes, 0)
      const { lower } = yield* log.bounds
      assert.deepStrictEqual(yield* readTexts(log, lower), texts(lower, 4 * many))
    }))

  it.effect("do not look damaged to who reads them while they become others", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      const writer = yield* (yield* openLog(path, segmentBytes)).acquire
      const reader = yield* openLog(path, segmentBytes)
      yield* append(writer, 0, many)
      const [first] = segments(path)
      const becomesAnother = (bytes: Uint8Array): void => {
        fs.renameSync(first!, join(path, "tmp", "recycled"))
        fs.writeFileSync(join(path, "tmp", "recycled"), bytes, { flag: "r+" })
      }
      const whole = fs.readFileSync(first!)
      const { read } = fs
      // From its header on, or from some frame on.
      for (const changed of [0, 200]) {
        let reads = 0
        fs.read = ((...args: Parameters<typeof read>) => {
          // The first read is the store's marker, the second the segment's header.
          if (++reads === (changed === 0 ? 2 : 3)) becomesAnother(whole.map((byte, i) => i < changed ? byte : ~byte))
          return read(...args)
        }) as typeof read
        const error = yield* Stream.runDrain(reader.read(0)).pipe(
          Effect.flip,
          Effect.ensuring(Effect.sync(() => fs.read = read))
        )
        assert.include(error, { _tag: "Unavailable" })
        fs.writeFileSync(first!, whole)
        assert.lengthOf(yield* readTexts(reader, 0), many)
      }
    }))

  it.effect("never bring an entry back, whatever is appended, truncated and cut short", () =>
    Effect.gen(function*() {
      for (let round = 0; round < 8; round++) {
        const root = yield* directory
        let path = join(root, "0")
        let upper = 0
        let lower = 0
        for (let crash = 1; crash <= 4; crash++) {
          yield* inScope(Effect.gen(function*() {
            const log = yield* openLog(path, segmentBytes)
            const writer = yield* log.acquire
            assert.strictEqual(writer.bounds.upper, upper)
            const steps = yield* Random.nextIntBetween(20, 120)
            for (let step = 0; step < steps; step++) {
              const count = yield* Random.nextIntBetween(1, 12)
              yield* writer.append(upper, Array.from({ length: count }, (_, i) => entry(upper + i)))
              upper += count
              if ((yield* Random.nextIntBetween(0, 15)) > 0) continue
              lower = yield* Random.nextIntBetween(lower, upper)
              yield* writer.truncate(lower)
            }
            const { lower: kept } = yield* log.bounds
            assert.isAtMost(kept, lower)
            assert.deepStrictEqual(yield* readTexts(log, kept), texts(kept, upper))
            path = crashed(path, join(root, String(crash)))
          }))
          assert.deepStrictEqual(yield* problems(path), [])
        }
      }
    }).pipe(Random.withSeed("recycling")))
})

describe("a store that rests", () => {
  it.live("gives back its spare segments, and what is unused of the last one", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      const log = yield* openLog(path, 4 * 1024 * 1024)
      const writer = yield* log.acquire
      const large = new Uint8Array(100_000)
      let upper = 0
      const busy = Effect.gen(function*() {
        for (let i = 0; i < 160; i++) upper = yield* writer.append(upper, [large])
        yield* writer.truncate(upper - 1)
        for (let i = 0; i < 5; i++) upper = yield* writer.append(upper, [large])
      })
      /** What the log takes on the disk beyond its entries. */
      const waste = Effect.map(log.bounds, ({ lower }) =>
        bytesOf(join(path, "log")) + bytesOf(join(path, "tmp")) - (upper - lower) * large.length)
      yield* busy
      assert.isAbove(yield* waste, 4_000_000)
      const isSmall = Effect.delay(
        Effect.map(waste, (bytes) =>
          bytes < 600_000),
        "100 millis"
      )
      assert.isTrue(yield* Effect.repeat(isSmall, { until: (isSo) => isSo, times: 300 }))
      const { lower } = yield* log.bounds
      assert.lengthOf(yield* readTexts(log, lower), upper - lower)
      assert.deepStrictEqual(yield* problems(path), [])
      yield* busy
      assert.lengthOf(yield* readTexts(log, upper - 3), 3)
    }), 120_000)

  it.live("loses nothing of an append that comes while it gives back", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      const log = yield* openLog(path, 4 * 1024 * 1024)
      const writer = yield* log.acquire
      const large = new Uint8Array(100_000)
      let upper = 0
      for (let i = 0; i < 160; i++) upper = yield* writer.append(upper, [large])
      const [last] = segments(path).toReversed()
      const { ino, size } = fs.statSync(last!)
      const { ftruncate } = fs
      const appended = yield* Effect.callback<Effect.Effect<number, unknown>>((resume) => {
        Object.assign(fs, {
          ftruncate: (fd: number, length: number, done: fs.NoParamCallback) => {
            if (fs.fstatSync(fd).ino !== ino) return ftruncate(fd, length, done)
            Object.assign(fs, { ftruncate })
            resume(Effect.succeed(writer.append(upper, [entry(upper)])))
            ftruncate(fd, length, done)
          }
        })
      }).pipe(Effect.ensuring(Effect.sync(() => Object.assign(fs, { ftruncate }))))
      assert.strictEqual(yield* appended, upper + 1)
      assert.isBelow(fs.statSync(last!).size, size)
      assert.deepStrictEqual(yield* readTexts(log, upper), texts(upper, upper + 1))
      assert.deepStrictEqual(yield* problems(path), [])
    }), 120_000)
})

describe("compacting a store", () => {
  it.live("gives back what its log took, spares included", () =>
    Effect.gen(function*() {
      const root = yield* directory
      const bytes = (): number => bytesOf(root)
      const client = yield* Store.client(yield* Layer.build(layerOf(root)), { ...Store.quiet, logBytes: 1 << 20 })
      const { reader, writer } = yield* client.createOrLoad("s", Store.text)
      const noise = Array.from({ length: 40 }, () => randomBytes(75_000).toString("base64"))
      for (const [time, value] of noise.entries()) {
        const rows = time === 0 ? [] : [Update.retract("key", noise[time - 1]!, time)]
        yield* writer.compareAndAppend([...rows, Update.insert("key", value, time)], {
          expected: time,
          upper: time + 1
        })
        if (time % 10 === 9) yield* client.maintain
      }
      const before = yield* Store.contents(reader)
      assert.isAbove(bytes(), 4_000_000)
      yield* writer.allowCompaction(39)
      yield* client.compact("s")
      // The row, a small segment, and the reserve for such a one.
      assert.isBelow(bytes(), 500_000 + 5 * 256 * 1024)
      yield* writer.append([Update.insert("more", "", 40)])
      assert.deepStrictEqual(yield* Store.contents(reader), [...before, ["more", "", 1]])
    }))
})
