import { afterAll, assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import * as Proxy from "./Proxy.ts"
import { query, server } from "./Server.ts"

const postgres = await server()
afterAll(() => postgres?.remove())

describe.skipIf(postgres === undefined)("the proxy before Postgres", () => {
  it.live("lets a client know that the server has died in the middle of its statement", () =>
    Effect.gen(function*() {
      const proxy = yield* Proxy.make(postgres!)
      const asked = yield* Effect.forkScoped(Effect.exit(query(proxy.through(postgres!.url), "SELECT pg_sleep(60)")))
      yield* Effect.sleep("1 second")
      yield* Effect.promise(() => postgres!.stopImmediately())
      const answer = yield* Effect.timeoutOption(Fiber.join(asked), "10 seconds")
      yield* Effect.promise(() => postgres!.start())
      assert.strictEqual(answer._tag, "Some", "the client still waits")
    }))
})
