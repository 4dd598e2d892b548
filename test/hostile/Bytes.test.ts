import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import fs from "node:fs"
import { join } from "node:path"
import * as BatchFile from "../../src/batch/BatchFile.ts"
import * as BatchVerifier from "../../src/batch/BatchVerifier.ts"
import * as Block from "../../src/batch/Block.ts"
import * as Columns from "../../src/batch/Columns.ts"
import { ByteReader } from "../../src/ByteReader.ts"
import { ByteWriter } from "../../src/ByteWriter.ts"
import * as Codec from "../../src/Codec.ts"
import * as Commit from "../../src/engine/Commit.ts"
import * as Rollup from "../../src/engine/Rollup.ts"
import * as State from "../../src/engine/State.ts"
import { Corrupt, DecodeError, UnsupportedFormat } from "../../src/PersistError.ts"
import * as Platform from "../../src/Platform.ts"
import * as Segment from "../../src/storage/Segment.ts"
import * as Prng from "../../src/testing/Prng.ts"
import { filesOf } from "../cli/Tool.ts"
import { directory, layerOf } from "../node/Temporary.ts"
import * as Store from "../utils/Store.ts"

// Bytes of the golden store, altered, with their checksums put right as somebody who means harm would. What comes out is
// a value or a typed error, soon, and within a bounded multiple of the input's memory. TIDEMARK_SEEDS=100: more of them.

/** That of the present format, and those before it. */
const stores = ["format-1", "format-2", `format-${Rollup.version}`, "typed-1"]
const goldenOf = (store: string): string => join(import.meta.dirname, "../golden", store)
const golden = goldenOf(`format-${Rollup.version}`)
const seeds = Number(process.env["TIDEMARK_SEEDS"] ?? "1")
const isLong = seeds > 1
const rounds = 400 * seeds

const read = (name: string, store = golden): Uint8Array => new Uint8Array(fs.readFileSync(join(store, name)))
const named = (pattern: RegExp): ReadonlyArray<Uint8Array> =>
  stores.map(goldenOf).flatMap((store) =>
    filesOf(store).filter((name) => pattern.test(name)).map((name) => read(name, store))
  )

const segments = named(/\.seg$/)
const rollups = named(/rollup/)
const batches = named(/batch/)

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** What tends to be believed: lengths and counts that are almost right, or enormous. */
const alter = (random: Prng.Prng, sound: Uint8Array): Uint8Array => {
  const bytes = sound.slice()
  for (let changes = 1 + random.int(4); changes > 0 && bytes.length > 0; changes--) {
    const at = random.int(bytes.length)
    switch (random.int(6)) {
      case 0:
        bytes[at]! ^= 1 << random.int(8)
        break
      case 1:
        bytes[at] = random.pick([0, 1, 127, 128, 255])
        break
      case 2:
        viewOf(bytes).setUint32(
          Math.min(at, Math.max(0, bytes.length - 4)) & ~3,
          random.pick([0, 1, 2, 255, 65_536, 2 ** 31, 2 ** 32 - 1, random.u32(), bytes.length]),
          true
        )
        break
      case 3:
        bytes.copyWithin(at, random.int(bytes.length), random.int(bytes.length))
        break
      case 4:
        return bytes.slice(0, at)
      case 5:
        bytes.fill(random.int(2) * 255, at, Math.min(bytes.length, at + random.int(16)))
        break
    }
  }
  return bytes
}

const bases = new Set(segments.map((bytes) => Number(viewOf(bytes).getBigUint64(8, true))))

/** The position in the name of the file: that of the header, where there is a file of that name. */
const baseOf = (bytes: Uint8Array): number => {
  const base = bytes.length < 16 ? 0 : Number(viewOf(bytes).getBigUint64(8, true))
  return bases.has(base) ? base : 0
}

/** The segment of a log as it is read: its header, its frames, their entries. */
const readSegment = (bytes: Uint8Array): ReadonlyArray<Uint8Array> => {
  const { seed } = Segment.decodeHeader(bytes.subarray(0, Segment.headerBytes), "segment", baseOf(bytes), 1)
  const page = Segment.page(bytes, 0)
  const entries: Array<Uint8Array> = []
  for (let at = Segment.headerBytes;;) {
    const frame = Segment.frameAt(page, at, seed)
    if (frame?.kind !== "data") {
      Segment.frameBeyond(page, seed, 0)
      return entries
    }
    entries.push(...Segment.entriesOf(frame, "segment"))
    at += frame.size
  }
}

const entries = segments.flatMap(readSegment)

/** The log of each store behind its rollup, and how the state before it is made. */
const logs = stores.map((store) => {
  const files = filesOf(goldenOf(store))
  const segment = read(files.find((name) => name.endsWith(".seg"))!, goldenOf(store))
  const rollup = read(files.find((name) => name.includes("rollup"))!, goldenOf(store))
  const isWhole = baseOf(segment) === 0
  const begin = () => isWhole ? State.make() : Rollup.decode(rollup, "rollup")
  return { begin, entries: readSegment(segment).slice(begin().position - baseOf(segment)) }
})

/** Where the frames of a segment end. */
const frameEnds = (bytes: Uint8Array): ReadonlyArray<number> => {
  const { seed } = Segment.decodeHeader(bytes.subarray(0, Segment.headerBytes), "segment", baseOf(bytes), 1)
  const page = Segment.page(bytes, 0)
  const ends = [Segment.headerBytes]
  for (;;) {
    const frame = Segment.frameAt(page, ends.at(-1)!, seed)
    if (frame?.kind !== "data") return ends
    ends.push(frame.offset + frame.size)
  }
}

/** Alters the payload of one frame, and makes the frame's checksum right again. */
const alterFrame = (random: Prng.Prng, sound: Uint8Array): Uint8Array => {
  const bytes = sound.slice()
  const { seed } = Segment.decodeHeader(bytes.subarray(0, Segment.headerBytes), "segment", baseOf(bytes), 1)
  const page = Segment.page(bytes, 0)
  const at = random.pick(frameEnds(sound).slice(0, -1))
  const frame = Segment.frameAt(page, at, seed)!
  bytes.set(alter(random, bytes.subarray(at + 12, at + frame.size)), at + 12)
  viewOf(bytes).setUint32(at, Platform.crc32(bytes.subarray(at + 4, at + frame.size), seed), true)
  return bytes
}

const alterRollup = (random: Prng.Prng, sound: Uint8Array): Uint8Array => {
  const bytes = alter(random, sound)
  if (bytes.length < 16) return bytes
  const header = Platform.crc32(bytes.subarray(0, 12))
  viewOf(bytes).setUint32(12, Platform.crc32(bytes.subarray(16), header), true)
  return bytes
}

/** Alters a batch file anywhere, and makes the checksums of its blocks, its footer and its trailer right again. */
const alterBatch = (random: Prng.Prng, sound: Uint8Array): Uint8Array => {
  const bytes = sound.slice()
  const trailer = bytes.length - BatchFile.trailerBytes
  const footer = viewOf(bytes).getUint32(trailer, true)
  const { blocks } = footerOf(bytes)
  const altered = alter(random, bytes.subarray(0, trailer))
  bytes.set(altered.subarray(0, Math.min(altered.length, trailer)))
  blocks.forEach(({ length, maxKey, minKey, offset }, index) => {
    const before = blocks.slice(0, index).reduce(
      (sum, block) => sum + 52 + block.minKey.length + block.maxKey.length,
      0
    )
    const entry = footer + 44 + before
    if (entry + 52 + minKey.length + maxKey.length > trailer) return
    viewOf(bytes).setUint32(entry + 20, Platform.crc32(bytes.subarray(offset, offset + length)), true)
  })
  viewOf(bytes).setUint32(trailer + 12, Platform.crc32(bytes.subarray(footer, trailer)), true)
  viewOf(bytes).setUint32(trailer + 20, Platform.crc32(bytes.subarray(trailer, trailer + 20)), true)
  return bytes
}

const footerOf = (bytes: Uint8Array): BatchFile.Footer => {
  const trailer = BatchFile.readTrailer(bytes, bytes.length, "batch")
  const { footerLength, footerOffset } = trailer
  return BatchFile.readFooter(bytes.subarray(footerOffset, footerOffset + footerLength), trailer, "batch")
}

/** The blocks of batch files and of the log, as they are before they are compressed. */
const blocks = batches.flatMap((bytes) =>
  footerOf(bytes).blocks.map(({ encoding, length, offset, rawLength }) => {
    const stored = bytes.subarray(offset, offset + length)
    return encoding === "raw" ? stored : Platform.decompress(stored, rawLength)!
  })
)

const readFooterAndBlocks = (bytes: Uint8Array): void =>
  footerOf(bytes).blocks.forEach((block) =>
    BatchFile.readBlock(block, bytes.subarray(block.offset, block.offset + block.length), "batch")
  )

/** Folds a golden log, with an altered entry in the place of a sound one. */
const foldWith = (random: Prng.Prng, altered: Uint8Array): void => {
  const { begin, entries } = random.pick(logs)
  const state = begin()
  for (const entry of [...entries.slice(0, random.int(entries.length + 1)), altered]) {
    State.apply(state, Commit.decode(entry, "log"), "log")
  }
}

const Sample = Schema.Struct({
  id: Schema.Int,
  name: Schema.String,
  tags: Schema.Array(Schema.String),
  inner: Schema.optional(Schema.Struct({ at: Schema.Date, size: Schema.BigInt }))
})

const texts = [
  `{"id":7,"name":"größe","tags":["a","b"],"inner":{"at":"2026-01-01T00:00:00.000Z","size":"12"}}`,
  `[1,-0.5e9,null,true,"\\ud83d\\ude00",{"a":{"b":[[]]}}]`
].map((text) => new TextEncoder().encode(text))

interface Target {
  readonly name: string
  readonly sound: ReadonlyArray<Uint8Array>
  readonly alter: (random: Prng.Prng, sound: Uint8Array) => Uint8Array
  readonly decode: (bytes: Uint8Array, random: Prng.Prng) => unknown
}

const targets: ReadonlyArray<Target> = [
  { name: "segments", sound: segments, alter, decode: readSegment },
  { name: "frames with right checksums", sound: segments, alter: alterFrame, decode: readSegment },
  { name: "commits", sound: entries, alter, decode: (bytes) => Commit.decode(bytes, "log") },
  { name: "commits in the log's order", sound: entries, alter, decode: (bytes, random) => foldWith(random, bytes) },
  {
    name: "rollups with right checksums",
    sound: rollups,
    alter: alterRollup,
    decode: (b) => Rollup.decode(b, "rollup")
  },
  { name: "batch files", sound: batches, alter, decode: readFooterAndBlocks },
  { name: "batch files with right checksums", sound: batches, alter: alterBatch, decode: readFooterAndBlocks },
  {
    name: "batch files with right checksums, verified",
    sound: batches,
    alter: alterBatch,
    decode: (bytes) => BatchVerifier.verify(bytes, "batch")
  },
  { name: "blocks", sound: blocks, alter, decode: (bytes) => Block.decode(new ByteReader(bytes, "block")) },
  ...[Codec.unit, Codec.string, Codec.bytes, Codec.json, Codec.schema(Sample)].map((codec): Target => ({
    name: `codec ${codec.name}`,
    sound: texts,
    alter,
    decode: (bytes) => codec.decode(bytes, 0, bytes.length)
  }))
]

const isTyped = (error: unknown): boolean =>
  error instanceof Corrupt || error instanceof UnsupportedFormat || error instanceof DecodeError

/**
 * A row has 24 bytes in memory beside its key and value: its time and its diff, and where key and value end. Where times
 * and lengths are constant, it has one byte in a block. Anything beyond is memory for what a count or a length merely says.
 */
const mostTimes = 26
const mostBesides = 64 * 1024

/** Any bytes are bytes; a damaged segment ends early; the verifier returns what it finds. */
const mostlyTaken = new Set(["codec bytes", "segments", "batch files with right checksums, verified"])

describe("hostile bytes", () => {
  it.each(targets)(
    "$name: a value or a typed error",
    { timeout: isLong ? 600_000 : 30_000 },
    ({ alter, decode, name, sound }) => {
      assert.isNotEmpty(sound)
      const random = Prng.make(411)
      /** So that nothing that was allocated is gone before it is counted. */
      const decoded: Array<unknown> = []
      let refused = 0
      for (let round = 0; round < rounds; round++) {
        const bytes = alter(random, random.pick(sound))
        const before = process.memoryUsage().arrayBuffers
        let result: unknown
        try {
          result = decode(bytes, random)
        } catch (error) {
          if (!isTyped(error)) throw new Error(`${name}, round ${round}: ${String(error)}`, { cause: error })
          refused++
        }
        const allocated = process.memoryUsage().arrayBuffers - before
        assert.isAtMost(allocated, mostTimes * bytes.length + mostBesides, `${name}, round ${round}`)
        decoded.push(result)
      }
      assert.isAtLeast(refused, mostlyTaken.has(name) ? 0 : rounds / 20)
    }
  )

  it("the most rows that a block can have for its bytes take what a row takes in memory", () => {
    const length = 200_000
    const writer = new ByteWriter()
    Block.encode({
      ...Columns.empty,
      length,
      keyOffsets: new Uint32Array(length + 1),
      valueOffsets: new Uint32Array(length + 1),
      times: new Float64Array(length).fill(7),
      diffs: new Float64Array(length).fill(1)
    }, writer)
    const bytes = writer.finish()
    assert.isBelow(bytes.length, length + 200)
    const before = process.memoryUsage().arrayBuffers
    const decoded = Block.decode(new ByteReader(bytes, "block"))
    const allocated = process.memoryUsage().arrayBuffers - before
    assert.isAtMost(allocated, mostTimes * bytes.length + mostBesides)
    assert.strictEqual(decoded.length, length)
  })

  it("a block that claims to be small is not decompressed beyond that", () => {
    const content = new Uint8Array(32 * 1024 * 1024)
    const bomb = Platform.compress(content)!
    assert.isBelow(bomb.length, 10_000)
    const before = process.memoryUsage().arrayBuffers
    assert.isUndefined(Platform.decompress(bomb, 1_000))
    assert.isBelow(process.memoryUsage().arrayBuffers - before, 1024 * 1024)
  })

  it("a batch file without a single block is refused, though it is consistent", () => {
    const bytes = new ByteWriter()
    bytes.raw(batches[0]!.subarray(0, BatchFile.headerBytes))
    for (const _ of ["lower", "upper", "since", "rows", "checksum"]) bytes.u64(0)
    bytes.u32(0)
    const footerLength = bytes.length - BatchFile.headerBytes
    const trailer = bytes.length
    bytes.u64(BatchFile.headerBytes)
    bytes.u32(footerLength)
    bytes.u32(Platform.crc32(bytes.bytes.subarray(BatchFile.headerBytes, trailer)))
    bytes.u32(BatchFile.version)
    bytes.u32(Platform.crc32(bytes.bytes.subarray(trailer, bytes.length)))
    bytes.raw(batches[0]!.subarray(-8))
    const problems = BatchVerifier.verify(bytes.finish(), "batch")
    assert.deepStrictEqual(problems.map((problem) => problem instanceof Corrupt && problem.detail), [
      "the file has no blocks"
    ])
  })

  it.live(
    "a store with damage anywhere opens with what was in it, or says what is wrong with it",
    () =>
      Effect.gen(function*() {
        const random = Prng.make(412)
        const path = join(yield* directory, "store")
        const names = filesOf(golden).filter((name) => read(name).length > 0)
        const contentsOf = (path: string) =>
          Store.inScope(Effect.gen(function*() {
            const client = yield* Store.follower(yield* Layer.build(layerOf(path)))
            const { reader } = yield* client.load("s", Store.text)
            return JSON.stringify(yield* Store.contents(reader))
          }))
        const expected = yield* contentsOf(golden)
        const earlier = [expected]
        const segment = names.find((name) => name.startsWith("log/"))!
        fs.cpSync(golden, path, { recursive: true })
        // A log that is damaged up to its end reads as one whose last appends were torn.
        for (const end of frameEnds(read(segment))) {
          fs.writeFileSync(join(path, segment), read(segment).subarray(0, end))
          const contents = yield* Effect.result(contentsOf(path))
          if (contents._tag === "Success") earlier.push(contents.success)
        }
        let refused = 0
        for (let round = 0; round < rounds / 4; round++) {
          fs.rmSync(path, { recursive: true, force: true })
          fs.cpSync(golden, path, { recursive: true })
          const name = random.pick(names)
          fs.writeFileSync(join(path, name), alter(random, read(name)))
          const exit = yield* Effect.result(contentsOf(path))
          if (exit._tag === "Success") {
            const allowed = name.startsWith("log/") ? earlier : [expected]
            assert.include(allowed, exit.success, `${name}, round ${round}`)
          } else {
            refused++
            assert.include(
              ["Corrupt", "UnsupportedFormat", "NotAStore", "Unavailable", "UnknownCollection"],
              (exit.failure as { readonly _tag: string })._tag
            )
          }
        }
        assert.isAbove(refused, 10)
      }),
    isLong ? 3_600_000 : 120_000
  )
})
