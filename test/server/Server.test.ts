import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Stream } from "effect"
import { readFileSync } from "node:fs"
import * as Codec from "../../src/Codec.ts"
import * as Running from "./Running.ts"

const problem = (answer: Running.Answer) => {
  assert.strictEqual(answer.type, "application/problem+json")
  const { status, title, type } = answer.body as {
    readonly status: number
    readonly title: string
    readonly type: string
  }
  assert.strictEqual(status, answer.status)
  assert.isNotEmpty(title)
  return [status, type.replace("urn:tidemark:problem:", "")]
}

describe("collections over HTTP", () => {
  it.live("can be made, written, sealed and read", () =>
    Effect.gen(function*() {
      const { client } = yield* Running.start()
      const params = { name: "ünï/code ?&" }
      const created = yield* client.create({ params })
      assert.deepInclude(created, { name: params.name, since: 0, upper: 0 })
      assert.deepStrictEqual(yield* client.create({ params }), created, "it is there already")
      const updates = [{ key: "a", value: [1], time: 1 }, { key: { k: 1 }, value: "x", time: 2, diff: 3 }]
      const { seqNo } = yield* client.write({ params, payload: { updates } })
      assert.isAbove(yield* Effect.map(client.seal({ params, payload: { upper: 3 } }), (done) => done.seqNo), seqNo)
      assert.deepInclude(yield* client.describe({ params }), { since: 0, upper: 3 })
      assert.deepStrictEqual((yield* client.list()).map(({ name }) => name), [params.name])
      const rows = (asOf?: number) =>
        Effect.flatMap(client.snapshot({ params, query: { asOf } }), (stream) => Stream.runCollect(stream))
      assert.deepStrictEqual(yield* rows(1), [{ key: "a", value: [1], diff: 1 }])
      assert.sameDeepMembers(yield* rows(), [
        { key: "a", value: [1], diff: 1 },
        { key: { k: 1 }, value: "x", diff: 3 }
      ])
      assert.deepStrictEqual(yield* client.get({ params, query: { key: { k: 1 } } }), [
        { key: { k: 1 }, value: "x", diff: 3 }
      ])
      assert.deepStrictEqual(yield* client.get({ params, query: { key: { k: 1 }, asOf: 1 } }), [])
      yield* client.compact({ params, payload: { since: 2 } })
      assert.propertyVal(yield* Effect.flip(rows(1)), "_tag", "AsOfBeforeSince")
      yield* client.seal({ params, payload: { upper: Infinity } })
      assert.propertyVal(yield* client.describe({ params }), "upper", Infinity)
    }))

  it.live("are read page by page, key by key and as differences between two times", () =>
    Effect.gen(function*() {
      const { client, persist, url } = yield* Running.start()
      const { writer } = yield* persist.createOrLoad("pages", { key: Codec.string, value: Codec.json })
      const row = (key: string, value: number, time = 1) => ({ key, value, time, diff: 1 })
      yield* writer.append([row("a", 1), row("a", 2), row("b", 1), row("b", 2), row("c", 1), row("d", 1)])
      yield* writer.append([{ ...row("b", 2, 2), diff: -1 }, row("b", 3, 2), row("ab", 1, 2)])
      yield* writer.seal(3)
      const params = { name: "pages" }
      const keysOf = (page: { readonly rows: ReadonlyArray<{ readonly key: unknown }> }) =>
        page.rows.map(({ key }) => key)
      const first = yield* client.range({ params, query: { asOf: 1, limit: 3 } })
      assert.deepStrictEqual([first.asOf, keysOf(first), first.next], [1, ["a", "a", "b", "b"], "c"])
      const last = yield* client.range({ params, query: { asOf: 1, limit: 3, from: first.next } })
      assert.deepStrictEqual([keysOf(last), last.next], [["c", "d"], undefined])
      assert.deepStrictEqual(keysOf(yield* client.range({ params, query: { prefix: "a" } })), ["a", "a", "ab"])
      assert.deepStrictEqual(keysOf(yield* client.range({ params, query: { to: "b", limit: 1 } })), ["a", "a"])
      assert.deepStrictEqual(yield* client.history({ params, query: { key: "b" } }), [
        row("b", 1),
        row("b", 2),
        { ...row("b", 2, 2), diff: -1 },
        row("b", 3, 2)
      ])
      const changes = yield* client.changes({ params, query: { from: 1, to: 2 } })
      assert.sameDeepMembers(yield* Stream.runCollect(changes), [
        { key: "ab", value: 1, diff: 1 },
        { key: "b", value: 2, diff: -1 },
        { key: "b", value: 3, diff: 1 }
      ])
      const cached = (path: string) =>
        Effect.map(Running.ask(`${url}/collections/pages/${path}`), ({ headers }) => headers.get("cache-control"))
      assert.match((yield* cached("range?asOf=1"))!, /immutable/, "what is sealed may be kept")
      assert.strictEqual(yield* cached("range"), "private, no-cache", "the last sealed time may be another one soon")
    }))

  it.live("append once, however often they are sent", () =>
    Effect.gen(function*() {
      const { client, persist } = yield* Running.start()
      yield* Running.orders(persist)
      const params = { name: "orders" }
      const payload = { updates: [{ key: "c", value: 1, time: 10 }], expected: 10, upper: 11 }
      yield* client.append({ params, payload })
      const again = yield* Effect.flip(client.append({ params, payload }))
      assert.deepInclude(again, { _tag: "UpperMismatch", status: 409, actual: 11 })
      assert.deepStrictEqual(yield* client.get({ params, query: { key: "c" } }), [{ key: "c", value: 1, diff: 1 }])
    }))

  it.live("snapshots are lines of JSON, and say as of when", () =>
    Effect.gen(function*() {
      const { persist, url } = yield* Running.start()
      yield* Running.orders(persist)
      const { body, headers, type } = yield* Running.ask(`${url}/collections/orders/snapshot`)
      assert.strictEqual(type, "application/x-ndjson")
      assert.strictEqual(headers.get("tidemark-as-of"), "9")
      assert.strictEqual(body, `{"key":"b","value":null,"diff":2}\n`)
    }))

  it.live("large snapshots come whole", () =>
    Effect.gen(function*() {
      const { client, persist } = yield* Running.start()
      const { writer } = yield* persist.createOrLoad("large", { key: Codec.json, value: Codec.json })
      const rows = Array.from({ length: 20_000 }, (_, key) => ({ key, value: "x".repeat(100), time: 0, diff: 1 }))
      yield* writer.append(rows)
      yield* writer.seal(1)
      const stream = yield* client.snapshot({ params: { name: "large" }, query: {} })
      assert.strictEqual((yield* Stream.runCollect(stream)).length, rows.length)
    }))
})

describe("what is wrong gets a problem, and changes nothing", () => {
  it.live("in requests", () =>
    Effect.gen(function*() {
      const { client, persist, url } = yield* Running.start({ maxBodyBytes: 10_000 })
      const { writer } = yield* Running.orders(persist)
      yield* writer.allowCompaction(4)
      yield* persist.createOrLoad("gone", { key: Codec.json, value: Codec.json })
      yield* persist.destroy("gone")
      yield* persist.createOrLoad("texts", { key: Codec.string, value: Codec.string })
      yield* persist.createOrLoad("new", { key: Codec.json, value: Codec.json })
      const at = (path: string) => `${url}/collections/${path}`
      const update = { key: 1, value: 1, time: 10 }
      const get: ReadonlyArray<readonly [path: string, status: number, type: string]> = [
        ["none", 404, "unknown-collection"],
        ["none/snapshot", 404, "unknown-collection"],
        ["none/events", 404, "unknown-collection"],
        ["gone", 410, "collection-destroyed"],
        ["orders/snapshot?asOf=3", 410, "before-since"],
        ["orders/values?key=1&asOf=3", 410, "before-since"],
        ["orders/range?asOf=3", 410, "before-since"],
        ["orders/changes?from=3&to=9", 410, "before-since"],
        ["orders/changes?from=9&to=10", 409, "not-sealed"],
        ["orders/range?limit=0", 400, "about:blank"],
        ["orders/range?from=a", 400, "about:blank"],
        ["orders/events?asOf=3", 410, "before-since"],
        ["orders/events?from=4", 410, "before-since"],
        ["orders/snapshot?asOf=10", 409, "not-sealed"],
        ["orders/values?key=1&asOf=10", 409, "not-sealed"],
        ["new/snapshot", 409, "not-sealed"],
        ["texts/values?key=1&asOf=0", 409, "not-sealed"],
        ["orders/snapshot?asOf=-1", 400, "about:blank"],
        ["orders/snapshot?asOf=1.5", 400, "about:blank"],
        ["orders/snapshot?asOf=9007199254740993", 400, "about:blank"],
        ["orders/values", 400, "about:blank"],
        ["orders/values?key=a", 400, "about:blank"],
        ["orders/events?from=soon", 400, "about:blank"],
        ["orders/nothing", 404, "about:blank"]
      ]
      for (const [path, status, type] of get) {
        assert.deepStrictEqual(problem(yield* Running.ask(at(path))), [status, type], path)
      }
      const posts: ReadonlyArray<readonly [path: string, body: unknown, status: number, type: string]> = [
        ["none/updates", { updates: [update] }, 404, "unknown-collection"],
        ["none/seal", { upper: 1 }, 404, "unknown-collection"],
        ["orders/updates", "{", 400, "about:blank"],
        ["orders/updates", { updates: [update, { key: 1 }] }, 400, "about:blank"],
        ["orders/updates", { updates: [update, { ...update, time: -1 }] }, 400, "about:blank"],
        ["orders/updates", { updates: [update, { ...update, time: 2 ** 53 }] }, 400, "about:blank"],
        ["orders/updates", { updates: [update, { ...update, diff: 0.5 }] }, 400, "about:blank"],
        ["orders/updates", { updates: [update, { ...update, time: 9 }] }, 409, "invalid-request"],
        ["orders/updates", { updates: [{ ...update, value: "x".repeat(10_000) }] }, 413, "about:blank"],
        ["texts/updates", { updates: [{ ...update, key: "a" }] }, 422, "value-out-of-range"],
        ["orders/append", { updates: [update], expected: 10, upper: 10 }, 422, "value-out-of-range"],
        ["orders/append", { updates: [], expected: 9, upper: 12 }, 409, "upper-mismatch"],
        ["orders/seal", { upper: 9 }, 409, "invalid-request"],
        ["orders/seal", { upper: "later" }, 400, "about:blank"],
        ["orders/since", { since: 3 }, 409, "invalid-request"]
      ]
      for (const [path, body, status, type] of posts) {
        assert.deepStrictEqual(
          problem(yield* Running.post(at(path), body)),
          [status, type],
          JSON.stringify([path, body])
        )
      }
      for (const number of ["9007199254740993", "-9007199254740993", "1e999"]) {
        const refused = yield* Running.post(
          at("orders/updates"),
          `{"updates":[{"key":1,"value":1,"time":10},{"key":{"secret":${number}},"value":1,"time":10}]}`
        )
        assert.deepStrictEqual(problem(refused), [400, "inexact"], number)
        const { detail } = refused.body as { readonly detail: string }
        assert.match(detail, /^updates\[1\]\.key holds a number beyond 2\^53/)
      }
      const rounded = yield* Running.ask(at("orders/values?key=[9007199254740993]"))
      assert.deepStrictEqual(problem(rounded), [400, "inexact"])
      const invalid = Buffer.from(`{"updates":[{"key":"\xff","value":1,"time":10}]}`, "latin1")
      const headers = { "content-type": "application/json" }
      const undecoded = yield* Running.ask(at("orders/updates"), { method: "POST", headers, body: invalid })
      assert.deepStrictEqual(problem(undecoded), [400, "inexact"])
      assert.strictEqual(
        (yield* Running.post(at("orders/updates"), `{"updates":[],"note":9007199254740992}`)).status,
        200,
        "which is exact"
      )
      const xml = { "content-type": "application/xml" }
      assert.deepStrictEqual(problem(yield* Running.post(at("orders/seal"), "<seal/>", xml)), [415, "about:blank"])
      const resumed = { headers: { "last-event-id": "4" } }
      assert.deepStrictEqual(problem(yield* Running.ask(at("orders/events"), resumed)), [410, "before-since"])
      const create = { method: "PUT" }
      assert.deepStrictEqual(problem(yield* Running.ask(at("texts"), create)), [409, "codec-mismatch"])
      assert.deepStrictEqual(problem(yield* Running.ask(at("gone"), create)), [410, "collection-destroyed"])
      for (const name of ["x".repeat(257), "a%1B%5B31m", "a%0Ab"]) {
        assert.deepStrictEqual(problem(yield* Running.ask(at(name), create)), [400, "invalid-name"], name)
      }
      yield* writer.seal(11)
      const params = { name: "orders" }
      assert.deepStrictEqual(yield* client.get({ params, query: { key: 1 } }), [], "nothing was applied")
      assert.deepInclude(yield* client.describe({ params }), { since: 4, upper: 11 })
    }))

  it.live("and says which row cannot be stored", () =>
    Effect.gen(function*() {
      const { client, persist } = yield* Running.start()
      yield* persist.createOrLoad("texts", { key: Codec.string, value: Codec.string })
      const updates = [{ key: "a", value: "x", time: 0 }, { key: "a", value: 7, time: 0 }]
      const refused = yield* Effect.flip(client.write({ params: { name: "texts" }, payload: { updates } }))
      assert.deepInclude(refused, { _tag: "ValueOutOfRange", row: 1 })
    }))

  it.live("from those without the token", () =>
    Effect.gen(function*() {
      const { client, url } = yield* Running.start({ token: Redacted.make("s3cret") })
      assert.deepStrictEqual(yield* client.list(), [])
      for (const authorization of ["", "Bearer", "Bearer s3cre", "Bearer s3cret2", "Basic s3cret"]) {
        for (const path of ["/collections", "/collections/x/events", "/metrics"]) {
          const answer = yield* Running.ask(url + path, { headers: { authorization } })
          assert.deepStrictEqual(problem(answer), [401, "unauthorized"], `${authorization} ${path}`)
        }
        const written = yield* Running.ask(`${url}/collections/x`, { method: "PUT", headers: { authorization } })
        assert.strictEqual(written.status, 401)
      }
      assert.deepStrictEqual(yield* client.list(), [])
    }))

  it.live("from pages of other sites, where there is no token", () =>
    Effect.gen(function*() {
      const { port, url } = yield* Running.start()
      const put = (headers: Readonly<Record<string, string>>) =>
        Running.ask(`${url}/collections/x`, { method: "PUT", headers })
      assert.strictEqual((yield* put({ origin: "https://example.org" })).status, 403)
      assert.strictEqual((yield* put({ origin: "null" })).status, 403)
      assert.deepStrictEqual((yield* Running.ask(`${url}/collections`)).body, [])
      assert.strictEqual((yield* put({ origin: url })).status, 200)
      // fetch sets Host itself, so this asks by a name that is not of this machine's own.
      const rebound = yield* Running.raw(
        port,
        "GET /collections HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n"
      )
      assert.match(rebound, /^HTTP\/1\.1 403 /)
    }))
})

describe("around the API", () => {
  it.live("a method that an address does not have is answered with those that it has", () =>
    Effect.gen(function*() {
      const { url } = yield* Running.start()
      const allowed: ReadonlyArray<readonly [method: string, path: string, allow: string]> = [
        ["DELETE", "/collections/a%2Fb", "GET, HEAD, PUT"],
        ["GET", "/collections/orders/updates", "POST"],
        ["POST", "/collections?x=1", "GET, HEAD"],
        ["POST", "/metrics", "GET, HEAD"],
        ["PUT", "/", "GET, HEAD"]
      ]
      for (const [method, path, allow] of allowed) {
        const answer = yield* Running.ask(url + path, { method })
        assert.deepStrictEqual(problem(answer), [405, "about:blank"], path)
        assert.strictEqual(answer.headers.get("allow"), allow)
      }
      assert.strictEqual((yield* Running.ask(`${url}/nothing`, { method: "POST" })).status, 404)
    }))

  it.live("probes are answered without a token", () =>
    Effect.gen(function*() {
      const { persist, url } = yield* Running.start({ token: Redacted.make("s3cret") })
      assert.deepInclude(yield* Running.ask(`${url}/health/live`), { status: 200, body: { status: "live" } })
      assert.deepInclude(yield* Running.ask(`${url}/health/ready`), { status: 200, body: { status: "ready" } })
      yield* persist.stop
      assert.strictEqual((yield* Running.ask(`${url}/health/live`)).status, 200)
      assert.deepStrictEqual(problem(yield* Running.ask(`${url}/health/ready`)), [503, "unavailable"])
    }))

  it.live("there is a page, which needs no token and makes no request to another host", () =>
    Effect.gen(function*() {
      const { url } = yield* Running.start({ token: Redacted.make("s3cret") })
      const { body, headers, status, type } = yield* Running.ask(`${url}/`)
      assert.strictEqual(status, 200)
      assert.strictEqual(type, "text/html; charset=utf-8")
      assert.match(headers.get("content-security-policy")!, /^default-src 'none'; connect-src 'self'/)
      assert.notMatch((body as string).replaceAll(/http:\/\/www\.w3\.org\/[\w/]+/g, "a namespace"), /https?:/)
    }))

  it.live("there is a description of it", () =>
    Effect.gen(function*() {
      const { url } = yield* Running.start()
      const { body } = yield* Running.ask(`${url}/openapi.json`)
      const { info, paths } = body as {
        readonly info: { readonly version: string }
        readonly paths: Readonly<Record<string, object>>
      }
      const packageJson = readFileSync(new URL("../../package.json", import.meta.url), "utf8")
      assert.strictEqual(info.version, (JSON.parse(packageJson) as typeof info).version)
      assert.deepStrictEqual(Object.keys(paths), [
        "/collections",
        "/collections/{name}",
        "/collections/{name}/snapshot",
        "/collections/{name}/values",
        "/collections/{name}/range",
        "/collections/{name}/history",
        "/collections/{name}/changes",
        "/collections/{name}/footprint",
        "/collections/{name}/rehearsal",
        "/store",
        "/collections/{name}/events",
        "/collections/{name}/tickets",
        "/collections/{name}/updates",
        "/collections/{name}/append",
        "/collections/{name}/seal",
        "/collections/{name}/since"
      ])
    }))

  it.live("there are metrics of the store and of the server", () =>
    Effect.gen(function*() {
      const { persist, url } = yield* Running.start()
      yield* Running.orders(persist)
      const { body, type } = yield* Running.ask(`${url}/metrics`)
      assert.match(type!, /^text\/plain; version=0\.0\.4/)
      assert.match(body as string, /^tidemark_writes_total\{store="memory",role="writer"\} \d+$/m)
      assert.match(body as string, /^tidemark_http_subscribers\{store="memory",role="writer"\} \d+$/m)
    }))
})
