import { assert, describe, it } from "@effect/vitest"
import * as Garbage from "../../src/runtime/Garbage.ts"
import * as Prng from "../../src/testing/Prng.ts"

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

  it("is what a model says, whatever is leased, released twice, taken and put back", () => {
    const prng = Prng.make(92)
    const all = ["a", "b", "c", "d"]
    const some = () => all.filter(() => prng.chance(0.4))
    for (let round = 0; round < 300; round++) {
      const garbage = Garbage.make()
      const added = new Map<string, number>()
      const leases: Array<{ readonly keys: ReadonlyArray<string>; readonly release: () => void; isOver: boolean }> = []
      for (let now = 1; now < 30; now++) {
        const keys = some()
        switch (prng.int(5)) {
          case 0:
            leases.push({ keys, release: garbage.hold(keys), isOver: false })
            break
          case 1: {
            const lease = leases[prng.int(leases.length + 1)]
            lease?.release()
            if (lease !== undefined) lease.isOver = true
            break
          }
          case 2:
            garbage.add(keys, now)
            for (const key of keys) added.set(key, now)
            break
          case 3:
            garbage.putBack(keys)
            for (const key of keys) added.set(key, 0)
            break
          default: {
            const addedBy = prng.pick([0, now - 3, now, Infinity])
            const isLeased = (key: string) => leases.some((lease) => !lease.isOver && lease.keys.includes(key))
            const expected = [...added].filter(([key, at]) => at <= addedBy && !isLeased(key)).map(([key]) => key)
            assert.deepStrictEqual(garbage.take(addedBy).toSorted(), expected.toSorted(), `round ${round}`)
            for (const key of expected) added.delete(key)
          }
        }
        assert.deepStrictEqual(garbage.keys().toSorted(), [...added.keys()].toSorted())
        assert.deepStrictEqual(all.filter(garbage.has), all.filter((key) => added.has(key)))
        assert.strictEqual(garbage.size(), added.size)
      }
    }
  })
})
