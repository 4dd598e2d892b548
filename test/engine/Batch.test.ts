import { assert, describe, it } from "@effect/vitest"
import { ByteReader } from "../../src/ByteReader.ts"
import { ByteWriter } from "../../src/ByteWriter.ts"
import * as Batch from "../../src/engine/Batch.ts"
import { Corrupt } from "../../src/PersistError.ts"
import { batch, part } from "./Fixtures.ts"

const encoded = (of: Batch.Batch): Uint8Array => {
  const writer = new ByteWriter(64)
  Batch.encode(of, writer)
  return writer.finish()
}

describe("a reference to a batch", () => {
  const two: Batch.Batch = {
    ...batch("a", 0, 9),
    parts: [
      part("a", { checksum: 2n ** 64n - 1n, minTime: 3, maxTime: 8, rows: 4, bytes: 7 }),
      part("b", { checksum: 3n, minTime: 2, maxTime: 5, rows: 1, bytes: 2 })
    ]
  }

  it("is the sum of its parts", () => {
    assert.strictEqual(Batch.checksum(two), 2n)
    assert.deepStrictEqual([Batch.rows(two), Batch.bytes(two), Batch.minTime(two), Batch.maxTime(two)], [5, 9, 2, 8])
  })

  it("keeps nothing of the bytes that it was read from", () => {
    const bytes = encoded(two)
    const read = Batch.decode(new ByteReader(bytes, "test"))
    bytes.fill(0)
    assert.deepStrictEqual(encoded(read), encoded(two))
  })

  it("has a part, or is refused", () => {
    const bytes = encoded({ ...two, parts: [] })
    assert.throws(() => Batch.decode(new ByteReader(bytes, "test")), Corrupt, "no parts")
  })
})
