import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Corrupt, UnsupportedFormat } from "../../src/PersistError.ts"
import * as Platform from "../../src/Platform.ts"
import * as Pure from "../../src/Pure.ts"
import * as Segment from "../../src/storage/Segment.ts"

describe("the header of a segment", () => {
  const header = Segment.encodeHeader({ base: 7, epoch: 2, salt: 5 })
  const decode = (bytes: Uint8Array, base = 7, epoch = 2) =>
    Effect.runSync(Effect.result(Pure.decode(() => Segment.decodeHeader(bytes, "there", base, epoch))))

  it("gives back what was put in", () => {
    assert.deepInclude(Segment.decodeHeader(header, "there", 7, 2), { base: 7, epoch: 2, salt: 5 })
  })

  it("is refused under another name, and for every bit of it that is flipped", () => {
    for (const [base, epoch] of [[8, 2], [7, 3]] as const) {
      const refused = decode(header, base, epoch)
      assert.include(refused._tag === "Failure" ? refused.failure.message : "", Segment.fileName(7, 2))
    }
    for (let bit = 0; bit < 8 * header.length; bit++) {
      const damaged = header.slice()
      damaged[bit >> 3]! ^= 1 << (bit & 7)
      const refused = decode(damaged)
      assert.instanceOf(refused._tag === "Failure" && refused.failure, Corrupt, `bit ${bit}`)
    }
  })

  it("of a newer format is named, with ours", () => {
    const newer = header.slice()
    const view = new DataView(newer.buffer)
    view.setUint32(4, 9, true)
    view.setUint32(Segment.headerBytes - 4, Platform.crc32(newer.subarray(0, Segment.headerBytes - 4)), true)
    const refused = decode(newer)
    assert.deepStrictEqual(
      refused._tag === "Failure" && refused.failure,
      new UnsupportedFormat({ location: "there", found: 9, supported: Segment.formatVersion })
    )
  })
})
