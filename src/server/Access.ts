/**
 * Who may use the server: clients with its token or, without a token, programs on this machine.
 *
 * @internal
 */
import { Effect, Layer, Option, Redacted, Result } from "effect"
import * as Mac from "effect/crypto/Mac"
import { HttpServer, HttpServerRequest } from "effect/http"
import { NetAddress } from "effect/net"
import { ValueOutOfRange } from "../PersistError.ts"
import * as Api from "./Api.ts"
import * as Problem from "./Problem.ts"

const encoder = new TextEncoder()

/** An empty token counts as no token. */
const matches = (token: Redacted.Redacted, given: Redacted.Redacted): boolean =>
  Redacted.value(token) !== "" &&
  Mac.timingSafeEqual(encoder.encode(Redacted.value(token)), encoder.encode(Redacted.value(given)))

const refused = (given: Redacted.Redacted) =>
  new Problem.Unauthorized({
    detail: Redacted.value(given) === ""
      ? "send the header Authorization: Bearer <token>"
      : "this is not the token of this server"
  })

const check = (token: Redacted.Redacted | undefined, given: Redacted.Redacted) =>
  token === undefined || matches(token, given) ? Effect.void : Effect.fail(refused(given))

/** The middleware of the API. */
export const layer = (token: Redacted.Redacted | undefined): Layer.Layer<Api.Authorization> =>
  Layer.succeed(Api.Authorization, {
    bearer: (handler, { credential }) => Effect.andThen(check(token, credential), handler)
  })

/** What follows the scheme in an `Authorization` header, or nothing if the scheme is another one. */
export const credential = (authorization: string | undefined): string =>
  /^bearer +([^ ]+)$/i.exec(authorization ?? "")?.[1] ?? ""

/** For routes outside of the API: fails without the token. */
export const required = (token: Redacted.Redacted | undefined) =>
  Effect.flatMap(
    HttpServerRequest.HttpServerRequest,
    ({ headers }) => check(token, Redacted.make(credential(headers["authorization"])))
  )

const isLoopbackIp = (ip: NetAddress.IpAddress): boolean => NetAddress.isLoopback(NetAddress.toCanonical(ip))

const isLocal = (address: NetAddress.SocketAddress): boolean =>
  NetAddress.isUnixPathAddress(address) || isLoopbackIp(address.address)

/** The address of the server. Rejects an empty token, and an absent one where other machines can connect. */
export const address = Effect.fnUntraced(function*(token: Redacted.Redacted | undefined) {
  const { address } = yield* HttpServer.HttpServer
  if (token !== undefined && Redacted.value(token) === "") {
    return yield* new ValueOutOfRange({
      what: "the token of the server",
      detail: "it is empty, so that everybody would have it; give a token that is not empty, or none"
    })
  }
  if (token === undefined && !isLocal(address)) {
    return yield* new ValueOutOfRange({
      what: "the address of a server without a token",
      detail: "other machines can connect to it; listen on 127.0.0.1 or ::1, or give a token"
    })
  }
  return address
})

const loopbackHost = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i

const isLoopbackAddress = (address: string): boolean =>
  Option.exists(Result.getSuccess(NetAddress.ipFromString(address)), isLoopbackIp)

/** Whether a server that listens on a host can be reached from this machine only. */
export const isLoopbackHost = (host: string): boolean => host === "localhost" || isLoopbackAddress(host)

/**
 * Whether the connection comes from this machine. Connections to a Unix socket have no address; they are always local.
 */
const isLocalPeer = (peer: Option.Option<string>, server: NetAddress.SocketAddress): boolean =>
  Option.match(peer, {
    onNone: () => NetAddress.isUnixPathAddress(server),
    onSome: isLoopbackAddress
  })

/** Whether a browser sends the request for a page of another origin. Programs send neither header. */
const isCrossOrigin = (headers: HttpServerRequest.HttpServerRequest["headers"]): boolean => {
  const host = headers["host"] ?? ""
  const origin = headers["origin"]
  const site = headers["sec-fetch-site"]
  return (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`) ||
    (site !== undefined && site !== "same-origin" && site !== "none")
}

/**
 * Whether the request comes from another machine, or from a page of another site. A browser on this machine can send
 * such a request, too. A name that the other site controls may resolve to this machine (DNS rebinding), which shows in
 * `Host`. A form may be submitted to this machine, which shows in `Origin`. An image or a script may be loaded from it,
 * which shows in `Sec-Fetch-Site`.
 */
export const isForeign = (
  { headers, peerAddress }: Pick<HttpServerRequest.HttpServerRequest, "headers" | "peerAddress">,
  server: NetAddress.SocketAddress
): boolean => !isLocalPeer(peerAddress, server) || !loopbackHost.test(headers["host"] ?? "") || isCrossOrigin(headers)
