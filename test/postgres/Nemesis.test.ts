import { afterAll, describe } from "@effect/vitest"
import { Effect } from "effect"
import { PostgresStorage } from "tidemark/postgres"
import { Log } from "../../src/storage/Log.ts"
import * as Prng from "../../src/testing/Prng.ts"
import type * as Simulation from "../../src/testing/simulation/Simulation.ts"
import * as Faults from "../../src/testing/storage/Faults.ts"
import * as Lives from "../testing/nemesis/Lives.ts"
import { server, terminate } from "./Server.ts"

const postgres = await server()
afterAll(() => postgres?.remove())

/** Sessions end in the middle of what they do; a power failure is one of the server, too. */
const storage: Simulation.MakeStorage = Effect.gen(function*() {
  const injector = yield* Faults.Injector
  const url = postgres!.newStore()
  const random = Prng.make(1)
  const layer = PostgresStorage.layer({ url, connectTimeout: "10 minutes" })
  yield* Effect.orDie(Effect.scoped(Effect.provide(Effect.flatMap(Log, ({ acquire }) => acquire), layer)))
  const ending = Effect.suspend(() => Effect.sleep(random.int(20_000))).pipe(
    Effect.andThen(Effect.suspend(() => injector.isPaused() ? Effect.void : Effect.ignoreCause(terminate(url))))
  )
  yield* Effect.forkScoped(Effect.forever(ending))
  return {
    layer,
    killed: Effect.asVoid(terminate(url)),
    crash: Effect.promise(() => postgres!.stopImmediately().then(postgres!.start))
  }
})

describe.skipIf(postgres === undefined)("no promise is broken in Postgres", () => {
  Lives.test("while sessions and processes end, and the server is stopped", storage)
})
