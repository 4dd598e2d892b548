import { afterAll, assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Schema, Stream } from "effect"
import { MemoryStorage, PersistClient } from "tidemark"
import { changes } from "tidemark/views"
import { follow, openOrders, Order, ordersOf, type Row, setup, table } from "../../docs/examples/cdc.ts"
import * as Faulty from "../utils/Faulty.ts"
import { query, server } from "./Server.ts"

const postgres = await server()
afterAll(() => postgres?.remove())

const slot = "tidemark_orders"

/** A table of its own, as the setup leaves it, and a store in memory that outlives its clients. */
const world = Effect.gen(function*() {
  const { url } = postgres!
  const sql = (text: string) => query(url, text)
  yield* sql("DROP TABLE IF EXISTS orders")
  yield* sql(`DROP PUBLICATION IF EXISTS ${slot}`)
  yield* sql("SELECT pg_drop_replication_slot(slot_name)::text FROM pg_replication_slots")
  yield* sql(table)
  const { control, storage } = Faulty.make(yield* Layer.build(MemoryStorage.layerOf(yield* MemoryStorage.make)))
  const layer = PersistClient.layer().pipe(Layer.provide(Layer.succeedContext(storage)))
  return {
    control,
    sql,
    url,
    life: <A, E>(of: Effect.Effect<A, E, PersistClient.PersistClient>) => Effect.provide(of, layer)
  }
})

/** Follows the view until it shows so much. */
const delivered = Effect.fnUntraced(function*(expected: Readonly<Record<string, number>>) {
  const contents = new Map<string, number>()
  yield* changes(yield* ordersOf).pipe(
    Stream.mapEffect((event) =>
      Effect.sync(() => {
        if (event._tag === "Progress") return Object.fromEntries(contents)
        for (const { diff, key, value } of event.updates) {
          if (diff > 0) contents.set(key, value)
          else if (contents.get(key) === value) contents.delete(key)
        }
        return undefined
      })
    ),
    Stream.takeUntil((seen) => seen !== undefined && JSON.stringify(seen) === JSON.stringify(expected)),
    Stream.runDrain
  )
}, Effect.scoped)

/** A life of the program that ends when the view shows so much. */
const until = (url: string, expected: Readonly<Record<string, number>>, row: Row = Order) =>
  Effect.raceFirst(Effect.andThen(follow(url, row), Effect.never), delivered(expected))

/** What is sealed, and everything of it. */
const sealed = Effect.gen(function*() {
  const { reader } = yield* openOrders
  const { contents } = yield* reader.snapshot()
  const { upper } = yield* (yield* PersistClient.PersistClient).description("orders")
  return { upper, rows: yield* Stream.runCollect(contents) }
}).pipe(Effect.scoped)

describe.skipIf(postgres === undefined)("docs/examples/cdc.ts", () => {
  it.live(
    "transactions of Postgres become times of a live view, exactly once across restarts",
    () =>
      Effect.gen(function*() {
        const { life, sql, url } = yield* world
        yield* sql("INSERT INTO orders VALUES (1, 'Ada', 'tea'), (2, 'Ada', 'rice')")
        for (const statement of setup) yield* sql(statement)
        yield* sql("INSERT INTO orders VALUES (3, 'Bo', 'tea')")
        yield* life(until(url, { Ada: 2, Bo: 1 }))
        // While it is away.
        yield* sql(
          "DO $$ BEGIN DELETE FROM orders WHERE id = 2; UPDATE orders SET id = 4, item = 'oil' WHERE id = 1; END $$"
        )
        yield* sql("INSERT INTO orders VALUES (5, 'Bo', 'salt')")
        yield* life(until(url, { Ada: 1, Bo: 2 }))
        assert.deepStrictEqual((yield* life(sealed)).rows, [
          [3, { id: 3, customer: "Bo", item: "tea" }, 1],
          [4, { id: 4, customer: "Ada", item: "oil" }, 1],
          [5, { id: 5, customer: "Bo", item: "salt" }, 1]
        ])
      }),
    60_000
  )

  it.live(
    "what is sealed, and sent again because Postgres got no acknowledgement, is there once",
    () =>
      Effect.gen(function*() {
        const { life, sql, url } = yield* world
        for (const statement of setup) yield* sql(statement)
        // The place that Postgres goes back to.
        yield* sql(`SELECT slot_name::text FROM pg_copy_logical_replication_slot('${slot}', 'before')`)
        yield* sql("INSERT INTO orders VALUES (1, 'Ada', 'tea'), (2, 'Bo', 'rice')")
        yield* sql("UPDATE orders SET item = 'oil' WHERE id = 1")
        yield* sql("DELETE FROM orders WHERE id = 2")
        yield* life(until(url, { Ada: 1 }))
        const first = yield* life(sealed)

        yield* Effect.retry(sql(`SELECT pg_drop_replication_slot('${slot}')::text`).pipe(Effect.sandbox), {
          times: 100
        })
        yield* sql(`SELECT slot_name::text FROM pg_copy_logical_replication_slot('before', '${slot}')`)
        yield* sql("INSERT INTO orders VALUES (3, 'Bo', 'salt')")
        yield* life(until(url, { Ada: 1, Bo: 1 }))
        const second = yield* life(sealed)
        assert.deepStrictEqual(second.rows, [...first.rows, [3, { id: 3, customer: "Bo", item: "salt" }, 1]])
        assert.isAbove(second.upper, first.upper)
      }),
    60_000
  )

  it.live("only what is sealed is acknowledged to Postgres", () =>
    Effect.gen(function*() {
      const { control, life, sql, url } = yield* world
      for (const statement of setup) yield* sql(statement)
      for (let writes = 0; writes < 8; writes++) {
        yield* sql(`INSERT INTO orders VALUES (${writes}, 'Ada', 'tea')`)
        control.writesLeft = writes
        const down = Effect.repeat(Effect.sleep("1 millis"), { until: () => control.isDown })
        yield* Effect.exit(life(Effect.raceFirst(until(url, { Ada: writes + 1 }), down)))
        control.writesLeft = Infinity
        control.isDown = false
        yield* life(until(url, { Ada: writes + 1 }))
      }
      assert.lengthOf((yield* life(sealed)).rows, 8)
    }), 60_000)

  it.live(
    "a life that ends within a transaction leaves nothing of it, and the next has all of it",
    () =>
      Effect.gen(function*() {
        const { life, sql, url } = yield* world
        for (const statement of setup) yield* sql(statement)
        yield* sql("INSERT INTO orders VALUES (0, 'Ada', 'tea')")
        yield* life(until(url, { Ada: 1 }))
        const before = yield* life(sealed)
        yield* sql("INSERT INTO orders SELECT id, 'Bo', 'rice' FROM generate_series(1, 3000) AS id")

        const reached = yield* Deferred.make<void>()
        let rows = 0
        const stopping: Row = Order.pipe(
          Schema.middlewareDecoding((decoding) =>
            ++rows < 2000 ? decoding : Effect.andThen(Deferred.succeed(reached, undefined), Effect.never)
          )
        )
        yield* life(Effect.gen(function*() {
          const following = yield* Effect.forkChild(follow(url, stopping))
          yield* Deferred.await(reached)
          yield* Fiber.interrupt(following)
        }))
        assert.deepStrictEqual(yield* life(sealed), before)
        yield* life(until(url, { Ada: 1, Bo: 3000 }))
      }),
    60_000
  )

  it.live(
    "a table that has changed is a typed error, nothing of it is there, and a program that knows it goes on",
    () =>
      Effect.gen(function*() {
        const { life, sql, url } = yield* world
        for (const statement of setup) yield* sql(statement)
        yield* sql("INSERT INTO orders VALUES (1, 'Ada', 'tea')")
        yield* life(until(url, { Ada: 1 }))
        const before = yield* life(sealed)
        yield* sql("ALTER TABLE orders ADD COLUMN note text")
        yield* sql("INSERT INTO orders VALUES (2, 'Ada', 'rice', 'a column more is no matter')")
        yield* life(until(url, { Ada: 2 }))

        yield* sql("ALTER TABLE orders RENAME COLUMN item TO secret")
        yield* sql(
          "DO $$ BEGIN DELETE FROM orders WHERE id = 1; INSERT INTO orders VALUES (3, 'Bo', 'oil', ''); END $$"
        )
        const error = yield* life(Effect.flip(follow(url)))
        assert.strictEqual(error._tag, "TableChanged")
        assert.notInclude(error.message, "oil")
        const { rows } = yield* life(sealed)
        assert.deepStrictEqual(rows, [...before.rows, [2, { id: 2, customer: "Ada", item: "rice" }, 1]])

        yield* life(until(url, { Ada: 1, Bo: 1 }, Order.pipe(Schema.encodeKeys({ item: "secret" }))))
        yield* sql("TRUNCATE orders")
        assert.include(yield* life(Effect.flip(follow(url))), { _tag: "TableChanged" })
      }),
    60_000
  )
})
