import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Random, Scope } from "effect"
import * as PersistClient from "../../src/client/PersistClient.ts"
import * as Transactions from "../tables/Transactions.ts"
import type * as Faulty from "../utils/Faulty.ts"
import * as Store from "../utils/Store.ts"
import * as Struck from "./Struck.ts"

// Every operation of storage that tables and their transactions ask for is a place where something goes wrong, from the first
// opening of the tables, with their index, to the end. TIDEMARK_CRASHES=all: more transactions.

const isLong = process.env["TIDEMARK_CRASHES"] === "all"
const rounds = isLong ? 12 : 4

const withTables = <A, E>(
  storage: Faulty.Storage,
  program: Effect.Effect<A, E, Transactions.Left | Transactions.Right | PersistClient.PersistClient>
) =>
  Effect.provide(
    program,
    Layer.fresh(Transactions.layer).pipe(
      Layer.provideMerge(PersistClient.layer(Store.tiny)),
      Layer.provide(Layer.succeedContext(storage))
    )
  )

/** Transactions, some of them at once, and maintenance between them. Then what is left is opened twice, and goes on. */
const workload = (): Struck.Subject => {
  const account = new Transactions.Account()
  const work = Effect.fnUntraced(function*(times: number, seed: string) {
    const random = yield* Random.withSeed(Random.Random, seed)
    const client = yield* PersistClient.PersistClient
    for (let round = 0; round < times; round++) {
      yield* Transactions.transact(account, random)
      yield* Effect.all([Transactions.transact(account, random), Transactions.transact(account, random)], {
        concurrency: "unbounded"
      })
      yield* Effect.ignore(client.maintain)
    }
  })
  return {
    run: (storage, scope) => Scope.provide(withTables(storage, work(rounds, "crashes")), scope),
    judge: (opening) =>
      Store.inScope(Effect.gen(function*() {
        const judged = (times: number) =>
          Effect.flatMap(opening, (storage) =>
            withTables(
              storage,
              Effect.andThen(
                Transactions.judge(account),
                Effect.andThen(work(times, "goes on"), Transactions.judge(account))
              )
            ))
        yield* judged(1)
        yield* judged(0)
      }))
  }
}

const strikeAll = (faultsOf: (operation: Struck.Operation, at: number) => ReadonlyArray<Struck.Fault>) =>
  Effect.map(Struck.strikeAll(workload, faultsOf), (count) => assert.isAbove(count, 15))

describe("crash enumeration of tables in memory", { timeout: isLong ? 1_800_000 : 600_000 }, () => {
  it.live("a crash before any operation", () => strikeAll((_, at) => [{ at, kind: "crash before", kept: 0 }]))

  it.live("a crash after any operation that changes something", () =>
    strikeAll(({ name }, at) => Struck.changes.has(name) ? [{ at, kind: "crash after", kept: 0 }] : []))

  it.live("any operation fails once, and did nothing", () =>
    strikeAll((_, at) => [{ at, kind: "unavailable", kept: 0 }]))

  it.live("any append is of unknown outcome, and was applied or was not", () =>
    strikeAll(({ name }, at) =>
      name === "append" ? (["applied", "lost"] as const).map((kind) => ({ at, kind, kept: 0 })) : []
    ))
})
