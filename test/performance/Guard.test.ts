/**
 * Nobody loses a factor unseen: what a few key paths cost, as multiples of a plain loop that is timed between them.
 *
 * Each figure is the least of many short runs, so that neither a slow machine nor a busy one changes it much, and the
 * limits are several times what was measured when they were set. What fails here has become slower by a factor.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import * as BatchFile from "../../src/batch/BatchFile.ts"
import * as Columns from "../../src/batch/Columns.ts"
import * as Consolidate from "../../src/batch/Consolidate.ts"
import { Merge } from "../../src/batch/Merge.ts"
import { ByteWriter } from "../../src/ByteWriter.ts"
import * as Rows from "../../src/client/Rows.ts"
import * as Codec from "../../src/Codec.ts"
import * as Commit from "../../src/engine/Commit.ts"
import * as Update from "../../src/Update.ts"
import * as Store from "../utils/Store.ts"

const scratch = new Uint32Array(4096)

/** The unit: arithmetic and memory of a fixed amount, which no change of Tidemark touches. */
const calibrate = (): void => {
  let x = 1
  for (let i = 0; i < 500_000; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0
    scratch[x & 4095]! += x >>> 20
  }
}

const timed = async (run: () => unknown): Promise<number> => {
  const start = performance.now()
  await run()
  return performance.now() - start
}

/** Runs of the two in turn; the ratio of the least of each. */
const ratio = async (run: () => unknown, rounds = 25): Promise<number> => {
  let unit = Infinity
  let least = Infinity
  for (let round = 0; round < rounds; round++) {
    unit = Math.min(unit, await timed(calibrate))
    least = Math.min(least, await timed(run))
  }
  return least / unit
}

const codecs = { key: Codec.string, value: Codec.string }
const updates = (count: number, offset = 0) =>
  Array.from({ length: count }, (_, i) => {
    const key = `key-${String((i * 7919 + offset) % 100_003).padStart(12, "0")}`
    return Update.insert(key, `value ${i} `.repeat(8), i % 50)
  })
const encoded = (count: number, offset = 0) => Effect.runSync(Rows.encode(codecs, updates(count, offset)))
const sorted = (count: number, offset = 0) => Consolidate.consolidate(encoded(count, offset), { since: 0 })

/** About five times what was measured, on two cores under load: 0.21, 0.12, 3, 8, 6 and 23. */
const limits = {
  "encoding 1,000 rows": 1,
  "a commit of 1,000 rows, to bytes and back": 0.6,
  "sorting and consolidating 10,000 rows": 15,
  "merging four times 5,000 rows": 40,
  "a batch file of 10,000 rows, written and read": 30,
  "200 writes that ten listeners hear": 120
}

describe("costs as multiples of a plain loop", () => {
  const guard = (name: keyof typeof limits, run: () => unknown) =>
    it(name, { timeout: 120_000 }, async () => {
      const found = await ratio(run)
      assert.isBelow(found, limits[name], `it costs ${found.toFixed(2)} of the plain loop`)
    })

  const rows = updates(1_000)
  guard("encoding 1,000 rows", () => Effect.runSync(Rows.encode(codecs, rows)))

  const columns = encoded(1_000)
  const commit: Commit.Commit = {
    writer: 1,
    attempt: 1,
    seqNo: 1,
    changes: [{ _tag: "Write", collection: 0, columns }]
  }
  const buffer = new ByteWriter()
  guard("a commit of 1,000 rows, to bytes and back", () => {
    buffer.clear()
    Commit.encode(commit, buffer)
    return Commit.decode(buffer.view8(), "guard")
  })

  const unsorted = encoded(10_000)
  guard("sorting and consolidating 10,000 rows", () => Consolidate.consolidate(unsorted, { since: 0 }))

  const inputs = [0, 1, 2, 3].map((i) => sorted(5_000, i))
  guard("merging four times 5,000 rows", () => {
    const merge = new Merge(inputs.map(() => ({ lower: 0, upper: Infinity })), 0)
    const out = new Columns.Builder()
    const isFed = inputs.map(() => false)
    for (;;) {
      const step = merge.run(out, 64 * 1024 * 1024)
      if (step._tag !== "Need") return out.length
      if (isFed[step.input]) merge.end(step.input)
      else merge.push(step.input, inputs[step.input]!)
      isFed[step.input] = true
    }
  })

  const whole = sorted(10_000)
  guard("a batch file of 10,000 rows, written and read", () => {
    const writer = new BatchFile.Writer({ lower: 0, upper: 100, since: 0 })
    writer.add(whole)
    const { bytes } = writer.finish()
    const trailer = BatchFile.readTrailer(bytes, bytes.length, "guard")
    const footer = BatchFile.readFooter(
      bytes.subarray(trailer.footerOffset, trailer.footerOffset + trailer.footerLength),
      trailer,
      "guard"
    )
    for (const block of footer.blocks) {
      BatchFile.readBlock(block, bytes.subarray(block.offset, block.offset + block.length), "guard")
    }
  })

  guard("200 writes that ten listeners hear", () =>
    Effect.gen(function*() {
      const client = yield* Effect.flatMap(Store.memory, (storage) => Store.client(storage))
      const { read, write } = yield* client.createOrLoad("s", Store.text)
      for (let i = 0; i < 10; i++) {
        const { events } = yield* read.listen()
        yield* Effect.forkChild(Stream.runDrain(events))
      }
      for (let i = 0; i < 200; i++) yield* write.write([Update.insert("a", "", i)])
    }).pipe(Effect.scoped, Effect.runPromise))
})
