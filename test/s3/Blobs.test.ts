import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { openBlob, options } from "./Buckets.ts"
import { fake } from "./Fake.ts"
import * as Proxy from "./Proxy.ts"

const partBytes = 1000
const content = Uint8Array.from({ length: 3500 }, (_, i) => i % 251)

/** Blobs in a store whose requests may go wrong. */
const setUp = Effect.gen(function*() {
  const store = yield* fake
  const proxy = yield* Proxy.make(store.endpoint)
  return { store, proxy, blobs: yield* openBlob(options(proxy.endpoint, { partBytes })) }
})

/** Every request of the kind goes wrong. */
const always = (isMeant: (request: Proxy.Request) => boolean, fault: Proxy.Fault) => (request: Proxy.Request) =>
  isMeant(request) ? fault : "pass"

/** The first request of the kind goes wrong. */
const once = (isMeant: (request: Proxy.Request) => boolean, fault: Proxy.Fault) => {
  let isOver = false
  return (request: Proxy.Request): Proxy.Fault => {
    if (isOver || !isMeant(request)) return "pass"
    isOver = true
    return fault
  }
}

const isMethod = (method: string) => (request: Proxy.Request) => request.method === method
const isPart = ({ url }: Proxy.Request) => url.includes("partNumber=")
const isEnd = ({ method, url }: Proxy.Request) => method === "POST" && url.includes("uploadId=")
const requestsOf = (proxy: Proxy.Proxy, method: string) =>
  proxy.requests.filter((request) => request.startsWith(`${method} `)).length

describe("should_multipart", () => {
  it.live("what fits a part is one put, what does not is as many parts as it takes", () =>
    Effect.gen(function*() {
      const { blobs, proxy, store } = yield* setUp
      yield* blobs.put("small", content.subarray(0, partBytes))
      assert.strictEqual(proxy.requests.length, 1)
      yield* blobs.put("large", content)
      assert.strictEqual(proxy.requests.filter((url) => url.includes("partNumber=")).length, 4)
      assert.deepStrictEqual(yield* blobs.get("large"), Option.some(content))
      assert.deepStrictEqual(
        yield* blobs.get("large", { offset: 999, length: 1002 }),
        Option.some(content.slice(999, 2001))
      )
      assert.strictEqual(store.uploads.size, 0)
    }))

  it.live("no more than four parts are on their way at once", () =>
    Effect.gen(function*() {
      const { blobs, proxy } = yield* setUp
      let running = 0
      let most = 0
      proxy.choose = (request) =>
        isPart(request)
          ? Effect.gen(function*() {
            most = Math.max(most, ++running)
            yield* Effect.sleep("5 millis")
            running--
          })
          : "pass"
      yield* blobs.put("large", new Uint8Array(20 * partBytes))
      assert.isAbove(most, 1)
      assert.isAtMost(most, 4)
    }))

  it.live("an upload that fails is aborted, and leaves nothing", () =>
    Effect.gen(function*() {
      const { blobs, proxy, store } = yield* setUp
      proxy.choose = always(({ url }) => url.includes("partNumber=3"), 403)
      const error = yield* Effect.flip(blobs.put("large", content))
      assert.strictEqual(error._tag, "AccessDenied")
      assert.strictEqual(store.uploads.size, 0)
      assert.strictEqual(store.objects.size, 0)
    }))

  it.live("an upload whose end was applied, and not answered, is known to be there", () =>
    Effect.gen(function*() {
      const { blobs, proxy, store } = yield* setUp
      proxy.choose = once(isEnd, "applied")
      yield* blobs.put("large", content)
      proxy.choose = once(isEnd, "applied500")
      yield* blobs.put("another", content)
      assert.strictEqual(store.objects.size, 2)
      assert.strictEqual(store.uploads.size, 0)
    }))

  it.live("a second put of a key leaves the first one alone", () =>
    Effect.gen(function*() {
      const { blobs, store } = yield* setUp
      yield* blobs.put("large", content)
      yield* blobs.put("large", content.toReversed())
      assert.deepStrictEqual(yield* blobs.get("large"), Option.some(content))
      assert.strictEqual(store.uploads.size, 0)
    }))
})

describe("requests", () => {
  it.live.each([409, 429, 500, 503, "lost", "applied", "applied500"] as const)(
    "a put is tried again after %s",
    (fault) =>
      Effect.gen(function*() {
        const { blobs, proxy } = yield* setUp
        proxy.choose = once(isMethod("PUT"), fault)
        yield* blobs.put("key", content.subarray(0, 9))
        assert.strictEqual(requestsOf(proxy, "PUT"), 2)
        assert.deepStrictEqual(yield* blobs.get("key"), Option.some(content.slice(0, 9)))
      })
  )

  it.live.each([400, 403, 412])("a put is not tried again after %s", (status) =>
    Effect.gen(function*() {
      const { blobs, proxy } = yield* setUp
      proxy.choose = always(isMethod("PUT"), status)
      const exit = yield* Effect.exit(blobs.put("key", content.subarray(0, 9)))
      assert.strictEqual(exit._tag, status === 412 ? "Success" : "Failure")
      assert.strictEqual(requestsOf(proxy, "PUT"), 1)
    }))

  it.live.each([500, 503, "lost", "cut"] as const)("a get is tried again after %s", (fault) =>
    Effect.gen(function*() {
      const { blobs, proxy } = yield* setUp
      yield* blobs.put("key", content.subarray(0, 99))
      proxy.choose = once(isMethod("GET"), fault)
      assert.deepStrictEqual(yield* blobs.get("key"), Option.some(content.slice(0, 99)))
      assert.strictEqual(requestsOf(proxy, "GET"), 2)
    }))

  it.live("what an attempt may have done makes the failure unknown, and what none did makes it definite", () =>
    Effect.gen(function*() {
      const { blobs, proxy } = yield* setUp
      const failure = () => Effect.map(Effect.flip(blobs.put("key", content.subarray(0, 9))), ({ _tag }) => _tag)
      proxy.choose = always(isMethod("PUT"), 429)
      assert.strictEqual(yield* failure(), "Unavailable")
      proxy.choose = once(isMethod("PUT"), "lost")
      const lostOnce = proxy.choose
      proxy.choose = (request) => {
        const fault = lostOnce(request)
        return fault === "pass" ? 403 : fault
      }
      assert.strictEqual(yield* failure(), "Indeterminate")
      proxy.choose = () => 507
      assert.strictEqual((yield* Effect.flip(blobs.get("key")))._tag, "OutOfSpace")
    }))

  it.live("no answer in time is an unknown outcome", () =>
    Effect.gen(function*() {
      const store = yield* fake
      const proxy = yield* Proxy.make(store.endpoint)
      const blobs = yield* openBlob(options(proxy.endpoint, { requestTimeout: "30 millis" }))
      proxy.choose = () => Effect.never
      assert.strictEqual((yield* Effect.flip(blobs.put("key", content)))._tag, "Indeterminate")
      assert.strictEqual((yield* Effect.flip(blobs.get("key")))._tag, "Unavailable")
    }))

  it.live("a store that cannot be reached has applied nothing", () =>
    Effect.gen(function*() {
      const proxy = yield* Effect.scoped(Proxy.make("http://127.0.0.1:1"))
      const blobs = yield* openBlob(options(proxy.endpoint))
      assert.strictEqual((yield* Effect.flip(blobs.put("key", content)))._tag, "Unavailable")
    }))
})
