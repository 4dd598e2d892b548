import { assert, describe, it } from "@effect/vitest"
import * as BatchFile from "../../src/batch/BatchFile.ts"
import * as BatchVerifier from "../../src/batch/BatchVerifier.ts"
import * as Block from "../../src/batch/Block.ts"
import * as Checksum from "../../src/batch/Checksum.ts"
import { ByteWriter } from "../../src/ByteWriter.ts"
import { Corrupt, UnsupportedFormat } from "../../src/PersistError.ts"
import * as Platform from "../../src/Platform.ts"
import * as Prng from "../../src/testing/Prng.ts"
import * as Rows from "./Rows.ts"

const description = { lower: 0, upper: Infinity, since: 0 }

const write = (blocks: ReadonlyArray<ReadonlyArray<Rows.Row>>, described: BatchFile.Description = description) => {
  const writer = new BatchFile.Writer(described)
  for (const rows of blocks) writer.add(Rows.toSlice(rows))
  return writer.finish()
}

/** A file as a reader by range sees it. */
const open = (bytes: Uint8Array): BatchFile.Footer => {
  const trailer = BatchFile.readTrailer(bytes.subarray(-BatchFile.trailerBytes), bytes.length, "file")
  const { footerLength, footerOffset } = trailer
  return BatchFile.readFooter(bytes.subarray(footerOffset, footerOffset + footerLength), trailer, "file")
}

const readAll = (bytes: Uint8Array): ReadonlyArray<Rows.Row> =>
  open(bytes).blocks.flatMap((block) =>
    Rows.fromColumns(BatchFile.readBlock(block, bytes.subarray(block.offset, block.offset + block.length), "file"))
  )

/** Sorted, consolidated rows in blocks of about `size` rows. */
const generate = (prng: Prng.Prng, count: number, size: number): ReadonlyArray<ReadonlyArray<Rows.Row>> => {
  const kind = { ...Rows.kindOf(prng), key: Rows.shapes["random"]! }
  const rows = Rows.consolidate([Rows.row("at least one", "", 0, 1), ...Rows.generate(prng, count, kind)], { since: 0 })
  return Array.from({ length: Math.ceil(rows.length / size) }, (_, i) => rows.slice(i * size, (i + 1) * size))
}

/** Writes the checksums of the footer and the trailer anew, as somebody who means harm would. */
const reseal = (bytes: Uint8Array): Uint8Array => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const trailer = bytes.length - BatchFile.trailerBytes
  const footer = Number(view.getBigUint64(trailer, true))
  if (footer <= trailer) view.setUint32(trailer + 12, Platform.crc32(bytes.subarray(footer, trailer)), true)
  view.setUint32(trailer + 20, Platform.crc32(bytes.subarray(trailer, trailer + 20)), true)
  return bytes
}

const setVersion = (bytes: Uint8Array, at: number, version: number): Uint8Array => {
  const copy = bytes.slice()
  new DataView(copy.buffer).setUint32(at, version, true)
  new DataView(copy.buffer).setUint32(12, Platform.crc32(copy.subarray(0, 12)), true)
  return reseal(copy)
}

describe("batch files", () => {
  it("give back the rows that were put in, and describe them", () => {
    const prng = Prng.make(81)
    for (let round = 0; round < 100; round++) {
      const blocks = generate(prng, prng.int(200), 1 + prng.int(60))
      const rows = blocks.flat()
      const { bytes, meta } = write(blocks)
      assert.deepStrictEqual(Rows.show(readAll(bytes)), Rows.show(rows))
      assert.deepStrictEqual(BatchVerifier.verify(bytes, "file"), [])
      assert.deepStrictEqual(meta, {
        bytes: bytes.length,
        rows: rows.length,
        checksum: Checksum.of(Rows.toColumns(rows)),
        minKey: Uint8Array.from(rows[0]!.key),
        maxKey: Uint8Array.from(rows.at(-1)!.key),
        minTime: Math.min(...rows.map(({ time }) => time)),
        maxTime: Math.max(...rows.map(({ time }) => time)),
        content: {
          advanced: rows.filter(({ time }) => time <= description.since).length,
          retractions: rows.filter(({ diff, time }) => time <= description.since && diff < 0).length
        }
      })
      const footer = open(bytes)
      assert.deepStrictEqual(footer.description, description)
      assert.strictEqual(footer.rows, rows.length)
      assert.strictEqual(footer.checksum, meta.checksum)
      assert.deepStrictEqual(footer.blocks.map((block) => block.rows), blocks.map((block) => block.length))
    }
  })

  it("keep what they are described as", () => {
    for (const described of [{ lower: 3, upper: 9, since: 0 }, { lower: 0, upper: 5, since: 7 }, description]) {
      assert.deepStrictEqual(open(write([[Rows.row("a", "b", 7, 1)]], described).bytes).description, described)
    }
  })

  it("store a block as it is where that is no larger", () => {
    const prng = Prng.make(82)
    const random = write([[{ key: prng.bytes(2000), value: prng.bytes(2000), time: 1, diff: 1 }]])
    assert.strictEqual(open(random.bytes).blocks[0]!.encoding, "raw")
    const plain = write([[Rows.row("a".repeat(2000), "b".repeat(2000), 1, 1)]])
    assert.strictEqual(open(plain.bytes).blocks[0]!.encoding, "zstd")
    for (const { bytes } of [random, plain]) assert.deepStrictEqual(BatchVerifier.verify(bytes, "file"), [])
  })

  it("name the blocks that may hold the wanted rows, and no other", () => {
    const prng = Prng.make(83)
    for (let round = 0; round < 300; round++) {
      const blocks = generate(prng, prng.int(60), 1 + prng.int(8))
      const footer = open(write(blocks).bytes)
      const keys = blocks.flat().map(({ key }) => key)
      const key = (): Uint8Array | undefined =>
        prng.chance(0.3) ? undefined : prng.chance(0.5) ? prng.pick(keys) : prng.bytes(prng.int(4))
      const time = (): number | undefined => prng.chance(0.5) ? undefined : prng.pick(blocks.flat()).time
      const wanted = { minKey: key(), maxKey: key(), minTime: time(), maxTime: time() }
      const found = BatchFile.findBlocks(footer, wanted)
      const expected = footer.blocks.flatMap((block, i) =>
        (wanted.minKey === undefined || Buffer.compare(block.maxKey, wanted.minKey) >= 0) &&
          (wanted.maxKey === undefined || Buffer.compare(block.minKey, wanted.maxKey) <= 0) &&
          (wanted.minTime === undefined || block.maxTime >= wanted.minTime) &&
          (wanted.maxTime === undefined || block.minTime <= wanted.maxTime)
          ? [i]
          : []
      )
      assert.deepStrictEqual(found, expected)
    }
  })
})

describe("encoded_batch_sizes", () => {
  /** Rows of 100 bytes, the same on every machine. */
  const rows = (count: number): ReadonlyArray<Rows.Row> =>
    Array.from(
      { length: count },
      (_, i) => Rows.row(`key-${String(i).padStart(12, "0")}`, String(i).repeat(84).slice(0, 84), i, 1)
    )

  /** Bytes of the file if nothing were compressed, as compressors may differ; and a checksum of the rows' block. */
  const pinned = (count: number): ReadonlyArray<number> => {
    const { bytes } = write([rows(count)])
    const [block] = open(bytes).blocks
    const writer = new ByteWriter()
    Block.encode(Rows.toColumns(rows(count)), writer)
    assert.strictEqual(writer.length, block!.rawLength)
    return [bytes.length - block!.length + block!.rawLength, Platform.crc32(writer.finish())]
  }

  it("has not changed: if it has, this is another format, which needs another version", () => {
    assert.deepStrictEqual(pinned(1), [360, 239_939_898])
    assert.deepStrictEqual(pinned(25), [2_816, 3_547_820_811])
    assert.deepStrictEqual(pinned(1000), [103_248, 1_125_995_955])
    const { bytes } = write(rows(100).map((each) => [each]))
    assert.strictEqual(open(bytes).blocks.reduce((sum, block) => sum - block.length, bytes.length), 8492)
  })
})

describe("checksum, decode_errors", () => {
  const prng = Prng.make(84)
  const small = write([
    Array.from({ length: 9 }, (_, i) => Rows.row(`a key ${i}`, "the same value", 4, i + 1)),
    [Rows.row("another key", "another value", 3, -1)]
  ]).bytes

  it("every flipped bit is found, where it is", () => {
    const { blocks } = open(small)
    for (let bit = 0; bit < 8 * small.length; bit++) {
      const bytes = small.slice()
      bytes[bit >> 3]! ^= 1 << (bit & 7)
      const problems = BatchVerifier.verify(bytes, "file")
      assert.isAbove(problems.length, 0, `bit ${bit}`)
      assert.isTrue(problems.every((problem) => problem instanceof Corrupt), `bit ${bit}`)
      const block = blocks.find(({ length, offset }) => bit >> 3 >= offset && bit >> 3 < offset + length)
      if (block !== undefined) assert.deepStrictEqual(problems.map((problem) => offsetOf(problem)), [block.offset])
    }
  })

  it("so is a flipped bit of a block that is not compressed", () => {
    const { bytes } = write([[{ key: Uint8Array.of(1), value: prng.bytes(4200), time: 3, diff: 1 }]])
    const [{ encoding, length, offset }] = open(bytes).blocks as [BatchFile.BlockInfo]
    assert.strictEqual(encoding, "raw")
    for (let at = offset; at < offset + length; at += 13) {
      const copy = bytes.slice()
      copy[at]! ^= 1 << prng.int(8)
      assert.deepStrictEqual(BatchVerifier.verify(copy, "file").map((problem) => offsetOf(problem)), [offset])
    }
  })

  it("a reader that asks for no more than it needs finds every flipped bit but those of the header", () => {
    for (let bit = 8 * BatchFile.headerBytes; bit < 8 * small.length; bit++) {
      const bytes = small.slice()
      bytes[bit >> 3]! ^= 1 << (bit & 7)
      assert.throws(() => readAll(bytes), Corrupt)
    }
  })

  it("every truncated prefix is found", () => {
    for (let length = 0; length < small.length; length++) {
      const problems = BatchVerifier.verify(small.subarray(0, length), "file")
      assert.isTrue(problems.length > 0 && problems.every((problem) => problem instanceof Corrupt), `${length} bytes`)
    }
  })

  it("bytes in front of the file or behind it are found", () => {
    for (const bytes of [Buffer.concat([small, new Uint8Array(8)]), Buffer.concat([new Uint8Array(8), small])]) {
      assert.isAbove(BatchVerifier.verify(bytes, "file").length, 0)
    }
  })

  it("nothing but Corrupt and UnsupportedFormat comes out of bytes with false checksums put right", () => {
    for (let round = 0; round < 3000; round++) {
      const bytes = small.slice()
      const footer = new DataView(bytes.buffer).getUint32(bytes.length - BatchFile.trailerBytes, true)
      for (let changes = 1 + prng.int(3); changes > 0; changes--) {
        bytes[footer + prng.int(bytes.length - footer - 12)] = prng.pick([0, 1, 255, prng.int(256)])
      }
      // Throws whatever else there is.
      BatchVerifier.verify(reseal(bytes), "file")
    }
  })

  it("a block that decompresses to more than the footer says is refused before it does", () => {
    const { bytes } = write([[Rows.row("k".repeat(1_000_000), "", 1, 1)]])
    const [block] = open(bytes).blocks
    for (const rawLength of [0, 100, block!.rawLength - 8, block!.rawLength + 8]) {
      assert.throws(
        () =>
          BatchFile.readBlock(
            { ...block!, rawLength },
            bytes.subarray(block!.offset, block!.offset + block!.length),
            "file"
          ),
        Corrupt,
        "does not decompress"
      )
    }
  })

  it("what is wrong in a block is reported with the offset of the block, and the place in it", () => {
    const raw = new ByteWriter()
    Block.encode(Rows.toColumns([Rows.row("key", "value", 1, 1)]), raw)
    for (
      const [bytes, detail] of [
        [raw.finish().subarray(0, -1), "bytes into the decoded block"],
        [Buffer.concat([raw.finish(), new Uint8Array(8)]), "bytes into the decoded block"]
      ] as const
    ) {
      const info = { ...open(small).blocks[0]!, offset: 40, length: bytes.length, crc: Platform.crc32(bytes) }
      const error = refusal(() => BatchFile.readBlock({ ...info, encoding: "raw" }, bytes, "file"))
      assert.deepInclude(error, { _tag: "Corrupt", location: "file", offset: 40 })
      assert.include(error.message, detail)
    }
  })

  it("a bug is not taken for damage", () => {
    assert.throws(() => BatchVerifier.verify(undefined as never, "file"), TypeError)
  })
})

const refusal = (run: () => unknown): Corrupt => {
  try {
    run()
  } catch (error) {
    if (error instanceof Corrupt) return error
    throw error
  }
  return assert.fail("it was not refused")
}

const offsetOf = (problem: Corrupt | UnsupportedFormat): number =>
  problem instanceof Corrupt ? problem.offset : assert.fail("not Corrupt")

describe("trace_batch_validate", () => {
  const detail = (
    blocks: ReadonlyArray<ReadonlyArray<Rows.Row>>,
    described: BatchFile.Description = description
  ): ReadonlyArray<string> =>
    BatchVerifier.verify(write(blocks, described).bytes, "file").map((each) =>
      each instanceof Corrupt ? each.detail : "version"
    )

  it("takes a newer version for what it is, and names both", () => {
    const { bytes } = write([[Rows.row("a", "b", 1, 1)]])
    const trailerVersion = bytes.length - BatchFile.trailerBytes + 16
    for (const at of [8, trailerVersion]) {
      const [problem] = BatchVerifier.verify(setVersion(bytes, at, 2), "file")
      assert.deepStrictEqual(problem, new UnsupportedFormat({ location: "file", found: 2, supported: 1 }))
      assert.instanceOf(BatchVerifier.verify(setVersion(bytes, at, 0), "file")[0], Corrupt)
    }
    assert.throws(() => open(setVersion(bytes, trailerVersion, 7)), UnsupportedFormat)
  })

  it("wants rows sorted and consolidated, in blocks and across them", () => {
    const [a, b, c] = [Rows.row("a", "", 1, 1), Rows.row("b", "", 1, 1), Rows.row("c", "", 1, 1)] as const
    assert.deepStrictEqual(detail([[a, b], [c]]), [])
    assert.deepStrictEqual(detail([[]]), ["a block has no rows"])
    assert.deepStrictEqual(detail([[b, a], [c]]), ["the rows of a block are not sorted and consolidated"])
    assert.deepStrictEqual(detail([[a, a]]), ["the rows of a block are not sorted and consolidated"])
    assert.deepStrictEqual(detail([[{ ...a, diff: 0 }]]), ["the rows of a block are not sorted and consolidated"])
    assert.deepStrictEqual(detail([[b, c], [a]]), ["blocks are not in order"])
    assert.deepStrictEqual(detail([[a], [a]]), ["blocks are not in order"])
    assert.deepStrictEqual(detail([[a], [{ ...a, time: 2 }]]), [])
  })

  it("wants times as described", () => {
    const at = (time: number, lower: number, upper: number, since: number) =>
      detail([[Rows.row("a", "", time, 1)]], { lower, upper, since })
    assert.deepStrictEqual(at(5, 5, 6, 0), [])
    assert.deepStrictEqual(at(5, 5, 6, 5), [])
    assert.deepStrictEqual(at(9, 5, 6, 9), [])
    assert.deepStrictEqual(at(4, 5, 6, 0), ["a time is outside those that the batch covers"])
    assert.deepStrictEqual(at(6, 5, 6, 0), ["a time is outside those that the batch covers"])
    assert.deepStrictEqual(at(5, 5, 6, 6), ["a time has not been advanced to the since of the batch"])
  })

  it("wants the footer to say what the blocks hold", () => {
    const { bytes } = write([[Rows.row("key", "value", 5, 1), Rows.row("kez", "value", 6, 1)]])
    const view = new DataView(bytes.buffer)
    const footer = view.getUint32(bytes.length - BatchFile.trailerBytes, true)
    const details = (edit: (entry: DataView) => void): ReadonlyArray<string> => {
      const copy = bytes.slice()
      edit(new DataView(copy.buffer, footer))
      return BatchVerifier.verify(reseal(copy), "file").map((each) => each instanceof Corrupt ? each.detail : "version")
    }
    const changed = (at: number) => details((entry) => entry.setUint8(at, entry.getUint8(at) ^ 1))
    const set = (at: number, value: number) => details((entry) => entry.setUint32(at, value, true))
    assert.deepStrictEqual(changed(24), ["the footer counts other rows"])
    assert.deepStrictEqual(changed(32), ["the multiset checksum does not match the rows"])
    const block = 44
    assert.deepStrictEqual(changed(block), ["blocks do not follow each other"])
    assert.deepStrictEqual(set(block + 12, 64 * 1024 * 1024 + 1), ["a block is larger than any that is written"])
    assert.deepStrictEqual(set(block + 16, 0), ["a raw block has another length than its bytes"])
    assert.deepStrictEqual(set(block + 16, 2), ["a block has an unknown encoding"])
    assert.deepStrictEqual(set(block + 24, 1024 * 1024 + 1), ["a block has more rows than any that is written"])
    assert.deepStrictEqual(changed(block + 20), ["the checksum of a block does not match"])
    assert.deepStrictEqual(changed(block + 24), ["a block has another number of rows than the footer says"])
    assert.deepStrictEqual(changed(block + 28), ["the times of a block are not those of the footer"])
    assert.deepStrictEqual(changed(block + 36), ["the times of a block are not those of the footer"])
    assert.deepStrictEqual(changed(block + 48), ["the keys of a block are not those of the footer"])
    assert.deepStrictEqual(changed(block + 55), ["the keys of a block are not those of the footer"])
  })
})
