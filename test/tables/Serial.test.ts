import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Random } from "effect"
import { TestClock } from "effect/testing"
import * as PersistClient from "../../src/client/PersistClient.ts"
import * as Store from "../utils/Store.ts"
import * as Transactions from "./Transactions.ts"

for (const seed of [1, 2, 3, 4]) {
  it.effect(`transactions are as if they had run one after the other, on storage that fails (seed ${seed})`, () =>
    Effect.gen(function*() {
      const random = yield* Random.Random
      const { control, storage } = yield* Store.faulty
      const opened = Transactions.layer.pipe(
        Layer.provideMerge(PersistClient.layer(Store.tiny)),
        Layer.provide(Layer.succeedContext(storage))
      )
      const account = new Transactions.Account()
      // Three lives: the tables are opened anew each time.
      for (let life = 0; life < 3; life++) {
        const run = Effect.gen(function*() {
          const client = yield* PersistClient.PersistClient
          const misfortune = yield* Effect.forkChild(Effect.forever(Effect.gen(function*() {
            const choice = Math.floor(random.nextDoubleUnsafe() * 40)
            if (choice === 0) control.nextAppend = "applied"
            control.isDown = choice === 1
            yield* Effect.ignore(choice === 2 ? client.maintain : Effect.void)
            yield* TestClock.adjust("5 millis")
          })))
          yield* Effect.forEach(Array.from({ length: 60 }), () => Transactions.transact(account, random), {
            concurrency: 6
          })
          yield* Fiber.interrupt(misfortune)
          control.isDown = false
          control.nextAppend = undefined
          yield* Transactions.judge(account)
        })
        yield* Effect.provide(run, opened)
        yield* TestClock.setTime(life % 2 === 0 ? 1_000_000 : 10)
      }
      assert.isAbove(account.count("committed"), 20)
      yield* Effect.provide(Transactions.judge(account), opened)
    }).pipe(Random.withSeed(`serial ${seed}`)))
}
