import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Option, Redacted } from "effect"
import { Headers, HttpServer, HttpServerRequest } from "effect/http"
import { NetAddress } from "effect/net"
import { createServer, request } from "node:http"
import { networkInterfaces } from "node:os"
import * as PersistClient from "../../src/client/PersistClient.ts"
import * as Access from "../../src/server/Access.ts"
import * as Server from "../../src/server/Server.ts"
import * as Store from "../utils/Store.ts"
import * as Running from "./Running.ts"

const tcp = NetAddress.inetAddressFromStringUnsafe("127.0.0.1:4437")
const unix = NetAddress.unixPathAddress("/run/tidemark.sock")

const isForeign = (
  headers: Readonly<Record<string, string>>,
  peer: string | undefined = "127.0.0.1",
  server: NetAddress.SocketAddress = tcp
) =>
  Access.isForeign(
    { headers: Headers.fromInput({ host: "localhost:4437", ...headers }), peerAddress: Option.fromNullishOr(peer) },
    server
  )

/** The status of a request that says whatever its headers say. */
const ask = (url: string, headers: Readonly<Record<string, string>>): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    request(url, { headers }, (response) => {
      response.resume()
      resolve(response.statusCode)
    }).on("error", reject).end()
  })

describe("without a token", () => {
  it("only the names of this machine's own interface are answered, whole", () => {
    const local = ["localhost", "LOCALHOST", "localhost:1", "127.0.0.1", "127.1.2.3:80", "[::1]", "[::1]:4437"]
    for (const host of local) assert.isFalse(isForeign({ host }), host)
    const others = [
      "",
      "example.org",
      "localhost.example.org",
      "localhost:4437.example.org",
      "notlocalhost",
      "x.localhost:1",
      "localhost:",
      "localhost:80a",
      "localhost:1:2",
      "127.0.0.1.example.org",
      "127.0.0",
      "127.0.0.1.1",
      "127.0.0.1000",
      "127x0x0x1",
      "10.127.0.0.1",
      "::1",
      "[::1",
      "[::1].example.org",
      "x[::1]",
      " localhost",
      "localhost\n"
    ]
    for (const host of others) assert.isTrue(isForeign({ host }), JSON.stringify(host))
    assert.isTrue(Access.isForeign({ headers: Headers.empty, peerAddress: Option.some("127.0.0.1") }, tcp))
  })

  it("only connections from this machine are answered, whatever they say they ask", () => {
    for (const peer of ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"]) assert.isFalse(isForeign({}, peer), peer)
    for (const peer of ["10.0.0.7", "::ffff:10.0.0.7", "fe80::1", "128.0.0.1", "0.0.0.0", "::", "localhost", ""]) {
      assert.isTrue(isForeign({}, peer), peer)
    }
    const none = { headers: Headers.fromInput({ host: "localhost" }), peerAddress: Option.none() }
    assert.isTrue(Access.isForeign(none, tcp), "its identity is unknown")
    assert.isFalse(Access.isForeign(none, unix), "a socket of this machine")
  })

  it("only pages of the same origin are answered", () => {
    for (const origin of ["http://localhost:4437", "https://localhost:4437"]) assert.isFalse(isForeign({ origin }))
    const others = [
      "",
      "null",
      "http://localhost",
      "http://localhost:4438",
      "http://localhost:44370",
      "http://127.0.0.1:4437",
      "https://example.org",
      "ftp://localhost:4437",
      "localhost:4437",
      "http://example.org/http://localhost:4437",
      "http://localhost:4437/"
    ]
    for (const origin of others) assert.isTrue(isForeign({ origin }), origin)
    for (const site of ["same-origin", "none"]) assert.isFalse(isForeign({ "sec-fetch-site": site }), site)
    for (const site of ["cross-site", "same-site", "", "same-origin-x", "nonesuch"]) {
      assert.isTrue(isForeign({ "sec-fetch-site": site }), site)
    }
  })

  it.live("a script or an image of another site gets nothing", () =>
    Effect.gen(function*() {
      const { url } = yield* Running.start()
      // What a browser sends for <script src>, which has no Origin.
      const status = (site: string) =>
        Effect.promise(() => ask(`${url}/collections`, { "sec-fetch-site": site, "sec-fetch-mode": "no-cors" }))
      assert.deepStrictEqual(yield* Effect.forEach(["cross-site", "same-site", "same-origin", "none"], status), [
        403,
        403,
        200,
        200
      ])
    }))

  it("a host is of this machine only if it is so whole", () => {
    for (const host of ["localhost", "127.0.0.1", "127.9.9.9", "::1"]) assert.isTrue(Access.isLoopbackHost(host), host)
    for (const host of ["127.example.org", "127.0.0.1.example.org", "0.0.0.0", "::", "localhost.example.org", ""]) {
      assert.isFalse(Access.isLoopbackHost(host), host)
    }
  })

  it.live("a server does not listen where other machines can connect", () =>
    Effect.gen(function*() {
      for (const host of ["0.0.0.0", "::"]) {
        const refused = yield* Effect.flip(serve({ host }))
        assert.strictEqual(refused._tag, "ValueOutOfRange", host)
        assert.match(refused.message, /listen on 127\.0\.0\.1/)
      }
      yield* serve({ host: "127.0.0.1" })
      yield* serve({ host: "::1" })
    }))
})

describe("with a token", () => {
  it.live("a refusal says how to ask", () =>
    Effect.gen(function*() {
      const { url } = yield* Running.start({ token: Redacted.make("s3cret") })
      for (const path of ["/collections", "/metrics"]) {
        const { headers, status } = yield* Running.ask(url + path)
        assert.deepStrictEqual([status, headers.get("www-authenticate")], [401, `Bearer realm="tidemark"`])
      }
    }))

  it("the scheme and the token are taken whole", () => {
    const given: ReadonlyArray<readonly [header: string | undefined, credential: string]> = [
      ["Bearer s3cret", "s3cret"],
      ["bearer   s3cret", "s3cret"],
      ["Bearer s3cret x", ""],
      ["Bearer s3cret ", ""],
      ["xBearer s3cret", ""],
      ["Bearers3cret", ""],
      ["Bearer ", ""],
      ["Basic s3cret", ""],
      ["Basic x, Bearer s3cret", ""],
      ["", ""],
      [undefined, ""]
    ]
    for (const [header, credential] of given) assert.strictEqual(Access.credential(header), credential, header)
  })

  it.live("that is empty admits no client, and no server starts", () =>
    Effect.gen(function*() {
      const empty = Redacted.make("")
      const refused = yield* Effect.flip(serve({ token: empty }))
      assert.strictEqual(refused._tag, "ValueOutOfRange")
      assert.match(refused.message, /token.*empty/)
      for (const authorization of ["", "Bearer ", "Bearer x"]) {
        const request = HttpServerRequest.fromWeb(new Request("http://localhost/", { headers: { authorization } }))
        const error = yield* Access.required(Access.keysOf([{ token: empty, rights: "write", collections: ["*"] }]))
          .pipe(
            Effect.provideService(HttpServerRequest.HttpServerRequest, request),
            Effect.flip
          )
        assert.strictEqual(error._tag, "Unauthorized")
      }
    }))

  it.live("other machines may connect, if they have it", () =>
    Effect.gen(function*() {
      const server = yield* serve({ host: "0.0.0.0", token: Redacted.make("s3cret") })
      const port = NetAddress.isInetAddress(server.address) ? server.address.port : 0
      const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? [])
      const own = addresses.find(({ family, internal }) => family === "IPv4" && !internal)?.address ?? "127.0.0.1"
      const status = (authorization: string) =>
        Effect.promise(() => ask(`http://${own}:${port}/collections`, { authorization }))
      assert.deepStrictEqual(yield* Effect.forEach(["Bearer s3cret", "Bearer ", "Bearer s3cret2"], status), [
        200,
        401,
        401
      ])
    }))
})

/** A server over a store in memory, which listens on a free port. */
const serve = Effect.fnUntraced(function*(
  { host = "127.0.0.1", token }: { readonly host?: string; readonly token?: Redacted.Redacted }
) {
  const client = yield* Effect.flatMap(Store.memory, (storage) => Store.client(storage, Store.quiet))
  const running = yield* Layer.build(
    Server.layer({ token }).pipe(
      Layer.provide(Layer.succeed(PersistClient.PersistClient, client)),
      Layer.provideMerge(NodeHttpServer.layer(createServer, { host, port: 0, gracefulShutdownTimeout: 0 }))
    )
  )
  return Context.get(running, HttpServer.HttpServer)
})
