import { assert, describe, it as base } from "@effect/vitest"
import { Effect, Layer, Random, Schedule } from "effect"
import * as PersistClient from "../../src/client/PersistClient.ts"
import * as Simulation from "../../src/testing/simulation/Simulation.ts"
import * as SimulationTest from "../../src/testing/simulation/SimulationTest.ts"
import * as Faults from "../../src/testing/storage/Faults.ts"
import * as DiskStorage from "../utils/DiskStorage.ts"
import * as Store from "../utils/Store.ts"
import * as Transactions from "./Transactions.ts"

const it = SimulationTest.extend(base)

const opened = Transactions.layer.pipe(
  Layer.provideMerge(PersistClient.layer({ ...Store.tiny, maintenance: Schedule.spaced("200 millis") }))
)

/** Clients that run one transaction after the other in one process, until it ends. */
const clients = (account: Transactions.Account) =>
  Effect.gen(function*() {
    const random = yield* Random.Random
    const client = Effect.forever(Effect.andThen(
      Transactions.transact(account, random),
      Effect.suspend(() => Effect.sleep(1 + Math.floor(random.nextDoubleUnsafe() * 200)))
    ))
    yield* Effect.all(Array.from({ length: 5 }, () => client), { concurrency: "unbounded" })
  }).pipe(Effect.provide(opened), Effect.retry(Schedule.spaced("50 millis")))

/** Processes that die of kills and power failures, one after the other; what is left is judged after each. */
const program = (longest: number) =>
  Effect.gen(function*() {
    const account = new Transactions.Account()
    const judged = Effect.gen(function*() {
      const judging = yield* Simulation.spawn(Effect.provide(Transactions.judge(account), opened))
      yield* Effect.ensuring(Effect.flatten(judging.exit), judging.kill)
    })
    for (let life = 0; life < 3; life++) {
      const process = yield* Simulation.spawn(clients(account))
      yield* Effect.sleep(yield* Random.nextIntBetween(1, longest))
      yield* life === 1 ? process.kill : Simulation.crash
      yield* Effect.retry(judged, { schedule: Schedule.spaced("1 second"), times: 60 })
    }
    return account.count("committed")
  })

describe("transactions are as if they had run one after the other, in processes that die", () => {
  it.sim("on storage in memory that fails", { seeds: 8, faults: Faults.mild }, program(1_500))

  it.sim("on files on a disk that loses what was not flushed", {
    seeds: 4,
    faults: { ...Faults.none, slow: 0.05, unavailable: 0.002, applied: 0.01 },
    storage: DiskStorage.make()
  }, program(4_000))

  base.live("and there are many of them", () =>
    Effect.gen(function*() {
      const { exit } = yield* Simulation.simulate({ seed: 3, program: program(1_500) })
      assert.isAbove(yield* exit, 30)
    }))
})
