import { assert, describe, it } from "@effect/vitest"
import * as Prng from "../../src/testing/Prng.ts"
import * as Slope from "./Slope.ts"

const bound = { share: 0.2, least: 5 }

const points = (count: number, value: (i: number) => number, life: (i: number) => number = () => 0) =>
  Array.from({ length: count }, (_, i): Slope.Point => ({ at: i, life: life(i), value: value(i) }))

describe("a slope", () => {
  it("is none where there is noise, a saw, or an outlier", () => {
    const random = Prng.make(1)
    for (
      const value of [
        () => 100 + random.int(40),
        (i: number) => 100 + 10 * (i % 7),
        (i: number) => i === 57 ? 10_000 : 100,
        () => 0
      ]
    ) {
      assert.isTrue(Slope.ofStore(points(60, value), bound).holds)
      assert.isTrue(Slope.ofProcess(points(60, value), bound).holds)
    }
  })

  it("is found below noise and below a saw", () => {
    const random = Prng.make(2)
    for (const value of [(i: number) => 100 + i + random.int(30), (i: number) => 100 + i + 10 * (i % 7)]) {
      const judged = Slope.ofStore(points(60, value), bound)
      assert.isFalse(judged.holds)
      assert.closeTo(judged.growth, 59, 25)
    }
  })

  it("of a process begins anew with each of them", () => {
    const saw = (i: number) => 100 + 3 * (i % 10)
    const life = (i: number) => Math.floor(i / 10)
    assert.isFalse(Slope.ofProcess(points(120, saw, life), bound).holds)
    assert.isTrue(Slope.ofStore(points(120, saw, life), bound).holds)
    const steps = (i: number) => 100 * life(i)
    assert.isTrue(Slope.ofProcess(points(60, steps, life), bound).holds)
    assert.isFalse(Slope.ofStore(points(60, steps, life), bound).holds)
  })

  it("does not count what fills at the beginning", () => {
    const life = (i: number) => Math.floor(i / 30)
    const filling = points(60, (i) => Math.min(100, 8 * (i % 30)), life)
    assert.isFalse(Slope.ofProcess(filling, bound).holds)
    assert.isTrue(Slope.ofProcess(Slope.settledLives(filling, 1 / 3), bound).holds)
    const once = points(60, (i) => Math.min(100, 4 * i))
    assert.isFalse(Slope.ofStore(once, bound).holds)
    assert.isTrue(Slope.ofStore(Slope.settled(once, 1 / 3), bound).holds)
  })

  it("may be so much as the greater of a share and of the least", () => {
    const rising = points(60, (i) => i / 10)
    assert.isFalse(Slope.ofStore(rising, bound).holds)
    assert.isTrue(Slope.ofStore(rising, { share: 0, least: 6 }).holds)
    assert.isTrue(Slope.ofStore(rising, { share: 2, least: 0 }).holds)
  })

  it("of too few points is none", () => {
    for (const few of [points(0, () => 1), points(1, () => 1)]) {
      assert.isTrue(Slope.ofStore(few, bound).holds)
      assert.isTrue(Slope.ofProcess(few, bound).holds)
      assert.strictEqual(Slope.lateToEarly(few), 1)
    }
  })
})

it("late to early is the ratio of medians, whatever single ones are", () => {
  assert.strictEqual(Slope.lateToEarly(points(30, (i) => i === 29 || i === 3 ? 1000 : i < 15 ? 2 : 6)), 3)
})
