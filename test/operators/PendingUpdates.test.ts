import { assert, describe, it } from "@effect/vitest"
import * as PendingUpdates from "../../src/operators/PendingUpdates.ts"
import * as Prng from "../../src/testing/Prng.ts"

interface Row {
  readonly time: number
  readonly batch: number
  readonly place: number
}

describe("updates that wait for a frontier", () => {
  it("are taken once, as soon as it passes them, batch by batch, and rows of one time as they came", () => {
    const prng = Prng.make(91)
    for (let round = 0; round < 500; round++) {
      const pending = PendingUpdates.make<Row>()
      let waiting: Array<Row> = []
      let batches = 0
      let frontier = 0
      for (let step = 0; step < 12; step++) {
        if (prng.chance(0.6)) {
          const rows = Array.from({ length: prng.int(5) }, (_, place) => ({
            time: frontier + prng.int(8),
            batch: batches,
            place
          }))
          pending.add(rows)
          waiting.push(...rows)
          batches++
        }
        frontier = prng.chance(0.1) ? Infinity : frontier + prng.int(5)
        const taken = pending.take(frontier)
        const expected = waiting.filter(({ time }) => time < frontier)
        waiting = waiting.filter(({ time }) => time >= frontier)
        const order = (a: Row, b: Row) => a.batch - b.batch || a.place - b.place
        assert.deepStrictEqual(taken.flat().toSorted(order), expected.toSorted(order), `round ${round}`)
        assert.deepStrictEqual(taken.map((rows) => rows[0]!.batch), [...new Set(expected.map(({ batch }) => batch))])
        for (const rows of taken) {
          for (const time of new Set(rows.map((each) => each.time))) {
            const places = rows.filter((each) => each.time === time).map(({ place }) => place)
            assert.deepStrictEqual(places, places.toSorted((a, b) => a - b))
          }
        }
        if (frontier === Infinity) break
      }
      assert.isEmpty(frontier === Infinity ? waiting : [])
    }
  })

  it("are not copied where a whole batch is taken", () => {
    const rows = [{ time: 3 }, { time: 1 }]
    const pending = PendingUpdates.make<{ readonly time: number }>()
    pending.add(rows)
    pending.add([])
    assert.deepStrictEqual(pending.take(1), [])
    const [taken, ...others] = pending.take(4)
    assert.strictEqual(taken, rows)
    assert.isEmpty(others)
    assert.isEmpty(pending.take(Infinity))
  })

  it("are sorted by time alone, and left as they are where they are sorted", () => {
    const sorted = [{ time: 1 }, { time: 1 }, { time: 2 }]
    assert.strictEqual(PendingUpdates.byTime(sorted), sorted)
    const mixed = [{ time: 2, place: 0 }, { time: 1, place: 1 }, { time: 2, place: 2 }]
    assert.deepStrictEqual(PendingUpdates.byTime(mixed).map(({ place }) => place), [1, 0, 2])
  })
})
