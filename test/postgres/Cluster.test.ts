import * as NodeClusterSocket from "@effect/platform-node/NodeClusterSocket"
import * as PgClient from "@effect/sql-pg/PgClient"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Redacted, Schedule } from "effect"
import { join } from "node:path"
import { Ledger } from "../../docs/examples/cluster.ts"
import * as Child from "../utils/Child.ts"
import { quick } from "./Cluster.ts"
import { freePort, server } from "./Server.ts"

const postgres = await server()
afterAll(() => postgres?.remove())

const script = join(import.meta.dirname, "Runner.ts")

const start = Effect.fnUntraced(function*() {
  const runner = yield* Child.start(script, postgres!.url, String(yield* Effect.promise(freePort)))
  yield* Effect.repeat(runner.next, { until: (line) => line === "ready" })
  return runner
})

const clientOnly = () =>
  NodeClusterSocket.layer({ clientOnly: true, shardingConfig: { ...quick, runnerAddress: Option.none() } }).pipe(
    Layer.provide(PgClient.layer({ url: Redacted.make(postgres!.url) }))
  )

const names = Array.from({ length: 6 }, (_, i) => `l${i}`)

describe.skipIf(postgres === undefined)("docs/examples/cluster.ts", () => {
  it.live(
    "the stores of a runner that is killed, or only stopped, move to another, and nothing is lost or doubled",
    () =>
      Effect.gen(function*() {
        const runners = [yield* start(), yield* start()]
        const clientOf = yield* Ledger.client
        /**
         * What is not acknowledged is asked for again, also where the cluster has interrupted it with its runner: a ledger books
         * an id once.
         */
        const patiently = <A, E>(ask: Effect.Effect<A, E>) =>
          Effect.retry(Effect.sandbox(Effect.timeout(ask, "3 seconds")), Schedule.spaced("100 millis"))
        const booked = new Map<string, Array<readonly [string, number]>>(names.map((name) => [name, []]))
        const book = Effect.fnUntraced(function*(round: string) {
          yield* Effect.forEach(names, (name) =>
            Effect.gen(function*() {
              for (let i = 0; i < 8; i++) {
                const [id, amount] = [`${round} ${i}`, i]
                yield* patiently(clientOf(name).Book({ id, amount }))
                booked.get(name)!.push([id, amount])
              }
            }), { concurrency: "unbounded", discard: true })
        })
        yield* book("both")
        yield* Effect.all([book("killed"), Effect.andThen(Effect.sleep("50 millis"), runners[0]!.kill("SIGKILL"))], {
          concurrency: "unbounded"
        })
        yield* start()
        yield* Effect.all([book("stopped"), Effect.andThen(Effect.sleep("50 millis"), runners[1]!.kill("SIGSTOP"))], {
          concurrency: "unbounded"
        })
        yield* runners[1]!.kill("SIGCONT")
        yield* book("continued")
        for (const name of names) {
          const entries = yield* patiently(clientOf(name).Entries())
          const byId = (a: readonly [string, number], b: readonly [string, number]) => a[0] < b[0] ? -1 : 1
          assert.deepStrictEqual(entries.toSorted(byId), booked.get(name)!.toSorted(byId))
        }
      }).pipe(Effect.scoped, Effect.provide(clientOnly())),
    240_000
  )
})
