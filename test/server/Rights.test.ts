import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { request } from "node:http"
import * as Access from "../../src/server/Access.ts"
import * as Grants from "../../src/server/Grants.ts"
import type * as Server from "../../src/server/Server.ts"
import * as Running from "./Running.ts"

const token = Redacted.make

const grants: ReadonlyArray<Grants.Grant> = [
  { token: token("reads-orders"), rights: "read", collections: ["orders"] },
  { token: token("writes-orders"), rights: "write", collections: ["orders"] },
  { token: token("reads-metrics"), rights: "read", collections: ["metrics-*"] },
  { token: token("reads-all"), rights: "read", collections: ["*"] }
]

const bearer = (of: string) => ({ authorization: `Bearer ${of}` })

/** A server with these collections in it. */
const started = Effect.fnUntraced(function*(options: Server.Options = { grants }) {
  const running = yield* Running.start(options)
  for (const name of ["orders", "orders2", "metrics-cpu", "metrics"]) yield* Running.orders(running.persist, name)
  return running
})

const statusOf = (url: string, of: string, init: RequestInit = {}) =>
  Effect.map(Running.ask(url, { ...init, headers: { ...bearer(of), ...init.headers } }), ({ status }) => status)

const change = { method: "POST", headers: { "content-type": "application/json" }, body: `{"updates":[]}` }

describe("a token", () => {
  it("stands for the whole name of a collection, or for a beginning that says so", () => {
    const covers = (patterns: ReadonlyArray<string>, name: string) => Grants.covers({ collections: patterns }, name)
    for (const name of ["orders", "a.b", "*", "a*b"]) assert.isTrue(covers([name], name), name)
    for (const name of ["orders2", "2orders", "order", "Orders", "orders\n", "", "x/orders"]) {
      assert.isFalse(covers(["orders"], name), name)
    }
    assert.isFalse(covers(["a.b"], "axb"))
    assert.isTrue(covers(["orders-*"], "orders-"))
    assert.isTrue(covers(["orders-*"], "orders-a\nb"))
    for (const name of ["orders", "xorders-1", "Orders-1"]) assert.isFalse(covers(["orders-*"], name), name)
    assert.isFalse(covers([], "orders"))
  })

  it("is found whole, or not at all", () => {
    const keys = Access.keysOf(grants)
    assert.deepInclude(keys.find(token("reads-orders")), { rights: "read", collections: ["orders"] })
    for (const other of ["", "reads-order", "reads-orders ", "READS-ORDERS", "reads-orderss", "reads-ordes"]) {
      assert.isUndefined(keys.find(token(other)), other)
    }
  })

  it.effect("that is empty, twice there, or for nothing, or for what is not plain, lets no server start", () =>
    Effect.gen(function*() {
      const [one] = grants
      const refused: ReadonlyArray<ReadonlyArray<Grants.Grant>> = [
        [{ ...one!, token: token("") }],
        [one!, one!],
        [{ ...one!, collections: [] }],
        [{ ...one!, collections: [""] }],
        [{ ...one!, collections: ["a*b"] }],
        [{ ...one!, collections: ["**"] }]
      ]
      for (const each of refused) {
        assert.propertyVal(yield* Effect.flip(Running.start({ grants: each })), "_tag", "ValueOutOfRange")
      }
    }))

  it.live("reads what it is for, and nothing else", () =>
    Effect.gen(function*() {
      const { url } = yield* started()
      const reads = ["", "/snapshot", "/values?key=%22a%22", "/range", "/history?key=%22a%22", "/changes?from=1&to=5"]
      for (const path of reads) {
        assert.strictEqual(yield* statusOf(`${url}/collections/orders${path}`, "reads-orders"), 200, path)
        assert.strictEqual(yield* statusOf(`${url}/collections/orders2${path}`, "reads-orders"), 403, path)
        assert.strictEqual(yield* statusOf(`${url}/collections/orders${path}`, "nobody"), 401, path)
        assert.strictEqual(yield* statusOf(`${url}/collections/metrics-cpu${path}`, "reads-metrics"), 200, path)
        assert.strictEqual(yield* statusOf(`${url}/collections/metrics${path}`, "reads-metrics"), 403, path)
      }
      // It does not say what there is.
      assert.strictEqual(yield* statusOf(`${url}/collections/secret`, "reads-orders"), 403)
      assert.strictEqual(yield* statusOf(`${url}/collections/secret`, "reads-all"), 404)
      assert.strictEqual(yield* statusOf(`${url}/collections/orders%32`, "reads-orders"), 403)
      assert.strictEqual(yield* statusOf(`${url}/collections/orders2/../orders`, "reads-orders"), 200)
    }))

  it.live("that reads cannot write, whatever it asks for", () =>
    Effect.gen(function*() {
      const { persist, url } = yield* started()
      const before = yield* persist.description("orders")
      const writes = [
        ["/updates", change],
        ["/append", { ...change, body: `{"updates":[],"expected":10,"upper":11}` }],
        ["/seal", { ...change, body: `{"upper":11}` }],
        ["/since", { ...change, body: `{"since":5}` }],
        ["", { method: "PUT" }]
      ] as const
      for (const [path, init] of writes) {
        const to = `${url}/collections/orders${path}`
        assert.strictEqual(yield* statusOf(to, "reads-orders", init), 403, path)
        assert.strictEqual(yield* statusOf(to, "reads-all", init), 403, path)
      }
      assert.deepStrictEqual(yield* persist.description("orders"), before)
      for (const [path, init] of writes) {
        assert.strictEqual(yield* statusOf(`${url}/collections/orders${path}`, "writes-orders", init), 200, path)
        assert.strictEqual(yield* statusOf(`${url}/collections/orders2${path}`, "writes-orders", init), 403, path)
      }
      assert.strictEqual(yield* statusOf(`${url}/collections/new`, "writes-orders", { method: "PUT" }), 403)
    }))

  it.live("lists what it is for, and sees the metrics of all only with all", () =>
    Effect.gen(function*() {
      const { url } = yield* started()
      const names = (of: string) =>
        Effect.map(Running.ask(`${url}/collections`, { headers: bearer(of) }), ({ body }) =>
          (body as ReadonlyArray<{ readonly name: string }>).map(({ name }) => name).toSorted())
      assert.deepStrictEqual(yield* names("reads-orders"), ["orders"])
      assert.deepStrictEqual(yield* names("reads-metrics"), ["metrics-cpu"])
      assert.strictEqual((yield* names("reads-all")).length, 4)
      assert.strictEqual(yield* statusOf(`${url}/metrics`, "reads-orders"), 403)
      assert.strictEqual(yield* statusOf(`${url}/metrics`, "nobody"), 401)
      assert.strictEqual(yield* statusOf(`${url}/metrics`, "reads-all"), 200)
      for (const probe of ["live", "ready"]) {
        assert.strictEqual((yield* Running.ask(`${url}/health/${probe}`)).status, 200)
      }
    }))
})

describe("a ticket", () => {
  const issued = Effect.fnUntraced(function*(url: string, name: string, of: string) {
    const { body, status } = yield* Running.ask(`${url}/collections/${name}/tickets`, {
      method: "POST",
      headers: bearer(of)
    })
    assert.strictEqual(status, 200)
    return body as { readonly ticket: string; readonly expiresInSeconds: number }
  })
  const events = Effect.fnUntraced(function*(url: string, name: string, ticket: string) {
    const { close, status } = yield* Running.connected(
      `${url}/collections/${name}/events?ticket=${encodeURIComponent(ticket)}`
    )
    close()
    return status
  })

  it.effect("lets a browser subscribe to its collection, and do nothing else, until it expires", () =>
    Effect.gen(function*() {
      const { url } = yield* started({ grants, ticketLifetime: "30 seconds" })
      const { expiresInSeconds, ticket } = yield* issued(url, "orders", "reads-orders")
      assert.strictEqual(expiresInSeconds, 30)
      assert.strictEqual(yield* events(url, "orders", ticket), 200)
      assert.strictEqual(yield* events(url, "orders2", ticket), 401)
      const others = ["", "/snapshot", "/range", "/history?key=%22a%22"].map((path) =>
        `${url}/collections/orders${path}`
      )
      for (const other of [...others, `${url}/collections`, `${url}/metrics`]) {
        const separator = other.includes("?") ? "&" : "?"
        assert.strictEqual((yield* Running.ask(`${other}${separator}ticket=${ticket}`)).status, 401, other)
      }
      yield* TestClock.adjust("29999 millis")
      assert.strictEqual(yield* events(url, "orders", ticket), 200)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* events(url, "orders", ticket), 401)
    }))

  it.live("cannot be changed, made by others, or got for what a token is not for", () =>
    Effect.gen(function*() {
      const { url } = yield* started()
      const { ticket } = yield* issued(url, "orders", "reads-orders")
      const [time, code] = ticket.split(".") as [string, string]
      const flipped = (code.startsWith("A") ? "B" : "A") + code.slice(1)
      const wrong = [
        "",
        ".",
        `${Number(time) + 1}.${code}`,
        `${time}.${flipped}`,
        `${time}.`,
        `${time}.${code}x`,
        `x${ticket}`,
        `${ticket}\n`,
        `0${ticket}`,
        `9e9.${code}`
      ]
      for (const each of wrong) assert.strictEqual(yield* events(url, "orders", each), 401, each)
      const another = yield* started()
      assert.strictEqual(yield* events(another.url, "orders", ticket), 401)
      const asked = `${url}/collections/orders2/tickets`
      assert.strictEqual(yield* statusOf(asked, "reads-orders", { method: "POST" }), 403)
      assert.strictEqual(yield* statusOf(asked, "nobody", { method: "POST" }), 401)
    }))
})

describe("pages of other origins", () => {
  const app = "https://app.example.org"
  /** Browsers do not let a page set these headers, and nor does `fetch` here. */
  const ask = (url: string, method: string, headers: Readonly<Record<string, string>>) =>
    Effect.promise(() =>
      new Promise<{ readonly status: number | undefined; readonly headers: NodeJS.Dict<string | Array<string>> }>(
        (resolve, reject) => {
          request(url, { method, headers }, (response) => {
            response.resume()
            resolve({ status: response.statusCode, headers: response.headers })
          }).on("error", reject).end()
        }
      )
    )

  it.live("may ask where the server says so, before and with a token", () =>
    Effect.gen(function*() {
      const { url } = yield* started({ grants, origins: [app, "http://localhost:5173"] })
      const before = yield* ask(`${url}/collections/orders/updates`, "OPTIONS", {
        origin: app,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type"
      })
      assert.strictEqual(before.status, 204)
      assert.strictEqual(before.headers["access-control-allow-origin"], app)
      assert.include(before.headers["access-control-allow-methods"], "POST")
      assert.include(before.headers["access-control-allow-headers"], "authorization")
      assert.isUndefined(before.headers["access-control-allow-credentials"])
      const answers = [
        [yield* ask(`${url}/collections`, "GET", { origin: app, ...bearer("reads-all") }), 200],
        [yield* ask(`${url}/collections`, "GET", { origin: app }), 401],
        [yield* ask(`${url}/collections/none`, "GET", { origin: app, ...bearer("reads-all") }), 404]
      ] as const
      for (const [{ headers, status }, expected] of answers) {
        assert.strictEqual(status, expected)
        assert.strictEqual(headers["access-control-allow-origin"], app)
        assert.include(headers["vary"], "Origin")
      }
    }))

  it.live("of origins that are only alike may not", () =>
    Effect.gen(function*() {
      const { url } = yield* started({ grants, origins: [app] })
      const others = [
        "null",
        "http://app.example.org",
        "https://app.example.org.evil.example",
        "https://evil-app.example.org",
        "https://app.example.org:8443",
        "https://app_example.org",
        `${app}/`
      ]
      for (const origin of others) {
        const { headers } = yield* ask(`${url}/collections`, "GET", { origin, ...bearer("reads-all") })
        assert.isUndefined(headers["access-control-allow-origin"], origin)
      }
      const closed = yield* started({ grants })
      const { headers } = yield* ask(`${closed.url}/collections`, "GET", { origin: app, ...bearer("reads-all") })
      assert.isUndefined(headers["access-control-allow-origin"])
    }))

  it.live("without tokens, only those of the origins that are named", () =>
    Effect.gen(function*() {
      const { url } = yield* started({ origins: [app] })
      assert.strictEqual((yield* ask(`${url}/collections`, "GET", { origin: app })).status, 200)
      assert.strictEqual((yield* ask(`${url}/collections`, "GET", { origin: "https://evil.example" })).status, 403)
      const image = { "sec-fetch-site": "cross-site" }
      assert.strictEqual((yield* ask(`${url}/collections`, "GET", image)).status, 403)
      const rebound = { origin: app, host: "evil.example" }
      assert.strictEqual((yield* ask(`${url}/collections`, "GET", rebound)).status, 403)
    }))

  it.effect("are named whole, or the server does not start", () =>
    Effect.gen(function*() {
      for (const origin of ["*", "", "app.example.org", `${app}/`, `${app}/page`, "https://*.example.org", "null"]) {
        const refused = yield* Effect.flip(Running.start({ grants, origins: [origin] }))
        assert.propertyVal(refused, "_tag", "ValueOutOfRange", origin)
      }
    }))
})
