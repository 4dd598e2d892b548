import { assert, describe, it } from "@effect/vitest"
import * as BatchFile from "../../src/batch/BatchFile.ts"
import * as BatchVerifier from "../../src/batch/BatchVerifier.ts"
import * as Columns from "../../src/batch/Columns.ts"
import { Merge } from "../../src/batch/Merge.ts"
import { MergeJob, type Piece, type Task } from "../../src/batch/MergeJob.ts"
import { Corrupt } from "../../src/PersistError.ts"
import * as Prng from "../../src/testing/Prng.ts"
import * as Rows from "./Rows.ts"

const all = { lower: 0, upper: Infinity }
const description = { lower: 0, upper: Infinity, since: 0 }

/** Runs a job to its end, feeding each input its pieces. */
const run = (task: Task, pieces: ReadonlyArray<ReadonlyArray<Piece>>): ReadonlyArray<Uint8Array> => {
  const job = new MergeJob(task)
  const fed = pieces.map(() => 0)
  const files: Array<Uint8Array> = []
  while (true) {
    const step = job.step()
    if (step._tag === "Done") return files
    if (step._tag === "Part") files.push(step.bytes)
    else job.feed(step.input, pieces[step.input]![fed[step.input]!++])
  }
}

/** In two pieces, the first of which may be empty. */
const unsorted = (rows: ReadonlyArray<Rows.Row>): ReadonlyArray<Piece> =>
  [rows.slice(0, rows.length >> 1), rows.slice(rows.length >> 1)].map((each) => ({
    _tag: "Rows",
    columns: Rows.toColumns(each)
  }))

const openFile = (bytes: Uint8Array): BatchFile.Footer => {
  assert.deepStrictEqual(BatchVerifier.verify(bytes, "file"), [])
  const trailer = BatchFile.readTrailer(bytes, bytes.length, "file")
  return BatchFile.readFooter(bytes.subarray(trailer.footerOffset, -BatchFile.trailerBytes), trailer, "file")
}

const blocksOf = (bytes: Uint8Array): ReadonlyArray<Piece & { readonly _tag: "Stored" }> =>
  openFile(bytes).blocks.map((block) => ({
    _tag: "Stored",
    block,
    bytes: bytes.subarray(block.offset, block.offset + block.length),
    location: "file"
  }))

const columnsOf = (bytes: Uint8Array): ReadonlyArray<Columns.Columns> =>
  blocksOf(bytes).map((piece) => BatchFile.readBlock(piece.block, piece.bytes, piece.location))

const rowsOf = (files: ReadonlyArray<Uint8Array>): ReadonlyArray<string> =>
  files.flatMap(columnsOf).flatMap((columns) => Rows.showColumns(columns))

/** Rows that do not compress, of about a kilobyte. */
const large = (prng: Prng.Prng, count: number): ReadonlyArray<Rows.Row> =>
  Array.from({ length: count }, () => ({ key: prng.bytes(24), value: prng.bytes(1000), time: prng.int(3), diff: 1 }))

describe("vec_builder", () => {
  it("rolls over to the next block and the next file at their size limits", () => {
    const prng = Prng.make(91)
    const partBytes = 300_000
    for (const count of [1, 127, 128, 700]) {
      const rows = large(prng, count)
      // One input is sorted and written; two are merged.
      for (const inputs of [[rows], [rows.slice(0, count / 2), rows.slice(count / 2)]]) {
        const files = run({ inputs: inputs.map(() => all), description, partBytes }, inputs.map(unsorted))
        assert.deepStrictEqual(rowsOf(files), Rows.show(Rows.consolidate(rows, { since: 0 })))
        const most = BatchFile.targetBlockBytes + 1040
        files.forEach((bytes, i) => {
          const { blocks } = openFile(bytes)
          const isLast = i === files.length - 1
          if (!isLast) assert.isAtLeast(bytes.length, partBytes)
          assert.isBelow(bytes.length, partBytes + most + 1000)
          blocks.slice(0, isLast ? -1 : undefined).forEach(({ rawLength, rows: inBlock }) => {
            assert.isAtMost(inBlock * 1040, most)
            assert.isAtLeast(inBlock * 1040, BatchFile.targetBlockBytes)
            assert.isBelow(rawLength, most)
          })
        })
      }
    }
  })

  it("writes nothing where nothing is left", () => {
    const rows = [Rows.row("a", "b", 1, 1), Rows.row("a", "b", 2, -1)]
    const task = (since: number): Task => ({ inputs: [all], description: { ...description, since }, partBytes: 1000 })
    assert.strictEqual(run(task(2), [unsorted(rows)]).length, 0)
    assert.strictEqual(run(task(Infinity), [unsorted(rows)]).length, 0)
    assert.strictEqual(run(task(Infinity), [unsorted(rows.slice(0, 1))]).length, 0)
    assert.strictEqual(run(task(0), [[]]).length, 0)
    assert.strictEqual(run(task(1), [unsorted(rows)]).length, 1)
  })
})

describe("trace_compact", () => {
  it("gives what consolidating all rows gives, from memory and from files", () => {
    const prng = Prng.make(92)
    for (let round = 0; round < 100; round++) {
      const kind = { ...Rows.kindOf(prng), times: 20 }
      const stored = Rows.generate(prng, 1 + prng.int(100), kind)
      const files = run({ inputs: [all], description, partBytes: 400 }, [unsorted(stored)])
      const fresh = Rows.generate(prng, prng.int(100), kind)
      const window = prng.chance(0.5) ? all : { lower: prng.int(10), upper: 10 + prng.int(10) }
      const since = prng.int(25)
      const inputs = prng.chance(0.2) ? [window] : [window, all]
      const task = { inputs, description: { ...description, since }, partBytes: 1000 }
      const result = run(task, [unsorted(fresh), files.flatMap(blocksOf)].slice(0, inputs.length))
      const counted = [
        ...fresh.filter(({ time }) => time >= window.lower && time < window.upper),
        ...(inputs.length === 2 ? stored : [])
      ]
      assert.deepStrictEqual(rowsOf(result), Rows.show(Rows.consolidate(counted, { since })), `round ${round}`)
      const decoded = files.flatMap(columnsOf).map((columns): Piece => ({ _tag: "Sorted", columns }))
      assert.deepStrictEqual(run(task, [unsorted(fresh), decoded].slice(0, inputs.length)), result, "decoded before")
    }
  })
})

describe("a merge that loses a row", () => {
  it("is not applied: its multiset checksum is another one than that of its inputs", () => {
    const rows = [Rows.row("a", "", 1, 1), Rows.row("b", "", 1, 1), Rows.row("c", "", 1, 1)]
    const task = { inputs: [all, all], description, partBytes: 1_000 }
    const { push } = Merge.prototype
    Merge.prototype.push = function(input, columns) {
      push.call(this, input, Columns.slice(columns, 0, columns.length - 1))
    }
    try {
      assert.throws(() => run(task, [unsorted(rows), unsorted(rows)]), Corrupt, "multiset checksum")
    } finally {
      Merge.prototype.push = push
    }
  })
})
