import { assert, it } from "@effect/vitest"
import { Effect, Layer, Option, Schema, Stream } from "effect"
import * as PersistClient from "../../src/client/PersistClient.ts"
import * as Table from "../../src/tables/Table.ts"
import * as Store from "../utils/Store.ts"

class Counters extends Table.Service<Counters>()("counters", {
  key: Schema.String,
  value: Schema.Int,
  indexes: { byParity: (n) => n % 2 }
}) {}

const openedOn = <A, E>(
  storage: Effect.Success<typeof Store.memory>,
  program: Effect.Effect<A, E, Counters | PersistClient.PersistClient>
) =>
  Effect.provide(
    program,
    Layer.fresh(Counters.layer).pipe(
      Layer.provideMerge(PersistClient.layer(Store.quiet)),
      Layer.provide(Layer.succeedContext(storage))
    )
  )

const withCounters = <A, E>(program: Effect.Effect<A, E, Counters | PersistClient.PersistClient>) =>
  Effect.flatMap(Store.memory, (storage) => openedOn(storage, program))

it.effect("changes of one row at the same time are all made, one after the other", () =>
  withCounters(Effect.gen(function*() {
    const counters = yield* Counters
    const add = (key: string) => counters.modify(key, (n) => Option.some(1 + Option.getOrElse(n, () => 0)))
    yield* Effect.forEach(
      Array.from({ length: 200 }, (_, i) => i),
      (i) => Effect.all([add("hot"), add(`key ${i % 10}`)], { concurrency: "unbounded" }),
      { concurrency: "unbounded" }
    )
    assert.deepStrictEqual(yield* counters.get("hot"), Option.some(200))
    for (let i = 0; i < 10; i++) assert.deepStrictEqual(yield* counters.get(`key ${i}`), Option.some(20))
    assert.lengthOf(yield* Stream.runCollect(counters.byParity(1)), 0)
    assert.lengthOf(yield* Stream.runCollect(counters.byParity(0)), 11)
    assert.lengthOf(yield* Stream.runCollect(counters.history("hot")), 200)
  })))

it.effect("a value that is there already is not written again", () =>
  withCounters(Effect.gen(function*() {
    const counters = yield* Counters
    const time = yield* counters.set("a", 7)
    assert.strictEqual(yield* counters.set("a", 7), time)
    assert.isFalse(yield* counters.remove("b"))
    assert.strictEqual(yield* counters.now, time)
  })))

it.effect("a row that is not in memory is read before it is replaced", () =>
  Effect.gen(function*() {
    const storage = yield* Store.memory
    yield* openedOn(
      storage,
      Effect.gen(function*() {
        const client = yield* PersistClient.PersistClient
        const counters = yield* Counters
        yield* counters.set("a", 1)
        yield* client.compact("counters")
      })
    )
    yield* openedOn(
      storage,
      Effect.gen(function*() {
        const counters = yield* Counters
        yield* counters.set("a", 2)
        assert.isTrue(yield* counters.remove("a"))
        const versions = yield* Stream.runCollect(counters.history("a"))
        assert.deepStrictEqual(Array.from(versions, ({ value }) => value), [
          Option.some(1),
          Option.some(2),
          Option.none()
        ])
        assert.lengthOf(yield* Stream.runCollect(counters.byParity()), 0)
      })
    )
  }))
