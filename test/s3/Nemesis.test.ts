import { afterAll, describe } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { PostgresStorage } from "tidemark/postgres"
import { S3Storage } from "tidemark/s3"
import { Log } from "../../src/storage/Log.ts"
import * as Prng from "../../src/testing/Prng.ts"
import type * as Simulation from "../../src/testing/simulation/Simulation.ts"
import * as Faults from "../../src/testing/storage/Faults.ts"
import { server, terminate } from "../postgres/Server.ts"
import * as Lives from "../testing/nemesis/Lives.ts"
import { options } from "./Buckets.ts"
import { inProcess, onCeph } from "./Endpoints.ts"
import * as Proxy from "./Proxy.ts"

const postgres = await server()
afterAll(() => postgres?.remove())

const networkFaults: ReadonlyArray<Proxy.Fault> = [
  "lost",
  "applied",
  "applied500",
  "cut",
  409,
  500,
  503,
  Effect.sleep("100 millis")
]

/** A part of the bucket of its own, behind a network that fails now and then. */
const troubled = Effect.fnUntraced(function*(endpoint: string) {
  const injector = yield* Faults.Injector
  const random = Prng.make(1)
  const proxy = yield* Proxy.make(endpoint)
  proxy.choose = () => !injector.isPaused() && random.chance(0.03) ? random.pick(networkFaults) : "pass"
  return options(endpoint, { endpoint: proxy.endpoint, requestTimeout: "10 minutes" })
})

const begun = (layer: Layer.Layer<Log>) =>
  Effect.orDie(Effect.scoped(Effect.provide(Effect.flatMap(Log, ({ acquire }) => acquire), layer)))

const inBucket = (endpoint: string): Simulation.MakeStorage =>
  Effect.gen(function*() {
    const layer = S3Storage.layer(yield* troubled(endpoint))
    yield* begun(layer)
    return { layer, killed: Effect.void, crash: Effect.void }
  })

/** Order in Postgres, bytes in a bucket. */
const inBoth = (endpoint: string): Simulation.MakeStorage =>
  Effect.gen(function*() {
    const url = postgres!.newStore()
    const log = PostgresStorage.layerLog({ url, connectTimeout: "10 minutes" })
    yield* begun(log)
    const killed = Effect.asVoid(terminate(url))
    return { layer: Layer.merge(log, S3Storage.layerBlob(yield* troubled(endpoint))), killed, crash: killed }
  })

describe("no promise is broken in a bucket", () => {
  for (const { endpoint, name } of [inProcess, ...onCeph]) Lives.test(name, Effect.flatMap(endpoint, inBucket))
})

describe.skipIf(postgres === undefined)("no promise is broken in Postgres with a bucket", () => {
  for (const { endpoint, name } of [inProcess, ...onCeph]) {
    Lives.test(`while sessions and processes end, ${name}`, Effect.flatMap(endpoint, inBoth))
  }
})
