import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as Frontier from "../src/Frontier.ts"
import { ValueOutOfRange } from "../src/PersistError.ts"

const options = { arbitrary: { runs: 300, seed: 2 } }

const Time = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
const Bound = Schema.Union([Time, Schema.Literals([0, 1, Number.MAX_SAFE_INTEGER])])
const orEmpty = (time: number, isEmpty: boolean): Frontier.Frontier => isEmpty ? Frontier.empty : time

const times = [0, 1, 1_700_000_000_000, Number.MAX_SAFE_INTEGER]
const neverTimes = [-1, 0.5, NaN, -Infinity, Number.MAX_SAFE_INTEGER + 1, "1", 1n, null, undefined]

describe("guards", () => {
  it("take non-negative safe integers as times, and also the empty one as a frontier", () => {
    for (const time of times) {
      assert.isTrue(Frontier.isTimestamp(time))
      assert.isTrue(Frontier.isFrontier(time))
      assert.isUndefined(Frontier.check("upper", time))
      assert.isUndefined(Frontier.checkTime("time", time))
    }
    assert.isFalse(Frontier.isTimestamp(Frontier.empty))
    assert.isTrue(Frontier.isFrontier(Frontier.empty))
    assert.isUndefined(Frontier.check("upper", Frontier.empty))
  })

  it("refuse everything else, with an error that says what and why", () => {
    for (const value of neverTimes) {
      assert.isFalse(Frontier.isTimestamp(value))
      assert.isFalse(Frontier.isFrontier(value))
    }
    for (const error of [Frontier.check("upper", -1), Frontier.checkTime("upper", Infinity)]) {
      assert.instanceOf(error, ValueOutOfRange)
      assert.include(error.message, "upper is out of range")
      assert.include(error.message, "nanoseconds since 1970 do not")
    }
  })
})

describe("order", () => {
  it.prop("join is the least frontier at or after both, meet the greatest at or before both", {
    a: Bound,
    b: Bound,
    c: Bound,
    isEmpty: Schema.Boolean
  }, ({ a, b, c, isEmpty }) => {
    const x = orEmpty(a, isEmpty)
    const join = Frontier.join(x, b)
    const meet = Frontier.meet(x, b)
    for (const time of [a, b, c]) {
      assert.strictEqual(Frontier.isSettled(join, time), Frontier.isSettled(x, time) || Frontier.isSettled(b, time))
      assert.strictEqual(Frontier.isSettled(meet, time), Frontier.isSettled(x, time) && Frontier.isSettled(b, time))
    }
  }, options)

  it("settles nothing at first, and everything in the end", () => {
    for (const time of times) {
      assert.isFalse(Frontier.isSettled(Frontier.initial, time))
      assert.isTrue(Frontier.isSettled(Frontier.empty, time))
    }
    assert.isFalse(Frontier.isSettled(5, 5))
    assert.isTrue(Frontier.isSettled(5, 4))
    assert.isTrue(Frontier.isEmpty(Frontier.empty))
    assert.isFalse(Frontier.isEmpty(Number.MAX_SAFE_INTEGER))
  })

  it.prop("advancing changes no contents at or after since", [Bound, Bound, Bound], ([time, since, asOf]) => {
    const advanced = Frontier.advance(time, since)
    assert.isAtLeast(advanced, since)
    assert.strictEqual(Frontier.advance(advanced, since), advanced)
    if (asOf >= since) assert.strictEqual(advanced <= asOf, time <= asOf)
  }, options)
})

it("the last settled time is settled, and the next is not", () => {
  assert.isUndefined(Frontier.lastSettled(Frontier.initial))
  assert.strictEqual(Frontier.lastSettled(1), 0)
  assert.strictEqual(Frontier.lastSettled(Frontier.empty), Number.MAX_SAFE_INTEGER)
})

it("JSON has a word for the empty frontier", () => {
  assert.deepStrictEqual([0, 7, Frontier.empty].map(Frontier.toJson), [0, 7, "empty"])
})

it("format is for people", () => {
  assert.strictEqual(Frontier.format(Frontier.empty), "empty")
  assert.strictEqual(Frontier.format(12), "12")
})
