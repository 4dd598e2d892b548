import { assert, describe, it } from "@effect/vitest"
import * as Platform from "../../src/Platform.ts"
import * as Checksums from "../../src/storage/Checksums.ts"
import * as Segment from "../../src/storage/Segment.ts"
import * as Prng from "../../src/testing/Prng.ts"

describe("the checksums of ranges", () => {
  it("are those of the bytes in them, whatever they go on from", () => {
    const random = Prng.make(5)
    const bytes = Uint8Array.from({ length: 5_000 }, () => random.int(256))
    const ranges = Array.from({ length: 300 }, () => {
      const begin = random.int(bytes.length)
      return { begin, end: begin + random.int(bytes.length - begin + 1), seed: random.int(2 ** 31) * 2 }
    })
    const sums = Checksums.make(bytes, ranges.flatMap(({ begin, end }) => [begin, end]))
    for (const { begin, end, seed } of ranges) {
      assert.strictEqual(Checksums.of(sums, begin, end, seed), Platform.crc32(bytes.subarray(begin, end), seed))
    }
  })
})

describe("looking for a frame behind the end", () => {
  const seed = 4711
  /** Bytes that are nothing but frame headers, each of which claims all that follows. */
  const imitations = (count: number): Uint8Array => {
    const bytes = new Uint8Array(count * Segment.frameHeaderBytes)
    const view = new DataView(bytes.buffer)
    for (let at = 0; at < bytes.length; at += Segment.frameHeaderBytes) {
      bytes.set(Segment.encodeEnd("continued", 0, 100), at)
      view.setUint32(at, 1, true)
      view.setUint32(at + 8, bytes.length - at - Segment.frameHeaderBytes, true)
    }
    return bytes
  }

  it("checksums no byte twice, whatever the bytes look like", () => {
    const bytes = imitations(20_000)
    let work = 0
    const counting = (part: Uint8Array, previous = 0): number => {
      work += part.length
      return Platform.crc32(part, previous)
    }
    assert.isUndefined(Segment.frameBeyond(Segment.page(bytes, 0), seed, 7, counting))
    assert.isAbove(work, 0)
    assert.isAtMost(work, bytes.length)
  })

  it("finds the one that is there among them", () => {
    const bytes = imitations(1_000)
    const at = 600 * Segment.frameHeaderBytes
    bytes.set(Segment.encodeEnd("closed", seed, 9), at)
    const found = Segment.frameBeyond(Segment.page(bytes, 32), seed, 7)
    assert.deepInclude(found, { offset: 32 + at, kind: "closed", position: 9 } as object)
    assert.isUndefined(Segment.frameBeyond(Segment.page(bytes, 32), seed, 9))
  })
})
