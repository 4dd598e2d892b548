import { assert, it } from "@effect/vitest"
import { Schema } from "effect"
import * as Update from "../src/Update.ts"

const options = { arbitrary: { runs: 100, seed: 3 } }

/** Multiplicities by `key/value` as of a time: what updates mean. */
const contents = (updates: ReadonlyArray<Update.Update<string, string>>, asOf: number): ReadonlyMap<string, number> => {
  const sums = new Map<string, number>()
  for (const { diff, key, time, value } of updates) {
    const row = JSON.stringify([key, value])
    if (time <= asOf) sums.set(row, (sums.get(row) ?? 0) + diff)
  }
  return new Map([...sums].filter(([, sum]) => sum !== 0))
}

const Time = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1000 }))

it("make is the update with these parts", () => {
  assert.deepStrictEqual(Update.make("k", "v", 3, -2), { key: "k", value: "v", time: 3, diff: -2 })
})

it.prop(
  "insert adds one from its time on, and retract undoes it",
  [Schema.String, Schema.String, Time],
  ([k, v, t]) => {
    const inserted = Update.insert(k, v, t)
    assert.strictEqual(contents([inserted], t - 1).size, 0)
    assert.deepStrictEqual([...contents([inserted], t)], [[JSON.stringify([k, v]), 1]])
    assert.deepStrictEqual([...contents([inserted, Update.retract(k, v, t + 1)], t)], [[JSON.stringify([k, v]), 1]])
    assert.strictEqual(contents([inserted, Update.retract(k, v, t + 1)], t + 1).size, 0)
  },
  options
)

it.prop("replace leaves exactly the new value", [Schema.String, Schema.String, Time], ([from, to, t]) => {
  const updates = [Update.insert("k", from, t - 1), ...Update.replace("k", from, to, t)]
  assert.deepStrictEqual([...contents(updates, t - 1)], [[JSON.stringify(["k", from]), 1]])
  assert.deepStrictEqual([...contents(updates, t)], [[JSON.stringify(["k", to]), 1]])
}, options)
