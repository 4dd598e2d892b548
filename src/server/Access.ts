/**
 * Who may use the server, and for what: clients with a token of it or, without tokens, programs on this machine.
 *
 * @internal
 */
import { Effect, Layer, Option, Redacted, Result } from "effect"
import * as Mac from "effect/crypto/Mac"
import { HttpRouter, HttpServer, HttpServerRequest } from "effect/http"
import { NetAddress } from "effect/net"
import { ValueOutOfRange } from "../PersistError.ts"
import * as Platform from "../Platform.ts"
import * as Api from "./Api.ts"
import * as Grants from "./Grants.ts"
import { Caller, type Grant } from "./Grants.ts"
import * as Problem from "./Problem.ts"
import type { Tickets } from "./Tickets.ts"

const encoder = new TextEncoder()

const digestOf = (token: Redacted.Redacted): Uint8Array =>
  encoder.encode(Platform.sha256(encoder.encode(Redacted.value(token))))

/** The tokens of a server. */
export interface Keys {
  /** Whether no token is needed. */
  readonly isOpen: boolean
  /** Who a client is. It takes the same time for every token that is none. An empty one is none. */
  readonly find: (given: Redacted.Redacted) => Caller["Service"] | undefined
}

/** Digests have one length, so that comparing them does not show how long a token is. */
export const keysOf = (grants: ReadonlyArray<Grant>): Keys => {
  const known = grants.map(({ collections, rights, token }) => {
    const digest = digestOf(token)
    return { digest, caller: { id: new TextDecoder().decode(digest), rights, collections } }
  })
  return {
    isOpen: grants.length === 0,
    find: (given) => {
      const digest = digestOf(given)
      let caller: Caller["Service"] | undefined
      for (const key of known) if (Mac.timingSafeEqual(key.digest, digest)) caller = key.caller
      return Redacted.value(given) === "" ? undefined : caller
    }
  }
}

const anybody: Caller["Service"] = { id: "", ...Grants.everything }

const unknown = (given: Redacted.Redacted) =>
  new Problem.Unauthorized({
    detail: Redacted.value(given) === ""
      ? "send the header Authorization: Bearer <token>"
      : "this is not a token of this server"
  })

const callerOf = (keys: Keys, given: Redacted.Redacted): Effect.Effect<Caller["Service"], Problem.Unauthorized> => {
  const caller = keys.isOpen ? anybody : keys.find(given)
  return caller === undefined ? Effect.fail(unknown(given)) : Effect.succeed(caller)
}

/** Endpoints that change nothing though they are posted to. */
const reading: ReadonlySet<string> = new Set(["ticket"])

const isRead = ({ identifier, method }: Endpoint): boolean => method === "GET" || reading.has(identifier)

interface Endpoint {
  readonly method: string
  readonly identifier: string
}

/** Fails unless the caller may use the endpoint with the collection. Says nothing of whether there is one. */
const permit = (caller: Caller["Service"], endpoint: Endpoint, collection: string | undefined) => {
  if (!isRead(endpoint) && caller.rights !== "write") {
    return Effect.fail(new Problem.Forbidden({ detail: "this token only reads" }))
  }
  return collection === undefined || Grants.covers(caller, collection)
    ? Effect.void
    : Effect.fail(new Problem.Forbidden({ detail: "this token is for other collections" }))
}

/** What a ticket stands for: reading one collection. */
const subscriber = (collection: string): Caller["Service"] => ({
  id: "ticket",
  rights: "read",
  collections: [collection]
})

/** The middleware of the API. */
export const layer = (keys: Keys, tickets: Tickets): Layer.Layer<Api.Authorization> =>
  Layer.succeed(Api.Authorization, {
    bearer: (handler, { credential, endpoint }) =>
      Effect.gen(function*() {
        const { name } = yield* HttpRouter.params
        const { ticket } = yield* HttpServerRequest.ParsedSearchParams
        const isTicket = endpoint.identifier === "subscribe" && typeof ticket === "string" && name !== undefined &&
          Redacted.value(credential) === ""
        if (isTicket && (yield* tickets.isValid(name, ticket))) {
          return yield* Effect.provideService(handler, Caller, subscriber(name))
        }
        const caller = yield* callerOf(keys, credential)
        yield* permit(caller, endpoint, name)
        return yield* Effect.provideService(handler, Caller, caller)
      })
  })

/** What follows the scheme in an `Authorization` header, or nothing if the scheme is another one. */
export const credential = (authorization: string | undefined): string =>
  /^bearer +([^ ]+)$/i.exec(authorization ?? "")?.[1] ?? ""

/** For routes outside of the API, which tell of all collections: fails without a token for all of them. */
export const required = (keys: Keys) =>
  Effect.gen(function*() {
    const { headers } = yield* HttpServerRequest.HttpServerRequest
    const caller = yield* callerOf(keys, Redacted.make(credential(headers["authorization"])))
    if (!Grants.coversAll(caller)) {
      return yield* new Problem.Forbidden({ detail: "this token is for some collections, and this tells of all" })
    }
  })

const isLoopbackIp = (ip: NetAddress.IpAddress): boolean => NetAddress.isLoopback(NetAddress.toCanonical(ip))

const isLocal = (address: NetAddress.SocketAddress): boolean =>
  NetAddress.isUnixPathAddress(address) || isLoopbackIp(address.address)

/** The address of the server. Rejects tokens that are empty, and none where other machines can connect. */
export const address = Effect.fnUntraced(function*(grants: ReadonlyArray<Grant>) {
  const { address } = yield* HttpServer.HttpServer
  yield* Grants.check(grants)
  if (grants.length === 0 && !isLocal(address)) {
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
const isCrossOrigin = (
  headers: HttpServerRequest.HttpServerRequest["headers"],
  origins: ReadonlyArray<string>
): boolean => {
  const host = headers["host"] ?? ""
  const origin = headers["origin"]
  if (origin !== undefined && origins.includes(origin)) return false
  const site = headers["sec-fetch-site"]
  return (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`) ||
    (site !== undefined && site !== "same-origin" && site !== "none")
}

/**
 * Whether the request comes from another machine, or from a page of another site. A browser on this machine can send
 * such a request, too. A name that the other site controls may resolve to this machine (DNS rebinding), which shows in
 * `Host`. A form may be submitted to this machine, which shows in `Origin`. An image or a script may be loaded from it,
 * which shows in `Sec-Fetch-Site`. Pages of the origins that are given may ask.
 */
export const isForeign = (
  { headers, peerAddress }: Pick<HttpServerRequest.HttpServerRequest, "headers" | "peerAddress">,
  server: NetAddress.SocketAddress,
  origins: ReadonlyArray<string> = []
): boolean =>
  !isLocalPeer(peerAddress, server) || !loopbackHost.test(headers["host"] ?? "") || isCrossOrigin(headers, origins)
