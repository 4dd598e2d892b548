import { assert, describe, it } from "@effect/vitest"
import { Effect, Random, Stream } from "effect"
import fs from "node:fs"
import { basename, join } from "node:path"
import * as Platform from "../../src/Platform.ts"
import * as Segment from "../../src/storage/Segment.ts"
import { append, crashed, directory, entry, inScope, openLog, readTexts, segments, texts } from "./Temporary.ts"

const header = 32
/** The frame of one `entry i`, i < 10: header, length, 7 bytes, padding. */
const frame = 40

const overwrite = (path: string, offset: number, bytes: Uint8Array): void => {
  const fd = fs.openSync(path, "r+")
  fs.writeSync(fd, bytes, 0, bytes.length, offset)
  fs.closeSync(fd)
}

const flip = (path: string, offset: number, bit: number): void => {
  const bytes = fs.readFileSync(path)
  overwrite(path, offset, Uint8Array.of(bytes[offset]! ^ 1 << bit))
}

/** A store with the entries 0 to `count`, as a crash leaves it. */
const makeCrashed = (count: number, segmentBytes?: number) =>
  Effect.gen(function*() {
    const root = yield* directory
    const live = join(root, "live")
    yield* inScope(Effect.gen(function*() {
      const log = yield* openLog(live, segmentBytes)
      yield* append(yield* log.acquire, 0, count)
      crashed(live, join(root, "crashed"))
    }))
    return { root, path: join(root, "crashed") }
  })

/** A store with the entries 0 to `count` in many segments, closed cleanly. */
const makeClosed = (count: number, segmentBytes: number) =>
  Effect.gen(function*() {
    const path = join(yield* directory, "store")
    yield* inScope(Effect.gen(function*() {
      const log = yield* openLog(path, segmentBytes)
      yield* append(yield* log.acquire, 0, count)
    }))
    return path
  })

const problems = (path: string) => Effect.flatMap(openLog(path), (log) => Stream.runCollect(log.verify))

describe("torn tails", () => {
  for (const rest of ["zeros", "garbage"]) {
    it.effect(`a frame that is truncated anywhere, with ${rest} behind the cut, was never there`, () =>
      Effect.gen(function*() {
        const { path, root } = yield* makeCrashed(4)
        for (let cut = 0; cut < frame - 1; cut++) {
          const copy = crashed(path, join(root, "copy"))
          const last = header + 3 * frame
          const garbage = new Uint8Array(frame - cut).fill(rest === "zeros" ? 0 : yield* Random.nextIntBetween(1, 255))
          overwrite(segments(copy)[0]!, last + cut, garbage)
          // The last four bytes are padding: without them the frame is what it was where they are zero anyway.
          const survives = rest === "zeros" && cut >= frame - 1 - 4
          const expected = texts(0, survives ? 4 : 3)
          const upper = expected.length
          yield* inScope(Effect.gen(function*() {
            const reader = yield* openLog(copy)
            assert.deepStrictEqual(yield* readTexts(reader, 0), expected, `before recovery, cut at ${cut}`)
            const log = yield* openLog(copy)
            const writer = yield* log.acquire
            assert.strictEqual(writer.bounds.upper, upper)
            yield* writer.append(upper, [entry(9)])
            assert.deepStrictEqual(yield* readTexts(log, 0), [...expected, "entry 9"])
          }))
          assert.deepStrictEqual(yield* problems(copy), [])
        }
      }).pipe(Random.withSeed(rest)))
  }

  it.effect("the tail that survives is copied to a new file, of just its size", () =>
    Effect.gen(function*() {
      const { path } = yield* makeCrashed(4)
      const before = fs.statSync(segments(path)[0]!)
      yield* inScope(Effect.flatMap(openLog(path), (log) => log.acquire))
      const after = fs.statSync(segments(path)[0]!)
      assert.notStrictEqual(after.ino, before.ino)
      assert.strictEqual(after.size, header + 4 * frame + 24)
    }))

  it.effect("a clean close leaves nothing to copy, and no byte that cannot be checked", () =>
    Effect.gen(function*() {
      const path = yield* makeClosed(4, 1 << 20)
      const before = fs.statSync(segments(path)[0]!)
      assert.strictEqual(before.size, header + 4 * frame + 24)
      assert.deepStrictEqual(fs.readdirSync(join(path, "tmp")), [])
      assert.deepStrictEqual(
        fs.readdirSync(join(path, "lock")).map((name) => fs.statSync(join(path, "lock", name)).size),
        [0]
      )
      yield* inScope(Effect.flatMap(openLog(path), (log) => log.acquire))
      assert.strictEqual(fs.statSync(segments(path)[0]!).ino, before.ino)
    }))
})

describe("damage", () => {
  it.effect("before valid frames, it stops writers and readers at the file and the offset", () =>
    Effect.gen(function*() {
      const { path, root } = yield* makeCrashed(6)
      for (let i = 0; i < 5; i++) {
        const copy = crashed(path, join(root, "copy"))
        const offset = header + i * frame
        flip(segments(copy)[0]!, offset + 4 + i * 5, i)
        const log = yield* openLog(copy)
        const failures = [
          yield* Effect.flip(log.acquire),
          yield* Effect.flip(readTexts(log, 0)),
          yield* Effect.flip(log.bounds),
          ...(yield* Stream.runCollect(log.verify))
        ]
        const expected: object = { _tag: "Corrupt", location: segments(copy)[0], offset }
        for (const failure of failures) assert.deepInclude(failure, expected)
        assert.lengthOf(failures, 4)
        assert.deepStrictEqual(
          yield* Stream.runCollect(log.read(0)).pipe(Effect.orElseSucceed(() => [])),
          [],
          "nothing is read past it"
        )
      }
    }))

  it.effect("a block of zeros where frames were is damage, too", () =>
    Effect.gen(function*() {
      const { path } = yield* makeCrashed(6)
      overwrite(segments(path)[0]!, header + frame, new Uint8Array(2 * frame))
      const log = yield* openLog(path)
      assert.deepInclude(yield* Effect.flip(log.acquire), { _tag: "Corrupt", offset: header + frame })
      assert.deepInclude(yield* Effect.flip(readTexts(log, 0)), { _tag: "Corrupt", offset: header + frame })
    }))

  it.effect("verify reports a flipped bit in any byte of a closed store", () =>
    Effect.gen(function*() {
      const path = yield* makeClosed(4, 160)
      assert.isAbove(segments(path).length, 1)
      const log = yield* openLog(path)
      for (const file of [join(path, "TIDEMARK"), ...segments(path)]) {
        const { size } = fs.statSync(file)
        for (let offset = 0; offset < size; offset++) {
          for (const bit of [0, 3, 6].map((first) => (first + offset) % 8)) {
            flip(file, offset, bit)
            const found = yield* Stream.runCollect(log.verify)
            assert.isTrue(
              found.some((problem) =>
                problem.location === file && (problem._tag !== "Corrupt" || problem.offset <= offset)
              ),
              `bit ${bit} at ${offset} of ${file}: ${JSON.stringify(found)}`
            )
            flip(file, offset, bit)
          }
        }
      }
      assert.deepStrictEqual(yield* problems(path), [])
    }))

  it.effect("verify reports two damaged frames of a segment as two problems", () =>
    Effect.gen(function*() {
      const path = yield* makeClosed(8, 1 << 20)
      for (const i of [2, 5]) flip(segments(path)[0]!, header + i * frame + 30, 3)
      assert.deepStrictEqual(
        (yield* problems(path)).map((problem) => problem._tag === "Corrupt" && problem.offset),
        [header + 2 * frame, header + 5 * frame]
      )
    }))

  it.effect("verify reports what is behind the end, and a file that was truncated", () =>
    Effect.gen(function*() {
      const { path: open } = yield* makeCrashed(3)
      assert.deepStrictEqual(yield* problems(open), [])
      flip(segments(open)[0]!, 5_000, 0)
      assert.deepStrictEqual(yield* problems(open), [], "the room for what comes next is not of the log")

      const closed = yield* makeClosed(3, 1 << 20)
      const file = segments(closed)[0]!
      const whole = fs.readFileSync(file)
      for (let size = 0; size < whole.length; size++) {
        fs.writeFileSync(file, whole.subarray(0, size))
        assert.isAbove((yield* problems(closed)).length, 0, `cut at ${size}`)
      }
      fs.writeFileSync(file, whole)
      fs.appendFileSync(file, Uint8Array.of(1))
      assert.deepInclude((yield* problems(closed))[0], { _tag: "Corrupt", offset: whole.length })
    }))

  it.effect("a missing segment is noticed, unless it is the first", () =>
    Effect.gen(function*() {
      const path = yield* makeClosed(12, 160)
      const files = segments(path)
      assert.isAbove(files.length, 3)
      for (const file of files.slice(1)) {
        fs.renameSync(file, `${file}.lost`)
        const log = yield* openLog(path)
        assert.strictEqual((yield* Stream.runCollect(log.verify))[0]?._tag, "Corrupt")
        assert.strictEqual((yield* Effect.flip(readTexts(log, 0)))._tag, "Corrupt")
        fs.renameSync(`${file}.lost`, file)
      }
      assert.deepStrictEqual(yield* problems(path), [])
    }))

  it.effect("what a writer of an older epoch adds late is in no log", () =>
    Effect.gen(function*() {
      const path = yield* makeClosed(3, 1 << 20)
      yield* inScope(Effect.gen(function*() {
        const log = yield* openLog(path)
        yield* append(yield* log.acquire, 3, 6)
      }))
      const late = join(path, "log", `${"4".padStart(16, "0")}-${"1".padStart(16, "0")}.seg`)
      fs.copyFileSync(segments(path)[0]!, late)
      assert.deepStrictEqual(yield* problems(path), [])
      yield* inScope(Effect.gen(function*() {
        const log = yield* openLog(path)
        assert.deepStrictEqual(yield* readTexts(log, 0), texts(0, 6))
        assert.strictEqual((yield* log.acquire).bounds.upper, 6)
      }))
      assert.isFalse(fs.existsSync(late))
    }))
})

describe("what is no store", () => {
  const failuresOf = (path: string) =>
    Effect.gen(function*() {
      const log = yield* openLog(path)
      return [
        yield* Effect.flip(log.bounds),
        yield* Effect.flip(readTexts(log, 0)),
        yield* Effect.flip(Stream.runDrain(log.verify))
      ]
    })

  it.effect("readers refuse an absent and an empty directory, and do not make it; a writer does", () =>
    Effect.gen(function*() {
      const root = yield* directory
      for (const path of [root, join(root, "a", "b")]) {
        for (const failure of yield* failuresOf(path)) assert.strictEqual(failure._tag, "NotAStore")
      }
      assert.deepStrictEqual(fs.readdirSync(root), [])
      yield* inScope(Effect.flatMap(openLog(join(root, "a", "b")), (log) => log.acquire))
      const log = yield* openLog(join(root, "a", "b"))
      assert.deepStrictEqual(yield* log.bounds, { lower: 0, upper: 0 })
    }))

  it.effect("a directory with other content, and a file, are refused by writers, too, and left alone", () =>
    Effect.gen(function*() {
      const root = yield* directory
      fs.writeFileSync(join(root, "file"), "content")
      for (const path of [root, join(root, "file"), join(root, "file", "below")]) {
        const log = yield* openLog(path)
        const failures = [yield* Effect.flip(log.acquire), ...(yield* failuresOf(path))]
        for (const failure of failures) assert.strictEqual(failure._tag, "NotAStore")
      }
      assert.deepStrictEqual(fs.readdirSync(root), ["file"])
    }))

  it.effect("a newer format is refused, and left alone", () =>
    Effect.gen(function*() {
      const path = yield* makeClosed(1, 1 << 20)
      const marker = join(path, "TIDEMARK")
      const bytes = new Uint8Array(fs.readFileSync(marker))
      const view = new DataView(bytes.buffer)
      view.setUint32(8, 2, true)
      view.setUint32(12, Platform.crc32(bytes.subarray(0, 12)), true)
      fs.writeFileSync(marker, bytes)
      const log = yield* openLog(path)
      const expected: object = { _tag: "UnsupportedFormat", location: marker, found: 2, supported: 1 }
      for (const failure of [yield* Effect.flip(log.acquire), yield* Effect.flip(log.bounds)]) {
        assert.deepInclude(failure, expected)
      }
      assert.deepInclude((yield* Stream.runCollect(log.verify))[0], expected)
    }))
})

describe("segments", () => {
  it.effect("with more frames than are read at once are recovered, and one frame may be larger than that", () =>
    Effect.gen(function*() {
      const root = yield* directory
      const live = join(root, "live")
      // Segments grow with the log, so that the last one is much larger than what is read at once.
      const small = 310
      const sizes = [...Array.from({ length: small }, () => 100_000), 2_000_000, 10]
      const lengths = (path: string) =>
        inScope(Effect.gen(function*() {
          const log = yield* openLog(path)
          const { bounds } = yield* log.acquire
          const entries = yield* Stream.runCollect(log.read(0))
          assert.strictEqual(bounds.upper, entries.length)
          return entries.map(({ bytes }) => bytes.length)
        }))
      yield* inScope(Effect.gen(function*() {
        const writer = yield* (yield* openLog(live)).acquire
        for (const [i, size] of sizes.entries()) yield* writer.append(i, [new Uint8Array(size).fill(i)])
        crashed(live, join(root, "whole"))
        crashed(live, join(root, "torn"))
      }))
      assert.deepStrictEqual(yield* lengths(join(root, "whole")), sizes)
      const torn = join(root, "torn")
      const last = segments(torn).at(-1)!
      const base = Segment.parseName(basename(last))!.base
      const frameOf = (size: number) => Segment.dataSize([new Uint8Array(size)])
      assert.isAbove((small - base) * frameOf(100_000), 1024 * 1024)
      fs.truncateSync(last, header + (small - base) * frameOf(100_000) + frameOf(2_000_000) - 8)
      assert.deepStrictEqual(yield* lengths(torn), sizes.slice(0, small))
      assert.deepStrictEqual(yield* problems(torn), [])
    }))

  it.effect("that should follow and are missing keep the log from being acquired", () =>
    Effect.gen(function*() {
      const path = yield* makeClosed(40, 512)
      fs.rmSync(segments(path).at(-1)!)
      const refused = yield* Effect.flip(Effect.flatMap(openLog(path), (log) => log.acquire))
      assert.include(refused.message, "should follow, but is missing")
    }))

  it.effect("that begin before the end of the one before are damage", () =>
    Effect.gen(function*() {
      const path = yield* makeClosed(40, 512)
      const second = segments(path)[1]!
      const base = Number(second.split("/").at(-1)!.slice(0, 16))
      const { salt } = Segment.decodeHeader(fs.readFileSync(second), second, base, 1)
      fs.rmSync(second)
      const earlier = join(path, "log", Segment.fileName(base - 1, 1))
      fs.writeFileSync(earlier, Segment.encodeHeader({ base: base - 1, epoch: 1, salt }))
      const found = (yield* problems(path)).map(({ message }) => message).join("\n")
      assert.include(found, `the entries from ${base - 1} on are in the next segment, too`)
    }))

  it.effect("an append larger than a segment gets one of its own size", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      const large = new Uint8Array(3_000_000).fill(5)
      yield* inScope(Effect.gen(function*() {
        const log = yield* openLog(path, 4096)
        const writer = yield* log.acquire
        yield* append(writer, 0, 3)
        yield* writer.append(3, [large, entry(4)])
        yield* append(writer, 5, 7)
        const lengths = (yield* Stream.runCollect(log.read(0))).map(({ bytes }) => bytes.length)
        assert.deepStrictEqual(lengths, [7, 7, 7, 3_000_000, 7, 7, 7])
      }))
      const log = yield* openLog(path)
      assert.deepStrictEqual((yield* Stream.runCollect(log.read(3)))[0]?.bytes, large)
      assert.deepStrictEqual(yield* problems(path), [])
    }))

  it.effect("opening again and again keeps the numbering, and leaves no empty segments behind", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      for (let round = 0; round < 30; round++) {
        yield* inScope(Effect.gen(function*() {
          const log = yield* openLog(path)
          const writer = yield* log.acquire
          assert.strictEqual(writer.bounds.upper, Math.floor(round / 3))
          if (round % 3 === 2) yield* append(writer, writer.bounds.upper, writer.bounds.upper + 1)
        }))
      }
      assert.isAtMost(segments(path).length, 11)
      assert.deepStrictEqual(yield* readTexts(yield* openLog(path), 0), texts(0, 10))
      assert.deepStrictEqual(yield* problems(path), [])
    }))

  it.effect("truncation gives whole segments back, the active one as soon as the next append comes", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      yield* inScope(Effect.gen(function*() {
        const log = yield* openLog(path, 1024)
        const writer = yield* log.acquire
        let upper = 0
        const appendUntil = (isDone: () => boolean) =>
          Effect.gen(function*() {
            do {
              yield* append(writer, upper, upper + 1)
              upper++
            } while (!isDone())
          })
        yield* appendUntil(() => segments(path).length === 6)
        yield* writer.truncate(upper - 1)
        assert.lengthOf(segments(path), 1)
        yield* appendUntil(() => upper % 8 === 0)
        for (let i = 0; i < 50; i++) {
          yield* append(writer, upper, upper + 1)
          upper++
          yield* writer.truncate(upper)
          assert.isAtMost(segments(path).length, 2)
        }
        const { lower } = yield* log.bounds
        assert.isAtLeast(lower, upper - 20)
      }))
      assert.deepStrictEqual(yield* problems(path), [])
    }))
})
