/**
 * The server: a store over HTTP.
 *
 * It needs a `PersistClient` and an `HttpServer`. What a client sees is in `Api`; besides there are `/openapi.json`,
 * `/metrics` for Prometheus, and at `/` a page to look at collections.
 *
 * @since 0.1.0
 */
import { ByteSize, Cause, Duration, Effect, Layer, type Redacted, Schedule } from "effect"
import { Mac, SecureRandom } from "effect/crypto"
import {
  HttpIncomingMessage,
  HttpMiddleware,
  HttpRouter,
  HttpServer,
  HttpServerError,
  HttpServerRequest,
  HttpServerResponse,
  ProblemDetails
} from "effect/http"
import { HttpApiBuilder, HttpApiMiddleware } from "effect/http-api"
import type { NetAddress } from "effect/net"
import { PrometheusMetrics } from "effect/observability"
import { PersistClient } from "../client/PersistClient.ts"
import { ValueOutOfRange } from "../PersistError.ts"
import * as Access from "./Access.ts"
import { Api } from "./Api.ts"
import * as ExactBody from "./ExactBody.ts"
import { everything, type Grant } from "./Grants.ts"
import * as Handlers from "./Handlers.ts"
import * as Health from "./Health.ts"
import * as Inspector from "./Inspector.ts"
import * as Methods from "./Methods.ts"
import * as Recordings from "./Recordings.ts"
import * as Tickets from "./Tickets.ts"
import * as Validators from "./Validators.ts"

/**
 * Access control and limits of the server.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * The bearer token that requests must have, which allows everything; not empty. Without one, and without `grants`, the server must listen on the loopback interface
   * or a Unix socket. It then answers only connections from this machine to a name of that interface, and none that a
   * browser makes for a page of another origin.
   */
  readonly token?: Redacted.Redacted | undefined
  /** Further tokens, each with what it allows. With any of them, requests need a token. */
  readonly grants?: ReadonlyArray<Grant> | undefined
  /**
   * The origins of other servers whose pages may use this one from a browser, such as `https://app.example.org`; none if
   * absent. Where there are tokens, the pages need one like everybody.
   */
  readonly origins?: ReadonlyArray<string> | undefined
  /** How long a ticket can begin a subscription. Default 60 seconds. */
  readonly ticketLifetime?: Duration.Input | undefined
  /**
   * How long the answers of changes with an `Idempotency-Key` are kept for retries, in the memory of the process, up to
   * 10,000 of them. Default 10 minutes.
   */
  readonly keepAnswers?: Duration.Input | undefined
  /** The largest body of a request, in bytes. Default 16 MiB. */
  readonly maxBodyBytes?: ByteSize.Input | undefined
  /** The largest number of connected subscribers. Default 4,096. */
  readonly maxSubscribers?: number | undefined
  /**
   * The bytes of events that are cached for the subscribers of one collection; slower ones read it again. Default 4
   * MiB.
   */
  readonly fanoutBytes?: number | undefined
  /**
   * How often a heartbeat is sent to an idle subscriber, and how often a server that writes checks that no other
   * process has taken over its store. Default 15 seconds.
   */
  readonly heartbeat?: Duration.Input | undefined
  /** How long a client may read nothing of what is sent before it is disconnected. Default 30 seconds. */
  readonly stallTimeout?: Duration.Input | undefined
  /**
   * The saved history of a simulation by its name, as `tidemark simulate --save` writes it, or `undefined` if there is none.
   * The inspector opens it by the link `?recording=NAME`. There are none if absent.
   */
  readonly recordings?: ((name: string) => Effect.Effect<string | undefined>) | undefined
}

const mebibyte = 1024 * 1024

const millis = (input: Duration.Input | undefined, seconds: number): number =>
  Duration.toMillis(input ?? Duration.seconds(seconds))

const titles: Readonly<Record<number, string>> = {
  403: "Without a token, only programs of this machine are answered",
  404: "There is nothing at this address",
  405: "This address does not have this method",
  413: "The body is larger than this server takes",
  415: "The body must be application/json"
}

/** A rejection says how to authenticate (RFC 9110, section 11.6.1). */
const challenged = (response: HttpServerResponse.HttpServerResponse): HttpServerResponse.HttpServerResponse =>
  response.status === 401
    ? HttpServerResponse.setHeader(response, "www-authenticate", `Bearer realm="tidemark"`)
    : response

/** Rejections by the server itself have the form of those by the API. */
const asProblem = (response: HttpServerResponse.HttpServerResponse): HttpServerResponse.HttpServerResponse => {
  const { headers, status } = response
  if (status < 400 || headers["content-type"] === ProblemDetails.contentType) return response
  const problem = ProblemDetails.toResponse({
    type: ProblemDetails.blankType,
    status,
    title: titles[status] ?? "The request failed"
  })
  return headers["connection"] === undefined
    ? problem
    : HttpServerResponse.setHeader(problem, "connection", headers["connection"])
}

/** There may be something at the path under another method. */
const forMethod = (
  response: HttpServerResponse.HttpServerResponse,
  url: string
): HttpServerResponse.HttpServerResponse => {
  if (response.status !== 404 || response.headers["content-type"] === ProblemDetails.contentType) {
    return asProblem(response)
  }
  const allow = Methods.allowed(url)
  return allow === undefined
    ? asProblem(response)
    : HttpServerResponse.setHeader(asProblem(HttpServerResponse.empty({ status: 405 })), "allow", allow)
}

const respond = Effect.fnUntraced(function*<E>(cause: Cause.Cause<E>) {
  const [response] = yield* HttpServerError.causeResponse(cause)
  if (response.status >= 500) yield* Effect.logError("a request failed", cause)
  return response
})

/** Events are sent as they come, and not when a compressor has enough of them. */
const compressed = HttpMiddleware.compression({
  algorithms: ["gzip"],
  compressible: (type) => /^(?:application\/(?:.+\+)?(?:x-nd)?json|text\/(?:html|plain))\b/.test(type)
})

/** Lets pages of other origins use the server, and read what they need of its answers. */
const sharing = (origins: ReadonlyArray<string>) =>
  HttpMiddleware.cors({
    allowedOrigins: (origin) => origins.includes(origin),
    allowedMethods: ["GET", "HEAD", "POST", "PUT"],
    allowedHeaders: ["authorization", "content-type", "idempotency-key", "if-none-match", "last-event-id"],
    exposedHeaders: ["etag", "tidemark-as-of", "www-authenticate"],
    maxAge: 600
  })

/** Wraps every request, whether there is something at its path or not. */
const around = (
  { maxBodyBytes = 16 * mebibyte, origins = [] }: Options,
  keys: Access.Keys,
  address: NetAddress.SocketAddress
) => {
  const maxBodySize = ByteSize.fromInputUnsafe(maxBodyBytes)
  const share = sharing(origins)
  return HttpRouter.middleware(
    (handler) =>
      Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
        if (keys.isOpen && Access.isForeign(request, address, origins)) {
          return Effect.succeed(asProblem(HttpServerResponse.empty({ status: 403 })))
        }
        const answered = handler.pipe(
          Effect.catchCauseIf((cause) => !Cause.hasInterruptsOnly(cause), respond),
          Effect.map((response) => Validators.conditional(request, challenged(forMethod(response, request.url)))),
          Effect.provideService(HttpIncomingMessage.MaxBodySize, maxBodySize),
          compressed
        )
        return origins.length === 0 ? answered : share(answered)
      }),
    { global: true }
  )
}

const metrics = (keys: Access.Keys) =>
  HttpRouter.add(
    "GET",
    "/metrics",
    Effect.andThen(
      Access.required(keys),
      Effect.map(PrometheusMetrics.format(), (body) => HttpServerResponse.text(body, { contentType: prometheus }))
    )
  )

const prometheus = "text/plain; version=0.0.4; charset=utf-8"

/** Names of collections are part of paths. */
const maxParamLength = 4096

/** Without this check, a server that receives no writes would not notice that it is fenced. */
const watching = (heartbeat: number) =>
  Layer.effectDiscard(
    Effect.flatMap(PersistClient, ({ confirm }) =>
      Effect.forkScoped(Effect.schedule(Effect.ignore(confirm), Schedule.spaced(heartbeat))))
  )

/** The answers of changes that are kept for retries. */
const maxKeys = 10_000

const serve = Effect.fnUntraced(function*(options: Options, grants: ReadonlyArray<Grant>) {
  const address = yield* Access.address(grants)
  yield* checkOrigins(options.origins ?? [])
  const keys = Access.keysOf(grants)
  const tickets = yield* Tickets.make(millis(options.ticketLifetime, 60))
  const handlers = Handlers.layer({
    maxSubscribers: options.maxSubscribers ?? 4096,
    maxBytes: options.fanoutBytes ?? 4 * mebibyte,
    heartbeat: millis(options.heartbeat, 15),
    stallTimeout: millis(options.stallTimeout, 30),
    keepFor: millis(options.keepAnswers, 600),
    maxKeys,
    tickets
  })
  const api = HttpApiBuilder.layer(Api, { openapiPath: "/openapi.json" }).pipe(
    Layer.provide(handlers),
    Layer.provide([
      Access.layer(keys, tickets),
      ExactBody.layer,
      HttpApiMiddleware.layerProblemDetails({ includeDetails: true })
    ])
  )
  return HttpRouter.serve(
    Layer.mergeAll(
      api,
      HttpRouter.add("GET", "/", Inspector.page),
      Health.live,
      Health.ready,
      watching(millis(options.heartbeat, 15)),
      metrics(keys),
      Recordings.layer(keys, options.recordings ?? (() => Effect.undefined)),
      around(options, keys, address)
    ),
    {
      disableLogger: true,
      disableListenLog: true,
      routerConfig: { maxParamLength }
    }
    // It serves no files.
  ).pipe(Layer.provide(HttpServer.layerServices))
})

/** An origin as browsers send it, so that it is compared as a whole. */
const checkOrigins = (origins: ReadonlyArray<string>) =>
  origins.every((origin) => !origin.includes("*") && URL.canParse(origin) && new URL(origin).origin === origin)
    ? Effect.void
    : Effect.fail(
      new ValueOutOfRange({
        what: "an origin whose pages may use the server",
        detail: "it is a scheme, a host and perhaps a port, with nothing behind them, as in https://app.example.org"
      })
    )

/** The token of all rights is one grant of several. */
const grantsOf = ({ grants = [], token }: Options): ReadonlyArray<Grant> =>
  token === undefined ? grants : [{ token, ...everything }, ...grants]

/**
 * Serves the store on the `HttpServer` in the context. Once the store has ended (see `PersistClient.ended`), requests
 * are answered 503 with the reason, and subscriptions end with it.
 *
 * `ValueOutOfRange`: a token is empty, or there is none and other machines can connect to the address of the server.
 *
 * @example
 * ```ts
 * import { NodeHttpServer } from "@effect/platform-node"
 * import { Layer } from "effect"
 * import { createServer } from "node:http"
 * import { MemoryStorage, PersistClient } from "tidemark"
 * import { Server } from "tidemark/server"
 *
 * export const main = Server.layer().pipe(
 *   Layer.provide(PersistClient.layer().pipe(Layer.provide(MemoryStorage.layer))),
 *   Layer.provide(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 4437 }))
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options = {}
): Layer.Layer<never, ValueOutOfRange, PersistClient | HttpServer.HttpServer> =>
  Layer.unwrap(serve(options, grantsOf(options))).pipe(
    Layer.provide(Mac.layerWebCrypto.pipe(Layer.provide(SecureRandom.layerWebCrypto)))
  )
