import { assert, describe, it } from "@effect/vitest"
import * as State from "../../src/engine/State.ts"
import * as Transaction from "../../src/engine/Transaction.ts"
import * as Prng from "../../src/testing/Prng.ts"
import { row, toSlice } from "../batch/Rows.ts"
import { apply, batch, commit, stateOf, swap } from "./Fixtures.ts"

const bytes = (text: string): Uint8Array => Buffer.from(text)
const letters = ["", "a", "b", "ba", "c", "d"]

interface Range {
  readonly from: string | undefined
  readonly to: string | undefined
}

const rangeOf = (prng: Prng.Prng): Range => ({
  from: prng.chance(0.3) ? undefined : prng.pick(letters),
  to: prng.chance(0.3) ? undefined : prng.pick(letters)
})

const isIn = ({ from, to }: Range, key: string): boolean =>
  (from === undefined || key >= from) && (to === undefined || key < to)

const encoded = ({ from, to }: Range): Transaction.KeyRange => ({
  from: from === undefined ? undefined : bytes(from),
  to: to === undefined ? undefined : bytes(to)
})

describe("a range of keys", () => {
  it("has its first key, and not the one that it ends before", () => {
    for (const from of [undefined, ...letters]) {
      for (const to of [undefined, ...letters]) {
        for (const key of letters) {
          const range = encoded({ from, to })
          const expected = isIn({ from, to }, key)
          assert.strictEqual(Transaction.includes(range, bytes(key)), expected, `${key} in ${from} to ${to}`)
          assert.strictEqual(Transaction.touches(range, toSlice([row(key, "", 0, 1)])), expected)
        }
      }
    }
    assert.isFalse(Transaction.touches(encoded({ from: undefined, to: undefined }), toSlice([])))
  })

  it("was written after a time exactly if a row in memory was, and never less for stored rows", () => {
    const prng = Prng.make(82)
    for (let round = 0; round < 500; round++) {
      const state = stateOf("s")
      const collection = state.collections.get(0)!
      const rows: Array<{ readonly key: string; readonly time: number }> = []
      let time = 1
      const write = () => {
        const added = Array.from({ length: 1 + prng.int(3) }, () => ({ key: prng.pick(letters), time: time++ }))
        rows.push(...added)
        const columns = toSlice(added.map((each) => row(each.key, "v", each.time, 1)))
        State.apply(state, commit({ _tag: "Write", collection: 0, columns }), "test")
      }
      const check = (isExact: boolean) => {
        const range = rangeOf(prng)
        const readAt = prng.int(time + 1)
        const expected = rows.some((each) => each.time > readAt && isIn(range, each.key))
        const found = Transaction.isWrittenAfter(collection, encoded(range), readAt)
        if (isExact) assert.strictEqual(found, expected, `round ${round}`)
        else if (expected) assert.isTrue(found, `round ${round}`)
        else if (rows.every((each) => each.time <= readAt)) assert.isFalse(found, `round ${round}`)
      }
      for (let i = prng.int(4); i > 0; i--) write()
      check(true)
      if (rows.length > 0) {
        const keys = rows.map(({ key }) => key).toSorted()
        const part = { minKey: bytes(keys[0]!), maxKey: bytes(keys.at(-1)!), minTime: 1, maxTime: time - 1 }
        const moved = prng.chance(0.5)
          ? { newTrace: batch("b", 0, time, part), traceUpper: time }
          : { newSpills: [batch("b", 0, Infinity, part)] }
        apply(state, { _tag: "Seal", collection: 0, upper: time })
        apply(state, swap(0, { chunksBefore: state.position, ...moved }))
      }
      check(false)
      for (let i = prng.int(3); i > 0; i--) write()
      check(false)
    }
  })
})
