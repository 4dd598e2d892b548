import { assert, describe, it } from "@effect/vitest"
import * as Garbage from "../../src/runtime/Garbage.ts"

describe("garbage", () => {
  it("is not taken while anybody holds it, and is once all have let it go", () => {
    const garbage = Garbage.make()
    const [first, second] = [garbage.hold(["a", "b"]), garbage.hold(["a"])]
    garbage.add(["a", "b", "c"], 5)
    assert.deepStrictEqual(garbage.take(5), ["c"])
    first()
    first()
    assert.deepStrictEqual(garbage.take(5), ["b"])
    assert.strictEqual(garbage.size(), 1)
    second()
    assert.deepStrictEqual(garbage.take(5), ["a"])
    assert.strictEqual(garbage.size(), 0)
  })

  it("is not taken before its time; what could not be deleted is, at once", () => {
    const garbage = Garbage.make()
    garbage.add(["a"], 5)
    assert.deepStrictEqual(garbage.take(4), [])
    assert.deepStrictEqual(garbage.take(5), ["a"])
    garbage.putBack(["a"])
    assert.deepStrictEqual(garbage.take(0), ["a"])
  })
})
