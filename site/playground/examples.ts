/** Programs to begin with. They are run by the tests of the site as they stand here. */

const table = `import { Effect, Layer, Option, Schema } from "effect"
import { PersistClient } from "tidemark"
import { Table } from "tidemark/tables"
import { storage } from "playground" // in memory, or in this browser: see above

class Titles extends Table.Service<Titles>()("titles", { key: Schema.String, value: Schema.String }) {}

const program = Effect.gen(function*() {
  const titles = yield* Titles
  const first = yield* titles.set("s-1", "Draft")
  yield* titles.modify("s-1", Option.map((title) => title + " of a plan"))
  console.log("now ", Option.getOrNull(yield* titles.get("s-1")))
  console.log("then", Option.getOrNull(yield* titles.at(first).get("s-1")))
})

const store = PersistClient.layer().pipe(Layer.provide(storage))
await Effect.runPromise(program.pipe(Effect.provide(Titles.layer.pipe(Layer.provide(store)))))
`

const transactions = `import { Effect, Layer, Option, Schema } from "effect"
import { PersistClient } from "tidemark"
import { Table } from "tidemark/tables"
import { storage } from "playground"

class Accounts extends Table.Service<Accounts>()("accounts", { key: Schema.String, value: Schema.Int }) {}

const transfer = (from: string, to: string, amount: number) =>
  Table.transaction(Effect.gen(function*() {
    const accounts = yield* Accounts
    const left = Option.getOrElse(yield* accounts.get(from), () => 0) - amount
    if (left < 0) return yield* Effect.fail(from + " is too poor")
    yield* accounts.set(from, left)
    yield* accounts.modify(to, (before) => Option.some(Option.getOrElse(before, () => 0) + amount))
  }))

const program = Effect.gen(function*() {
  const accounts = yield* Accounts
  yield* accounts.set("ada", 100)
  yield* Effect.forEach([10, 20, 30], (amount) => transfer("ada", "bob", amount), { concurrency: "unbounded" })
  console.log(yield* Effect.flip(transfer("ada", "bob", 1000)))
  console.log("ada", Option.getOrNull(yield* accounts.get("ada")), "bob", Option.getOrNull(yield* accounts.get("bob")))
})

const store = PersistClient.layer().pipe(Layer.provide(storage))
await Effect.runPromise(program.pipe(Effect.provide(Accounts.layer.pipe(Layer.provide(store)))))
`

const frontiers = `import { Effect, Layer } from "effect"
import { Codec, PersistClient, Update } from "tidemark"
import { storage } from "playground"

const program = Effect.gen(function*() {
  const persist = yield* PersistClient.PersistClient
  const orders = yield* persist.createOrLoad("orders", { key: Codec.string, value: Codec.string })
  const { upper } = yield* persist.description("orders")
  const steps = ["ordered", "paid", "shipped", "delivered"]
  for (const [i, state] of steps.entries()) {
    const time = upper + i
    const before = i === 0 ? [] : [Update.retract("o-1", steps[i - 1], time)]
    yield* orders.append([...before, Update.insert("o-1", state, time)])
    yield* orders.seal(time + 1) // this time is complete, and never changes again
  }
  for (let time = upper; time < upper + steps.length; time++) {
    console.log("as of", time, yield* orders.get("o-1", { asOf: time }))
  }
})

const store = PersistClient.layer().pipe(Layer.provide(storage))
await Effect.runPromise(program.pipe(Effect.provide(store)))
`

export const examples: Readonly<Record<string, string>> = {
  "A table, and its past": table,
  "Transactions": transactions,
  "Collections and frontiers": frontiers
}
