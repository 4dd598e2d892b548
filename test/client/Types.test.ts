// What the compiler infers for users: the gate checks the types of the tests, so that a wrong one here does not pass.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { Codec, MemoryStorage, PersistClient, Update } from "tidemark"
import { Table } from "tidemark/tables"
import { expectTypeOf } from "vitest"

const Order = Schema.Struct({ id: Schema.String, count: Schema.Int })

class Orders extends Table.Service<Orders>()("orders", { key: Schema.String, value: Order }) {}

type ErrorOf<E> = E extends Effect.Effect<unknown, infer Error, unknown> ? Error : never

describe("types", () => {
  it.effect("of a collection are those of its codecs, and neither values nor errors are any", () =>
    Effect.gen(function*() {
      const client = yield* PersistClient.PersistClient
      const orders = yield* client.createOrLoad("orders", { key: Codec.string, value: Codec.schema(Order) })
      const append = orders.append([Update.insert("o-1", { id: "o-1", count: 1 }, 1)])
      yield* append
      const rows = yield* orders.get("o-1")
      expectTypeOf(rows).toEqualTypeOf<
        ReadonlyArray<readonly [{ readonly id: string; readonly count: number }, number]>
      >()
      expectTypeOf<ErrorOf<typeof append>>().not.toBeAny()
      expectTypeOf<"Indeterminate" | "OutOfSpace">().toExtend<ErrorOf<typeof append>["_tag"]>()
      // @ts-expect-error a key of another type is refused
      const isRefused = () => orders.append([Update.insert(1, { id: "o-1", count: 1 }, 1)])
      assert.isFunction(isRefused)
    }).pipe(Effect.provide(PersistClient.layer().pipe(Layer.provide(MemoryStorage.layer)))))

  it("of a table are those of its schemas", () => {
    const read = Effect.flatMap(Orders, (orders) => orders.get("o-1"))
    expectTypeOf<typeof read extends Effect.Effect<infer A, unknown, unknown> ? A : never>().not.toBeAny()
    expectTypeOf<Effect.Services<typeof read>>().toExtend<Orders>()
    // @ts-expect-error a value of another type is refused
    const isRefused = Effect.flatMap(Orders, (orders) => orders.set("o-1", { id: "o-1", count: "1" }))
    assert.isTrue(Effect.isEffect(isRefused))
  })
})
