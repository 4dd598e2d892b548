/**
 * The server: a store over HTTP.
 *
 * It needs a `PersistClient` and an `HttpServer`. What a client sees is in `Api`; besides there are `/openapi.json`,
 * `/metrics` for Prometheus, and at `/` a page to look at collections.
 *
 * @since 0.1.0
 */
import { ByteSize, Cause, Duration, Effect, Layer, type Redacted, Schedule } from "effect"
import {
  HttpIncomingMessage,
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
import type { ValueOutOfRange } from "../PersistError.ts"
import * as Access from "./Access.ts"
import { Api } from "./Api.ts"
import * as ExactBody from "./ExactBody.ts"
import * as Handlers from "./Handlers.ts"
import * as Health from "./Health.ts"
import * as Inspector from "./Inspector.ts"
import * as Methods from "./Methods.ts"

/**
 * Access control and limits of the server.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * The bearer token that requests must have; not empty. Without one, the server must listen on the loopback interface
   * or a Unix socket. It then answers only connections from this machine to a name of that interface, and none that a
   * browser makes for a page of another origin.
   */
  readonly token?: Redacted.Redacted | undefined
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

/** Wraps every request, whether there is something at its path or not. */
const around = ({ maxBodyBytes = 16 * mebibyte, token }: Options, address: NetAddress.SocketAddress) => {
  const maxBodySize = ByteSize.fromInputUnsafe(maxBodyBytes)
  return HttpRouter.middleware(
    (handler) =>
      Effect.flatMap(
        HttpServerRequest.HttpServerRequest,
        (request) =>
          token === undefined && Access.isForeign(request, address)
            ? Effect.succeed(asProblem(HttpServerResponse.empty({ status: 403 })))
            : handler.pipe(
              Effect.catchCauseIf((cause) => !Cause.hasInterruptsOnly(cause), respond),
              Effect.map((response) => challenged(forMethod(response, request.url))),
              Effect.provideService(HttpIncomingMessage.MaxBodySize, maxBodySize)
            )
      ),
    { global: true }
  )
}

const metrics = (token: Redacted.Redacted | undefined) =>
  HttpRouter.add(
    "GET",
    "/metrics",
    Effect.andThen(
      Access.required(token),
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

const serve = (options: Options, address: NetAddress.SocketAddress) => {
  const handlers = Handlers.layer({
    maxSubscribers: options.maxSubscribers ?? 4096,
    maxBytes: options.fanoutBytes ?? 4 * mebibyte,
    heartbeat: millis(options.heartbeat, 15),
    stallTimeout: millis(options.stallTimeout, 30)
  })
  const api = HttpApiBuilder.layer(Api, { openapiPath: "/openapi.json" }).pipe(
    Layer.provide(handlers),
    // It serves no files.
    Layer.provide([
      HttpServer.layerServices,
      Access.layer(options.token),
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
      metrics(options.token),
      around(options, address)
    ),
    {
      disableLogger: true,
      disableListenLog: true,
      routerConfig: { maxParamLength }
    }
  )
}

/**
 * Serves the store on the `HttpServer` in the context. Once the store has ended (see `PersistClient.ended`), requests
 * are answered 503 with the reason, and subscriptions end with it.
 *
 * `ValueOutOfRange`: the token is empty, or it is absent and other machines can connect to the address of the server.
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
  Layer.unwrap(Effect.map(Access.address(options.token), (address) => serve(options, address)))
