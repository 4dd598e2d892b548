import { assert, describe, it } from "@effect/vitest"
import * as Collection from "../../src/engine/Collection.ts"
import * as State from "../../src/engine/State.ts"
import * as Transaction from "../../src/engine/Transaction.ts"
import * as Prng from "../../src/testing/Prng.ts"
import { row, toSlice } from "../batch/Rows.ts"
import { apply, batch, commit, part, stateOf, swap } from "./Fixtures.ts"

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

  it("was written after a time if a row in memory was, or a stored part has such a time and keys on both sides", () => {
    const prng = Prng.make(82)
    for (let round = 0; round < 300; round++) {
      const state = stateOf("s")
      const collection = state.collections.get(0)!
      let inMemory: Array<{ readonly key: string; readonly time: number }> = []
      const parts: Array<{ readonly keys: ReadonlyArray<string>; readonly maxTime: number }> = []
      let time = 1
      const write = () => {
        const added = Array.from({ length: 1 + prng.int(3) }, () => ({ key: prng.pick(letters), time: time++ }))
        inMemory.push(...added)
        const columns = toSlice(added.map((each) => row(each.key, "v", each.time, 1)))
        State.apply(state, commit({ _tag: "Write", collection: 0, columns }), "test")
      }
      /** Stores the rows in memory as a batch of one or two parts. */
      const store = (isSealed: boolean) => {
        const sorted = inMemory.toSorted((a, b) => a.key < b.key ? -1 : 1)
        const cut = prng.int(sorted.length)
        const pieces = [sorted.slice(0, cut), sorted.slice(cut)].filter((piece) => piece.length > 0)
        const stored = pieces.map((piece, i) => {
          const keys = [piece[0]!.key, piece.at(-1)!.key] as const
          const times = piece.map((each) => each.time)
          parts.push({ keys, maxTime: Math.max(...times) })
          const [minKey, maxKey] = [bytes(keys[0]), bytes(keys[1])]
          return part(`${time} ${i}`, { minKey, maxKey, minTime: Math.min(...times), maxTime: Math.max(...times) })
        })
        const lower = Collection.traceEnd(collection.trace)
        const made = { ...batch("b", lower, isSealed ? time : Infinity), parts: stored }
        apply(state, { _tag: "Seal", collection: 0, upper: time })
        apply(
          state,
          swap(0, {
            chunksFrom: collection.chunksFrom,
            chunksBefore: state.position,
            traceUpper: isSealed ? time : collection.traceUpper,
            ...isSealed ? { newTrace: made } : { newSpills: [made] }
          })
        )
        inMemory = []
      }
      const isSealed = prng.chance(0.5)
      for (let step = prng.int(5); step > 0; step--) {
        write()
        if (prng.chance(0.5)) store(isSealed)
        const range = rangeOf(prng)
        const readAt = prng.int(time + 1)
        const isTouched = ({ keys: [least, greatest] }: (typeof parts)[number]) =>
          (range.from === undefined || greatest! >= range.from) && (range.to === undefined || least! < range.to)
        const expected = inMemory.some((each) => each.time > readAt && isIn(range, each.key)) ||
          parts.some((each) => each.maxTime > readAt && isTouched(each))
        assert.strictEqual(
          Transaction.isWrittenAfter(collection, encoded(range), readAt),
          expected,
          `round ${round}, step ${step}`
        )
      }
    }
  })
})
