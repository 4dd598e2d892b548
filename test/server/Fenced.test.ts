import { assert, describe, it } from "@effect/vitest"
import { Cause, type Duration, Effect, Logger } from "effect"
import * as Codec from "../../src/Codec.ts"
import * as MemoryStorage from "../../src/storage/MemoryStorage.ts"
import * as Store from "../utils/Store.ts"
import { ask, orders, post, serve } from "./Running.ts"

describe("a store that another process has taken over", () => {
  /** A server, and another process that takes its store over. */
  const overtaken = Effect.fnUntraced(function*(heartbeat: Duration.Input) {
    const medium = yield* MemoryStorage.make
    const lines: Array<string> = []
    const logger = Logger.make(({ cause, message }) => void lines.push(`${String(message)} ${Cause.pretty(cause)}`))
    const persist = yield* Effect.flatMap(Store.open(medium), (storage) => Store.client(storage)).pipe(
      Effect.provide(Logger.layer([logger]))
    )
    const running = yield* serve(persist, { heartbeat })
    yield* orders(persist)
    const takeOver = Effect.gen(function*() {
      const next = yield* Effect.flatMap(Store.open(medium), (storage) => Store.client(storage))
      const { writer } = yield* next.createOrLoad("orders", { key: Codec.json, value: Codec.json })
      yield* writer.seal(20)
    })
    return { ...running, lines, persist, takeOver }
  })
  /** The events of a subscription that has begun, up to its end. */
  const subscription = (url: string) =>
    Effect.map(Effect.promise(() => fetch(url)), (response) => Effect.promise(() => response.text()))
  const fenced = "urn:tidemark:problem:fenced"

  it.live("answers 503 with the reason, ends subscriptions with it, and says so in the log", () =>
    Effect.gen(function*() {
      const { lines, persist, takeOver, url } = yield* overtaken("1 hour")
      const subscribed = yield* subscription(`${url}/collections/orders/events`)
      const caughtUp = yield* subscription(`${url}/collections/orders/events?from=10`)
      yield* takeOver
      const sealing = yield* post(`${url}/collections/orders/seal`, { upper: 30 })
      assert.deepInclude(sealing, { status: 503, type: "application/problem+json" })
      assert.propertyVal(sealing.body, "type", fenced)
      for (const path of ["", "/orders", "/orders/snapshot", "/orders/values?key=1", "/orders/events"]) {
        const { body, status } = yield* ask(`${url}/collections${path}`)
        assert.strictEqual(status, 503, path)
        assert.propertyVal(body, "type", fenced)
      }
      assert.propertyVal(yield* ask(`${url}/health/ready`), "status", 503)
      for (const events of [subscribed, caughtUp]) {
        assert.match(yield* events, /event: problem\ndata: .*problem:fenced.*\n\n$/)
      }
      assert.propertyVal(yield* Effect.flip(persist.ended), "_tag", "Fenced")
      assert.lengthOf(lines.filter((line) => /the store has ended.*epoch 2 has taken over/s.test(line)), 1)
    }))

  it.live("is noticed also where nothing is written", () =>
    Effect.gen(function*() {
      const { takeOver, url } = yield* overtaken("50 millis")
      const events = yield* subscription(`${url}/collections/orders/events`)
      yield* takeOver
      assert.match(yield* events, /event: problem\ndata: .*problem:fenced/)
      assert.strictEqual((yield* ask(`${url}/collections/orders/snapshot`)).status, 503)
    }))
})
