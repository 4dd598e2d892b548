import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { request } from "node:http"
import { gunzipSync } from "node:zlib"
import * as Client from "../../src/server/Client.ts"
import * as Update from "../../src/Update.ts"
import * as Faulty from "../utils/Faulty.ts"
import * as Store from "../utils/Store.ts"
import * as Running from "./Running.ts"

/** The bytes of an answer as they came. */
const raw = (url: string, headers: Readonly<Record<string, string>> = {}) =>
  Effect.promise(() =>
    new Promise<{
      readonly status: number | undefined
      readonly headers: NodeJS.Dict<string | Array<string>>
      readonly bytes: Buffer
    }>((resolve, reject) => {
      request(url, { headers }, (response) => {
        const chunks: Array<Buffer> = []
        response.on("data", (chunk: Buffer) => chunks.push(chunk)).on(
          "end",
          () => resolve({ status: response.statusCode, headers: response.headers, bytes: Buffer.concat(chunks) })
        )
      }).on("error", reject).end()
    })
  )

describe("a read that was asked before", () => {
  it.live("is answered 304 while it is the same, and anew when it is not", () =>
    Effect.gen(function*() {
      const { persist, url } = yield* Running.start()
      const { writer } = yield* Running.orders(persist)
      const paths = ["", "/orders", "/orders/range", "/orders/range?asOf=4", "/orders/values?key=%22a%22&asOf=4"]
      const tags = new Map<string, string>()
      for (const path of [...paths, "/orders/history?key=%22c%22"]) {
        const first = yield* raw(`${url}/collections${path}`)
        assert.strictEqual(first.status, 200)
        const tag = String(first.headers["etag"])
        assert.match(tag, /^W\/"[0-9a-f]{32}"$/)
        const isSealed = path.includes("asOf")
        assert.strictEqual(String(first.headers["cache-control"]).includes("immutable"), isSealed, path)
        for (const known of [tag, tag.slice(2), `"x", ${tag}`, "*"]) {
          const again = yield* raw(`${url}/collections${path}`, { "if-none-match": known })
          assert.strictEqual(again.status, 304, known)
          assert.strictEqual(again.bytes.length, 0)
          assert.strictEqual(again.headers["etag"], tag)
        }
        for (const other of [`W/"x"`, tag.slice(2, -1), tag.toUpperCase()]) {
          assert.strictEqual((yield* raw(`${url}/collections${path}`, { "if-none-match": other })).status, 200, other)
        }
        tags.set(path, tag)
      }
      yield* writer.append([Update.insert("c", 1, 10)])
      yield* writer.seal(11)
      for (const [path, tag] of tags) {
        const { status } = yield* raw(`${url}/collections${path}`, { "if-none-match": tag })
        assert.strictEqual(status, path.includes("asOf") ? 304 : 200, path)
      }
    }))

  it.live("has no tag where it failed, or where it changes something", () =>
    Effect.gen(function*() {
      const { persist, url } = yield* Running.start()
      yield* Running.orders(persist)
      assert.isUndefined((yield* raw(`${url}/collections/none`)).headers["etag"])
      assert.isUndefined((yield* raw(`${url}/collections/none`)).headers["cache-control"])
      const posted = yield* Running.post(`${url}/collections/orders/seal`, { upper: 11 })
      assert.isNull(posted.headers.get("etag"))
    }))
})

describe("an answer of some length", () => {
  it.live("is compressed for who can read that, and events are not", () =>
    Effect.gen(function*() {
      const { persist, url } = yield* Running.start()
      const { writer } = yield* Running.orders(persist)
      yield* writer.append(Array.from({ length: 1_000 }, (_, i) => Update.insert(`key ${i}`, { i }, 10)))
      yield* writer.seal(11)
      for (
        const path of ["/collections/orders/range?limit=1000", "/collections/orders/snapshot", "/", "/openapi.json"]
      ) {
        const plain = yield* raw(url + path)
        assert.isUndefined(plain.headers["content-encoding"])
        const small = yield* raw(url + path, { "accept-encoding": "gzip, br" })
        assert.strictEqual(small.headers["content-encoding"], "gzip", path)
        assert.include(small.headers["vary"], "Accept-Encoding")
        assert.isBelow(small.bytes.length, plain.bytes.length / 2, path)
        assert.strictEqual(gunzipSync(small.bytes).toString(), plain.bytes.toString())
        assert.isUndefined((yield* raw(url + path, { "accept-encoding": "gzip;q=0" })).headers["content-encoding"])
      }
      const short = yield* raw(`${url}/collections/orders/values?key=%22a%22`, { "accept-encoding": "gzip" })
      assert.isUndefined(short.headers["content-encoding"])
      yield* writer.seal(Infinity)
      const events = yield* raw(`${url}/collections/orders/events`, { "accept-encoding": "gzip" })
      assert.isUndefined(events.headers["content-encoding"])
      assert.include(events.bytes.toString(), "event: progress")
    }))
})

describe("a change with a key", () => {
  const row = (value: number) => ({ updates: [{ key: "k", value, time: 10 }] })
  const key = (of: string) => ({ "idempotency-key": of })

  it.live("that is sent again happens once, and is answered as the first time", () =>
    Effect.gen(function*() {
      const { persist, url } = yield* Running.start()
      const { reader } = yield* Running.orders(persist)
      const orders = `${url}/collections/orders`
      const first = yield* Running.post(`${orders}/updates`, row(1), key("u-1"))
      assert.strictEqual(first.status, 200)
      assert.deepStrictEqual((yield* Running.post(`${orders}/updates`, row(1), key("u-1"))).body, first.body)
      // Whoever appended is told so again, and another one is not.
      const append = { ...row(2), expected: 10, upper: 11 }
      const won = yield* Running.post(`${orders}/append`, append, key("mine"))
      assert.strictEqual(won.status, 200)
      assert.deepStrictEqual((yield* Running.post(`${orders}/append`, append, key("mine"))).body, won.body)
      const lost = yield* Running.post(`${orders}/append`, append, key("another's"))
      assert.strictEqual(lost.status, 409)
      const again = yield* Running.post(`${orders}/append`, append)
      assert.strictEqual(again.status, 409)
      const history = yield* reader.history("k")
      assert.deepStrictEqual(history.map(({ value }) => value).toSorted(), [1, 2])
    }))

  it.live("belongs to one request of one client", () =>
    Effect.gen(function*() {
      const { persist, url } = yield* Running.start({
        grants: ["one", "two"].map((token) => ({ token: Redacted.make(token), rights: "write", collections: ["*"] }))
      })
      yield* Running.orders(persist)
      yield* Running.orders(persist, "others")
      const post = (name: string, operation: string, body: unknown, token: string) =>
        Running.post(`${url}/collections/${name}/${operation}`, body, { ...key("k"), authorization: `Bearer ${token}` })
      assert.strictEqual((yield* post("orders", "updates", row(1), "one")).status, 200)
      const wrong = [
        yield* post("orders", "updates", row(2), "one"),
        yield* post("others", "updates", row(1), "one"),
        yield* post("orders", "seal", { upper: 11 }, "one")
      ]
      for (const { body, status } of wrong) {
        assert.strictEqual(status, 422)
        assert.propertyVal(body, "type", "urn:tidemark:problem:key-reused")
      }
      assert.strictEqual((yield* post("orders", "updates", row(2), "two")).status, 200)
      for (const bad of ["a b", "x".repeat(256), "\u00e9"]) {
        const headers = { ...key(bad), authorization: "Bearer one" }
        assert.strictEqual((yield* Running.post(`${url}/collections/orders/updates`, row(1), headers)).status, 422, bad)
      }
    }))

  it.live("that failed is tried again, and one that is under way is waited for, even if its client is gone", () =>
    Effect.gen(function*() {
      const { control, storage } = yield* Store.faulty
      const persist = yield* Store.client(storage)
      const { url } = yield* Running.serve(persist)
      const { reader } = yield* Running.orders(persist)
      const updates = `${url}/collections/orders/updates`
      control.broken.add("append")
      assert.strictEqual((yield* Running.post(updates, row(1), key("k"))).status, 503)
      control.broken.delete("append")
      const may = yield* Deferred.make<void>()
      const began = yield* Deferred.make<void>()
      control.before = (operation) =>
        operation === "append" ? Effect.andThen(Deferred.succeed(began, undefined), Deferred.await(may)) : Effect.void
      const gone = yield* Effect.forkChild(Running.post(updates, row(1), key("k")))
      yield* Deferred.await(began)
      yield* Fiber.interrupt(gone)
      const waiting = yield* Effect.forkChild(Running.post(updates, row(1), key("k")))
      yield* Effect.sleep("20 millis")
      yield* Deferred.succeed(may, undefined)
      assert.strictEqual((yield* Fiber.join(waiting)).status, 200)
      assert.strictEqual((yield* reader.history("k")).length, 1)
      assert.isAtLeast(Faulty.count(control, "append"), 1)
    }))

  it.live("can be given to the typed client", () =>
    Effect.gen(function*() {
      const { client, persist } = yield* Running.start()
      const { reader } = yield* Running.orders(persist)
      const write = client.write({ params: { name: "orders" }, payload: row(1) }).pipe(Client.once("k"))
      assert.deepStrictEqual(yield* write, yield* write)
      assert.strictEqual((yield* reader.history("k"))[0]!.diff, 1)
    }))

  it.effect("is forgotten after a while", () =>
    Effect.gen(function*() {
      const { persist, url } = yield* Running.start({ keepAnswers: "1 minute" })
      const { reader } = yield* Running.orders(persist)
      const updates = `${url}/collections/orders/updates`
      const send = Running.post(updates, row(1), key("k"))
      const first = yield* send
      yield* TestClock.adjust("59 seconds")
      assert.deepStrictEqual((yield* send).body, first.body)
      yield* TestClock.adjust("1 second")
      assert.notDeepEqual((yield* send).body, first.body)
      assert.strictEqual((yield* reader.history("k"))[0]!.diff, 2)
    }))
})
