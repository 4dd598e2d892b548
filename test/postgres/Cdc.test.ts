import { afterAll, assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Schedule, Stream } from "effect"
import { MemoryStorage, PersistClient } from "tidemark"
import { changes } from "tidemark/views"
import { follow, openOrders, ordersOf, setup } from "../../docs/examples/cdc.ts"
import { query, server } from "./Server.ts"

const postgres = await server()
afterAll(() => postgres?.remove())

describe.skipIf(postgres === undefined)("docs/examples/cdc.ts", () => {
  it.live(
    "transactions of Postgres become times of a live view, exactly once across restarts",
    () =>
      Effect.gen(function*() {
        const { url } = postgres!
        const sql = (text: string) => query(url, text)
        for (const statement of setup) yield* sql(statement)
        const store = PersistClient.layer().pipe(Layer.provide(MemoryStorage.layerOf(yield* MemoryStorage.make)))

        /** Runs the program, and a life of it that ends when the view tells so much. */
        const until = (expected: Readonly<Record<string, number>>) =>
          Effect.gen(function*() {
            const following = yield* Effect.forkChild(
              // Postgres may take a moment to see that the life before has ended.
              Effect.retry(follow(url), { schedule: Schedule.spaced("100 millis"), times: 100 })
            )
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
              Stream.runDrain,
              Effect.raceFirst(Effect.andThen(Fiber.join(following), Effect.never))
            )
            yield* Fiber.interrupt(following)
          }).pipe(Effect.scoped, Effect.provide(store))

        yield* sql("INSERT INTO orders VALUES (1, 'Ada', 'tea'), (2, 'Ada', 'rice'), (3, 'Bo', 'tea')")
        yield* until({ Ada: 2, Bo: 1 })
        // While it is away.
        yield* sql(
          "DO $$ BEGIN DELETE FROM orders WHERE id = 2; UPDATE orders SET id = 4, item = 'oil' WHERE id = 1; END $$"
        )
        yield* sql("INSERT INTO orders VALUES (5, 'Bo', 'salt')")
        yield* until({ Ada: 1, Bo: 2 })

        const rows = yield* Effect.gen(function*() {
          const { read } = yield* openOrders
          const { contents } = yield* read.snapshot()
          return yield* Stream.runCollect(contents)
        }).pipe(Effect.scoped, Effect.provide(store))
        assert.deepStrictEqual(rows, [
          [3, { id: 3, customer: "Bo", item: "tea" }, 1],
          [4, { id: 4, customer: "Ada", item: "oil" }, 1],
          [5, { id: 5, customer: "Bo", item: "salt" }, 1]
        ])
      }),
    60_000
  )
})
