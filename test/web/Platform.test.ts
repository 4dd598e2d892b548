// What one platform writes, the other one reads, and both say the same of everything else.
import { assert, describe, it } from "@effect/vitest"
import * as Node from "../../src/Platform.ts"
import * as Web from "../../src/web/Platform.ts"

/** A module in place of another one has its types. */
const platforms: ReadonlyArray<typeof Node> = [Node, Web]

/** Bytes that repeat themselves after `period`; without one they are hardly compressible. */
const made = (length: number, period = length): Uint8Array => {
  const bytes = new Uint8Array(length)
  for (let i = 0, state = 1; i < length; i++) {
    state = i % period === 0 ? 1 : Math.imul(state, 1_103_515_245) + 12_345
    bytes[i] = state >>> 16
  }
  return bytes
}

const sizes = [0, 1, 2, 3, 4, 5, 7, 8, 47, 48, 49, 255, 256, 257, 4_095, 4_096, 4_097, 65_791, 65_792, 200_000]

const both = (what: string, of: (platform: typeof Node) => unknown) => assert.deepStrictEqual(of(Web), of(Node), what)

describe("the platform of browsers", () => {
  it("exports what that of Node.js exports", () => {
    assert.deepStrictEqual(Object.keys(Web).toSorted(), Object.keys(Node).toSorted())
  })

  it("has the same checksums", () => {
    for (const size of sizes) {
      const bytes = made(size)
      both(`crc32 of ${size}`, ({ crc32 }) => [crc32(bytes), crc32(bytes, 0xdead_beef), crc32(bytes, crc32(bytes))])
      both(`sha256 of ${size}`, ({ sha256 }) => sha256(bytes))
    }
  })

  it("reads what Node.js has compressed, at any size, and makes no frames", () => {
    for (const size of sizes) {
      for (const period of [size, 1, 7, 1_000]) {
        const bytes = made(size, period)
        assert.deepStrictEqual(Web.decompress(Node.compress(bytes)!, size), bytes, `${size} bytes by ${period}`)
      }
      assert.isUndefined(Web.compress(made(size, 1)))
    }
  })

  it("refuses what is no frame, and a frame of another length", () => {
    const frame = Node.compress(made(5_000, 10))!
    for (const platform of platforms) {
      for (const length of [0, 1, 4_999, 5_001, 1_000_000]) assert.isUndefined(platform.decompress(frame, length))
      for (const end of [0, 1, 4, 5, 9, frame.length - 1]) {
        assert.isUndefined(platform.decompress(frame.subarray(0, end), 5_000), `the first ${end} bytes`)
      }
      assert.isUndefined(platform.decompress(made(100), 5_000))
    }
  })

  it("allocates nothing for a frame that asks for a window of gigabytes", () => {
    const frame = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, 21 << 3, 1, 0, 0)
    assert.isUndefined(Web.decompress(frame, 0))
  })

  it("converts text alike", () => {
    const texts = [
      "",
      "plain",
      "ä€😀",
      "\ufffd",
      "\ud800",
      "a\udc00b",
      "\ufeffmark",
      "x".repeat(5_000),
      "é".repeat(5_000)
    ]
    for (const text of texts) {
      both("as UTF-8", ({ utf8Writer }) => {
        const bytes = new Uint8Array(3 * text.length + 2)
        return [utf8Writer(bytes)(text, 1), bytes]
      })
      both("as ASCII", ({ writeAscii }) => {
        const bytes = new Uint8Array(text.length)
        return writeAscii(text, bytes) && bytes
      })
    }
    for (const size of sizes) {
      const bytes = made(size)
      both(`${size} bytes as latin1`, ({ latin1, readLatin1 }) => [latin1(bytes, 0, size), readLatin1(bytes, 1, size)])
      both(`${size} bytes as Base64`, ({ fromBase64, toBase64 }) => {
        const text = toBase64(bytes)
        return [text, Uint8Array.from(fromBase64(text))]
      })
    }
    const utf8 = [[0x61], [0xc3, 0xa4], [0xff], [0xc3], [0xef, 0xbf, 0xbd], [0xed, 0xa0, 0x80], [
      0xef,
      0xbb,
      0xbf,
      0x61
    ]]
    for (const codes of utf8) {
      const bytes = Uint8Array.from(codes)
      both(
        "of UTF-8",
        ({ readAscii, readUtf8 }) => [readUtf8(bytes, 0, bytes.length), readAscii(bytes, 0, bytes.length)]
      )
    }
  })

  it("copies and compares alike", () => {
    const bytes = made(200)
    for (const size of [0, 1, 48, 49, 64, 65, 100]) {
      both("a copy", ({ copyOf }) => Uint8Array.from(copyOf(bytes, 3, 3 + size)))
      both("memory", ({ allocate }) => allocate(size).length)
      for (const other of [0, 1, 100]) {
        both("the same", ({ isSame }) => isSame(bytes, 0, size, bytes, other, other + size))
        both("another length", ({ isSame }) => isSame(bytes, 0, size, bytes, other, other + size + 1))
      }
    }
    both("dates", ({ dateOf }) => [dateOf(0), dateOf("2026-01-01"), dateOf("no date")])
  })
})
