import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Stream } from "effect"
import * as Codec from "../../src/Codec.ts"
import { registered } from "../../src/operators/Registered.ts"
import * as Sizes from "../../src/server/Sizes.ts"
import * as Update from "../../src/Update.ts"
import * as Running from "./Running.ts"

describe("sizes over HTTP", () => {
  it.live("say which key is the largest, and what giving history up would free", () =>
    Effect.gen(function*() {
      const { client, persist } = yield* Running.start()
      const { reader, writer } = yield* persist.createOrLoad("orders", { key: Codec.string, value: Codec.json })
      for (let time = 1; time <= 30; time++) {
        yield* writer.append([Update.insert("hot", { time }, time), Update.insert(`key ${time}`, 0, time)])
      }
      yield* writer.append(Array.from({ length: 29 }, (_, i) => Update.retract("hot", { time: i + 1 }, 30)))
      yield* writer.seal(31)
      const params = { name: "orders" }
      const footprint = yield* client.footprint({ params })
      assert.deepInclude(footprint.keys[0], { key: "hot", updates: 59, lastChanged: 30 })
      assert.strictEqual(footprint.upper, 31)
      assert.deepInclude(footprint.pieces[0], { kind: "log", minTime: 1, maxTime: 30, rows: 89 })
      const rehearsal = yield* client.rehearsal({ params, query: { since: 30 } })
      assert.strictEqual(rehearsal.command, "tidemark compact orders --since 30")
      assert.strictEqual(rehearsal.before.rows, 89)
      assert.strictEqual(rehearsal.after.rows, 31)
      assert.strictEqual((yield* reader.history("hot")).length, 59, "nothing has changed")
      const none = yield* Effect.flip(client.footprint({ params: { name: "none" } }))
      assert.propertyVal(none, "_tag", "UnknownCollection")
    }))

  it("name the command so that a shell takes the name as it is", () => {
    assert.strictEqual(Sizes.commandOf("a b", 1), "tidemark compact 'a b' --since 1")
    assert.strictEqual(Sizes.commandOf("it's; rm -rf $HOME", 1), `tidemark compact 'it'\\''s; rm -rf $HOME' --since 1`)
  })

  it.live("show holds, and subscribers with how far they are, of what the token is for", () =>
    Effect.gen(function*() {
      const grants = [
        { token: Redacted.make("all"), rights: "read", collections: ["*"] },
        { token: Redacted.make("some"), rights: "read", collections: ["others"] }
      ] as const
      const { persist, url } = yield* Running.start({ grants })
      const orders = yield* Running.orders(persist)
      yield* Running.orders(persist, "others")
      yield* persist.hold("nightly", { lease: "1 hour" })
      const controller = new AbortController()
      const response = yield* Effect.promise(() =>
        fetch(`${url}/collections/orders/events?from=4`, {
          signal: controller.signal,
          headers: { authorization: "Bearer all" }
        })
      )
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
      const until = (text: string) =>
        Effect.promise(async () => {
          for (let seen = ""; !seen.includes(text);) seen += (await reader.read()).value
        })
      const store = (token: string) =>
        Effect.map(
          Running.ask(`${url}/store`, { headers: { authorization: `Bearer ${token}` } }),
          ({ body }) =>
            body as {
              readonly collections: ReadonlyArray<{ readonly name: string }>
              readonly holds: ReadonlyArray<unknown>
              readonly subscribers: ReadonlyArray<unknown>
            }
        )
      yield* until(`"frontier":10`)
      const all = yield* store("all")
      assert.deepStrictEqual(all.collections.map(({ name }) => name), ["orders", "others"])
      assert.deepStrictEqual(all.holds, [{ name: "nightly", leaseMillis: 3_600_000 }])
      assert.deepStrictEqual(all.subscribers, [{ collection: "orders", delivered: 10, upper: 10 }])
      const some = yield* store("some")
      assert.deepStrictEqual(some.collections.map(({ name }) => name), ["others"])
      assert.deepStrictEqual([some.holds, some.subscribers], [[], []])
      yield* orders.writer.seal(12)
      yield* until(`"frontier":12`)
      assert.deepStrictEqual((yield* store("all")).subscribers, [{ collection: "orders", delivered: 12, upper: 12 }])
      controller.abort()
      yield* Effect.promise(async () => {
        const ask = () => Effect.runPromise(store("all"))
        while ((await ask()).subscribers.length > 0);
      })
    }))

  it.live("show the flows that run, and how far their collections are sealed, to those who see all of these", () =>
    Effect.gen(function*() {
      const grants = [
        { token: Redacted.make("all"), rights: "read", collections: ["*"] },
        { token: Redacted.make("some"), rights: "read", collections: ["orders"] }
      ] as const
      const { persist, url } = yield* Running.start({ grants })
      const orders = yield* Running.orders(persist)
      const totals = yield* persist.createOrLoad("totals", { key: Codec.string, value: Codec.json })
      yield* totals.writer.seal(7)
      const flow = registered(persist, { name: "totals of orders", from: [orders.reader], to: totals.writer })
      const flows = (token: string) =>
        Effect.map(
          Running.ask(`${url}/store`, { headers: { authorization: `Bearer ${token}` } }),
          ({ body }) => (body as { readonly flows: ReadonlyArray<unknown> }).flows
        )
      assert.deepStrictEqual(yield* flows("all"), [])
      yield* Effect.forkChild(Stream.runDrain(flow(Stream.never)), { startImmediately: true })
      assert.deepStrictEqual(yield* flows("all"), [
        {
          name: "totals of orders",
          from: [{ collection: "orders", upper: 10 }],
          to: { collection: "totals", upper: 7 }
        }
      ])
      assert.deepStrictEqual(yield* flows("some"), [])
    }))
})
