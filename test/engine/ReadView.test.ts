import { assert, describe, it } from "@effect/vitest"
import * as ReadView from "../../src/engine/ReadView.ts"
import { allowCompaction, apply, batch, seal, stateOf, swap, write } from "./Fixtures.ts"

describe("a read view", () => {
  const state = stateOf("s")
  apply(state, seal(0, 5))
  apply(state, swap(0, { newSpills: [batch("a", 0, Infinity)], newTrace: batch("t", 0, 5), traceUpper: 5 }))
  const collection = state.collections.get(0)!

  it("has the chunks that there were, whatever comes after it", () => {
    apply(state, write(0, 7))
    apply(state, write(0, 6))
    const view = ReadView.whole(collection, 12)
    const [first] = ReadView.chunksWhere(view, () => true)
    apply(state, write(0, 8))
    assert.deepInclude(view, { seqNo: 12, upper: 5, since: 0, traceUpper: 5, name: "s", collection: 0 })
    assert.deepStrictEqual(ReadView.chunksWhere(view, () => true).map(({ maxTime }) => maxTime), [7, 6])
    assert.deepStrictEqual(ReadView.chunksWhere(view, ({ maxTime }) => maxTime > 6), [first!])
    assert.deepStrictEqual(ReadView.blobKeys(view), ["a", "t"])
  })

  it("has no rows once the since is empty, also before they are compacted away", () => {
    apply(state, allowCompaction(0, Infinity))
    const view = ReadView.whole(collection, 13)
    assert.deepInclude(view, { since: Infinity, spills: [], trace: [] })
    assert.deepStrictEqual(ReadView.chunksWhere(view, () => true), [])
    assert.deepStrictEqual(ReadView.blobKeys(view), [])
  })
})
