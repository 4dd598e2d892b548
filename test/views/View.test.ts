import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Order, Schema, Stream } from "effect"
import type { Collection } from "../../src/client/Collection.ts"
import * as Codec from "../../src/Codec.ts"
import type { AsOfBeforeSince } from "../../src/PersistError.ts"
import * as Update from "../../src/Update.ts"
import { changes, materialize } from "../../src/views/Changes.ts"
import * as View from "../../src/views/View.ts"
import { client, contents, memory } from "../utils/Store.ts"

const numbers = { key: Codec.string, value: Codec.schema(Schema.Number) }
const pairs = { key: Codec.string, value: Codec.json }

type Rows = ReadonlyArray<readonly [key: string, value: unknown, multiplicity: number]>

const canonical = (rows: Rows): ReadonlyArray<string> => {
  const found = Map.groupBy(rows, ([key, value]) => JSON.stringify([key, value]))
  return [...found].map(([id, same]) => `${same.reduce((sum, [, , n]) => sum + n, 0)} times ${id}`).toSorted()
}

const sums = (updates: ReadonlyArray<Update.Update<string, unknown>>, asOf: number): Rows => {
  const found = new Map<string, { readonly row: readonly [string, unknown]; sum: number }>()
  for (const { diff, key, time, value } of updates) {
    if (time > asOf) continue
    const id = JSON.stringify([key, value])
    const known = found.get(id) ?? { row: [key, value] as const, sum: 0 }
    found.set(id, known)
    known.sum += diff
  }
  return [...found.values()].filter(({ sum }) => sum !== 0).map(({ row, sum }) => [...row, sum])
}

const byKey = (rows: Rows): ReadonlyMap<string, Rows> => Map.groupBy(rows, ([key]) => key)

/** Views, and what they are by definition. */
const views: Readonly<
  Record<
    string,
    readonly [
      make: (a: View.View<string, number>, b: View.View<string, number>) => View.View<string, unknown>,
      model: (a: Rows, b: Rows) => Rows
    ]
  >
> = {
  from: [(a) => a, (a) => a],
  map: [
    (a) => View.map(a, (key, value) => [key, value % 2]),
    (a) => a.map(([key, value, n]) => [key, (value as number) % 2, n])
  ],
  filter: [
    (a) => View.filter(a, (_, value) => value > 2),
    (a) => a.filter(([, value]) => (value as number) > 2)
  ],
  join: [
    (a, b) => View.join(a, b),
    (a, b) =>
      a.flatMap(([key, left, n]) =>
        b.filter((row) => row[0] === key).map(([, right, m]) => [key, [left, right], n * m] as const)
      )
  ],
  "join of a collection with itself": [
    (a) => View.join(a, a),
    (a) =>
      a.flatMap(([key, left, n]) =>
        a.filter((row) => row[0] === key).map(([, right, m]) => [key, [left, right], n * m] as const)
      )
  ],
  count: [
    (a) => View.count(a),
    (a) => [...byKey(a)].map(([key, rows]) => [key, rows.reduce((sum, [, , n]) => sum + n, 0), 1])
  ],
  reduce: [
    (a) => View.reduce(a, (values, key) => [`${key} ${Math.max(...values.map(([value]) => value))}`]),
    (a) => [...byKey(a)].map(([key, rows]) => [key, `${key} ${Math.max(...rows.map(([, v]) => v as number))}`, 1])
  ],
  distinct: [(a) => View.distinct(a), (a) => a.map(([key, value]) => [key, value, 1])],
  topK: [
    (a) => View.topK(a, { order: Order.mapInput(Order.Number, ([, value]) => value), limit: 3, offset: 1 }),
    (a) =>
      a.toSorted(([k, v], [l, w]) => (v as number) - (w as number) || (k < l ? -1 : 1))
        .slice(1, 4).map(([key, value]) => [key, value, 1])
  ],
  "a chain of them": [
    (a, b) =>
      View.count(View.map(View.join(View.filter(a, (_, value) => value > 1), b), (_, [left]) => [`${left}`, 0])),
    (a, b) => {
      const joined = a.filter(([, value]) => (value as number) > 1).flatMap(([key, left, n]) =>
        b.filter((row) => row[0] === key).map(([, , m]) => [`${left as number}`, n * m] as const)
      )
      return [...Map.groupBy(joined, ([key]) => key)].map((
        [key, rows]
      ) => [key, rows.reduce((s, [, n]) => s + n, 0), 1])
    }
  ]
}

/** Histories in which nothing is there less than no times. */
const toUpdates = (steps: ReadonlyArray<readonly [key: number, value: number, time: number]>) => {
  const updates: Array<Update.Update<string, number>> = []
  const live = new Map<string, Update.Update<string, number>>()
  for (const [k, value, time] of steps.toSorted((a, b) => a[2] - b[2])) {
    const key = `k${k}`
    const old = live.get(`${key} ${value}`)
    if (old !== undefined && (k + value + time) % 2 === 0) {
      updates.push(Update.retract(key, value, time))
      live.delete(`${key} ${value}`)
    } else {
      const update = Update.insert(key, value, time)
      updates.push(update)
      live.set(`${key} ${value}`, update)
    }
  }
  return updates
}

const small = (max: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: max }))
const Steps = Schema.Array(Schema.Tuple([small(3), small(5), small(9)]))
const end = 10

const inputs = Effect.gen(function*() {
  const persist = yield* client(yield* memory)
  return { persist, a: yield* persist.createOrLoad("a", numbers), b: yield* persist.createOrLoad("b", numbers) }
})

/** Appends and seals in stretches, the two inputs at different places. */
const feed = Effect.fnUntraced(function*(
  { writer }: Collection<string, number>,
  updates: ReadonlyArray<Update.Update<string, number>>,
  uppers: ReadonlyArray<number>
) {
  let expected = 0
  for (const upper of uppers) {
    const rows = updates.filter(({ time }) => time >= expected && time < upper)
    yield* writer.compareAndAppend(rows, { expected, upper })
    expected = upper
    yield* Effect.yieldNow
  }
})

const untilEnd = <K, V, E>(
  stream: Stream.Stream<
    & { readonly _tag: string }
    & (
      | { readonly _tag: "Updates"; readonly updates: ReadonlyArray<Update.Update<K, V>> }
      | { readonly _tag: "Progress"; readonly frontier: number }
    ),
    E
  >
) =>
  stream.pipe(
    Stream.takeUntil((event) => event._tag === "Progress" && event.frontier >= end),
    Stream.runCollect
  )

describe.each(Object.entries(views))("%s", (_, [make, model]) => {
  it.effect.prop(
    "is at every time what it is by definition",
    [Steps, Steps],
    ([stepsA, stepsB]) =>
      Effect.gen(function*() {
        const { a, b } = yield* inputs
        const [rowsA, rowsB] = [toUpdates(stepsA), toUpdates(stepsB)]
        const running = yield* Effect.forkChild(untilEnd(changes(make(View.from(a.reader), View.from(b.reader)))))
        yield* Effect.all([feed(a, rowsA, [2, 3, 7, 10]), feed(b, rowsB, [1, 5, 10])], { concurrency: "unbounded" })
        const events = yield* Fiber.join(running)
        let frontier = 0
        const delivered: Array<Update.Update<string, unknown>> = []
        for (const event of events) {
          if (event._tag === "Progress") {
            assert.isAbove(event.frontier, frontier)
            frontier = event.frontier
          } else {
            for (const update of event.updates) assert.isAtLeast(update.time, frontier)
            delivered.push(...event.updates)
          }
        }
        for (let time = 0; time < end; time++) {
          assert.deepStrictEqual(
            canonical(sums(delivered, time)),
            canonical(model(sums(rowsA, time), sums(rowsB, time))),
            `as of ${time}`
          )
        }
      }),
    { arbitrary: { runs: 60, seed: 1 } }
  )
})

const totals = (input: Collection<string, number>) =>
  View.reduce(View.from(input.reader), (values) => [values.reduce((sum, [value, n]) => sum + value * n, 0)])

describe("materialize", () => {
  it.effect.prop(
    "goes on where it stopped, and changes nothing that was complete",
    [Steps, Steps],
    ([stepsA, stepsB]) =>
      Effect.gen(function*() {
        const { a, b, persist } = yield* inputs
        const out = yield* persist.createOrLoad("out", pairs)
        const [rowsA, rowsB] = [toUpdates(stepsA), toUpdates(stepsB)]
        const view = () => View.map(View.join(View.from(a.reader), View.from(b.reader)), (k, [l, r]) => [k, [l, r]])
        const stops = [2, 3, 7, 10]
        for (const [i, upper] of stops.entries()) {
          const from = stops[i - 1] ?? 0
          for (const [{ writer }, rows] of [[a, rowsA], [b, rowsB]] as const) {
            const added = rows.filter(({ time }) => time >= from && time < upper)
            yield* writer.compareAndAppend(added, { expected: from, upper })
          }
          // Every run is a new one, with nothing in its memory.
          yield* materialize(view(), out).pipe(
            Stream.takeUntil((event) => event._tag === "Progress" && event.frontier >= upper),
            Stream.runDrain
          )
          assert.strictEqual((yield* persist.description("out")).upper, upper)
          for (let time = 0; time < upper; time++) {
            const [, model] = views["join"]!
            assert.deepStrictEqual(
              canonical(yield* contents(out.reader, time)),
              canonical(model(sums(rowsA, time), sums(rowsB, time)))
            )
          }
        }
      }),
    { arbitrary: { runs: 30, seed: 1 } }
  )

  it.effect("of two that keep the same collection one fails", () =>
    Effect.gen(function*() {
      const { a, persist } = yield* inputs
      const out = yield* persist.createOrLoad("out", numbers)
      const both = yield* Effect.forEach([1, 2], () =>
        Effect.forkChild(Effect.flip(Stream.runDrain(materialize(totals(a), out)))))
      yield* Effect.yieldNow
      yield* a.writer.compareAndAppend([Update.insert("k", 3, 0)], { expected: 0, upper: 1 })
      const error = yield* Effect.raceAllFirst(both.map(Fiber.join))
      assert.strictEqual(error._tag, "UpperMismatch")
      assert.deepStrictEqual(yield* contents(out.reader, 0), [["k", 3, 1]])
      yield* Effect.forEach(both, Fiber.interrupt)
    }))

  it.effect("does not begin where an input has no history any more", () =>
    Effect.gen(function*() {
      const { a, persist } = yield* inputs
      const out = yield* persist.createOrLoad("out", numbers)
      yield* a.writer.compareAndAppend([Update.insert("k", 3, 0)], { expected: 0, upper: 1 })
      yield* Stream.runDrain(Stream.take(materialize(totals(a), out), 2))
      yield* a.writer.compareAndAppend([Update.insert("k", 4, 5)], { expected: 1, upper: 9 })
      yield* a.writer.allowCompaction(5)
      const error = yield* Effect.flip(Stream.runDrain(materialize(totals(a), out)))
      assert.strictEqual(error._tag, "AsOfBeforeSince")
      assert.strictEqual((error as AsOfBeforeSince).asOf, 0)
      assert.strictEqual((yield* persist.description("out")).upper, 1)
      assert.deepStrictEqual(yield* contents(out.reader), [["k", 3, 1]])
    }))

  it.effect("finishes with its inputs", () =>
    Effect.gen(function*() {
      const { a, persist } = yield* inputs
      const out = yield* persist.createOrLoad("out", numbers)
      yield* a.writer.append([Update.insert("k", 3, 0)])
      yield* a.writer.seal(Infinity)
      for (let run = 0; run < 2; run++) yield* Stream.runDrain(materialize(totals(a), out))
      assert.strictEqual((yield* persist.description("out")).upper, Infinity)
    }))
})
