/**
 * A view that is kept in a collection, as a program to be simulated: orders and customers change, and how many orders
 * each country has is kept beside them by a process that is killed again and again.
 */
import { assert } from "@effect/vitest"
import { Effect, Random, Stream } from "effect"
import * as MultiWriter from "../../src/client/MultiWriter.ts"
import * as PersistClient from "../../src/client/PersistClient.ts"
import * as Codec from "../../src/Codec.ts"
import { retractUnsealed } from "../../src/operators/Unsealed.ts"
import * as Simulation from "../../src/testing/simulation/Simulation.ts"
import * as Faults from "../../src/testing/storage/Faults.ts"
import * as Update from "../../src/Update.ts"
import { materialize } from "../../src/views/Changes.ts"
import * as View from "../../src/views/View.ts"
import { contents, untilItWorks } from "../utils/Lives.ts"

const text = { key: Codec.string, value: Codec.string }

const opened = Effect.gen(function*() {
  const store = yield* PersistClient.PersistClient
  return {
    orders: yield* store.createOrLoad("orders", text),
    customers: yield* store.createOrLoad("customers", text),
    counts: yield* store.createOrLoad("counts", { key: Codec.string, value: Codec.json })
  }
})

type Opened = Effect.Success<typeof opened>

const description = (name: string) => PersistClient.PersistClient.use((store) => store.description(name))

/** Gives one of four keys another value at a time, or takes its value away. */
const change = Effect.fnUntraced(function*(known: Map<string, string>, name: string, values: number, time: number) {
  const key = `${name}-${yield* Random.nextIntBetween(0, 4)}`
  const drawn = yield* Random.nextIntBetween(0, values + 1)
  const old = known.get(key)
  const updates = old === undefined ? [] : [Update.retract(key, old, time)]
  if (drawn === values) known.delete(key)
  else {
    known.set(key, `${name === "o" ? "c" : "country"}-${drawn}`)
    updates.push(Update.insert(key, known.get(key)!, time))
  }
  return updates
})

/** Changes orders and customers for ever, and lets go of the history that the view does not need. */
const trade = Effect.fnUntraced(function*({ customers, orders }: Opened) {
  const uppers = yield* Effect.forEach(["orders", "customers"], (name) => description(name))
  let time = Math.max(...uppers.map(({ upper }) => upper))
  const both = yield* MultiWriter.make([orders.writer, customers.writer])
  yield* both.seal(time)
  yield* Effect.forEach([orders, customers], ({ writer }) => retractUnsealed(writer))
  const known = [
    new Map((yield* contents(orders.reader, time - 1)).map(([key, value]) => [key, value])),
    new Map((yield* contents(customers.reader, time - 1)).map(([key, value]) => [key, value]))
  ] as const
  while (true) {
    yield* orders.append(yield* change(known[0], "o", 4, time))
    yield* Effect.sleep(yield* Random.nextIntBetween(0, 300))
    yield* customers.append(yield* change(known[1], "c", 2, time))
    yield* both.seal(++time)
    const { upper } = yield* description("counts")
    if (upper > 0 && (yield* Random.nextBoolean)) yield* both.allowCompaction(upper - 1)
  }
})

const viewOf = ({ customers, orders }: Opened) => {
  const byCustomer = View.map(View.from(orders.reader), (order, customer) => [customer, order])
  const located = View.join(byCustomer, View.from(customers.reader))
  return View.count(View.map(located, (_, [order, country]) => [country, order]))
}

/** One life, which never ends. */
const life = Effect.gen(function*() {
  const all = yield* opened
  const keeping = Stream.runDrain(materialize(viewOf(all), all.counts))
  yield* Effect.all([trade(all), keeping], { concurrency: "unbounded", discard: true })
})

/** At every time that its inputs can be read as of, the view is what they say. Returns what it is complete up to. */
const checked = Effect.gen(function*() {
  const all = yield* opened
  const { upper } = yield* description("counts")
  const inputs = yield* Effect.forEach(["orders", "customers"], (name) => description(name))
  for (let time = Math.max(0, ...inputs.map(({ since }) => since)); time < upper; time++) {
    const countries = new Map((yield* contents(all.customers.reader, time)).map(([key, value]) => [key, value]))
    const expected = new Map<string, number>()
    for (const [, customer] of yield* contents(all.orders.reader, time)) {
      const country = countries.get(customer)
      if (country !== undefined) expected.set(country, (expected.get(country) ?? 0) + 1)
    }
    const found = yield* contents(all.counts.reader, time)
    const rows = [...expected].map(([country, count]) => [country, count, 1] as const)
    assert.deepStrictEqual(found, rows.toSorted(([a], [b]) => a < b ? -1 : 1), `as of ${time}`)
  }
  return upper
})

/** Is killed at any moment, several times, and the view is never anything but what its inputs say. */
export const killed = Effect.gen(function*() {
  let upper = 0
  for (let lives = 0; lives < 5; lives++) {
    const process = yield* Simulation.spawn(untilItWorks(life))
    yield* Effect.sleep(yield* Random.nextIntBetween(0, 4000))
    yield* (yield* Random.nextBoolean) ? process.kill : Simulation.crash
    const now = yield* untilItWorks(checked)
    assert.isAtLeast(now, upper)
    upper = now
  }
  const injector = yield* Faults.Injector
  injector.pause(true)
  const last = yield* Simulation.spawn(untilItWorks(life))
  yield* Effect.sleep("10 seconds")
  yield* last.kill
  assert.isAbove(yield* untilItWorks(checked), upper)
})
