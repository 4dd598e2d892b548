/**
 * The server of a store, in the page: the inspector beside a program asks it, and no request leaves the browser.
 */
import { Effect, Layer, ManagedRuntime, Redacted, Schedule, type Scope } from "effect"
import { HttpEffect, HttpServer, type HttpServerRequest } from "effect/http"
import { NetAddress } from "effect/net"
import { type Blob, type Log, PersistClient } from "tidemark"
import { Server } from "tidemark/server"

export type Handler = (request: Request) => Promise<Response>

export interface Serving {
  readonly handle: Handler
  readonly stop: () => Promise<void>
}

/** Requests of a page have no name of a host that the server could check, so that it asks for a token. */
const token = "playground"

/** Waits until there is a store. */
export const serve = (storage: Layer.Layer<Log.Log | Blob.Blob>): Serving => {
  const ready = Promise.withResolvers<Handler>()
  const http = Layer.succeed(
    HttpServer.HttpServer,
    HttpServer.make({
      address: NetAddress.unixPathAddress("/playground"),
      serve: (app, middleware) =>
        Effect.map(
          Effect.context<never>(),
          (context) =>
            ready.resolve(
              HttpEffect.toWebHandlerWith<never, Scope.Scope | HttpServerRequest.HttpServerRequest>(context)(
                app,
                middleware
              )
            )
        )
    })
  )
  const client = Layer.effect(
    PersistClient.PersistClient,
    Effect.retry(PersistClient.makeReadOnly(), Schedule.spaced("200 millis"))
  ).pipe(Layer.provide(storage))
  const runtime = ManagedRuntime.make(
    Server.layer({ token: Redacted.make(token) }).pipe(Layer.provide(client), Layer.provide(http))
  )
  runtime.runPromise(Effect.void).catch((error: unknown) => ready.reject(error))
  return {
    handle: async (request) => {
      const headers = new Headers(request.headers)
      headers.set("authorization", `Bearer ${token}`)
      return (await ready.promise)(new Request(request, { headers }))
    },
    stop: () => runtime.dispose()
  }
}
