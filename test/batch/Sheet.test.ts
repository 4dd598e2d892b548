import { assert, describe, it } from "@effect/vitest"
import * as Columns from "../../src/batch/Columns.ts"
import * as Sheet from "../../src/batch/Sheet.ts"

/** Adds rows `from` to `to`, each with a key and a value of its own. */
const add = (sheet: Sheet.Sheet, from: number, to: number): Sheet.Range =>
  sheet.add((into) => {
    for (let row = from; row < to; row++) {
      into.keys.utf8(`k${row}`)
      into.values.utf8("v".repeat(row))
      into.commit(row, 1)
    }
    return from
  })

const rowsOf = (columns: Columns.Columns): ReadonlyArray<string> =>
  Array.from({ length: columns.length }, (_, row) =>
    [
      new TextDecoder().decode(Columns.keyAt(columns, row)),
      Columns.valueAt(columns, row).length,
      columns.times[row],
      columns.diffs[row]
    ].join(" "))

const named = (...rows: ReadonlyArray<number>) => rows.map((row) => `k${row} ${row} ${row} 1`)

describe("a sheet", () => {
  it("gives each write its own rows, and the bytes of these", () => {
    const sheet = new Sheet.Sheet()
    const ranges = [add(sheet, 0, 1), add(sheet, 1, 3), add(sheet, 3, 3)]
    assert.deepStrictEqual(ranges.map((range) => rowsOf(Sheet.view(range))), [named(0), named(1, 2), []])
    for (const range of ranges) assert.strictEqual(Sheet.bytesOf(range), Columns.goodputBytes(Sheet.view(range)))
    assert.deepStrictEqual(ranges.map(Sheet.lengthOf), [1, 2, 0])
  })

  it("hands a large row over without a copy", () => {
    const sheet = new Sheet.Sheet()
    const range = sheet.add((into) => {
      into.keys.utf8("large")
      into.values.raw(new Uint8Array(1024 * 1024).fill(7))
      into.commit(3, 1)
      return 3
    })
    const { buffer } = Sheet.view(range).valueData
    const columns = Sheet.gather([range])
    assert.strictEqual(columns.valueData.buffer, buffer)
    assert.isFalse(sheet.isFull, "the sheet has other memory from then on")
    add(sheet, 1, 3)
    assert.deepStrictEqual(rowsOf(columns), ["large 1048576 3 1"])
    assert.deepStrictEqual([...new Set(Columns.valueAt(columns, 0))], [7])
  })

  it("is copied in the order of the writes, with columns and other sheets between, and without what was rejected", () => {
    const [a, b] = [new Sheet.Sheet(), new Sheet.Sheet()]
    const parts = [
      add(a, 0, 2),
      add(a, 2, 3),
      Columns.copy([Sheet.view(add(new Sheet.Sheet(), 7, 9))]),
      add(b, 4, 5),
      add(a, 5, 6)
    ]
    add(a, 90, 91)
    parts.push(add(a, 6, 7))
    assert.deepStrictEqual(rowsOf(Sheet.gather(parts)), named(0, 1, 2, 7, 8, 4, 5, 6))
  })

  it("is used again once all of its ranges are copied, and not before; copies stay as they are", () => {
    const sheet = new Sheet.Sheet()
    const [first, second] = [add(sheet, 0, 2), add(sheet, 2, 3)]
    const copied = Sheet.gather([first])
    assert.strictEqual(sheet.builder.length, 3)
    assert.deepStrictEqual(rowsOf(Sheet.gather([second])), named(2))
    assert.strictEqual(sheet.builder.length, 0)
    assert.deepStrictEqual(rowsOf(Sheet.gather([add(sheet, 5, 7)])), named(5, 6))
    assert.deepStrictEqual(rowsOf(copied), named(0, 1))
  })

  it("has nothing of a write that fails, whatever the write did before", () => {
    const sheet = new Sheet.Sheet()
    const before = add(sheet, 0, 1)
    assert.throws(() =>
      sheet.add((into) => {
        assert.isFalse(sheet.isFree)
        into.keys.utf8("one")
        into.commit(1, 1)
        into.values.utf8("unfinished")
        throw new Error("a codec failed")
      }), "a codec failed")
    assert.strictEqual(sheet.builder.length, 1)
    assert.isTrue(sheet.isFree)
    assert.deepStrictEqual(rowsOf(Sheet.gather([before, add(sheet, 1, 2)])), named(0, 1))
  })

  it("is not used again while rows are being added", () => {
    const sheet = new Sheet.Sheet()
    const first = add(sheet, 0, 1)
    const second = sheet.add((into) => {
      into.keys.utf8("k1")
      Sheet.gather([first])
      into.values.utf8("v")
      into.commit(1, 1)
      return 1
    })
    assert.deepStrictEqual(rowsOf(Sheet.gather([second])), named(1))
    assert.strictEqual(sheet.builder.length, 0)
  })

  it("does not keep the memory of a large row", () => {
    const sheet = new Sheet.Sheet()
    Sheet.gather([add(sheet, 200_000, 200_001)])
    assert.isBelow(sheet.builder.values.bytes.length, 1024)
    assert.isFalse(sheet.isFull)
  })

  it("hands its memory on when it is full, and none that a write still has", () => {
    const sheet = new Sheet.Sheet()
    const { builder } = sheet
    const [first, second] = [add(sheet, 60_000, 60_001), add(sheet, 10_000, 10_001)]
    assert.isTrue(sheet.isFull)
    Sheet.gather([first])
    assert.notStrictEqual(new Sheet.Sheet().builder, builder)
    assert.deepStrictEqual(rowsOf(Sheet.gather([second])), named(10_000))
    const next = new Sheet.Sheet()
    assert.strictEqual(next.builder, builder)
    assert.deepStrictEqual(rowsOf(Sheet.gather([add(next, 2, 3)])), named(2))
  })

  it("columns of one write stay the very same", () => {
    const columns = Columns.copy([Sheet.view(add(new Sheet.Sheet(), 0, 3))])
    assert.strictEqual(Sheet.gather([columns]), columns)
  })
})
